//! Changes of records, as the server announces them to a client that caches: `CLIENT TRACKING` in
//! its broadcasting mode, on a connection of its own.
//!
//! That mode announces every key of the prefix from one command on. So it does not matter on which
//! connection a record is loaded, and when. The other mode announces what a connection has read,
//! once. Each new connection of the store would have to switch it on again. And the server would
//! keep every key that any process has read.

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
use tokio::sync::broadcast::{self, Receiver};
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
    /// The store's own connection to the same server.
    generation: u64,
    connection: One,
    pushes: Receiver<PushInfo>,
    waiting: VecDeque<Change>,
    question: Option<Question>,
    /// The question was answered. Messages that came before the answer come first.
    answered: bool,
}

/// Whether the server has answered as it must.
type Question = Pin<Box<dyn Future<Output = bool> + Send>>;

impl Changes for RedisChanges {
    fn ask(&mut self) {
        if self.question.is_some() || self.answered {
            return;
        }
        let connection = self.connection.clone();
        let link = self.store.link.clone();
        let generation = self.generation;
        self.question = Some(Box::pin(async move {
            // The server writes the answers of a turn of its loop before the announcements of that
            // turn. The second question is in a later turn.
            for _ in 0..2 {
                if !is_master(&connection, link.timeout()).await {
                    return false;
                }
            }
            // The store may have gone to another server, whose changes are not announced here.
            link.generation() == generation
        }));
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

    /// Opens a connection of its own, with RESP3 (Redis 6, any Valkey). The server sends the names
    /// of all records of the prefix that any process changes. Five round trips.
    ///
    /// # Errors
    ///
    /// A permanent error in a cluster, behind a proxy that spreads keys, and where the user may not
    /// run `CLIENT TRACKING`, `INFO` or `ROLE`. Those of the server.
    async fn track(&self) -> Result<RedisChanges, StoreError> {
        let link = &self.inner.link;
        if link.is_spread() {
            return Err(failure::untracked());
        }
        let (sender, pushes) = broadcast::channel(BEHIND);
        let connection = link.pushing(sender).await?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON").arg("BCAST");
        tracking.arg("PREFIX").arg(self.inner.names.prefix());
        answer(link, &connection, &tracking).await?;
        // A refusal is an error that says so.
        answer(link, &connection, &redis::cmd("ROLE")).await?;
        let here = answer(link, &connection, &info()).await?;
        let generation = link.generation();
        let there = link.command::<Value>(info(), Does::Read).await?;
        // A proxy may lead the two connections to different servers.
        if link.generation() != generation || run(here)? != run(there)? {
            return Err(failure::elsewhere());
        }
        Ok(RedisChanges {
            store: Arc::clone(&self.inner),
            generation,
            connection,
            pushes,
            waiting: VecDeque::new(),
            question: None,
            answered: false,
        })
    }
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
