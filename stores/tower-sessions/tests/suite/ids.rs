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
pub(crate) const NO_SUBJECT: &str = "tower-sessions' layout has no place for a subject";

pub(crate) struct Ids<S>(pub(crate) TowerSessions<S>);

fn id(key: &Key) -> Key {
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(key.as_bytes())[..16]);
    Key::new(&id).expect("a key")
}

impl<S: Store> Store for Ids<S> {
    fn place(&self) -> Option<Place> {
        self.0.place()
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.load(&id(key)).await
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.load_fresh(&id(key)).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.0.create(&id(key), write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.0.replace(&id(key), old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.0.touch(&id(key), expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.0.delete(&id(key), old).await
    }
}

impl<S: Sweep> Sweep for Ids<S> {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.0.sweep(limit).await
    }
}
