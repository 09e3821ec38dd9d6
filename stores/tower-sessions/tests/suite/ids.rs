//! The suite has keys of every kind, and a record of tower-sessions has an id of 16 bytes in it:
//! each key becomes such an id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Touched, UnixTime,
    Write,
};
use cloakroom_tower_sessions::TowerSessions;
use sha2::{Digest as _, Sha256};

/// Why none of them lists by subject.
pub(crate) const NOT_ENUMERATED: &str = "it does not go through all its records";
pub(crate) const NOT_ANNOUNCED: &str = "it announces nothing";
pub(crate) const NO_SUBJECT: &str = "tower-sessions' layout has no place for a subject";

pub(crate) struct Ids<S> {
    pub(crate) store: TowerSessions<S>,
    pub(crate) calendar: Calendar,
}

/// The suite's clock is in 2096. A store whose times end before that lives earlier.
#[derive(Clone, Copy)]
pub(crate) struct Calendar {
    /// The seconds that the suite is ahead of the store.
    ahead: u64,
    /// The store's last second, which stands for all later ones.
    last: u64,
}

impl Calendar {
    pub(crate) const SUITE: Self = Self {
        ahead: 0,
        last: u64::MAX,
    };
    /// For a TIMESTAMP of MySQL: 2023 instead of 2096.
    pub(crate) const TIMESTAMP: Self = Self {
        ahead: 2_300_000_000,
        last: i32::MAX as u64,
    };

    pub(crate) fn of_store(self, time: UnixTime) -> UnixTime {
        UnixTime::from_secs(time.as_secs().saturating_sub(self.ahead))
    }

    fn of_suite(self, mut stored: Stored) -> Stored {
        stored.expires_at = match stored.expires_at.as_secs() {
            seconds if seconds >= self.last => UnixTime::MAX,
            seconds => UnixTime::from_secs(seconds + self.ahead),
        };
        stored
    }

    fn write(self, write: &Write) -> Write {
        let expires_at = self.of_store(write.expires_at);
        Write::new(write.bytes.clone(), expires_at, write.subject.clone())
    }
}

fn id(key: &Key) -> Key {
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(key.as_bytes())[..16]);
    Key::new(&id).expect("a key")
}

impl<S: Store> Store for Ids<S> {
    fn place(&self) -> Option<Place> {
        self.store.place()
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.store.load(&id(key)).await?;
        Ok(found.map(|stored| self.calendar.of_suite(stored)))
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.store.load_fresh(&id(key)).await?;
        Ok(found.map(|stored| self.calendar.of_suite(stored)))
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let write = self.calendar.write(write);
        self.store.create(&id(key), &write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let write = self.calendar.write(write);
        self.store.replace(&id(key), old, &write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let expires_at = self.calendar.of_store(expires_at);
        self.store.touch(&id(key), expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.store.delete(&id(key), old).await
    }
}

impl<S: Sweep> Sweep for Ids<S> {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }
}
