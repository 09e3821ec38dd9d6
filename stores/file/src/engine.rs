use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};

use crate::disk::Disk;
use crate::failure;
use crate::format::{MAX_RECORD, Record};
use crate::layout::{Layout, Name};
use crate::lock::ShardLock;

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// The result of a load.
pub(crate) enum Loaded {
    Living(Stored),
    Expired,
    /// The load has to look again.
    NotFound,
}

/// The operations, blocking. All but `load` expect that the caller holds the lock of the key's
/// shard.
pub(crate) struct Engine {
    pub(crate) layout: Layout,
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    pub(crate) lock_timeout: Duration,
}

impl Engine {
    pub(crate) fn load(&self, key: &Key) -> Result<Loaded, StoreError> {
        let found = self.read_unlocked(&Name::of_key(key))?;
        Ok(match found.filter(|record| record.key == *key) {
            None => Loaded::NotFound,
            Some(record) if self.is_living(&record) => {
                Loaded::Living(Stored::new(record.bytes, record.expires_at, 0))
            }
            Some(_) => Loaded::Expired,
        })
    }

    pub(crate) fn create(
        &self,
        name: &Name,
        key: &Key,
        write: Write,
    ) -> Result<Created, StoreError> {
        let there = self.record(name, key)?;
        if there.as_ref().is_some_and(|there| self.is_living(there)) {
            return Ok(Created::Taken);
        }
        // The record has expired: it counts as absent, and its file is replaced.
        self.put(name, there.as_ref(), &of_write(key, write))?;
        Ok(Created::Stored)
    }

    pub(crate) fn replace(
        &self,
        name: &Name,
        key: &Key,
        old: &Stored,
        write: Write,
    ) -> Result<Replaced, StoreError> {
        match self.living(name, key)? {
            None => Ok(Replaced::Gone),
            Some(there) if there.bytes != old.bytes => Ok(Replaced::Changed),
            Some(there) => {
                self.put(name, Some(&there), &of_write(key, write))?;
                Ok(Replaced::Stored)
            }
        }
    }

    /// Writes the whole record again. Updating eight bytes in place, or the modification time,
    /// would be cheaper. But because files never change, a load needs no lock and a checksum covers
    /// everything. Touches are rare.
    pub(crate) fn touch(
        &self,
        name: &Name,
        key: &Key,
        expires_at: UnixTime,
    ) -> Result<Touched, StoreError> {
        let Some(there) = self.living(name, key)? else {
            return Ok(Touched::Gone);
        };
        if there.expires_at != expires_at {
            let touched = Record {
                key: key.clone(),
                subject: there.subject.clone(),
                expires_at,
                bytes: there.bytes.clone(),
            };
            self.put(name, Some(&there), &touched)?;
        }
        Ok(Touched::Extended)
    }

    pub(crate) fn delete(
        &self,
        name: &Name,
        key: &Key,
        old: &Stored,
    ) -> Result<Deleted, StoreError> {
        match self.living(name, key)? {
            None => Ok(Deleted::Gone),
            Some(there) if there.bytes != old.bytes => Ok(Deleted::Changed),
            Some(there) => {
                self.remove(name, &there)?;
                self.settle(name)?;
                Ok(Deleted::Deleted)
            }
        }
    }

    /// Waits for the right to write in a shard.
    pub(crate) fn lock(&self, shard: u8, deadline: Instant) -> Result<ShardLock, StoreError> {
        let path = self.layout.lock(shard);
        ShardLock::acquire(&self.disk, &path, deadline)
            .map_err(|error| failure::before("lock", self.layout.base(), error))?
            .ok_or_else(|| failure::locked_out(self.layout.base(), self.lock_timeout))
    }

    /// Loads the record again, under the lock of its shard, after a load without a lock found
    /// nothing. In user-space file systems such as sshfs a rename over a file is not atomic, so a
    /// reader may find nothing for a moment.
    pub(crate) fn look_again(
        &self,
        name: &Name,
        deadline: Instant,
    ) -> Result<Option<Record>, StoreError> {
        let path = self.layout.lock(name.shard());
        let _lock = ShardLock::share(&self.disk, &path, deadline)
            .map_err(|error| failure::before("lock", self.layout.base(), error))?
            .ok_or_else(|| failure::locked_out(self.layout.base(), self.lock_timeout))?;
        self.read(name)
    }

    /// The same for a load: `None` if the record has ended, too.
    pub(crate) fn load_again(
        &self,
        key: &Key,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        let name = Name::of_key(key);
        let found = self.look_again(&name, deadline)?;
        let found = found.filter(|record| record.key == *key && self.is_living(record));
        Ok(found.map(|record| Stored::new(record.bytes, record.expires_at, 0)))
    }

    /// Until when an operation that begins now waits for its lock.
    pub(crate) fn deadline(&self) -> Instant {
        const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Instant::now() + self.lock_timeout.min(FOR_EVER)
    }

    pub(crate) fn is_living(&self, record: &Record) -> bool {
        record.expires_at > (self.clock)()
    }

    /// The same without a lock. Returns `None` if there is no record, or no whole one: then the
    /// caller looks again under the lock.
    pub(crate) fn read_unlocked(&self, name: &Name) -> Result<Option<Record>, StoreError> {
        match self.read(name) {
            // On some file systems an open file can become the one that takes its name.
            Err(error) if !error.is_transient() => Ok(None),
            read => read,
        }
    }

    /// The record of that name, expired or not.
    pub(crate) fn read(&self, name: &Name) -> Result<Option<Record>, StoreError> {
        let path = self.layout.record(name);
        let failed = |error| failure::before("read a record", self.layout.base(), error);
        let Some(file) = self.disk.read(&path).map_err(failed)? else {
            // No such file: because there is no such record, or because there is no store? An
            // unmounted volume must not look like a visitor without a session.
            return match self.disk.is_dir(&self.layout.shard(name.shard())) {
                Ok(true) => Ok(None),
                Ok(false) => Err(failed(ErrorKind::NotFound.into())),
                Err(error) => Err(failed(error)),
            };
        };
        match Record::decode(file) {
            Ok(record) if Name::of_key(&record.key) == *name => Ok(Some(record)),
            Ok(_) => Err(failure::corrupt(&path, "it belongs to another key")),
            Err(reason) => Err(failure::corrupt(&path, reason)),
        }
    }

    /// Removes a record and its entry in the index. Durable only after `settle`.
    pub(crate) fn remove(&self, name: &Name, there: &Record) -> Result<(), StoreError> {
        self.disk
            .remove_file(&self.layout.record(name))
            .map_err(|error| failure::before("remove a record", self.layout.base(), error))?;
        if let Some(subject) = &there.subject {
            self.unlist(subject, name);
        }
        Ok(())
    }

    fn living(&self, name: &Name, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.record(name, key)?;
        Ok(found.filter(|record| self.is_living(record)))
    }

    fn record(&self, name: &Name, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.read(name)?;
        // Two keys of one SHA-256 do not exist; if they did, neither would get the other's record.
        match found {
            Some(other) if other.key != *key => Err(failure::corrupt(
                &self.layout.record(name),
                "it belongs to another key",
            )),
            found => Ok(found),
        }
    }

    /// Makes `record` the one of that name. Until the rename nothing of it is visible; with it,
    /// everything is.
    fn put(&self, name: &Name, there: Option<&Record>, record: &Record) -> Result<(), StoreError> {
        let old_subject = there.and_then(|there| there.subject.as_deref());
        let new_subject = record.subject.as_deref();
        let next = self.layout.next(name.shard());
        self.stage(&next, record)?;
        if let Some(subject) = new_subject {
            // Before the record, so that no moment exists in which the record is there and its
            // subject's list lacks it.
            let is_listed = old_subject == new_subject;
            self.list_under(subject, name, is_listed).map_err(|error| {
                let _ = self.disk.remove_file(&next);
                failure::before("write a record", self.layout.base(), error)
            })?;
        }
        if let Err(error) = self.disk.rename(&next, &self.layout.record(name)) {
            if self.disk.remove_file(&next).is_err() {
                // It is not where it was, so the rename may have happened all the same.
                return Err(failure::after("write a record", self.layout.base(), error));
            }
            if let Some(subject) = new_subject.filter(|_| old_subject != new_subject) {
                self.unlist(subject, name);
            }
            return Err(failure::before("write a record", self.layout.base(), error));
        }
        if let Some(subject) = old_subject.filter(|_| old_subject != new_subject) {
            self.unlist(subject, name);
        }
        self.settle(name)
    }

    /// Writes the file that is to become the record.
    fn stage(&self, next: &std::path::Path, record: &Record) -> Result<(), StoreError> {
        let file = record
            .encode()
            .map_err(|len| failure::too_large(len, MAX_RECORD))?;
        let create = || match self.disk.create(next) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.disk.remove_file(next)?;
                self.disk.create(next)
            }
            created => created,
        };
        let write = || {
            let mut opened = create()?;
            self.disk.write(next, &mut opened, &file)?;
            self.disk.sync(next, &opened)
        };
        write().map_err(|error| {
            // Only to give the space back: the next writer of the shard, or the sweeper, would do
            // it too.
            let _ = self.disk.remove_file(next);
            failure::before("write a record", self.layout.base(), error)
        })
    }

    /// Makes what happened to the record's name last.
    fn settle(&self, name: &Name) -> Result<(), StoreError> {
        self.disk
            .sync_names(&self.layout.shard(name.shard()))
            .map_err(|error| failure::after("make a change last", self.layout.base(), error))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.layout.base())
            .finish_non_exhaustive()
    }
}

fn of_write(key: &Key, write: Write) -> Record {
    Record {
        key: key.clone(),
        subject: write.subject,
        expires_at: write.expires_at,
        bytes: write.bytes,
    }
}
