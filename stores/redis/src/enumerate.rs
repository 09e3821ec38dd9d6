//! Going through all records, by `SCAN`.

use bytes::Bytes;
use cloakroom_store::{Cursor, Entry, Enumerate, Key, Page, StoreError};

use crate::failure;
use crate::inner::Inner;
use crate::layout::Found;
use crate::link::Does;
use crate::store::RedisStore;

impl Enumerate for RedisStore {
    /// Asks for at most 1,000 names at a time: three round trips, and four for the first page.
    /// `SCAN` passes over the whole database, so pages are short or empty where other keys are
    /// many. The user needs the commands `SCAN` and `INFO`.
    ///
    /// # Errors
    ///
    /// Permanent on a Redis Cluster, and when the server was restarted or another one has taken
    /// over since the first page.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let inner = &*self.inner;
        if inner.link.is_cluster() {
            return Err(failure::no_enumeration(
                "a Redis Cluster does not go through its records; a server of its own does",
            ));
        }
        let (server, position) = match after {
            None => (inner.server().await?, 0),
            Some(cursor) => position(cursor)?,
        };
        let (next, keys) = inner.scan(position, limit.clamp(1, 1000)).await?;
        let mut records = Vec::with_capacity(keys.len());
        if !keys.is_empty() {
            for (key, value) in keys.iter().zip(inner.values(&keys).await?) {
                // It may have ended meanwhile.
                if let Some(Found { subject, stored }) = value.map(Found::parse).transpose()? {
                    let subject = subject.map(|subject| text(&subject)).transpose()?;
                    records.push(Entry::new(key.clone(), stored, subject));
                }
            }
        }
        // In another process the same position means other records, and some would be passed over.
        if inner.server().await? != server {
            return Err(failure::no_enumeration(
                "the server was restarted, or another one has taken over; begin again",
            ));
        }
        let next = (next != 0).then(|| Cursor::new(format!("{server} {next}")));
        Ok(Page { records, next })
    }
}

impl Inner {
    /// Returns the next position, and the keys of the records at this one.
    async fn scan(&self, position: u64, count: usize) -> Result<(u64, Vec<Key>), StoreError> {
        let mut command = redis::cmd("SCAN");
        command.arg(position).arg("MATCH").arg(self.names.pattern());
        command.arg("COUNT").arg(count);
        let (next, mut names): (u64, Vec<Bytes>) = self.link.command(command, Does::Read).await?;
        // The server may return a name twice.
        names.sort_unstable();
        names.dedup();
        // The lists of subjects have the same prefix. Their names are no keys of records.
        let keys = names.iter().filter_map(|name| self.names.key(name));
        Ok((next, keys.collect()))
    }

    /// Returns the number of this run of the server.
    async fn server(&self) -> Result<String, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let lines: Bytes = self.link.command(command, Does::Read).await?;
        let lines = std::str::from_utf8(&lines).map_err(|_| failure::answer())?;
        let mut runs = lines
            .lines()
            .filter_map(|line| line.strip_prefix("run_id:"));
        let run = runs.next().ok_or_else(failure::answer)?;
        Ok(run.trim().to_owned())
    }
}

fn position(cursor: &Cursor) -> Result<(String, u64), StoreError> {
    let parts = cursor.as_str().split_once(' ');
    parts
        .and_then(|(server, position)| Some((server.to_owned(), position.parse().ok()?)))
        .ok_or_else(|| failure::no_enumeration("the cursor is another store's; begin again"))
}

fn text(subject: &[u8]) -> Result<Box<str>, StoreError> {
    let subject = std::str::from_utf8(subject).map_err(|_| failure::foreign())?;
    Ok(subject.into())
}
