//! The whole adapter suite on sessions without a transport, in lines over TCP, WebSockets, and
//! NATS.

mod connections;
mod direct;
mod nats;
mod reply;
mod tcp;
mod websocket;

use std::process::ExitCode;

use cloakroom_conformance::adapter;

fn main() -> ExitCode {
    adapter::suite(direct::Direct)
        .and(adapter::suite(tcp::Tcp))
        .and(adapter::suite(websocket::WebSocket))
        .and(adapter::suite(nats::Nats::new()))
        .main()
}
