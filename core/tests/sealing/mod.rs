//! A world that seals, and what its records hold.
#![allow(dead_code, reason = "each test file uses its part of this")]

use cloakroom_core::{Config, ConfigBuilder, Error, Exchange, Session, Stored};

use crate::support::World;

pub(crate) const VALUE: &str = "a value that stands in no dump";

pub(crate) fn sealing() -> ConfigBuilder {
    Config::builder().seal_values(true)
}

pub(crate) fn world() -> World {
    World::with(sealing().build().expect("a good configuration"))
}

pub(crate) fn plant(session: &mut Session<'_>) {
    session.insert("planted", VALUE).expect("a good value");
}

pub(crate) fn planted(session: &mut Session<'_>) -> Result<Option<String>, Error> {
    session.get("planted")
}

pub(crate) fn stored(world: &World, token: &str) -> Stored {
    world.records[&world.key(token)].clone()
}

/// An exchange on a record, as a listing opens it.
pub(crate) fn listed(world: &World, token: &str) -> Exchange {
    let key = world.key(token);
    let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    let loaded = exchange.handle_loaded(&key, Some(stored(world, token)));
    loaded.expect("the head can be read");
    exchange
}

pub(crate) fn holds(record: &[u8], text: &[u8]) -> bool {
    record.windows(text.len()).any(|window| window == text)
}
