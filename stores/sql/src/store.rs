use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Sweep, Touched,
    UnixTime, Write,
};
use tokio::sync::Semaphore;

use crate::Builder;
use crate::database::{Done, Kind, Value};
use crate::failure::{self, Failure};
use crate::health::Health;
use crate::name::Table;
use crate::statements::{Statements, Sweeping};

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Sessions in a table of a SQL database. A handle: clones share everything. See the [crate's documentation](crate) for what it
/// guarantees.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom_store::StoreError> {
/// use cloakroom_sql::SqlStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// let store = SqlStore::connect("sqlite::memory:").await?;
/// store.migrate().await?;
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let write = Write::new(b"record".to_vec(), UnixTime::MAX, Some("ada".into()));
///
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, "record");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Kind,
    statements: Statements,
    clock: Clock,
    timeout: Duration,
    /// What is known of the connections, if the pool is the store's own.
    health: Health,
    /// Where only one can write at a time: the queue of those in this process who want to. The database would let them wait
    /// without an order, and asleep.
    queue: Option<Semaphore>,
}

impl SqlStore {
    /// Connects as the [builder](Self::builder) does when nothing else is said.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// let store = cloakroom_sql::SqlStore::connect("sqlite:/var/lib/app/sessions.db").await?;
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// A store with options.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().table("sessions");
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Makes the table with its indexes where it is missing (and a named schema in PostgreSQL); in SQLite and PostgreSQL also an index
    /// that is missing alone. There has been one form of the table so far: a later version of this crate that has another will
    /// change the table here. May be called at every start, by any number of processes at once.
    ///
    /// Who has no right to do so in production executes [`schema_sql`](Self::schema_sql) otherwise, and does not call this.
    ///
    /// # Errors
    ///
    /// When the database does not let it, or a table of this name is there that has not a store's columns, or one of another type (the
    /// error names it, and says what it must be); that is left as it is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_sql::SqlStore;
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// store.migrate().await?;
    /// store.migrate().await?; // nothing left to do
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let statements = &self.inner.statements;
        if let Some(namespace) = &statements.namespace {
            // Where it is there already, one may lack the right to make it. Where it is not, the next statement fails.
            let _ = self.execute(namespace, &[]).await;
        }
        self.execute(&statements.table, &[]).await?;
        // Before the indexes: a table that is somebody else's gets none.
        self.execute(&statements.probe, &[]).await?;
        let columns = || self.inner.database.unfit(&statements.columns);
        if let Some((column, found, wanted)) = self.read(columns).await? {
            return Err(failure::unfit(&column, &found, wanted));
        }
        for index in &statements.indexes {
            self.execute(index, &[]).await?;
        }
        Ok(())
    }

    /// The SQL that [`migrate`](Self::migrate) executes on an empty database, for those who make tables in another way.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_sql::SqlStore;
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// assert!(store.schema_sql().starts_with("CREATE TABLE IF NOT EXISTS \"cloakroom_sessions\" ("));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn schema_sql(&self) -> String {
        self.inner.statements.script()
    }

    pub(crate) fn new(
        database: Kind,
        table: &Table,
        clock: Clock,
        timeout: Duration,
        health: Health,
    ) -> Self {
        let statements = database.statements(table);
        let queue = database.has_one_writer().then(|| Semaphore::new(1));
        let inner = Inner {
            database,
            statements,
            clock,
            timeout,
            health,
            queue,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn now(&self) -> UnixTime {
        (self.inner.clock)()
    }

    /// Executes a statement that writes.
    async fn execute(&self, sql: &Arc<str>, values: &[Value<'_>]) -> Result<Done, StoreError> {
        self.bounded(async {
            let _turn = match &self.inner.queue {
                // Never closed, so there always is a permit to come.
                Some(queue) => Some(queue.acquire().await),
                None => None,
            };
            let mut tries = Tries(1);
            loop {
                match self.inner.database.execute(sql, values).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => tries.go_on_after(self.noted(failure)).await?,
                }
            }
        })
        .await
    }

    /// Executes a statement that only reads.
    async fn read<T, F>(&self, query: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.bounded(async {
            let mut tries = Tries(1);
            let mut stale = 0;
            loop {
                match query().await {
                    Ok(found) => return Ok(found),
                    // The server closed this connection while nobody used it. A read does no harm twice.
                    Err(failure) => match self.noted(failure) {
                        Failure::Broken(error) if error.is_transient() && stale < STALE => {
                            stale += 1;
                        }
                        failure => tries.go_on_after(failure).await?,
                    },
                }
            }
        })
        .await
    }

    /// A connection that broke makes the others doubtful.
    fn noted(&self, failure: Failure) -> Failure {
        if let Failure::Broken(_) = failure {
            self.inner.health.broke();
        }
        failure
    }

    async fn living(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let values = [Value::Bytes(key.as_bytes()), now.into()];
        let load = &self.inner.statements.load;
        self.read(|| self.inner.database.load(load, &values)).await
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.inner.timeout;
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or_else(|_| Err(failure::timed_out(limit)))
    }
}

impl Store for SqlStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.living(key, self.now()).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let now = self.now();
        let mut values = vec![
            Value::Bytes(key.as_bytes()),
            Value::Bytes(&write.bytes),
            write.expires_at.into(),
            Value::Subject(write.subject.as_deref()),
            version()?,
            now.into(),
        ];
        let create = &self.inner.statements.create;
        values.extend(std::iter::repeat_n(
            Value::from(now),
            self.inner.statements.create_nows,
        ));
        let done = self.execute(create, &values).await?;
        Ok(match done.taken {
            true => Created::Taken,
            false => Created::Stored,
        })
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let now = self.now();
        for _ in 0..TRIES {
            let values = [
                Value::Bytes(&write.bytes),
                write.expires_at.into(),
                Value::Subject(write.subject.as_deref()),
                version()?,
                Value::Bytes(key.as_bytes()),
                Value::version_of(old),
                now.into(),
            ];
            if self
                .execute(&self.inner.statements.replace, &values)
                .await?
                .rows
                > 0
            {
                return Ok(Replaced::Stored);
            }
            match self.living(key, now).await? {
                None => return Ok(Replaced::Gone),
                Some(stored) if stored.version != old.version => return Ok(Replaced::Changed),
                // It had expired, and another node, whose clock is behind, has extended it since.
                Some(_) => {}
            }
        }
        Err(failure::contended())
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let values = [
            expires_at.into(),
            Value::Bytes(key.as_bytes()),
            self.now().into(),
        ];
        let done = self.execute(&self.inner.statements.touch, &values).await?;
        Ok(match done.rows {
            0 => Touched::Gone,
            _ => Touched::Extended,
        })
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let now = self.now();
        let values = [
            Value::Bytes(key.as_bytes()),
            Value::version_of(old),
            now.into(),
        ];
        for _ in 0..TRIES {
            if self
                .execute(&self.inner.statements.delete, &values)
                .await?
                .rows
                > 0
            {
                return Ok(Deleted::Deleted);
            }
            match self.living(key, now).await? {
                None => return Ok(Deleted::Gone),
                Some(stored) if stored.version != old.version => return Ok(Deleted::Changed),
                // As in `replace`.
                Some(_) => {}
            }
        }
        Err(failure::contended())
    }
}

impl Sweep for SqlStore {
    /// In batches of at most 250 rows, each a transaction of its own, so that nobody else waits for long.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        const BATCH: usize = 250;
        let mut removed = 0;
        while removed < limit {
            let batch = BATCH.min(limit - removed);
            let (found, gone) = self.sweep_batch(batch).await?;
            removed += gone;
            if found < batch {
                break;
            }
        }
        Ok(removed)
    }
}

impl SqlStore {
    /// How many expired rows there were, up to `batch`, and how many of them this removed.
    async fn sweep_batch(&self, batch: usize) -> Result<(usize, usize), StoreError> {
        let now = Value::from(self.now());
        let limit = Value::Number(i64::try_from(batch).unwrap_or(i64::MAX));
        match &self.inner.statements.sweep {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            Sweeping::AtOnce(sql) => {
                let done = self.execute(sql, &[now, limit, now]).await?;
                let rows = usize::try_from(done.rows).unwrap_or(batch);
                Ok((rows, rows))
            }
            #[cfg(feature = "mysql")]
            Sweeping::ByKey { find, delete } => {
                let found = async { Ok(self.inner.database.keys(find, &[now, limit]).await?) };
                let keys = self.bounded(found).await?;
                if keys.is_empty() {
                    return Ok((0, 0));
                }
                let list = vec!["?"; keys.len()].join(", ");
                let delete = format!("{delete}({list})").into();
                let keys = keys.iter().map(|key| Value::Bytes(key));
                let values: Vec<_> = std::iter::once(now).chain(keys).collect();
                let done = self.execute(&delete, &values).await?;
                let rows = usize::try_from(done.rows).unwrap_or(batch);
                Ok((values.len() - 1, rows))
            }
        }
    }
}

impl Directory for SqlStore {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let values = [Value::Subject(Some(subject)), self.now().into()];
        let list = &self.inner.statements.list;
        self.read(|| self.inner.database.list(list, &values)).await
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("timeout", &self.inner.timeout)
            .finish_non_exhaustive()
    }
}

/// How often a statement is tried at most when others come between.
const TRIES: u32 = 5;

/// How many broken connections in a row a read passes over.
const STALE: u32 = 2;

/// The how manieth try of a statement it is.
struct Tries(u32);

impl Tries {
    /// After a failure of which it is known that the statement did not happen, because others were at it at the same time:
    /// waits a moment. Any other failure, and one too many, is returned.
    async fn go_on_after(&mut self, failure: Failure) -> Result<(), StoreError> {
        if !matches!(failure, Failure::Conflict(_)) || self.0 == TRIES {
            return Err(failure.into());
        }
        // 2, 4, 8, 16 ms: those who met do not need the same time for the way here.
        tokio::time::sleep(Duration::from_millis(1 << self.0)).await;
        self.0 += 1;
        Ok(())
    }
}

/// A version that no other write has: not one of this record, nor of another one under the same key after this one is gone.
fn version() -> Result<Value<'static>, StoreError> {
    let random = getrandom::u64().map_err(|_| failure::no_randomness())?;
    // Without a sign, because SQL has it, and never 0, by which MySQL says that there is none.
    Ok(Value::Number((random >> 1).max(1).cast_signed()))
}

impl Value<'_> {
    fn version_of(stored: &Stored) -> Self {
        Self::Number(stored.version.cast_signed())
    }
}
