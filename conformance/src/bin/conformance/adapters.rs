//! The adapters of this repository.

mod axum;
mod connections;
mod direct;
mod reply;
mod server;
mod tcp;
mod tower;
mod websocket;

use cloakroom_conformance::adapter::suite;

use crate::Entry;

pub(crate) const ALL: &[Entry] = &[
    Entry {
        name: "direct",
        suite: || Ok(suite(direct::Direct)),
    },
    Entry {
        name: "tower",
        suite: || Ok(suite(tower::Tower)),
    },
    Entry {
        name: "axum",
        suite: || Ok(suite(axum::Axum)),
    },
    Entry {
        name: "tcp",
        suite: || Ok(suite(tcp::Tcp)),
    },
    Entry {
        name: "websocket",
        suite: || Ok(suite(websocket::WebSocket)),
    },
];
