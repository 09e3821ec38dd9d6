//! Announcements of removed records: notified by the statement that deletes, heard on a connection
//! of their own.

use std::fmt;

use cloakroom_store::connections::Relay;
use cloakroom_store::{Feed, Hint, Hints, StoreError};

use crate::{SqlStore, failure};

/// The removals from a [`SqlStore`] on PostgreSQL, from [`Feed::listen`].
///
/// ```no_run
/// use cloakroom_sql::{SqlHints, SqlStore};
/// use cloakroom_store::{Feed, Hints};
///
/// # async fn example(store: SqlStore) -> Result<(), cloakroom_store::StoreError> {
/// let mut hints: SqlHints = store.listen().await?;
/// while let Some(hint) = hints.next().await {
///     // Look at the session.
/// }
/// # Ok(())
/// # }
/// ```
pub struct SqlHints(Relay);

impl Hints for SqlHints {
    async fn next(&mut self) -> Option<Hint> {
        self.0.next().await
    }
}

impl fmt::Debug for SqlHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqlHints(..)")
    }
}

impl Feed for SqlStore {
    type Hints = SqlHints;

    /// Opens a connection of its own to PostgreSQL, also beside an application's pool, and tries
    /// whether an announcement arrives there. Use it with
    /// [`Builder::announce_ends`](crate::Builder::announce_ends).
    ///
    /// # Errors
    ///
    /// A permanent error without that setting, on another database, and behind a pooler. Those of
    /// the server.
    async fn listen(&self) -> Result<SqlHints, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(channel) = &self.inner.channel {
            return postgres::listen(self, channel).await.map(SqlHints);
        }
        let _ = &self.inner.channel;
        Err(failure::silent())
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::Arc;
    use std::time::Duration;

    use cloakroom_store::connections::{Passes, Relay};
    use cloakroom_store::{Hint, Key, StoreError};
    use sqlx::postgres::{PgListener, PgPoolOptions};
    use sqlx::{AssertSqlSafe, Executor as _, Row as _};
    use tokio::time::timeout;

    use crate::database::Kind;
    use crate::deadline::Deadline;
    use crate::postgres::{CODES, is_refusal};
    use crate::{SqlStore, failure};

    /// After so long without any, the connection is tested.
    const IDLE: Duration = Duration::from_secs(10);

    /// A setting of the connection that only its own server has.
    const SIGN: &str = "cloakroom.listener";

    pub(super) async fn listen(store: &SqlStore, channel: &str) -> Result<Relay, StoreError> {
        let patience = store.inner.timeout;
        let mut listener = Deadline::after(patience)
            .limit(connected(store, channel))
            .await??;
        probe(store, &mut listener, channel).await?;
        Ok(Relay::new(move |passes| hear(listener, passes, patience)))
    }

    async fn connected(store: &SqlStore, channel: &str) -> Result<PgListener, StoreError> {
        #[allow(irrefutable_let_patterns, reason = "there may be no other database")]
        let Kind::Postgres(connections) = &store.inner.database else {
            return Err(failure::silent());
        };
        let options = connections.options().ok_or_else(failure::silent)?;
        let sign = random()?;
        // `PgListener` wants a pool. This one never has another connection.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options.options([(SIGN, &sign)]));
        let mut listener = match PgListener::connect_with(&pool).await {
            Ok(listener) => listener,
            Err(sqlx::Error::Database(error)) if is_refusal(&*error) => return Err(failure::deaf()),
            Err(error) => return Err(failure::of_handshake(error, &CODES).into()),
        };
        // A lost connection is reported, and not replaced: the caller has to look at everything.
        listener.eager_reconnect(false);
        if !is_direct(&mut listener, &sign).await.map_err(failed)? {
            return Err(failure::deaf());
        }
        listener.listen(channel).await.map_err(failed)?;
        Ok(listener)
    }

    /// Returns whether this connection is one of PostgreSQL's own: it was started with this sign.
    ///
    /// A pooler would accept `LISTEN`, and then lend the server's connection to other clients.
    /// Their operations fail when an announcement arrives in the middle.
    async fn is_direct(listener: &mut PgListener, sign: &str) -> sqlx::Result<bool> {
        let show = format!("SELECT current_setting('{SIGN}', true)");
        let row = listener
            .fetch_one(sqlx::raw_sql(AssertSqlSafe(show)))
            .await?;
        let found: Option<String> = row.try_get(0)?;
        Ok(found.as_deref() == Some(sign))
    }

    fn failed(error: sqlx::Error) -> StoreError {
        failure::of(error, &CODES).into()
    }

    fn random() -> Result<String, StoreError> {
        let random = getrandom::u64().map_err(|_| failure::no_randomness())?;
        Ok(random.to_string())
    }

    /// Announces something by another connection, and waits for it.
    async fn probe(
        store: &SqlStore,
        listener: &mut PgListener,
        channel: &str,
    ) -> Result<(), StoreError> {
        // The space makes it no key, so other listeners pass over it.
        let probe = format!("probe {}", random()?);
        let notify: Arc<str> = format!("SELECT pg_notify('{channel}', '{probe}')").into();
        let database = &store.inner.database;
        store
            .write(|deadline| database.make(deadline, &notify))
            .await?;
        let arrival = async {
            loop {
                match listener.try_recv().await {
                    Ok(Some(heard)) if heard.payload() == probe => return Ok(true),
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(false),
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        match timeout(store.inner.timeout, arrival).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(failure::lost_listener()),
            Ok(Err(error)) => Err(error),
            Err(_) => match is_there(listener, store.inner.timeout).await {
                true => Err(failure::deaf()),
                false => Err(failure::lost_listener()),
            },
        }
    }

    async fn hear(mut listener: PgListener, passes: Passes, patience: Duration) {
        loop {
            // It reads whole messages, so it can be interrupted.
            match timeout(IDLE, listener.try_recv()).await {
                Ok(Ok(Some(heard))) => {
                    // Anybody may notify other things there.
                    if let Some(key) = Key::new(heard.payload()) {
                        passes.pass(Hint::Removed(key));
                    }
                }
                Ok(Ok(None) | Err(_)) => return,
                Err(_) if is_there(&mut listener, patience).await => {}
                Err(_) => return,
            }
        }
    }

    async fn is_there(listener: &mut PgListener, patience: Duration) -> bool {
        let answer = timeout(patience, listener.execute("SELECT 1")).await;
        matches!(answer, Ok(Ok(_)))
    }
}
