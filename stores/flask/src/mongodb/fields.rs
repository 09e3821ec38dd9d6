//! The documents of each library.

use bytes::Bytes;
use cloakroom_store::{Key, StoreError, Stored, UnixTime, Write};
use mongodb::bson::raw::RawDocument;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};

use crate::failure;

/// The fields of a collection that has one document for each session.
///
/// ```
/// use cloakroom_flask_stores::{Fields, MongoDbStore};
///
/// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017")
///     .database("app")
///     .fields(Fields::TowerSessions);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// `id`, `val`, `expiration`: those of Flask-Session. The default.
    #[default]
    FlaskSession,
    /// `_id`, `data`, `expireAt`: those of tower-sessions-mongodb-store 0.11. The crate
    /// `cloakroom-tower-sessions` reads the data.
    TowerSessions,
}

impl Fields {
    /// The name of the store in errors.
    pub(super) fn store(self) -> &'static str {
        match self {
            Self::FlaskSession => "flask-mongodb",
            Self::TowerSessions => "tower-sessions-mongodb",
        }
    }

    /// The settings in errors: of the URL, and of the names.
    pub(super) fn settings(self) -> [&'static str; 2] {
        match self {
            Self::FlaskSession => ["SESSION_MONGODB", "SESSION_MONGODB_DB and _COLLECT"],
            Self::TowerSessions => ["the URL", "the names of database and collection"],
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::FlaskSession => "id",
            Self::TowerSessions => "_id",
        }
    }

    fn value(self) -> &'static str {
        match self {
            Self::FlaskSession => "val",
            Self::TowerSessions => "data",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::FlaskSession => "expiration",
            Self::TowerSessions => "expireAt",
        }
    }

    pub(super) fn living(self, key: &Key, now: UnixTime) -> Document {
        doc! { self.key(): key.as_str(), self.end(): { "$gt": time(now) } }
    }

    /// A document under this key that a create removes.
    pub(super) fn expired(self, key: &Key, now: UnixTime) -> Document {
        let over = match self {
            // Also without an end. Flask 0.8 returns what has expired if it finds it first.
            Self::FlaskSession => doc! { "$not": { "$gt": time(now) } },
            Self::TowerSessions => doc! { "$lte": time(now) },
        };
        doc! { self.key(): key.as_str(), self.end(): over }
    }

    /// Documents for a sweep.
    pub(super) fn all_expired(self, now: UnixTime) -> Document {
        doc! { self.end(): { "$lte": time(now) } }
    }

    pub(super) fn unchanged(self, key: &Key, old: &Stored, now: UnixTime) -> Document {
        let mut unchanged = self.living(key, now);
        unchanged.insert(self.value(), binary(&old.bytes));
        unchanged
    }

    /// The fields that a write sets.
    pub(super) fn written(self, write: &Write) -> Document {
        doc! { self.value(): binary(&write.bytes), self.end(): time(write.expires_at) }
    }

    /// The fields of a new document, apart from those that its filter names.
    pub(super) fn created(self, key: &Key, write: &Write) -> Document {
        let mut created = self.written(write);
        if self == Self::FlaskSession {
            created.insert("_id", key.as_str());
        }
        created
    }

    pub(super) fn ending(self, expires_at: UnixTime) -> Document {
        doc! { self.end(): time(expires_at) }
    }

    pub(super) fn stored(self, document: &RawDocument) -> Result<Stored, StoreError> {
        let read = || {
            let value = document.get_binary(self.value()).ok()?;
            let end = document.get_datetime(self.end()).ok()?;
            let end = u64::try_from(end.timestamp_millis().div_euclid(1000)).ok()?;
            let bytes = Bytes::copy_from_slice(value.bytes);
            Some(Stored::new(bytes, UnixTime::from_secs(end), 0))
        };
        read().ok_or_else(|| {
            let library = match self {
                Self::FlaskSession => "Flask-Session's",
                Self::TowerSessions => "tower-sessions'",
            };
            let what = format!(
                "a document is not {library}, and was left as it is; remove it or choose another \
                 collection"
            );
            failure::permanent(self.store(), what)
        })
    }
}

fn binary(bytes: &Bytes) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

fn time(time: UnixTime) -> DateTime {
    // Up to the year 9999 there are enough milliseconds.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_millis(seconds.saturating_mul(1000))
}
