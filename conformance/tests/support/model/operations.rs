//! The five operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use tokio::task::yield_now;

use super::fault::Fault;
use super::records::{Data, Model};

impl Store for Model {
    fn place(&self) -> Option<Place> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let address = Arc::as_ptr(&self.shared) as usize;
        let place = match self.is(Fault::PlaceDiffers) {
            true => CALLS.fetch_add(1, Ordering::Relaxed).to_string(),
            false => address.to_string(),
        };
        Some(Place::new("model", [&*place]))
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let name = match self.begin(key).await {
            Err(_) if self.is(Fault::ErrorsAreNone) => return Ok(None),
            name => name?,
        };
        if let Some(stored) = self.cache.lock().unwrap().get(key)
            && self.lives(stored.expires_at)
        {
            return Ok(Some(stored.clone()));
        }
        let found = self.living(&self.data(), &name).map(|record| record.stored);
        if let Some(stored) = &found
            && self.is(Fault::CachePerHandle)
        {
            self.cache
                .lock()
                .unwrap()
                .insert(key.clone(), stored.clone());
        }
        Ok(found)
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let key = &self.begin(key).await?;
        let taken = |data: &Data| match self.fault {
            Fault::CreateOverwrites => false,
            Fault::CreateMindsExpired => data.records.contains_key(key),
            _ => self.living(data, key).is_some(),
        };
        if self.is(Fault::CreateChecksFirst) {
            if taken(&self.data()) {
                return Ok(Created::Taken);
            }
            yield_now().await;
            self.put(&mut self.data(), key, write);
            return Ok(Created::Stored);
        }
        let mut data = self.data();
        if taken(&data) {
            return Ok(Created::Taken);
        }
        self.put(&mut data, key, write);
        Ok(Created::Stored)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let check = |data: &Data| match self.living(data, key) {
            None if self.is(Fault::ReplaceUpserts) => None,
            None => Some(Replaced::Gone),
            Some(_) if self.is(Fault::ReplaceIgnoresOld) => None,
            Some(now) if !self.equal(&now, old) => Some(Replaced::Changed),
            Some(_) => None,
        };
        if self.is(Fault::CompareThenSwap) {
            if let Some(answer) = check(&self.data()) {
                return Ok(answer);
            }
            yield_now().await;
            self.put(&mut self.data(), key, write);
            return Ok(Replaced::Stored);
        }
        {
            let mut data = self.data();
            if let Some(answer) = check(&data) {
                return Ok(answer);
            }
            let mut write = write.clone();
            let before = data.records.get(key).cloned();
            match before.as_ref().map(|before| before.stored.expires_at) {
                Some(end) if self.is(Fault::ReplaceWritesExpiryLater) => write.expires_at = end,
                Some(end) if self.is(Fault::ReplaceKeepsExpiry) => write.expires_at = end,
                _ => {}
            }
            if self.is(Fault::ListMovesLater) {
                let subject = before.and_then(|before| before.subject);
                data.not_moved.insert(key.clone(), subject);
            }
            if self.is(Fault::ReplaceRemovesFirst) {
                data.records.remove(key);
            } else {
                self.put(&mut data, key, &write);
            }
        }
        match self.fault {
            Fault::ReplaceRemovesFirst => {
                yield_now().await;
                self.put(&mut self.data(), key, write);
            }
            Fault::ReplaceWritesExpiryLater => {
                yield_now().await;
                if let Some(record) = self.data().records.get_mut(key) {
                    record.stored.expires_at = write.expires_at;
                }
            }
            Fault::ListMovesLater => {
                yield_now().await;
                self.data().not_moved.remove(key);
            }
            _ => {}
        }
        Ok(Replaced::Stored)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let Some(mut record) = self.living(&self.data(), key) else {
            return Ok(Touched::Gone);
        };
        if self.is(Fault::TouchRevives) {
            yield_now().await;
            record.stored.expires_at = expires_at;
            self.data().records.insert(key.clone(), record);
            return Ok(Touched::Extended);
        }
        let mut data = self.data();
        let Some(record) = data.records.get_mut(key) else {
            return Ok(Touched::Gone);
        };
        if self.is(Fault::TouchOnlyExtends) && record.stored.expires_at > expires_at {
            return Ok(Touched::Extended);
        }
        record.stored.expires_at = expires_at;
        if self.is(Fault::TouchChangesVersion) {
            record.stored.version += 1_000_000;
        }
        Ok(Touched::Extended)
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.cache.lock().unwrap().remove(key);
        let key = &self.begin(key).await?;
        let check = |data: &Data| match self.living(data, key) {
            None if self.is(Fault::DeleteAnswersDeletedForGone) => Some(Deleted::Deleted),
            None => Some(Deleted::Gone),
            Some(_) if self.is(Fault::DeleteIgnoresOld) => None,
            Some(now) if !self.equal(&now, old) => Some(Deleted::Changed),
            Some(_) if self.is(Fault::DeleteForgets) => Some(Deleted::Deleted),
            Some(_) => None,
        };
        if self.is(Fault::CompareThenSwap) {
            if let Some(answer) = check(&self.data()) {
                return Ok(answer);
            }
            yield_now().await;
        }
        let mut data = self.data();
        if !self.is(Fault::CompareThenSwap)
            && let Some(answer) = check(&data)
        {
            return Ok(answer);
        }
        data.records.remove(key);
        self.announce(key);
        Ok(Deleted::Deleted)
    }
}
