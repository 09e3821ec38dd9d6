//! From what a store found to the session that the handler sees, and what counts as living.

use crate::exchange::{Base, Loading};
use crate::expiry::SKEW;
use crate::record::{Record, Retired};
use crate::{Config, Error, Exchange, Key, Stored, UnixTime};

use super::{MAX_CHAIN, Machine};

impl Exchange {
    /// The answer to [`wants_load`](Exchange::wants_load): what the store found under `key`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::NewerRecord`] if the record cannot be read: the exchange then stays without a session,
    /// and leaves the record alone. [`Error::Misuse`] if nothing, or another key, was wanted.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    /// # let mut exchange = Exchange::open(&Config::default(), [token.as_bytes()], UnixTime::from_secs(0));
    /// while let Some(key) = exchange.wants_load() {
    ///     let key = key.clone();
    ///     let found = None; // store.load(&key).await?
    ///     exchange.handle_loaded(&key, found)?;
    /// }
    /// assert!(exchange.session()?.is_new());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        self.0.handle_loaded(key, found)
    }
}

impl Machine {
    fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        if self.wants_load() != Some(key) {
            return Err(Error::Misuse);
        }
        let answer = self.loaded(found);
        if let Err(error) = &answer {
            self.work.base = None;
            self.loading = Loading::Failed(error.clone());
        }
        answer
    }

    fn loaded(&mut self, found: Option<Stored>) -> Result<(), Error> {
        if let Loading::Following(_) = self.loading {
            return self.followed(found);
        }
        let next = self.candidates.get_mut(self.at).ok_or(Error::Misuse)?;
        let key = next.key.take();
        let living = match found {
            None => None,
            Some(stored) => {
                let base = self.config.base(stored, key, self.opened)?;
                if let Some(retired) = &base.record.retired
                    && self.config.readable(retired, self.opened)
                {
                    self.loading = Loading::Following(base);
                    return Ok(());
                }
                Some(base).filter(|base| self.config.alive(&base.record, self.opened))
            }
        };
        self.settle(living);
        Ok(())
    }

    /// The end of a retired record's chain, or what follows in it.
    #[cold]
    fn followed(&mut self, found: Option<Stored>) -> Result<(), Error> {
        let found = found.map(|stored| self.config.read(stored, self.opened));
        let end = found.transpose()?;
        let Loading::Following(mut base) = std::mem::replace(&mut self.loading, Loading::Next)
        else {
            return Err(Error::Misuse);
        };
        // Rule nofollow: a retired record counts only while the end of its chain lives.
        match end {
            Some(Record {
                retired: Some(retired),
                ..
            }) => {
                if base.chain.len() == MAX_CHAIN {
                    return Err(Error::Contended);
                }
                base.chain.push(retired.successor);
                self.loading = Loading::Following(base);
            }
            end => {
                let lives = end.is_some_and(|end| self.config.alive(&end, self.opened));
                self.settle(lives.then_some(base));
            }
        }
        Ok(())
    }

    /// The candidate is dealt with.
    fn settle(&mut self, living: Option<Box<Base>>) {
        let candidate = self.candidates.get_mut(self.at);
        self.at += 1;
        let Some(living) = living else {
            return;
        };
        self.token = candidate.and_then(|candidate| candidate.token.take());
        // Two distinct living tokens: neither is trusted.
        if let Some(other) = self.work.base.take() {
            self.work.untrusted.push(*other);
        }
        match self.work.untrusted.is_empty() {
            true => self.work.base = Some(living),
            false => self.work.untrusted.push(*living),
        }
    }
}

impl Config {
    pub(super) fn base(&self, stored: Stored, key: Key, now: UnixTime) -> Result<Box<Base>, Error> {
        let record = self.read(stored, now)?;
        let chain = record
            .retired
            .iter()
            .map(|retired| retired.successor.clone())
            .collect();
        Ok(Box::new(Base { key, record, chain }))
    }

    /// What a reload found; a live record that has expired counts as none.
    pub(super) fn existing(
        &self,
        found: Option<Stored>,
        key: &Key,
        now: UnixTime,
    ) -> Result<Option<Box<Base>>, Error> {
        let found = found
            .map(|stored| self.base(stored, key.clone(), now))
            .transpose()?;
        Ok(found.filter(|base| base.record.retired.is_some() || self.alive(&base.record, now)))
    }

    pub(super) fn alive(&self, record: &Record, now: UnixTime) -> bool {
        let lifetime = self.lifetime(record.expiry);
        record.retired.is_none() && lifetime.alive(record.created, record.stored.expires_at, now)
    }

    /// Whether the grace lasts. A clock that was ahead when the record was retired, and is not any more, must not lengthen it.
    fn readable(&self, retired: &Retired, now: UnixTime) -> bool {
        let grace = self.settings().grace;
        // Without a grace there is nothing to read, whenever the request began.
        !grace.is_zero() && now < retired.until && retired.until <= now + grace + SKEW
    }
}
