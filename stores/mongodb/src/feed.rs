//! Announcements of removed records: the server's own, in a change stream.

use std::fmt;
use std::time::Duration;

use cloakroom_store::connections::{Passes, Relay};
use cloakroom_store::{Feed, Hint, Hints, StoreError};
use mongodb::bson::doc;
use mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use mongodb::change_stream::ChangeStream;
use tokio::time::{Instant, sleep, timeout};

use crate::{MongoDbStore, document, failure};

/// How long the server waits for the next change before it answers that there is none.
const AWAIT: Duration = Duration::from_secs(5);

/// The pause after an answer without a change that came much sooner.
const PAUSE: Duration = Duration::from_millis(200);

/// The removals from a [`MongoDbStore`], from [`Feed::listen`].
///
/// ```no_run
/// use cloakroom_mongodb::{MongoDbHints, MongoDbStore};
/// use cloakroom_store::{Feed, Hints};
///
/// # async fn example(store: MongoDbStore) -> Result<(), cloakroom_store::StoreError> {
/// let mut hints: MongoDbHints = store.listen().await?;
/// while let Some(hint) = hints.next().await {
///     // Look at the session.
/// }
/// # Ok(())
/// # }
/// ```
pub struct MongoDbHints(Relay);

impl Hints for MongoDbHints {
    async fn next(&mut self) -> Option<Hint> {
        self.0.next().await
    }
}

impl fmt::Debug for MongoDbHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MongoDbHints(..)")
    }
}

impl Feed for MongoDbStore {
    type Hints = MongoDbHints;

    /// Opens a change stream, on connections of its own. With an application's own client it uses
    /// one of the client's, for as long as it listens.
    ///
    /// # Errors
    ///
    /// A permanent error if the server has no change streams, as a single server that is no replica
    /// set, or if the user has not the right `changeStream`. Those of the server.
    async fn listen(&self) -> Result<MongoDbHints, StoreError> {
        let limit = self.inner.timeout;
        let collection = self.inner.source.listening()?;
        // Values never leave the server, and neither do subjects.
        let pipeline = [
            doc! { "$match": { "operationType": { "$nin": ["insert", "update", "replace"] } } },
            doc! { "$project": { "operationType": 1, "documentKey": 1 } },
        ];
        let opening = async {
            collection
                .watch()
                .pipeline(pipeline)
                .max_await_time(AWAIT)
                .await
        };
        match timeout(limit, opening).await {
            Ok(Ok(stream)) => {
                let stream = stream.with_type::<RawDocumentBuf>();
                let hear = |passes| hear(stream, passes, limit);
                Ok(MongoDbHints(Relay::new(hear)))
            }
            Ok(Err(error)) => Err(failure::of_stream(&error)),
            Err(_) => Err(failure::timed_out(limit)),
        }
    }
}

async fn hear(mut stream: ChangeStream<RawDocumentBuf>, passes: Passes, patience: Duration) {
    while stream.is_alive() {
        let begin = Instant::now();
        // The driver takes up a stream again whose connection broke, where it was.
        match timeout(AWAIT + patience, stream.next_if_any()).await {
            Ok(Ok(Some(event))) => {
                if let Some(hint) = hint(&event) {
                    passes.pass(hint);
                }
            }
            Ok(Ok(None)) if begin.elapsed() < PAUSE => sleep(PAUSE).await,
            Ok(Ok(None)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Translates a change of the collection. Another program's document is none of the store's.
fn hint(event: &RawDocument) -> Option<Hint> {
    match event.get_str("operationType").ok()? {
        "delete" => {
            let removed = event.get_document("documentKey").ok()?;
            document::key(removed).ok().map(Hint::Removed)
        }
        // The collection went or was renamed, or something that came with a later version.
        _ => Some(Hint::Lost),
    }
}

#[cfg(test)]
mod tests {
    use cloakroom_store::{Hint, Key};
    use mongodb::bson::raw::RawDocumentBuf;
    use mongodb::bson::{Document, doc};

    use super::hint;
    use crate::{document, failure};

    fn translated(event: &Document) -> Option<Hint> {
        hint(&RawDocumentBuf::try_from(event).unwrap())
    }

    #[test]
    fn a_delete_is_the_removal_of_its_key() {
        let key = Key::new("session:47DEQpj8HBSa").unwrap();
        let id = document::id(&key);
        let token = doc! { "_data": "8263" };
        let event = doc! {
            "_id": token, "operationType": "delete", "documentKey": { "_id": id },
        };
        assert_eq!(translated(&event), Some(Hint::Removed(key)));
    }

    #[test]
    fn the_end_of_the_collection_may_be_that_of_any_session() {
        for operation in ["drop", "rename", "dropDatabase", "invalidate"] {
            let event = doc! { "operationType": operation };
            assert_eq!(translated(&event), Some(Hint::Lost), "{operation}");
        }
    }

    #[test]
    fn another_programs_documents_and_broken_events_are_passed_over() {
        for event in [
            doc! { "operationType": "delete", "documentKey": { "_id": "a text" } },
            doc! { "operationType": "delete", "documentKey": { "_id": 7 } },
            doc! { "operationType": "delete", "documentKey": {} },
            doc! { "operationType": "delete" },
            doc! { "operationType": 7 },
            doc! {},
        ] {
            assert_eq!(translated(&event), None, "{event}");
        }
    }

    #[test]
    fn a_server_without_change_streams_is_a_permanent_error_and_one_that_is_away_is_not() {
        for (code, name, is_transient) in [
            // A single server, an old or compatible one, a user without the right.
            (40573, "Location40573", false),
            (40324, "Location40324", false),
            (238, "NotImplemented", false),
            (13, "Unauthorized", false),
            (91, "ShutdownInProgress", true),
        ] {
            let answer = doc! { "code": code, "codeName": name, "errmsg": "secret" };
            let refusal = mongodb::bson::deserialize_from_document(answer).unwrap();
            let refusal = mongodb::error::ErrorKind::Command(refusal).into();
            let error = failure::of_stream(&refusal);
            let text = error.to_string();
            assert_eq!(error.is_transient(), is_transient, "{text}");
            assert!(!text.contains("secret") && text.contains(name), "{text}");
            assert_eq!(text.contains("replica set"), !is_transient, "{text}");
        }
    }
}
