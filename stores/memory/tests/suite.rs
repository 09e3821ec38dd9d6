//! The whole store suite on the memory store.

use std::process::ExitCode;

use cloakroom_conformance::store::{self, Ability, Claims, Fixture, FixtureError, Place};
use cloakroom_memory::MemoryStore;

fn main() -> ExitCode {
    store::run(Memory)
}

struct Memory;

impl Fixture for Memory {
    type Store = MemoryStore;
    const NAME: &'static str = "memory";

    async fn open(&self, place: &Place) -> Result<MemoryStore, FixtureError> {
        let clock = place.clock().clone();
        Ok(MemoryStore::builder().clock(move || clock.now()).build())
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let ends = "the records end with the process";
        claims
            .handles_by_clone()
            .directory()
            .sweep()
            .enumerate()
            .feed()
            .never(Ability::Durable, ends)
            .never(Ability::SurvivesKill, ends)
            .never(Ability::Shared, ends)
            .never(Ability::Outage, "nothing beneath it can fail")
    }
}
