//! The collection of tower-sessions-mongodb-store.

use std::fmt;
use std::time::Duration;

use cloakroom_flask_stores::{Fields, MongoDbStore};
use cloakroom_store::{StoreError, UnixTime};

use crate::store::TowerSessions;

impl TowerSessions<MongoDbStore> {
    /// Connects to the database of `MongoDBStore::new(client, database)`, with the
    /// [builder](Self::mongodb_builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`MongoDbBuilder::connect`].
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let url = "mongodb://app:secret@localhost:port";
    /// let error = TowerSessions::connect_mongodb(url, "app").await.unwrap_err();
    /// assert!(!error.is_transient() && !error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect_mongodb(url: &str, database: &str) -> Result<Self, StoreError> {
        Self::mongodb_builder(url, database).connect().await
    }

    /// Returns a builder of a store on the collection `sessions` of this database. The URL's own
    /// database does not count: tower-sessions' `MongoDBStore` gets it by name, too.
    ///
    /// The store has connections of its own: 10, or `maxPoolSize` of the URL. As many operations
    /// are under way at once. It reads from the primary, and a majority confirms its writes, unless
    /// the URL changes that. No write is sent twice. A request that its client gives up leaves no
    /// connection in use.
    ///
    /// A load takes one round trip, all other operations take two. A write that follows a second
    /// without an answer takes one more: it asks whether a proxy has closed the connections.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder = TowerSessions::mongodb_builder("mongodb://db.example", "app");
    /// ```
    pub fn mongodb_builder(url: &str, database: &str) -> MongoDbBuilder {
        let inner = MongoDbStore::builder(url).fields(Fields::TowerSessions);
        MongoDbBuilder {
            inner: inner.database(database).collection("sessions"),
        }
    }
}

/// Configures a [`TowerSessions`] on MongoDB. From [`TowerSessions::mongodb_builder`].
///
/// ```no_run
/// use cloakroom_tower_sessions::TowerSessions;
/// use std::time::Duration;
///
/// # async fn open() -> Result<(), cloakroom_store::StoreError> {
/// let store = TowerSessions::mongodb_builder("mongodb://db.example", "app")
///     .timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct MongoDbBuilder {
    inner: cloakroom_flask_stores::MongoDbBuilder,
}

impl MongoDbBuilder {
    /// Sets the collection. Default: `sessions`, the only one that tower-sessions' `MongoDBStore`
    /// has. Set it for a fork, or for a copy of the collection.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// let builder = TowerSessions::mongodb_builder("mongodb://db.example", "app")
    ///     .collection("visitors");
    /// ```
    pub fn collection(self, name: impl Into<String>) -> Self {
        let inner = self.inner.collection(name);
        Self { inner }
    }

    /// Sets how long one operation of the collection may take, with all it waits for. Default: 5
    /// seconds. Then it fails with a transient error.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # use std::time::Duration;
    /// let builder = TowerSessions::mongodb_builder("mongodb://db.example", "app")
    ///     .timeout(Duration::from_secs(2));
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        let inner = self.inner.timeout(timeout);
        Self { inner }
    }

    /// Sets the clock by which records expire. Default: the system's clock. The server's clock
    /// counts only if you have made a TTL index on `expireAt`.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # use cloakroom_store::UnixTime;
    /// let builder = TowerSessions::mongodb_builder("mongodb://db.example", "app")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        let inner = self.inner.clock(now);
        Self { inner }
    }

    /// Opens the store, and makes sure that the server answers. It makes neither collection nor
    /// index: MongoDB makes the collection with the first write.
    ///
    /// # Errors
    ///
    /// A permanent one if the URL or a name cannot be used, or the server does not let the user in.
    /// A transient one if no primary answers. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::TowerSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let builder = TowerSessions::mongodb_builder("mongodb://127.0.0.1", "a b");
    /// assert!(!builder.connect().await.unwrap_err().is_transient());
    /// # }
    /// ```
    pub async fn connect(self) -> Result<TowerSessions<MongoDbStore>, StoreError> {
        self.inner.connect().await.map(TowerSessions::new)
    }
}

impl fmt::Debug for MongoDbBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL, which may hold a password.
        f.write_str("MongoDbBuilder(..)")
    }
}
