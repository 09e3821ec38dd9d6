use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{StoreError, UnixTime};
use mongodb::bson::doc;
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};

use crate::failure;
use crate::store::{Clock, MongoStore};

/// How a [`MongoStore`] is to work. From [`MongoStore::builder`].
///
/// ```no_run
/// use cloakroom_mongodb::MongoStore;
/// use std::time::Duration;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = MongoStore::builder()
///     .database("web")
///     .collection("sessions")
///     .timeout(Duration::from_secs(2))
///     .connect("mongodb://db.example.com")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder {
    database: Option<String>,
    collection: String,
    timeout: Duration,
    max_connections: Option<u32>,
    clock: Clock,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            database: None,
            collection: "cloakroom_sessions".to_owned(),
            timeout: Duration::from_secs(5),
            max_connections: None,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// The database; unless said otherwise the one that the URL names, and `cloakroom` if it names none. Letters, digits, `_` and
    /// `-` of ASCII, a letter or `_` first, at most 63 of them.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// let builder = MongoStore::builder().database("web");
    /// ```
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// The collection; `cloakroom_sessions` unless said otherwise. Letters, digits, `_`, `-` and `.` of ASCII, a letter or `_` first,
    /// at most 120 of them, and not beginning with `system.`.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// let builder = MongoStore::builder().collection("admin_sessions");
    /// ```
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// How long one operation may take, with all it waits for: a primary, a connection, the confirmation of a majority. 5 s unless
    /// said otherwise. Then it ends with a transient error.
    ///
    /// A [sweep](cloakroom_store::Sweep::sweep) may take so long for each 250 documents.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// # use std::time::Duration;
    /// let builder = MongoStore::builder().timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many connections to each server there may be; the URL's `maxPoolSize` unless said otherwise, and 10 if it has none.
    /// So many operations are under way at once, with several `mongos` too: whoever comes later waits for one of them to end.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// let builder = MongoStore::builder().max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections.max(1));
        self
    }

    /// The clock by which records end; the system's unless said otherwise. Never the server's, except that the TTL index removes
    /// what by the server's clock ended five minutes ago.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = MongoStore::builder().clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// A store with connections of its own. Asks the server whether it is there, so that a wrong URL is found at the start. For the
    /// forms of the URL see [the crate](crate#urls).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read or no primary can be reached; when a name breaks the rules. An error never contains the URL.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MongoStore::connect("mongodb://app:secret@localhost:port").await.unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self, url: &str) -> Result<MongoStore, StoreError> {
        let limit = self.timeout;
        let connecting = self.connect_unbounded(url);
        let done = tokio::time::timeout(limit, connecting).await;
        done.unwrap_or_else(|_| Err(failure::timed_out(limit)))
    }

    async fn connect_unbounded(self, url: &str) -> Result<MongoStore, StoreError> {
        if let Some(database) = &self.database {
            check_database(database)?;
        }
        check_collection(&self.collection)?;
        // In which case the scheme is makes no difference (RFC 3986, section 3.1), but does to the driver.
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        let url = format!("{}:{rest}", scheme.to_ascii_lowercase());
        let mut options = ClientOptions::parse(url)
            .await
            .map_err(|error| failure::of(&error))?;
        self.complete(&mut options)?;
        let database = self.database.or_else(|| options.default_database.clone());
        let database = database.unwrap_or_else(|| "cloakroom".to_owned());
        check_database(&database)?;
        let connections = *options.max_pool_size.get_or_insert(10);
        let client = Client::with_options(options).map_err(|error| failure::of(&error))?;
        let database = client.database(&database);
        ping(&database).await?;
        let options = CollectionOptions::builder()
            .selection_criteria(primary())
            .build();
        let collection = database.collection_with_options(&self.collection, options);
        Ok(MongoStore::new(
            collection,
            connections,
            self.clock,
            self.timeout,
        ))
    }

    /// What the URL leaves open, and what no URL can change.
    fn complete(&self, options: &mut ClientOptions) -> Result<(), StoreError> {
        // A little earlier than the store's own limit, so that one hears what was waited for.
        let limit = self.timeout / 10 * 9;
        options.server_selection_timeout.get_or_insert(limit);
        options.connect_timeout.get_or_insert(limit);
        if self.max_connections.is_some() {
            options.max_pool_size = self.max_connections;
        }
        options
            .read_concern
            .get_or_insert_with(ReadConcern::majority);
        let concern = options
            .write_concern
            .get_or_insert_with(WriteConcern::default);
        if concern.w == Some(Acknowledgment::Nodes(0)) {
            return Err(failure::unacknowledged());
        }
        concern.w.get_or_insert(Acknowledgment::Majority);
        concern.journal.get_or_insert(true);
        concern.w_timeout.get_or_insert(self.timeout);
        options.selection_criteria = Some(primary());
        // The machine itself finds out what became of a write whose answer was lost, on any server. The driver's way to do so is for
        // replica sets alone, and a server that takes part in it only in name answers `Taken` or `Changed` for one's own write.
        options.retry_writes = Some(false);
        options
            .app_name
            .get_or_insert_with(|| "cloakroom".to_owned());
        Ok(())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("database", &self.database)
            .field("collection", &self.collection)
            .field("timeout", &self.timeout)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// No other member has seen every commit.
fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

async fn ping(database: &Database) -> Result<(), StoreError> {
    let answer = database
        .run_command(doc! { "ping": 1 })
        .selection_criteria(primary())
        .await;
    answer.map(drop).map_err(|error| failure::of(&error))
}

fn check_database(name: &str) -> Result<(), StoreError> {
    let valid = begins_well(name) && name.bytes().all(is_plain);
    if valid && name.len() <= 63 {
        Ok(())
    } else {
        Err(failure::bad_name("database", 63))
    }
}

fn check_collection(name: &str) -> Result<(), StoreError> {
    let valid = begins_well(name) && name.bytes().all(|byte| is_plain(byte) || byte == b'.');
    if valid && name.len() <= 120 && !name.starts_with("system.") {
        Ok(())
    } else {
        Err(failure::bad_name("collection", 120))
    }
}

fn begins_well(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
