//! The tutorials' single file. It keeps JSON objects only, and the suite writes any bytes: here
//! they are the one member of an object.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use cloakroom_conformance::store::{Ability, Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_flask_stores::JsonFileStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use tempfile::TempDir;

use crate::layout::{NO_SUBJECT, NOT_ANNOUNCED, NOT_ENUMERATED};

pub(crate) struct JsonFile {
    root: PathBuf,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

impl JsonFile {
    pub(crate) fn new() -> std::io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-flask-json-")
            .tempdir()?;
        Ok(Self {
            root: directory.path().to_owned(),
            _remove: Some(directory),
        })
    }
}

impl Fixture for JsonFile {
    type Store = Objects;
    const NAME: &'static str = "flask-json-file";
    /// A file for everything is not for long values.
    const MAX_VALUE: usize = 64 * 1024;

    async fn open(&self, place: &Place) -> Result<Objects, FixtureError> {
        let directory = self.root.join(place.name());
        fs::create_dir_all(&directory)?;
        let clock = place.clock().clone();
        let path = directory.join("sessions.json");
        Ok(Objects(JsonFileStore::with_clock(path, move || {
            clock.now()
        })))
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .never(Ability::Directory, NO_SUBJECT)
            .never(Ability::Enumerate, NOT_ENUMERATED)
            .never(Ability::Feed, NOT_ANNOUNCED)
            .never(Ability::Sweep, "the tutorials' file is not swept")
    }
}

impl Attach for JsonFile {
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

impl Outage for JsonFile {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.root.join(place.name());
        Ok(fs::rename(&directory, directory.with_extension("away"))?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.root.join(place.name());
        Ok(fs::rename(directory.with_extension("away"), &directory)?)
    }
}

/// Keeps any bytes as JSON objects.
pub(crate) struct Objects(JsonFileStore);

impl Objects {
    fn inward(bytes: &[u8]) -> Vec<u8> {
        [b"{\"bytes\":\"", STANDARD.encode(bytes).as_bytes(), b"\"}"].concat()
    }

    fn outward(stored: Stored) -> Result<Stored, StoreError> {
        let inside = stored.bytes.strip_prefix(b"{\"bytes\":\"");
        let text = inside.and_then(|text| text.strip_suffix(b"\"}"));
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        let bytes =
            bytes.ok_or_else(|| StoreError::permanent("test", "not what the suite wrote"))?;
        Ok(Stored::new(bytes, stored.expires_at, stored.version))
    }

    fn stored(stored: &Stored) -> Stored {
        Stored::new(
            Self::inward(&stored.bytes),
            stored.expires_at,
            stored.version,
        )
    }

    fn written(write: &Write) -> Write {
        Write::new(
            Self::inward(&write.bytes),
            write.expires_at,
            write.subject.clone(),
        )
    }
}

impl Store for Objects {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await?.map(Self::outward).transpose()
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.0.create(key, &Self::written(write)).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let (old, write) = (Self::stored(old), Self::written(write));
        self.0.replace(key, &old, &write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.0.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.0.delete(key, &Self::stored(old)).await
    }
}
