//! Many records at a time: swept, listed, gone through.

use cloakroom_store::{Cursor, Directory, Enumerate, Key, Page, StoreError, Stored, Sweep};

use crate::database::Value;
use crate::statements::Sweeping;
use crate::store::SqlStore;

impl Sweep for SqlStore {
    /// Removes expired rows in batches of at most 250, each in its own transaction, so that others
    /// wait only briefly.
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
    /// Returns how many expired rows there were, up to `batch`, and how many of them this removed.
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
                let values = [now, limit];
                let find = |deadline| self.inner.database.keys(deadline, find, &values);
                let keys = self.read(find).await?;
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
        self.list_some(subject, usize::MAX).await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        if limit == 0 {
            // A statement without a row brings no proof.
            return Ok(Vec::new());
        }
        let limit = Value::Number(i64::try_from(limit).unwrap_or(i64::MAX));
        let values = [Value::Subject(Some(subject)), self.now().into(), limit];
        let list = &self.inner.statements.list;
        self.read(|deadline| self.inner.database.list(deadline, list, &values))
            .await
    }
}

impl Enumerate for SqlStore {
    /// One statement along the primary key, for at most 10,000 records.
    async fn enumerate(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, 10_000);
        let after = after.map_or("", Cursor::as_str).as_bytes();
        let number = Value::Number(i64::try_from(limit).unwrap_or(i64::MAX));
        let values = [Value::Bytes(after), self.now().into(), number];
        let page = &self.inner.statements.page;
        let records = self
            .read(|deadline| self.inner.database.page(deadline, page, &values))
            .await?;
        let last = records.iter().map(|entry| entry.key.as_str()).max();
        let next = last.filter(|_| records.len() >= limit).map(Cursor::new);
        Ok(Page { records, next })
    }
}
