//! Flask-Session's documents.

use bytes::Bytes;
use cloakroom_store::{Key, StoreError, Stored, UnixTime, Write};
use mongodb::bson::raw::RawDocument;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};

use super::errors::STORE;
use crate::failure;

pub(super) fn living(key: &Key, now: UnixTime) -> Document {
    doc! { "id": key.as_str(), "expiration": { "$gt": time(now) } }
}

pub(super) fn unchanged(key: &Key, old: &Stored, now: UnixTime) -> Document {
    doc! { "id": key.as_str(), "val": binary(&old.bytes), "expiration": { "$gt": time(now) } }
}

pub(super) fn fields(write: &Write) -> Document {
    doc! { "val": binary(&write.bytes), "expiration": time(write.expires_at) }
}

fn binary(bytes: &Bytes) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

pub(super) fn time(time: UnixTime) -> DateTime {
    // Up to the year 9999 there are enough milliseconds.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_millis(seconds.saturating_mul(1000))
}

pub(super) fn stored(document: &RawDocument) -> Result<Stored, StoreError> {
    let read = || {
        let value = document.get_binary("val").ok()?;
        let end = document.get_datetime("expiration").ok()?;
        let end = u64::try_from(end.timestamp_millis().div_euclid(1000)).ok()?;
        let bytes = Bytes::copy_from_slice(value.bytes);
        Some(Stored::new(bytes, UnixTime::from_secs(end), 0))
    };
    read().ok_or_else(|| {
        let what = "a document is not Flask-Session's, and was left as it is; remove it or choose \
                    another collection";
        failure::permanent(STORE, what)
    })
}
