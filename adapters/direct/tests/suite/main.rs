//! The whole adapter suite on sessions without a transport, in lines over TCP, WebSockets, and
//! NATS. Each also with sealed values.

mod connections;
mod direct;
mod nats;
mod reply;
mod tcp;
mod websocket;

use std::process::ExitCode;

use cloakroom_conformance::Suite;
use cloakroom_conformance::adapter::{self, Fixture, Variant};

fn main() -> ExitCode {
    suite(direct::Direct)
        .and(suite(tcp::Tcp))
        .and(suite(websocket::WebSocket))
        .and(suite(nats::Nats::new()))
        .main()
}

fn suite(fixture: impl Fixture) -> Suite {
    adapter::suite_under(fixture, vec![Variant::sealed_values()])
}
