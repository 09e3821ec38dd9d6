use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{Place, StoreError, UnixTime};
use mongodb::bson::doc;
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};

use crate::failure;
use crate::source::{Changing, Login, Source, collection};
use crate::store::{Clock, MongoDbStore};

/// How long a connection may be idle before it is replaced. Most proxies wait longer.
const MAX_IDLE: Duration = Duration::from_secs(20);

/// Settings of a [`MongoDbStore`], from [`MongoDbStore::builder`].
///
/// ```no_run
/// use cloakroom_mongodb::MongoDbStore;
/// use std::time::Duration;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = MongoDbStore::builder()
///     .database("web")
///     .collection("sessions")
///     .timeout(Duration::from_secs(2))
///     .connect("mongodb://db.example.com")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect` or `with_client`"]
pub struct Builder {
    database: Option<String>,
    collection: String,
    timeout: Duration,
    max_connections: Option<u32>,
    login: Option<Login>,
    clock: Clock,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            database: None,
            collection: "cloakroom_sessions".to_owned(),
            timeout: Duration::from_secs(5),
            max_connections: None,
            login: None,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// Sets the database. Default: the one that the URL names, or `cloakroom`.
    ///
    /// Letters, digits, `_` and `-` of ASCII, a letter or `_` first, at most 63 of them.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// let builder = MongoDbStore::builder().database("web");
    /// ```
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Sets the collection. Default: `cloakroom_sessions`.
    ///
    /// Letters, digits, `_`, `-` and `.` of ASCII, a letter or `_` first, at most 120 of them, and
    /// not beginning with `system.`.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// let builder = MongoDbStore::builder().collection("admin_sessions");
    /// ```
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// Limits the time of one operation, with all it waits for: a primary, a connection, the
    /// confirmation of a majority. Default: 5 s.
    ///
    /// Then it ends with a transient error. A [sweep](cloakroom_store::Sweep::sweep) may take this
    /// time for each 250 documents.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// # use std::time::Duration;
    /// let builder = MongoDbStore::builder().timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many connections to each server there may be. Default: the URL's `maxPoolSize`, or
    /// 10. At least 1: with 0 [`connect`](Self::connect) fails.
    ///
    /// As many operations are under way at once, with several `mongos` too. Later ones wait for
    /// one of them to end.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// let builder = MongoDbStore::builder().max_connections(32);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    fn check_connections(&self) -> Result<(), StoreError> {
        match self.max_connections {
            Some(0) => Err(failure::setting(
                "`max_connections` is 0, which leaves none for an operation; set at least 1",
            )),
            _ => Ok(()),
        }
    }

    /// Takes user name and password from a function: for passwords that change while the process
    /// runs.
    ///
    /// They replace those of the URL. The function is called for each operation, so it must return
    /// at once. Fetch a new password in a task of your own, and return the latest one here. When it
    /// returns another login, the store opens new connections with it. Operations under way end on
    /// the old ones.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// use std::sync::{Arc, RwLock};
    ///
    /// let password = Arc::new(RwLock::new("first".to_owned()));
    /// let current = Arc::clone(&password);
    /// let builder = MongoDbStore::builder()
    ///     .credentials(move || ("app".to_owned(), current.read().unwrap().clone()));
    /// ```
    pub fn credentials(
        mut self,
        current: impl Fn() -> (String, String) + Send + Sync + 'static,
    ) -> Self {
        self.login = Some(Arc::new(current));
        self
    }

    /// Sets the clock by which records expire. Default: the system's clock.
    ///
    /// The server's clock does one thing: the TTL index removes what ended five minutes ago by it.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder =
    ///     MongoDbStore::builder().clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Connects, and checks that the server answers, so that a wrong URL fails at the start.
    ///
    /// The forms of the URL are in [the crate's documentation](crate#urls).
    ///
    /// # Errors
    ///
    /// A permanent one when the URL or a name cannot be used, or when the server does not let the
    /// user in. A transient one when no primary can be reached. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_mongodb::MongoDbStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let url = "mongodb://app:secret@localhost:port";
    /// let error = MongoDbStore::connect(url).await.unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self, url: &str) -> Result<MongoDbStore, StoreError> {
        self.check_connections()?;
        let limit = self.timeout;
        let connecting = self.connect_unbounded(url);
        let done = tokio::time::timeout(limit, connecting).await;
        done.unwrap_or_else(|_| Err(failure::timed_out(limit)))
    }

    /// Uses the application's own client, with its connections, and makes sure that a primary
    /// answers. One round trip.
    ///
    /// The store reads only from the primary, whatever the client's read preference. It uses
    /// majority concerns unless the client sets others. Its time limit holds in addition to the
    /// client's own. [`max_connections`](Self::max_connections) limits the operations under way at
    /// once (default: 10). The application's use of the client takes connections from the same
    /// pool.
    ///
    /// # Errors
    ///
    /// A permanent one if the client would break a promise: it repeats writes (`retry_writes`, on
    /// by default), or its writes are not acknowledged (`w: 0`). A permanent one together with
    /// [`credentials`](Self::credentials), because a client has its own. Also the errors of
    /// [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use cloakroom_mongodb::MongoDbStore;
    /// use cloakroom_mongodb::mongodb::{Client, options::ClientOptions};
    ///
    /// let mut options = ClientOptions::parse("mongodb://localhost").await?;
    /// options.retry_writes = Some(false);
    /// let client = Client::with_options(options)?;
    /// let store = MongoDbStore::builder().database("web").with_client(&client).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_client(self, client: &Client) -> Result<MongoDbStore, StoreError> {
        self.check_connections()?;
        if self.login.is_some() {
            return Err(failure::setting(
                "`credentials` cannot be combined with `with_client`; give them to the client",
            ));
        }
        // The only way to see what was set.
        let settings = format!("{client:?}");
        if !settings.contains("retry_writes: Some(false)") {
            return Err(failure::setting(
                "the client repeats writes by itself, and the store must not; set retry_writes to \
                 Some(false) in its ClientOptions, or retryWrites=false in its URL",
            ));
        }
        let concern = complete_concern(client.write_concern().cloned(), self.timeout)?;
        let default = client.default_database();
        let default = default.map(|database| database.name().to_owned());
        let database = self.database_or(default)?;
        let options = CollectionOptions::builder()
            .selection_criteria(primary())
            .read_concern(
                client
                    .read_concern()
                    .cloned()
                    .unwrap_or_else(ReadConcern::majority),
            )
            .write_concern(concern)
            .build();
        let database = client.database(&database);
        let limit = self.timeout;
        let done = tokio::time::timeout(limit, ping(&database)).await;
        done.unwrap_or_else(|_| Err(failure::timed_out(limit)))?;
        let collection = database.collection_with_options(&self.collection, options);
        let connections = self.max_connections.unwrap_or(10);
        let hosts = settings.split_once("hosts: [");
        let hosts = hosts.and_then(|(_, rest)| Some(rest.split_once(']')?.0));
        let names = collection.namespace().to_string();
        let place = hosts.map(|hosts| Place::new("mongodb", [hosts, &*names]));
        let source = Source::Given(collection, None);
        Ok(MongoDbStore::new(
            source,
            place,
            connections,
            self.clock,
            self.timeout,
        ))
    }

    async fn connect_unbounded(self, url: &str) -> Result<MongoDbStore, StoreError> {
        if let Some(database) = &self.database {
            check_database(database)?;
        }
        check_collection(&self.collection)?;
        // The case of a scheme makes no difference (RFC 3986, section 3.1), but does to the driver.
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        let url = format!("{}:{rest}", scheme.to_ascii_lowercase());
        let mut options = ClientOptions::parse(url)
            .await
            .map_err(|error| failure::of(&error))?;
        self.complete(&mut options)?;
        let database = self.database_or(options.default_database.clone())?;
        let connections = *options.max_pool_size.get_or_insert(10);
        // As a client prints them, which `with_client` reads.
        let hosts = format!("{:?}", options.hosts);
        let names = format!("{database}.{}", self.collection);
        let place = Place::new("mongodb", [hosts.trim_matches(['[', ']']), &*names]);
        let source = match self.login {
            None => {
                let own = Some(Box::new(options.clone()));
                let client = Client::with_options(options).map_err(|error| failure::of(&error))?;
                Source::Given(collection(&client, &database, &self.collection), own)
            }
            Some(login) => {
                let names = [database, self.collection];
                Source::Changing(Box::new(Changing::new(options, login, names)?))
            }
        };
        let store = MongoDbStore::new(source, Some(place), connections, self.clock, self.timeout);
        let collection = store.collection()?;
        let database = collection.client().database(&collection.namespace().db);
        ping(&database).await?;
        Ok(store)
    }

    fn database_or(&self, default: Option<String>) -> Result<String, StoreError> {
        check_collection(&self.collection)?;
        let database = self.database.clone().or(default);
        let database = database.unwrap_or_else(|| "cloakroom".to_owned());
        check_database(&database)?;
        Ok(database)
    }

    /// Options that the URL leaves open, and those that no URL can change.
    fn complete(&self, options: &mut ClientOptions) -> Result<(), StoreError> {
        // A little earlier than the store's own limit, so that the error names what was waited for.
        let limit = self.timeout / 10 * 8;
        options.server_selection_timeout.get_or_insert(limit);
        options.connect_timeout.get_or_insert(limit);
        options.max_idle_time.get_or_insert(MAX_IDLE);
        if self.max_connections.is_some() {
            options.max_pool_size = self.max_connections;
        }
        options
            .read_concern
            .get_or_insert_with(ReadConcern::majority);
        options.write_concern = Some(complete_concern(
            options.write_concern.take(),
            self.timeout,
        )?);
        options.selection_criteria = Some(primary());
        // The machine itself resolves lost answers of writes, on any server. The driver's retries
        // work only on replica sets. On a server that only pretends to be one, a retried write
        // returns `Taken` or `Changed` for its own first attempt.
        options.retry_writes = Some(false);
        options
            .app_name
            .get_or_insert_with(|| "cloakroom".to_owned());
        Ok(())
    }
}

fn complete_concern(
    given: Option<WriteConcern>,
    timeout: Duration,
) -> Result<WriteConcern, StoreError> {
    let mut concern = given.unwrap_or_default();
    if concern.w == Some(Acknowledgment::Nodes(0)) {
        return Err(failure::unacknowledged());
    }
    concern.w.get_or_insert(Acknowledgment::Majority);
    concern.journal.get_or_insert(true);
    concern.w_timeout.get_or_insert(timeout);
    Ok(concern)
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
pub(crate) fn primary() -> SelectionCriteria {
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
