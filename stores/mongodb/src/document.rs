use bytes::Bytes;
use cloakroom_store::{Entry, Key, StoreError, Stored, UnixTime, Write};
use mongodb::bson::raw::RawDocument;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};

use crate::failure;

/// The maximum of a document, less its other fields.
const LONGEST: usize = 16 * 1024 * 1024 - 4 * 1024;

/// The document of a write.
///
/// Keys are bytes, not text: a collection may have a collation, by which two texts are the same.
pub(crate) fn new(key: &Key, write: &Write, version: i64) -> Result<Document, StoreError> {
    let subject = write.subject.as_deref();
    if write.bytes.len() + subject.map_or(0, str::len) > LONGEST {
        return Err(failure::too_large(LONGEST));
    }
    let mut document = doc! {
        "_id": id(key),
        "value": bytes(write.bytes.to_vec()),
        "expires_at": time(write.expires_at),
        "version": version,
    };
    if let Some(subject) = subject {
        document.insert("subject", subject);
    }
    Ok(document)
}

/// The filter for the record under `key` if it is living.
pub(crate) fn living(key: &Key, now: UnixTime) -> Document {
    doc! { "_id": id(key), "expires_at": { "$gt": time(now) } }
}

/// Selects the living records of a subject.
pub(crate) fn living_of(subject: &str, now: UnixTime) -> Document {
    doc! {
        "subject": { "$eq": subject },
        "expires_at": { "$gt": time(now) },
    }
}

/// The filter for all living records behind this key, in the order of `_id`.
///
/// The comparison with bytes leaves out other programs' documents, whose `_id` is of another type.
/// The expression has the order of a sort: shorter bytes come first.
pub(crate) fn living_after(key: &str, now: UnixTime) -> Document {
    let behind = doc! { "$gt": ["$_id", { "$literal": bytes(key.into()) }] };
    doc! {
        "_id": { "$gte": bytes(Vec::new()) },
        "$expr": behind,
        "expires_at": { "$gt": time(now) },
    }
}

/// The filter for the record under `key` if it has expired.
pub(crate) fn expired(key: &Key, now: UnixTime) -> Document {
    doc! { "_id": id(key), "expires_at": { "$lte": time(now) } }
}

pub(crate) fn id(key: &Key) -> Bson {
    bytes(key.as_bytes().to_vec())
}

pub(crate) fn time(time: UnixTime) -> DateTime {
    // Up to the year 9999 there are enough milliseconds.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_millis(seconds.saturating_mul(1000))
}

fn bytes(bytes: Vec<u8>) -> Bson {
    let subtype = BinarySubtype::Generic;
    Bson::Binary(Binary { subtype, bytes })
}

/// The contents of a document.
pub(crate) fn stored(document: &RawDocument) -> Result<Stored, StoreError> {
    let read = || {
        let value = document.get_binary("value").ok()?;
        let end = document.get_datetime("expires_at").ok()?;
        // Another program's fraction of a second ends the record a little earlier, which is the
        // safe side.
        let end = u64::try_from(end.timestamp_millis().div_euclid(1000)).ok()?;
        Some(Stored::new(
            Bytes::copy_from_slice(value.bytes),
            UnixTime::from_secs(end),
            document.get_i64("version").ok()?.cast_unsigned(),
        ))
    };
    read().ok_or_else(failure::corrupt)
}

pub(crate) fn entry(document: &RawDocument) -> Result<Entry, StoreError> {
    let subject = match document.get("subject") {
        Ok(None) => None,
        Ok(Some(subject)) => Some(subject.as_str().ok_or_else(failure::corrupt)?.into()),
        Err(_) => return Err(failure::corrupt()),
    };
    Ok(Entry::new(key(document)?, stored(document)?, subject))
}

pub(crate) fn key(document: &RawDocument) -> Result<Key, StoreError> {
    let id = document.get_binary("_id").ok();
    let text = id.and_then(|id| std::str::from_utf8(id.bytes).ok());
    text.and_then(Key::new).ok_or_else(failure::corrupt)
}

/// Returns the `_id` of a document, of whatever type, even if another program wrote it.
pub(crate) fn any_id(document: &RawDocument) -> Result<Bson, StoreError> {
    let id = document.get("_id").ok().flatten();
    id.and_then(|id| Bson::try_from(id).ok())
        .ok_or_else(failure::corrupt)
}
