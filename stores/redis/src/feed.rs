//! Announcements of removed records: published by the script that deletes, heard on a connection of
//! their own.

use std::fmt;
use std::time::Duration;

use cloakroom_store::{Feed, Hint, Hints, Key, StoreError};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

use crate::way::One;
use crate::{RedisStore, failure};

/// How many announcements a slow listener may be behind.
const BEHIND: usize = 4_096;

/// After so long without any, the connection is tested.
const IDLE: Duration = Duration::from_secs(10);

/// The removals from a [`RedisStore`], from [`Feed::listen`].
///
/// ```no_run
/// use cloakroom_redis::{RedisHints, RedisStore};
/// use cloakroom_store::{Feed, Hints};
///
/// # async fn example(store: RedisStore) -> Result<(), cloakroom_store::StoreError> {
/// let mut hints: RedisHints = store.listen().await?;
/// while let Some(hint) = hints.next().await {
///     // Look at the session.
/// }
/// # Ok(())
/// # }
/// ```
pub struct RedisHints {
    connection: One,
    pushes: broadcast::Receiver<PushInfo>,
    channel: Vec<u8>,
    patience: Duration,
}

impl Hints for RedisHints {
    async fn next(&mut self) -> Option<Hint> {
        loop {
            let Ok(push) = timeout(IDLE, self.pushes.recv()).await else {
                self.is_there().await.then_some(())?;
                continue;
            };
            match push {
                Ok(push) => match push.kind {
                    PushKind::Message => {
                        if let Some(key) = self.removed(&push.data) {
                            return Some(Hint::Removed(key));
                        }
                    }
                    PushKind::Disconnection => return None,
                    _ => {}
                },
                Err(RecvError::Lagged(_)) => return Some(Hint::Lost),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl RedisHints {
    fn removed(&self, data: &[Value]) -> Option<Key> {
        match data {
            [Value::BulkString(channel), Value::BulkString(key)] if *channel == self.channel => {
                // Anybody may publish other things there.
                Key::new(std::str::from_utf8(key).ok()?)
            }
            _ => None,
        }
    }

    /// Returns whether the server answers. An answer that is an error counts.
    async fn is_there(&mut self) -> bool {
        let ping = redis::cmd("PING");
        let answer = self.connection.connection.send_packed_command(&ping);
        match timeout(self.patience, answer).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => !error.is_io_error() && !error.is_unrecoverable_error(),
            Err(_) => false,
        }
    }
}

impl fmt::Debug for RedisHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisHints(..)")
    }
}

impl Feed for RedisStore {
    type Hints = RedisHints;

    /// Opens a connection of its own, with RESP3 (Redis 6, any Valkey). Use it with
    /// [`Builder::announce_ends`](crate::Builder::announce_ends).
    ///
    /// # Errors
    ///
    /// A permanent error without that setting, and in a cluster. Those of the server.
    async fn listen(&self) -> Result<RedisHints, StoreError> {
        let Some(channel) = self.inner.channel() else {
            return Err(failure::silent());
        };
        let (sender, pushes) = broadcast::channel(BEHIND);
        let mut connection = self.inner.link.pushing(sender).await?;
        let patience = self.inner.link.timeout();
        let subscribed = timeout(patience, connection.connection.subscribe(channel)).await;
        match subscribed {
            Ok(Ok(())) => Ok(RedisHints {
                connection,
                pushes,
                channel: channel.as_bytes().to_vec(),
                patience,
            }),
            Ok(Err(error)) => Err(self.inner.link.failed(&error)),
            Err(_) => {
                let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Err(self.inner.link.failed(&late.into()))
            }
        }
    }
}
