//! The settings of a store, and how it connects.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cloakroom_store::{Place, StoreError, UnixTime};
use mongodb::Client;
use mongodb::bson::doc;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::errors::{STORE, failed};
use super::store::{Clock, MongoDbStore};
use crate::failure;

/// How long a connection may be idle before it is replaced. Most proxies wait longer.
const MAX_IDLE: Duration = Duration::from_secs(20);

/// Configures a [`MongoDbStore`]. From [`MongoDbStore::builder`].
///
/// ```
/// use cloakroom_flask_stores::MongoDbStore;
///
/// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017")
///     .database("web")
///     .collection("sessions");
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct MongoDbBuilder {
    url: String,
    database: String,
    collection: String,
    clock: Clock,
    timeout: Duration,
}

impl MongoDbStore {
    /// Connects to `SESSION_MONGODB` with the [builder](Self::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`MongoDbBuilder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let store =
    ///     MongoDbStore::connect("mongodb://user:password@db.example:27017").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder of a store at `url`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1:27017");
    /// ```
    pub fn builder(url: &str) -> MongoDbBuilder {
        MongoDbBuilder {
            url: url.to_owned(),
            database: "flask_session".to_owned(),
            collection: "sessions".to_owned(),
            clock: Arc::new(|| SystemTime::now().into()),
            timeout: Duration::from_secs(5),
        }
    }
}

impl MongoDbBuilder {
    /// Sets the database (`SESSION_MONGODB_DB`). Default: `flask_session`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1").database("web");
    /// ```
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = name.into();
        self
    }

    /// Sets the collection (`SESSION_MONGODB_COLLECT`). Default: `sessions`.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// let builder =
    ///     MongoDbStore::builder("mongodb://127.0.0.1").collection("web_sessions");
    /// ```
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// Sets the clock by which sessions expire. Default: the system's clock. With a TTL index, as
    /// Flask-Session 0.8 makes it, the server removes expired documents by its own clock.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Sets how long an operation may take, with all its round trips. Default: 5 seconds.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # use std::time::Duration;
    /// let builder = MongoDbStore::builder("mongodb://127.0.0.1")
    ///     .timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and makes sure that the server answers. Makes no index.
    ///
    /// # Errors
    ///
    /// When the URL or a name cannot be used, or no primary answers. An error never contains the
    /// URL.
    ///
    /// ```
    /// # use cloakroom_flask_stores::MongoDbStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = MongoDbStore::connect("mongodb://app:secret@localhost:port")
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<MongoDbStore, StoreError> {
        for name in [&self.database, &self.collection] {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
                return Err(failure::permanent(
                    STORE,
                    "SESSION_MONGODB_DB and _COLLECT must be letters, digits, `_`, `-` and `.` of ASCII, at most 63",
                ));
            }
        }
        let timeout = self.timeout;
        let connecting = async {
            let options = ClientOptions::parse(&self.url).await;
            let mut options = options.map_err(|error| failed(&error))?;
            complete(&mut options, timeout);
            let connections = *options.max_pool_size.get_or_insert(10);
            let hosts = format!("{:?}", options.hosts);
            let client = Client::with_options(options).map_err(|error| failed(&error))?;
            let database = client.database(&self.database);
            let ping = database.run_command(doc! { "ping": 1 }).await;
            ping.map_err(|error| failed(&error))?;
            let place = Place::new(STORE, [&*hosts, &*self.database, &*self.collection]);
            Ok((database.collection(&self.collection), place, connections))
        };
        let done = tokio::time::timeout(timeout, connecting).await;
        let (collection, place, connections) =
            done.unwrap_or_else(|_| Err(failure::timed_out(STORE, timeout)))?;
        let connections = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(MongoDbStore {
            collection,
            place,
            turns: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            answers: Arc::default(),
            last: Arc::new(Mutex::new(Instant::now())),
            clock: self.clock,
            timeout,
        })
    }
}

/// Options that the URL leaves open, and those that no URL can change.
fn complete(options: &mut ClientOptions, timeout: Duration) {
    // A little before the store's own limit, so that the error can name the cause of the wait.
    let limit = timeout / 10 * 9;
    options.server_selection_timeout.get_or_insert(limit);
    options.connect_timeout.get_or_insert(limit);
    options.max_idle_time.get_or_insert(MAX_IDLE);
    options
        .read_concern
        .get_or_insert_with(ReadConcern::majority);
    let concern = options
        .write_concern
        .get_or_insert_with(WriteConcern::default);
    concern.w.get_or_insert(Acknowledgment::Majority);
    if concern.w == Some(Acknowledgment::Nodes(0)) {
        concern.w = Some(Acknowledgment::Majority);
    }
    concern.w_timeout.get_or_insert(timeout);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // The machine itself resolves lost answers of writes.
    options.retry_writes = Some(false);
}

impl fmt::Debug for MongoDbBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.debug_struct("MongoDbBuilder")
            .field("database", &self.database)
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}
