//! The adapters of this repository.

mod axum;
mod connections;
mod direct;
mod hyper;
mod nats;
mod reply;
mod rocket;
mod server;
mod tcp;
mod tower;
mod variants;
mod warp;
mod websocket;

use cloakroom_conformance::adapter::{suite, suite_under};

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
        suite: || Ok(suite_under(axum::Axum, variants::all())),
    },
    Entry {
        name: "hyper",
        suite: || Ok(suite(hyper::Hyper)),
    },
    Entry {
        name: "warp",
        suite: || Ok(suite(warp::Warp)),
    },
    Entry {
        name: "rocket",
        suite: || Ok(suite(rocket::Rocket)),
    },
    Entry {
        name: "tcp",
        suite: || Ok(suite(tcp::Tcp)),
    },
    Entry {
        name: "websocket",
        suite: || Ok(suite(websocket::WebSocket)),
    },
    Entry {
        name: "nats",
        suite: || Ok(suite(nats::Nats::new())),
    },
];
