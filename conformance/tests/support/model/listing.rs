//! Many records at a time: listed, swept, gone through.

use cloakroom_store::{Cursor, Directory, Entry, Enumerate, Key, Page, StoreError, Stored, Sweep};
use tokio::task::yield_now;

use super::fault::Fault;
use super::records::{Data, Model, Record};

impl Directory for Model {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.begin(&Key::new("list").unwrap()).await?;
        let data = self.data();
        let matches = |key: &Key, record: &Record| {
            let named = match data.not_moved.get(key) {
                Some(before) => before.as_deref(),
                None => record.subject.as_deref(),
            };
            let similar = |named: &str| {
                self.is(Fault::ListMatchesPattern)
                    && subject
                        .strip_suffix('%')
                        .is_some_and(|start| named.starts_with(start))
            };
            named == Some(subject)
                || named.is_some_and(similar)
                || data
                    .also_listed
                    .contains(&(subject.to_owned(), key.clone()))
        };
        let lives = |record: &Record| {
            self.is(Fault::ListShowsExpired) || self.lives(record.stored.expires_at)
        };
        let records = data.records.iter();
        Ok(records
            .filter(|(key, record)| lives(record) && matches(key, record))
            .map(|(key, record)| (key.clone(), record.stored.clone()))
            .collect())
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let mut listed = self.list(subject).await?;
        match self.is(Fault::ListSomeIgnoresLimit) {
            true => {}
            // The limit is for what it looks at, and not for what it finds.
            false if self.is(Fault::ListSomeStopsEarly) => listed.truncate(limit / 2 + 1),
            false => listed.truncate(limit),
        }
        Ok(listed)
    }
}

impl Sweep for Model {
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.begin(&Key::new("sweep").unwrap()).await?;
        let limit = match self.fault {
            Fault::SweepIgnoresLimit => usize::MAX,
            _ => limit,
        };
        let over = |data: &Data| -> Vec<Key> {
            let records = data.records.iter();
            records
                .filter(|(_, record)| {
                    self.is(Fault::SweepTakesAll) || !self.lives(record.stored.expires_at)
                })
                .map(|(key, _)| key.clone())
                .take(limit)
                .collect()
        };
        let before = match self.fault {
            Fault::SweepChecksFirst => {
                let keys = over(&self.data());
                yield_now().await;
                Some(keys)
            }
            _ => None,
        };
        let mut data = self.data();
        let keys = before.unwrap_or_else(|| over(&data));
        for key in &keys {
            data.records.remove(key);
        }
        Ok(keys.len())
    }
}

impl Enumerate for Model {
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.begin(&Key::new("enumerate").unwrap()).await?;
        let data = self.data();
        let after = after.map_or("", Cursor::as_str);
        let skipped: usize = match self.is(Fault::EnumerateByPosition) {
            true => after.parse().unwrap_or_default(),
            false => data
                .records
                .keys()
                .filter(|key| key.as_str() <= after)
                .count(),
        };
        let lives = |record: &Record| {
            self.is(Fault::EnumerateShowsExpired) || self.lives(record.stored.expires_at)
        };
        let (mut page, mut looked) = (Page::default(), skipped);
        for (key, record) in data.records.iter().skip(skipped).take(limit.max(1)) {
            looked += 1;
            let subject = record.subject.as_deref();
            let subject = subject.filter(|_| !self.is(Fault::EnumerateForgetsSubjects));
            if lives(record) {
                let entry = Entry::new(key.clone(), record.stored.clone(), subject.map(Box::from));
                page.records.push(entry);
            }
            page.next = Some(match self.is(Fault::EnumerateByPosition) {
                true => Cursor::new(looked.to_string()),
                false => Cursor::new(key.as_str()),
            });
        }
        page.next = page.next.filter(|_| looked < data.records.len());
        Ok(page)
    }
}
