use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Swept, Touched, UnixTime,
    Write,
};

use crate::Builder;
use crate::database::{Done, Kind, Value};
use crate::deadline::Deadline;
use crate::failure::{self, Failure};
use crate::health::Health;
use crate::name::Table;
use crate::statements::{Statement, Statements};

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Keeps sessions in a table of a SQL database. Clones are handles on the same store.
///
/// The [crate's documentation](crate) lists its guarantees.
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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) database: Kind,
    place: Option<Place>,
    pub(crate) statements: Statements,
    /// The channel of announcements, where the delete sends them.
    pub(crate) channel: Option<String>,
    clock: Clock,
    pub(crate) timeout: Duration,
    /// The state of the connections, if the pool is the store's own.
    health: Health,
}

impl SqlStore {
    /// Connects with the [builder](Self::builder)'s defaults.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), cloakroom_store::StoreError> {
    /// let store =
    ///     cloakroom_sql::SqlStore::connect("sqlite:/var/lib/app/sessions.db").await?;
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Returns a builder, for a store with options.
    ///
    /// ```
    /// # use cloakroom_sql::SqlStore;
    /// let builder = SqlStore::builder().table("sessions");
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts a task that removes expired rows at this interval (at least a second). It ends with
    /// the last handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`].
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_sql::SqlStore;
    /// use std::time::Duration;
    ///
    /// # async fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = SqlStore::connect("sqlite:/var/lib/app/sessions.db").await?;
    /// store.migrate().await?;
    /// let store = store.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    pub(crate) fn new(
        database: Kind,
        table: &Table,
        announces: bool,
        clock: Clock,
        timeout: Duration,
        health: Health,
    ) -> Self {
        let mut statements = database.statements(table);
        let channel = match announces {
            true => database.announce(table, &mut statements),
            false => None,
        };
        let place = database.place(table);
        Self {
            inner: Arc::new(Inner {
                database,
                place,
                statements,
                channel,
                clock,
                timeout,
                health,
            }),
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.inner.clock)()
    }

    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Done, StoreError> {
        self.write(|deadline| self.inner.database.execute(deadline, statement, values))
            .await
    }

    /// Executes a statement that writes.
    pub(crate) async fn write<T, F>(&self, write: impl Fn(Deadline) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.bounded(async |deadline| {
            let mut tries = Tries(1);
            loop {
                match write(deadline).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => tries.go_on_after(self.noted(failure)).await?,
                }
            }
        })
        .await
    }

    /// Executes a statement that only reads.
    pub(crate) async fn read<T, F>(&self, query: impl Fn(Deadline) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.bounded(async |deadline| {
            let mut tries = Tries(1);
            let mut stale = 0;
            loop {
                match query(deadline).await {
                    Ok(found) => return Ok(found),
                    // The server closed this connection while it was idle. Repeating a read is
                    // harmless.
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
        self.read(|deadline| self.inner.database.load(deadline, load, &values))
            .await
    }

    async fn bounded<T>(
        &self,
        work: impl AsyncFnOnce(Deadline) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let deadline = Deadline::after(self.inner.timeout);
        deadline.limit(work(deadline)).await?
    }
}

impl Store for SqlStore {
    fn place(&self) -> Option<Place> {
        self.inner.place.clone()
    }

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
    /// Waits a moment after a failure that certainly did nothing, because of concurrent statements.
    /// Returns any other failure, and one too many.
    async fn go_on_after(&mut self, failure: Failure) -> Result<(), StoreError> {
        if !matches!(failure, Failure::Conflict(_)) || self.0 == TRIES {
            return Err(failure.into());
        }
        // 2, 4, 8, 16 ms: commits that collided seldom arrive at the same time again.
        tokio::time::sleep(Duration::from_millis(1 << self.0)).await;
        self.0 += 1;
        Ok(())
    }
}

/// Returns a version that no other write has: neither of this record nor of a later one under the
/// same key.
fn version() -> Result<Value<'static>, StoreError> {
    let random = getrandom::u64().map_err(|_| failure::no_randomness())?;
    // Without a sign bit, because SQL's integers are signed. Never 0, which MySQL uses for none.
    Ok(Value::Number((random >> 1).max(1).cast_signed()))
}

impl Value<'_> {
    fn version_of(stored: &Stored) -> Self {
        Self::Number(stored.version.cast_signed())
    }
}
