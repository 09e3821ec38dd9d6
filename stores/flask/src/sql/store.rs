use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched,
    UnixTime, Write,
};

use super::STORE;
use super::builder::SqlAlchemyBuilder;
use super::columns::Columns;
use super::database::{Kind, Value};
use super::failure::Failure;
use super::statements::{Statement, Statements};
use crate::failure;

pub(super) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Sessions in the table of Flask-Session's `sqlalchemy`, in SQLite, PostgreSQL, MySQL or MariaDB.
/// A handle: clones share everything.
///
/// The table has no column for a version. So `replace` and `delete` name the whole loaded value in
/// one statement: `UPDATE sessions SET data = ?, expiry = ? WHERE session_id = ? AND data = ?`.
/// Among users of this store that is compare-and-swap. Flask's `UPDATE` names only the session, and
/// overwrites any value.
///
/// `expiry` is UTC without a time zone. A row without one counts as expired, as in Flask-Session
/// 0.8 (0.5 fails on it). In MySQL and MariaDB `data` is a `BLOB`: at most 65,535 bytes.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// use cloakroom_flask_stores::SqlAlchemyStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// // A database in memory, spelled as in SQLAlchemy.
/// let store = SqlAlchemyStore::connect("sqlite://").await?;
/// store.create_table().await?;
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let write = Write::new(b"\x81\xa1a\x01".to_vec(), UnixTime::MAX, None);
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, write.bytes);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SqlAlchemyStore {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) database: Kind,
    pub(super) place: Place,
    pub(super) statements: Statements,
    pub(super) columns: Columns,
    pub(super) clock: Clock,
    pub(super) timeout: Duration,
    /// After how many loads what has expired is removed, if by loads at all; and how many there
    /// were.
    pub(super) cleanup: Option<u32>,
    pub(super) loads: AtomicU32,
}

impl SqlAlchemyStore {
    /// Connects to `SQLALCHEMY_DATABASE_URI` with the [builder](Self::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`SqlAlchemyBuilder::connect`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let store =
    ///     SqlAlchemyStore::connect("mysql+pymysql://app@db.example/app").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder of a store. The URL is SQLAlchemy's, with any driver:
    /// `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql+psycopg2://…`,
    /// `mysql+pymysql://…`.
    ///
    /// Flask-SQLAlchemy 3 resolves a relative path of SQLite in the application's instance folder.
    /// Here it is relative to the working directory, so use an absolute path.
    ///
    /// ```
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let builder = SqlAlchemyStore::builder("sqlite:////var/lib/app/app.db");
    /// ```
    pub fn builder(url: &str) -> SqlAlchemyBuilder {
        SqlAlchemyBuilder::new(url)
    }

    /// Makes the table where it is missing, as Flask-Session 0.8 does at its start (and 0.3 and 0.5
    /// do not).
    ///
    /// In MySQL the ids are compared byte by byte, which is stricter than SQLAlchemy's table and
    /// works with it.
    ///
    /// # Errors
    ///
    /// When the database does not let it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// let store = SqlAlchemyStore::connect("sqlite://").await?;
    /// store.create_table().await?;
    /// store.create_table().await?; // nothing left to do
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let mut made = self.make(&self.inner.statements.table).await;
        for _ in 1..TRIES {
            // In PostgreSQL two who make the same schema or table at once may meet in the
            // catalogue: then that one is there, and perhaps not what comes after it.
            if !matches!(made, Err(Failure::Taken(_))) {
                break;
            }
            made = self.make(&self.inner.statements.table).await;
        }
        match made {
            Ok(_) => Ok(()),
            // One may lack the right to make what is there already.
            Err(failure) => match self.make(&self.inner.statements.probe).await {
                Ok(_) => Ok(()),
                Err(_) => Err(failure.into()),
            },
        }
    }

    /// Starts a task that removes expired records at this interval (at least a second). It ends
    /// with the last handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`](cloakroom_store::Swept).
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_flask_stores::SqlAlchemyStore;
    /// use std::time::Duration;
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = SqlAlchemyStore::connect("sqlite:///app.db").await?;
    /// let store = store.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    pub(super) fn new(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self { inner }
    }

    fn now(&self) -> UnixTime {
        (self.inner.clock)()
    }

    /// Returns the values that name a session: one, or in MySQL two.
    fn key<'a>(&self, key: &'a Key) -> impl Iterator<Item = Value<'a>> {
        let exact = self.inner.database.is_mysql();
        [
            Some(Value::Text(key.as_str())),
            exact.then_some(Value::Bytes(key.as_bytes())),
        ]
        .into_iter()
        .flatten()
    }

    /// Executes a statement that writes, again if others came between.
    async fn execute(&self, statement: &Statement, values: &[Value<'_>]) -> Result<u64, Failure> {
        let work = async {
            for attempt in 1..TRIES {
                match self.inner.database.execute(statement, values).await {
                    // 2, 4, 8 ms: commits that collided seldom arrive at the same time again.
                    Err(Failure::Conflict(_)) => {
                        tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
                    }
                    outcome => return outcome,
                }
            }
            self.inner.database.execute(statement, values).await
        };
        let limit = self.inner.timeout;
        let done = tokio::time::timeout(limit, work).await;
        self.within_limit(done)
    }

    /// Executes SQL without values.
    async fn make(&self, sql: &Arc<str>) -> Result<(), Failure> {
        let limit = self.inner.timeout;
        let done = tokio::time::timeout(limit, self.inner.database.make(sql)).await;
        self.within_limit(done)
    }

    /// Returns the outcome in the name of the table's owner.
    fn within_limit<T>(
        &self,
        done: Result<Result<T, Failure>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let limit = self.inner.timeout;
        let done = done.unwrap_or_else(|_| Err(Failure::Other(failure::timed_out(STORE, limit))));
        done.map_err(|failure| failure.map(|error| self.inner.columns.named(error)))
    }

    async fn living(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let values: Vec<_> = self.key(key).chain([now.into()]).collect();
        let limit = self.inner.timeout;
        let load = async {
            loop {
                match self
                    .inner
                    .database
                    .row(&self.inner.statements.load, &values)
                    .await
                {
                    // The time limits how often.
                    Err(Failure::Conflict(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
                    found => return found,
                }
            }
        };
        let found = tokio::time::timeout(limit, load).await;
        let Some((bytes, end)) = self.within_limit(found)? else {
            return Ok(None);
        };
        let end = UnixTime::from_secs(u64::try_from(end).unwrap_or(0));
        Ok(Some(Stored::new(bytes, end, 0)))
    }
}

impl Store for SqlAlchemyStore {
    fn place(&self) -> Option<Place> {
        Some(self.inner.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if let Some(every) = self.inner.cleanup
            && (self.inner.loads.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every)
        {
            // If it fails, the next one comes.
            let _ = self.sweep(1_000).await;
        }
        self.living(key, self.now()).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let Statements { revive, create, .. } = &self.inner.statements;
        let now = self.now();
        let new = [Value::Bytes(&write.bytes), write.expires_at.into()];
        let mut values: Vec<_> = [Value::Text(key.as_str())].into_iter().chain(new).collect();
        match revive {
            Some(revive) => {
                let expired = new.into_iter().chain(self.key(key)).chain([now.into()]);
                let expired: Vec<_> = expired.collect();
                if self.execute(revive, &expired).await? > 0 {
                    return Ok(Created::Stored);
                }
            }
            None => values.push(now.into()),
        }
        match self.execute(create, &values).await {
            Ok(0) | Err(Failure::Taken(_)) => Ok(Created::Taken),
            Ok(_) => Ok(Created::Stored),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let now = self.now();
        let new = [Value::Bytes(&write.bytes), write.expires_at.into()];
        let values: Vec<_> = new
            .into_iter()
            .chain(self.key(key))
            .chain([Value::Bytes(&old.bytes), now.into()])
            .collect();
        for _ in 0..TRIES {
            if self
                .execute(&self.inner.statements.replace, &values)
                .await?
                > 0
            {
                return Ok(Replaced::Stored);
            }
            match self.living(key, now).await? {
                None => return Ok(Replaced::Gone),
                Some(stored) if stored.bytes != old.bytes => return Ok(Replaced::Changed),
                // It became what it was in between.
                Some(_) => {}
            }
        }
        Err(self.inner.columns.named(contended()))
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let values: Vec<_> = [expires_at.into()]
            .into_iter()
            .chain(self.key(key))
            .chain([self.now().into()])
            .collect();
        match self.execute(&self.inner.statements.touch, &values).await? {
            0 => Ok(Touched::Gone),
            _ => Ok(Touched::Extended),
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        let values: Vec<_> = self
            .key(key)
            .chain([Value::Bytes(&old.bytes), now.into()])
            .collect();
        for _ in 0..TRIES {
            if self.execute(&self.inner.statements.delete, &values).await? > 0 {
                return Ok(Deleted::Deleted);
            }
            match self.living(key, now).await? {
                None => return Ok(Deleted::Gone),
                Some(stored) if stored.bytes != old.bytes => return Ok(Deleted::Changed),
                Some(_) => {}
            }
        }
        Err(self.inner.columns.named(contended()))
    }
}

impl Sweep for SqlAlchemyStore {
    /// Does the same as `flask session_cleanup`. The table has no index on `expiry`, so it is read
    /// as a whole. Rows without an expiry stay, as there.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let now = self.now().into();
        // Elsewhere than in MySQL a row that was found is looked at again when it is deleted.
        let values = [now, Value::Number(rows), now];
        let values = match self.inner.database.is_mysql() {
            true => &values[..2],
            false => &values[..],
        };
        let removed = self.execute(&self.inner.statements.sweep, values).await?;
        Ok(usize::try_from(removed).unwrap_or(limit))
    }
}

impl fmt::Debug for SqlAlchemyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlAlchemyStore")
            .field("timeout", &self.inner.timeout)
            .finish_non_exhaustive()
    }
}

/// How often a statement is tried at most when others come between.
const TRIES: u32 = 5;

fn contended() -> StoreError {
    failure::transient(STORE, "others wrote the same record again and again")
}
