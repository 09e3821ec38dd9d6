//! The stores of this repository, and how each is opened for its suite.

mod any;
mod flask;
mod sqlite;

use std::fs;
use std::path::PathBuf;

use cloakroom_conformance::store::{
    self, Ability, Attach, Claims, Fixture, FixtureError, Outage, Place,
};
use cloakroom_file::FileStore;
use cloakroom_memory::MemoryStore;
use tempfile::TempDir;

use crate::Entry;
use crate::servers::{
    MariaDb, Memcached, MongoDb, Postgres, Redis, RedisCluster, Sentinel, Standalone, Tls, Valkey,
};
use any::Any;
use sqlite::Sqlite;

pub(crate) const ALL: &[Entry] = &[
    Entry {
        name: Memory::NAME,
        suite: || Ok(store::suite(Memory)),
    },
    Entry {
        name: Files::NAME,
        suite: || Ok(store::suite(Files::new()?)),
    },
    Entry {
        name: Sqlite::NAME,
        suite: || Ok(store::suite(Sqlite::new()?)),
    },
    Entry {
        name: Postgres::NAME,
        suite: || Ok(store::suite(Postgres::new()?)),
    },
    Entry {
        name: MariaDb::NAME,
        suite: || Ok(store::suite(MariaDb::new()?)),
    },
    Entry {
        name: Redis::NAME,
        suite: || Ok(store::suite(Redis::new()?)),
    },
    Entry {
        name: Standalone::<Tls>::NAME,
        // What is said is the same; that it is said through TLS is seen by each case once.
        suite: || {
            Ok(store::suite(Standalone::<Tls>::new()?).only(|name| name.ends_with("/direct]")))
        },
    },
    Entry {
        name: Sentinel::NAME,
        suite: || Ok(store::suite(Sentinel::new()?).only(|name| name.ends_with("/direct]"))),
    },
    Entry {
        name: RedisCluster::NAME,
        suite: || Ok(store::suite(RedisCluster::new()?)),
    },
    Entry {
        name: Standalone::<Valkey>::NAME,
        suite: || Ok(store::suite(Standalone::<Valkey>::new()?)),
    },
    Entry {
        name: Memcached::NAME,
        suite: || Ok(store::suite(Memcached::new(&[])?)),
    },
    Entry {
        name: MongoDb::NAME,
        suite: || Ok(store::suite(MongoDb::new()?)),
    },
    Entry {
        name: Any::NAME,
        suite: || Ok(store::suite(Any::new()?)),
    },
    Entry {
        name: flask::Files::NAME,
        suite: || Ok(store::suite(flask::Files::new()?)),
    },
    Entry {
        name: flask::CacheLibMd5::NAME,
        suite: || Ok(store::suite(flask::CacheLibMd5::new()?)),
    },
    Entry {
        name: flask::Werkzeug::NAME,
        suite: || Ok(store::suite(flask::Werkzeug::new()?)),
    },
    Entry {
        name: flask::JsonFile::NAME,
        suite: || Ok(store::suite(flask::JsonFile::new()?)),
    },
    Entry {
        name: flask::OnRedis::NAME,
        suite: || Ok(store::suite(flask::OnRedis(Redis::new()?))),
    },
    Entry {
        name: flask::OnMemcached::NAME,
        suite: || Ok(store::suite(flask::OnMemcached(Memcached::new(&[])?))),
    },
    Entry {
        name: flask::OnMongoDb::NAME,
        suite: || Ok(store::suite(flask::OnMongoDb(MongoDb::new()?))),
    },
    Entry {
        name: flask::Sqlite::NAME,
        suite: || Ok(store::suite(flask::Sqlite::new()?)),
    },
    Entry {
        name: flask::OnPostgres::NAME,
        suite: || Ok(store::suite(flask::On(Postgres::new()?))),
    },
    Entry {
        name: flask::OnMariaDb::NAME,
        suite: || Ok(store::suite(flask::On(MariaDb::new()?))),
    },
];

/// In a process that one of the suites started: does its work, and does not return.
pub(crate) fn work() {
    store::worker::<Files>();
    store::worker::<Sqlite>();
    store::worker::<Postgres>();
    store::worker::<MariaDb>();
    store::worker::<Redis>();
    store::worker::<Standalone<Tls>>();
    store::worker::<RedisCluster>();
    store::worker::<Standalone<Valkey>>();
    store::worker::<Memcached>();
    store::worker::<MongoDb>();
    store::worker::<Any>();
    flask::work();
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
            .never(Ability::Durable, ends)
            .never(Ability::SurvivesKill, ends)
            .never(Ability::Shared, ends)
            .never(
                Ability::Outage,
                "there is nothing beneath it that could fail",
            )
    }
}

/// A directory of directories, one for each place.
struct Files {
    root: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl Files {
    fn new() -> std::io::Result<Self> {
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
    type Store = FileStore;
    const NAME: &'static str = "file";

    async fn open(&self, place: &Place) -> Result<FileStore, FixtureError> {
        let clock = place.clock().clone();
        Ok(FileStore::builder(self.directory(place))
            .clock(move || clock.now())
            .open()?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
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
        Ok(fs::rename(&directory, directory.with_extension("away"))?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.directory(place);
        Ok(fs::rename(directory.with_extension("away"), &directory)?)
    }
}
