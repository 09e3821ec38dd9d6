//! The whole store suite on a store that `open_directory` chose by a URL: SQLite, a file for each
//! place.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::store::{self, Ability, Attach, Claims, Fixture, FixtureError, Place};
use cloakroom_store::SharedDirectory;
use tempfile::TempDir;

fn main() -> io::Result<ExitCode> {
    store::worker::<Any>();
    Ok(store::run(Any::new()?))
}

struct Any {
    root: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Any {
    fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-any-")
            .tempdir()?;
        Ok(Self {
            root: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }
}

impl Fixture for Any {
    type Store = SharedDirectory;
    const NAME: &'static str = "any";

    async fn open(&self, place: &Place) -> Result<SharedDirectory, FixtureError> {
        let url = format!("sqlite:{}/{}.db", self.root.display(), place.name());
        Ok(cloakroom_any::open_directory(&url).await?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .directory()
            .never(Ability::Sweep, "it is a part of its own, beside the store")
            .never(
                Ability::Enumerate,
                "it is a part of its own, beside the store",
            )
            .never(Ability::Feed, "SQLite announces nothing")
            .never(Ability::Outage, "the store beneath it has those cases")
            .real_time(Duration::ZERO)
    }
}

impl Attach for Any {
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
