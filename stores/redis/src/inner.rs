//! The state of a store, and the commands that its operations share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cloakroom_store::{Key, Place, StoreError, Stored, UnixTime, Write};
use futures_util::future::try_join_all;
use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use crate::failure;
use crate::layout::{self, Draft, Names};
use crate::link::{Does, Link};
use crate::scripts;
use crate::versions::Versions;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) names: Names,
    pub(crate) place: Option<Place>,
    /// Where deleted records are announced.
    pub(crate) channel: Option<Box<str>>,
    pub(crate) versions: Versions,
    /// The server compares in its `SET` (`IFEQ`).
    pub(crate) has_ifeq: AtomicBool,
}

impl Inner {
    pub(crate) async fn value(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let record = self.names.record(key);
        let mut command = Cmd::with_capacity(2, record.len() + 3);
        command.arg("GET").arg(record);
        self.link.command(command, Does::Read).await
    }

    /// Returns whether one command replaced the record. If not, the script finds out why.
    pub(crate) async fn replaced(
        &self,
        record: &[u8],
        old: &Stored,
        draft: &Draft,
        write: &Write,
    ) -> Result<bool, StoreError> {
        let there = Draft::of(old);
        let bytes = record.len() + draft.bytes.len() + there.bytes.len();
        let mut command = Cmd::with_capacity(7, bytes + 32);
        command.arg("SET").arg(record).arg(&draft.bytes);
        command.arg("IFEQ").arg(there.bytes);
        command
            .arg("PXAT")
            .arg(layout::milliseconds(write.expires_at));
        match self.link.outcome(command, Does::Write).await? {
            Ok(Value::Okay) => Ok(true),
            Ok(Value::Nil) => Ok(false),
            Ok(_) => Err(failure::answer()),
            // An older server has taken over, which did nothing.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => {
                self.has_ifeq.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(self.link.failed(&error)),
        }
    }

    /// Loads the values of these keys.
    pub(crate) async fn values(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if self.link.is_cluster() {
            // They are on many nodes, and any of them may be moving.
            return try_join_all(keys.iter().map(|key| self.value(key))).await;
        }
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(self.names.record(key));
        }
        let values: Vec<_> = self.link.command(command, Does::Read).await?;
        match values.len() == keys.len() {
            true => Ok(values),
            false => Err(failure::answer()),
        }
    }

    /// Adds the entry of a subject's list to a write's script. If the list is on another server
    /// than the record, it is written first.
    pub(crate) async fn entry(&self, key: &Key, write: &Write) -> Result<Entry, StoreError> {
        let Some(subject) = write.subject.as_deref() else {
            return Ok(Entry(None));
        };
        if self.link.is_spread() {
            self.enter(key, subject.as_bytes(), write.expires_at)
                .await?;
            return Ok(Entry(None));
        }
        let list = self.names.list(subject.as_bytes());
        let [needed, enough, now] = needed(write.expires_at);
        let entry = [key.as_str().to_owned(), needed, enough, now];
        Ok(Entry(Some((list, entry))))
    }

    pub(crate) async fn enter(
        &self,
        key: &Key,
        subject: &[u8],
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let list = self.names.list(subject);
        let [needed, enough, now] = needed(expires_at);
        let keys = [&list[..]];
        let arguments = [
            key.as_bytes(),
            needed.as_bytes(),
            enough.as_bytes(),
            now.as_bytes(),
        ];
        // It does the same if it is done twice.
        let done = self
            .link
            .script(&scripts::ENTER, &keys, &arguments, Does::Read);
        done.await.map(|_: i64| ())
    }

    pub(crate) fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// Returns the lists' prefix, for a script that finds the record's subject itself. Empty where
    /// a script reaches only the record's server.
    pub(crate) fn lists(&self) -> &str {
        if self.link.is_spread() {
            ""
        } else {
            self.names.lists()
        }
    }
}

/// The name of a list, and the arguments of its entry.
pub(crate) struct Entry(Option<(Vec<u8>, [String; 4])>);

impl Entry {
    pub(crate) fn with<'a, const K: usize, const A: usize>(
        &'a self,
        keys: [&'a [u8]; K],
        arguments: [&'a [u8]; A],
    ) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
        let (mut keys, mut arguments) = (keys.to_vec(), arguments.to_vec());
        if let Some((list, entry)) = &self.0 {
            keys.push(list);
            arguments.extend(entry.iter().map(String::as_bytes));
        }
        (keys, arguments)
    }
}

/// Returns until when a list's entry is needed, which expiry suffices for now, and the time.
///
/// An entry is needed for twice the record's life, and an hour more because clocks differ. So an
/// entry that a touch could not extend is still there at the next one. The remainder after half a
/// life, and half an hour, still outlasts the record.
pub(crate) fn needed(expires_at: UnixTime) -> [String; 3] {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = UnixTime::from(SystemTime::now());
    let life = expires_at.since(now);
    let needed = expires_at + life + HOUR;
    let enough = expires_at + life / 2 + HOUR / 2;
    [needed, enough, now].map(|moment| moment.as_secs().to_string())
}
