//! The records of a subject, by its list.

use bytes::Bytes;
use cloakroom_store::{Directory, Key, StoreError, Stored};

use crate::inner::Inner;
use crate::layout::Found;
use crate::link::Does;
use crate::store::RedisStore;

impl Directory for RedisStore {
    /// Two round trips, and one more for each further 64 records of the subject.
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        let members = self.members(subject, 0, -1).await?;
        self.listed(subject, &members, usize::MAX).await
    }

    /// Reads as many entries as there may be records, and the whole list if some of those were of
    /// no use.
    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let last = i64::try_from(limit).map_or(-1, |limit| limit - 1);
        let mut members = self.members(subject, 0, last).await?;
        let mut records = self.listed(subject, &members, limit).await?;
        if members.len() >= limit && records.len() < limit {
            members = self.members(subject, 0, -1).await?;
            records = self.listed(subject, &members, limit).await?;
        }
        Ok(records)
    }
}

impl RedisStore {
    /// Returns the entries of a subject's list, by their places.
    async fn members(
        &self,
        subject: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<Bytes>, StoreError> {
        let Inner { link, names, .. } = &*self.inner;
        let mut command = redis::cmd("ZRANGE");
        command
            .arg(names.list(subject.as_bytes()))
            .arg(first)
            .arg(last);
        link.command(command, Does::Read).await
    }

    /// Returns the records of these entries that are the subject's, at most `limit`.
    async fn listed(
        &self,
        subject: &str,
        members: &[Bytes],
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let keys: Vec<_> = members
            .iter()
            .filter_map(|member| Key::new(std::str::from_utf8(member).ok()?))
            .collect();
        let mut records = Vec::with_capacity(keys.len().min(limit));
        for keys in keys.chunks(64) {
            if records.len() >= limit {
                break;
            }
            for (key, value) in keys.iter().zip(self.inner.values(keys).await?) {
                // The entry is only a hint: the record itself names its subject.
                if let Some(found) = value.map(Found::parse).transpose()?
                    && found.subject.as_deref() == Some(subject.as_bytes())
                {
                    records.push((key.clone(), found.stored));
                }
            }
        }
        records.truncate(limit);
        Ok(records)
    }
}
