//! A value that is taken while the handler runs, by one request of any number.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::journal::Journal;
use crate::pending::Loaded;
use crate::seal::Opener;
use crate::{Commit, Error, Key, Stored, UnixTime, values};

use super::Machine;

/// The value that a claim takes.
pub(crate) struct Claim {
    name: Box<str>,
    /// The value in the record that is to be replaced.
    value: Option<Box<[u8]>>,
}

/// A value that was taken out of its session, by this request alone.
///
/// ```
/// use cloakroom_core::{Claimed, Error};
///
/// fn nonce(claimed: &Claimed) -> Result<Option<u64>, Error> {
///     claimed.get()
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    name: Box<str>,
    value: Box<[u8]>,
    key: Key,
    /// Opens sealed values under the key.
    opener: Option<Opener>,
}

impl Claimed {
    /// Returns the value. A stored `None` is no value where `T` is a plain type.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Claimed, Error};
    /// fn nonce(claimed: &Claimed) -> Result<Option<u64>, Error> {
    ///     claimed.get()
    /// }
    /// ```
    pub fn get<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        values::decode(&self.name, &self.value)
    }

    /// Returns the key of the record that the value was taken out of.
    ///
    /// ```
    /// # use cloakroom_core::{Claimed, Key};
    /// fn to_look_at(claimed: &Claimed) -> &Key {
    ///     claimed.key()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claimed(..)")
    }
}

impl Machine {
    /// Returns the commit that takes a value, independent of this exchange's own commit. Returns
    /// `None` if there is no such value.
    pub(crate) fn claim(&self, name: &str, now: UnixTime) -> Result<Option<Commit>, Error> {
        if self.config.settings().envelope.is_some() {
            return Err(Error::NeedsStore);
        }
        let base = self.pending.base.as_deref();
        let Some(base) = base.filter(|_| !self.pending.destroyed) else {
            return Ok(None);
        };
        if base.record.value(name).is_none() {
            return Ok(None);
        }
        let mut machine = Box::new(Self::open(&self.config, now));
        machine.opened = self.opened;
        machine.wants_epoch = false;
        let mut journal = Journal::default();
        journal.remove(Some(&base.record), name);
        machine.pending.journal = journal;
        machine.pending.base = Some(Box::new(base.clone()));
        machine.claim = Some(Box::new(Claim {
            name: name.into(),
            value: None,
        }));
        Ok(Some(machine.start()))
    }

    /// Notes what the next write takes out.
    pub(super) fn note_claim(&mut self) {
        if let (Some(claim), Some(base)) = (&mut self.claim, &self.pending.base) {
            claim.value = base.record.value(&claim.name).map(Box::from);
        }
    }

    /// Whether the value that is claimed is gone: another request took it.
    pub(super) fn lost_claim(&self, current: &Loaded) -> bool {
        let claim = self.claim.as_deref();
        claim.is_some_and(|claim| current.record.value(&claim.name).is_none())
    }

    pub(super) fn claimed(&self) -> Option<Claimed> {
        let (claim, base) = (self.claim.as_deref()?, self.pending.base.as_deref()?);
        Some(Claimed {
            name: claim.name.clone(),
            value: claim.value.clone()?,
            key: base.key.clone(),
            opener: base.opener.clone(),
        })
    }

    /// Goes on with the record as it is without the value.
    pub(crate) fn after_claim(&mut self, claimed: &Claimed, found: Option<Stored>) {
        let opener = claimed.opener.clone();
        let found = (self.config).existing(found, &claimed.key, opener, self.opened);
        let limits = self.config.settings().limits;
        let pending = &mut self.pending;
        if let (Ok(Some(mut current)), Some(base)) = (found, &pending.base)
            && current.record.retired.is_none()
        {
            current.via = base.via || base.key != current.key;
            if pending
                .journal
                .replay(Some(&current.record), limits)
                .is_ok()
            {
                pending.base = Some(current);
                return;
            }
        }
        // It was rotated or ended since, as this request's own commit will find out. What this
        // request itself has set under the name stays.
        if !pending.journal.has(&claimed.name) {
            let record = pending.base.as_ref().map(|base| &base.record);
            pending.journal.remove(record, &claimed.name);
        }
    }
}
