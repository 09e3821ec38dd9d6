//! The whole adapter suite on axum, also with Flask's sessions and with sealed cookies.

mod routes;
mod variants;

use std::process::ExitCode;

use cloakroom_conformance::adapter;

fn main() -> ExitCode {
    adapter::suite_under(routes::Axum, variants::all()).main()
}
