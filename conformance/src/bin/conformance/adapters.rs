//! The adapters of this repository.

mod axum;
mod direct;
mod hyper;
mod rocket;
mod server;
mod tower;
mod warp;

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
];
