//! Changes of records, as the server announces them to a client that caches: `CLIENT TRACKING` in
//! its broadcasting mode, on a connection of its own.
//!
//! In a cluster, one to each master ([`masters`]).
//!
//! That mode announces every key of the prefix from one command on. So it does not matter on which
//! connection a record is loaded, and when. The other mode announces what a connection has read,
//! once. Each new connection of the store would have to switch it on again. And the server would
//! keep every key that any process has read.

#[cfg(feature = "cluster")]
mod masters;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Change, Changes, StoreError, Track};
use futures_util::future::{Either, select};
use redis::{Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::timeout;

use crate::inner::Inner;
use crate::link::{Does, Link};
use crate::way::One;
use crate::{RedisStore, failure};

/// How many messages a slow listener may be behind. Each has the changes of a moment.
const BEHIND: usize = 4_096;

/// The changes of a [`RedisStore`]'s records, from [`Track::track`].
///
/// ```no_run
/// use cloakroom_redis::{RedisChanges, RedisStore};
/// use cloakroom_store::{Changes, Track};
///
/// # async fn example(store: RedisStore) -> Result<(), cloakroom_store::StoreError> {
/// let mut changes: RedisChanges = store.track().await?;
/// while let Some(change) = changes.next().await {
///     // Drop the record from a cache.
/// }
/// # Ok(())
/// # }
/// ```
pub struct RedisChanges {
    store: Arc<Inner>,
    heard: Heard,
    pushes: Receiver<PushInfo>,
    waiting: VecDeque<Change>,
    question: Option<Question>,
    /// The question was answered. Messages that came before the answer come first.
    answered: bool,
}

/// The servers that announce.
#[derive(Clone)]
enum Heard {
    One {
        connection: One,
        /// The store's own connection to the same server.
        generation: u64,
    },
    #[cfg(feature = "cluster")]
    Masters(masters::Masters),
}

/// Whether the servers have answered as they must.
type Question = Pin<Box<dyn Future<Output = bool> + Send>>;

impl Changes for RedisChanges {
    fn ask(&mut self) {
        if self.question.is_some() || self.answered {
            return;
        }
        let (heard, link) = (self.heard.clone(), self.store.link.clone());
        self.question = Some(Box::pin(async move { heard.is_sound(&link).await }));
    }

    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some(change);
            }
            if self.answered {
                match self.pushes.try_recv() {
                    Ok(push) => self.take(push)?,
                    Err(TryRecvError::Lagged(_)) => return Some(Change::All),
                    Err(TryRecvError::Closed) => return None,
                    Err(TryRecvError::Empty) => {
                        self.answered = false;
                        return Some(Change::Complete);
                    }
                }
                continue;
            }
            let push = match &mut self.question {
                None => self.pushes.recv().await,
                Some(question) => match select(pin!(self.pushes.recv()), question).await {
                    Either::Left((push, _)) => push,
                    Either::Right((is_sound, _)) => {
                        self.question = None;
                        self.answered = true;
                        is_sound.then_some(())?;
                        continue;
                    }
                },
            };
            match push {
                Ok(push) => self.take(push)?,
                Err(RecvError::Lagged(_)) => return Some(Change::All),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Heard {
    /// Returns whether every change before this question has been announced by now.
    async fn is_sound(&self, link: &Link) -> bool {
        match self {
            Self::One {
                connection,
                generation,
            } => {
                // The server writes the answers of a turn of its loop before the announcements of
                // that turn. The second question is in a later turn.
                for _ in 0..2 {
                    if !is_master(connection, link.timeout()).await {
                        return false;
                    }
                }
                // The store may have gone to another server, whose changes are not announced here.
                link.generation() == *generation
            }
            #[cfg(feature = "cluster")]
            Self::Masters(masters) => masters.are_all(link.timeout()).await,
        }
    }
}

impl RedisChanges {
    /// Takes what a message announces. None when the connection has ended.
    fn take(&mut self, push: PushInfo) -> Option<()> {
        match push.kind {
            PushKind::Invalidate => match &push.data[..] {
                [Value::Array(names)] => {
                    let names = names.iter().filter_map(|name| match name {
                        Value::BulkString(name) => Some(name),
                        _ => None,
                    });
                    // Lists of subjects have the prefix too.
                    let keys = names.filter_map(|name| self.store.names.key(name));
                    self.waiting.extend(keys.map(Change::Record));
                }
                // The database was emptied.
                _ => self.waiting.push_back(Change::All),
            },
            PushKind::Disconnection => return None,
            _ => {}
        }
        Some(())
    }
}

impl fmt::Debug for RedisChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisChanges(..)")
    }
}

impl Track for RedisStore {
    type Changes = RedisChanges;

    /// Opens a connection of its own, with RESP3 (Redis 6, any Valkey), in a cluster one to each
    /// master. The server sends the names of all records of the prefix that any process changes.
    /// Five round trips.
    ///
    /// In a cluster the changes end when a master is lost, added or replaced, and when slots move.
    ///
    /// # Errors
    ///
    /// A permanent error behind a proxy that spreads keys and with a cluster's client of the
    /// application's own. Also where the user may not run `CLIENT TRACKING`, `INFO` or `ROLE`, and
    /// in a cluster `CLUSTER NODES` or `CLUSTER INFO`. Transient while the nodes of a cluster
    /// disagree about its masters. Those of the server.
    async fn track(&self) -> Result<RedisChanges, StoreError> {
        let (sender, pushes) = broadcast::channel(BEHIND);
        Ok(RedisChanges {
            heard: self.listen_to(sender).await?,
            store: Arc::clone(&self.inner),
            pushes,
            waiting: VecDeque::new(),
            question: None,
            answered: false,
        })
    }
}

impl RedisStore {
    async fn listen_to(&self, pushes: Sender<PushInfo>) -> Result<Heard, StoreError> {
        let (link, prefix) = (&self.inner.link, self.inner.names.prefix());
        #[cfg(feature = "cluster")]
        if link.is_cluster() {
            let masters = masters::Masters::listen(link, prefix, &pushes);
            return Ok(Heard::Masters(masters.await?));
        }
        if link.is_spread() {
            return Err(failure::untracked());
        }
        let connection = link.pushing(pushes).await?;
        answer(link, &connection, &tracking(prefix)).await?;
        // A refusal is an error that says so.
        answer(link, &connection, &redis::cmd("ROLE")).await?;
        let here = answer(link, &connection, &info()).await?;
        let generation = link.generation();
        let there = link.command::<Value>(info(), Does::Read).await?;
        // A proxy may lead the two connections to different servers.
        if link.generation() != generation || run(here)? != run(there)? {
            return Err(failure::elsewhere());
        }
        Ok(Heard::One {
            connection,
            generation,
        })
    }
}

/// Asks for the announcements of all keys with this prefix.
fn tracking(prefix: &str) -> Cmd {
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON").arg("BCAST");
    tracking.arg("PREFIX").arg(prefix);
    tracking
}

fn info() -> Cmd {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    info
}

/// Returns the name of the server's run.
fn run(info: Value) -> Result<String, StoreError> {
    let text: String = redis::from_redis_value(info).map_err(|_| failure::answer())?;
    let run = text.lines().find_map(|line| line.strip_prefix("run_id:"));
    run.map(str::to_owned).ok_or_else(failure::untracked)
}

/// Sends a command on this connection, and waits for the answer.
async fn answer(link: &Link, connection: &One, command: &Cmd) -> Result<Value, StoreError> {
    let answered = sent(connection, command, link.timeout()).await;
    answered.map_err(|error| link.failed(&error))
}

async fn sent(connection: &One, command: &Cmd, patience: Duration) -> RedisResult<Value> {
    let mut connection = connection.connection.clone();
    let answer = connection.send_packed_command(command);
    match timeout(patience, answer).await {
        Ok(answer) => answer.and_then(Value::extract_error),
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// A replica announces changes too, later than the master acknowledges them.
async fn is_master(connection: &One, patience: Duration) -> bool {
    match sent(connection, &redis::cmd("ROLE"), patience).await {
        Ok(Value::Array(role)) => match role.first() {
            Some(Value::BulkString(role)) => role == b"master",
            Some(Value::SimpleString(role)) => role == "master",
            _ => false,
        },
        _ => false,
    }
}
