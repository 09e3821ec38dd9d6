//! The queries of one operation.

use std::future::IntoFuture as _;
use std::time::Duration;

use cloakroom_store::{Entry, Key, StoreError, Stored, UnixTime};
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::Collation;

use crate::{document, failure};

/// How many records of a subject come in one answer.
const LIST_BATCH: u32 = 1000;

/// The collection, for one operation.
pub(crate) struct Table {
    pub(crate) collection: Collection<RawDocumentBuf>,
    pub(crate) timeout: Duration,
}

impl Table {
    pub(crate) async fn find(&self, living: Document) -> Result<Option<Stored>, StoreError> {
        let found = self
            .collection
            .find_one(living)
            .max_time(self.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        found.map(|found| document::stored(&found)).transpose()
    }

    /// At most `limit` documents. 0 is no limit.
    pub(crate) async fn find_all(
        &self,
        living: Document,
        limit: i64,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let found = self
            .collection
            .find(living)
            .collation(simple())
            .limit(limit)
            .batch_size(LIST_BATCH)
            .max_time(self.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        found
            .map_err(|error| failure::of(&error))
            .and_then(|document| async move {
                Ok((document::key(&document)?, document::stored(&document)?))
            })
            .try_collect()
            .await
    }

    pub(crate) async fn page(
        &self,
        living: Document,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let found = self
            .collection
            .find(living)
            .sort(doc! { "_id": 1 })
            .collation(simple())
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .batch_size(u32::try_from(limit).unwrap_or(u32::MAX))
            .max_time(self.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        found
            .map_err(|error| failure::of(&error))
            .and_then(|document| async move { document::entry(&document) })
            .try_collect()
            .await
    }

    /// Returns how many expired documents there were, up to `batch`, and how many of them this
    /// removed.
    pub(crate) async fn sweep_batch(
        &self,
        batch: usize,
        now: UnixTime,
    ) -> Result<(usize, usize), StoreError> {
        let over = doc! { "$lte": document::time(now) };
        let found = self
            .collection
            .find(doc! { "expires_at": over.clone() })
            .projection(doc! { "_id": 1 })
            .limit(i64::try_from(batch).unwrap_or(i64::MAX))
            .batch_size(u32::try_from(batch).unwrap_or(u32::MAX))
            .max_time(self.timeout)
            .await
            .map_err(|error| failure::of(&error))?;
        let ids: Vec<Bson> = found
            .map_err(|error| failure::of(&error))
            .and_then(|document| async move { document::any_id(&document) })
            .try_collect()
            .await?;
        if ids.is_empty() {
            return Ok((0, 0));
        }
        let found = ids.len();
        // Only documents that are still expired: the key may have been created again.
        let gone = self
            .collection
            .delete_many(doc! { "_id": { "$in": ids }, "expires_at": over })
            .await
            .map_err(|error| failure::of(&error))?;
        Ok((found, usize::try_from(gone.deleted_count).unwrap_or(found)))
    }
}

/// Fails if no connection reaches the server. Closes a connection whose peer vanished silently
/// after a quarter of the time.
pub(crate) async fn reach(
    collection: &Collection<RawDocumentBuf>,
    limit: Duration,
) -> Result<(), StoreError> {
    let database = collection.client().database(&collection.namespace().db);
    let mut tries = 0;
    loop {
        tries += 1;
        let ping = database.run_command(doc! { "ping": 1 }).into_future();
        match tokio::time::timeout(limit / 4, ping).await {
            Ok(Err(error)) if tries == 3 || !failure::is_of_the_connection(&error) => {
                return Err(failure::of(&error));
            }
            Err(_) if tries == 3 => return Err(failure::timed_out(limit)),
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Compares bytes, whatever the collection's own collation is.
pub(crate) fn simple() -> Collation {
    Collation::builder().locale("simple").build()
}
