//! `filesystem`, in each of its layouts.

use std::fs;
use std::path::PathBuf;

use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::{FileLayout, FileSystemStore};
use tempfile::TempDir;

use crate::layout::{NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};

/// A directory of directories, one for each place.
struct Root {
    path: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Root {
    fn new() -> std::io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-flask-")
            .tempdir()?;
        Ok(Self {
            path: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }

    fn find(address: &str) -> Self {
        Self {
            path: address.into(),
            _remove: None,
        }
    }

    fn open(&self, place: &Place, layout: FileLayout) -> Result<FileSystemStore, FixtureError> {
        let clock = place.clock().clone();
        let directory = self.path.join(place.name());
        let builder = FileSystemStore::builder(directory).layout(layout);
        Ok(builder.clock(move || clock.now()).open()?)
    }

    fn move_away(&self, place: &Place, away: bool) -> Result<(), FixtureError> {
        let here = self.path.join(place.name());
        let there = here.with_extension("away");
        match away {
            true => Ok(fs::rename(here, there)?),
            false => Ok(fs::rename(there, here)?),
        }
    }
}

macro_rules! fixture {
    ($name:ident, $text:literal, $layout:expr) => {
        pub(crate) struct $name(Root);

        impl $name {
            pub(crate) fn new() -> std::io::Result<Self> {
                Root::new().map(Self)
            }
        }

        impl Fixture for $name {
            type Store = FileSystemStore;
            const NAME: &'static str = $text;

            async fn open(&self, place: &Place) -> Result<FileSystemStore, FixtureError> {
                self.0.open(place, $layout)
            }

            fn claims(claims: Claims<Self>) -> Claims<Self> {
                claims
                    .handles_by_open()
                    .durable()
                    .shared()
                    .survives_kill()
                    .outage()
                    .sweep()
                    .never(Ability::Directory, NO_SUBJECT)
                    .never(Ability::Enumerate, NOT_ENUMERATED)
                    .never(Ability::Feed, NOT_ANNOUNCED)
            }
        }

        impl Attach for $name {
            fn address(&self) -> String {
                self.0.path.display().to_string()
            }

            fn attach(address: &str) -> Self {
                Self(Root::find(address))
            }
        }

        impl Outage for $name {
            async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
                self.0.move_away(place, true)
            }

            async fn end(&self, place: &Place) -> Result<(), FixtureError> {
                self.0.move_away(place, false)
            }
        }
    };
}

fixture!(Files, "flask-filesystem", FileLayout::CacheLib);
fixture!(CacheLibMd5, "flask-cachelib-md5", FileLayout::CacheLibMd5);
fixture!(Werkzeug, "flask-werkzeug", FileLayout::Werkzeug);
