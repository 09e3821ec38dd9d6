//! Stores without a server, on the case's clock.

use std::fs;
use std::io;
use std::path::PathBuf;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_file::FileStore;
use cloakroom_memory::MemoryStore;
use cloakroom_near::Near;
use tempfile::TempDir;

pub(crate) struct Memory;

impl Fixture for Memory {
    type Store = Near<MemoryStore>;
    const NAME: &'static str = "near-memory";

    async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
        let clock = place.clock().clone();
        let store = MemoryStore::builder().clock(move || clock.now()).build();
        Ok(super::with_clock(Near::builder(store), place))
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let ends = "the records end with the process";
        claims
            // A clone shares the cache, so nothing is stale.
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

/// A directory of directories, one for each place.
pub(crate) struct Files {
    root: PathBuf,
    /// Removes the directory at the end, in the process that made it.
    _remove: Option<TempDir>,
}

impl Files {
    pub(crate) fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("cloakroom-").tempdir()?;
        Ok(Self {
            root: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }

    fn directory(&self, place: &Place) -> PathBuf {
        self.root.join(place.name())
    }
}

impl Fixture for Files {
    type Store = Near<FileStore>;
    const NAME: &'static str = "near-file";

    async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
        let clock = place.clock().clone();
        let store = FileStore::builder(self.directory(place)).clock(move || clock.now());
        Ok(super::with_clock(Near::builder(store.open()?), place))
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .stale(super::REAL_LEASE)
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
            .enumerate()
            .never(Ability::Feed, "files announce nothing")
    }
}

impl Attach for Files {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn attach(address: &str) -> Self {
        Self {
            root: address.into(),
            _remove: None,
        }
    }
}

impl Outage for Files {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.directory(place);
        fs::rename(&directory, directory.with_extension("away"))?;
        // Until then, reads are answered from memory.
        tokio::time::sleep(super::REAL_LEASE).await;
        Ok(())
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.directory(place);
        Ok(fs::rename(directory.with_extension("away"), &directory)?)
    }
}
