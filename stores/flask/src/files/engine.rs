use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};

use super::layout::{FileLayout, OWN};
use super::lock::Lock;
use super::{disk, number};
use crate::failure;

pub(super) const STORE: &str = "flask-filesystem";

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// The operations, blocking. All but `load` expect that the caller holds the lock.
pub(super) struct Engine {
    pub(super) dir: PathBuf,
    pub(super) layout: FileLayout,
    pub(super) mode: u32,
    /// From how many files on a create removes some; 0 for never, and then they are not counted.
    pub(super) threshold: usize,
    pub(super) clock: Clock,
}

impl Engine {
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        Lock::acquire(STORE, &self.dir.join(format!("cloakroom_lock{OWN}")))
    }

    pub(super) fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.living(&self.path(key))
    }

    pub(super) fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let path = self.path(key);
        let there = self.read(&path)?;
        if there.as_ref().is_some_and(|there| self.is_living(there)) {
            return Ok(Created::Taken);
        }
        self.prune()?;
        self.put(&path, write.expires_at, &write.bytes)?;
        if there.is_none() {
            self.count(1);
        }
        Ok(Created::Stored)
    }

    pub(super) fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let path = self.path(key);
        match self.living(&path)? {
            None => Ok(Replaced::Gone),
            Some(there) if there.bytes != old.bytes => Ok(Replaced::Changed),
            Some(_) => {
                self.put(&path, write.expires_at, &write.bytes)?;
                Ok(Replaced::Stored)
            }
        }
    }

    pub(super) fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let path = self.path(key);
        let Some(there) = self.living(&path)? else {
            return Ok(Touched::Gone);
        };
        if there.expires_at != expires_at {
            self.put(&path, expires_at, &there.bytes)?;
        }
        Ok(Touched::Extended)
    }

    pub(super) fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let path = self.path(key);
        match self.living(&path)? {
            None => Ok(Deleted::Gone),
            Some(there) if there.bytes != old.bytes => Ok(Deleted::Changed),
            Some(_) => match self.remove(&path)? {
                true => Ok(Deleted::Deleted),
                // Flask was faster.
                false => Ok(Deleted::Gone),
            },
        }
    }

    /// Removes up to `limit` expired records. A file that is none of the layout's is passed over.
    pub(super) fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let now = (self.clock)();
        let mut removed = 0;
        for (end, path) in self.records()? {
            if removed == limit {
                break;
            }
            if end <= now && self.remove(&path)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Counts the files again, as every Flask process does at its start.
    pub(super) fn recount(&self) -> Result<(), StoreError> {
        if self.threshold > 0 {
            let files = self.names()?.len();
            self.set_count(files);
        }
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(self.layout.name(key))
    }

    fn is_living(&self, stored: &Stored) -> bool {
        (self.clock)() < stored.expires_at
    }

    fn living(&self, path: &Path) -> Result<Option<Stored>, StoreError> {
        Ok(self.read(path)?.filter(|stored| self.is_living(stored)))
    }

    /// Returns the record in this file, expired or not.
    fn read(&self, path: &Path) -> Result<Option<Stored>, StoreError> {
        let Some(file) = disk::read(path).map_err(failed)? else {
            // An unmounted volume must not look like a visitor without a session.
            return match self.dir.try_exists().map_err(failed)? {
                true => Ok(None),
                false => Err(failed(io::ErrorKind::NotFound.into())),
            };
        };
        match self.layout.decode(&file) {
            Some((end, at)) => {
                let bytes = Bytes::from(file).slice(at..);
                Ok(Some(Stored::new(bytes, end, 0)))
            }
            None => Err(failure::permanent(
                STORE,
                "a file does not have this layout, and was left as it is; remove it or choose \
                 another directory",
            )),
        }
    }

    fn put(&self, path: &Path, expires_at: UnixTime, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.layout.encode(expires_at, bytes);
        disk::replace(&self.next(), path, &file, self.mode).map_err(failed)
    }

    fn next(&self) -> PathBuf {
        self.dir.join(format!("cloakroom_next{OWN}"))
    }

    fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        let removed = disk::remove(path).map_err(failed)?;
        if removed {
            self.count(-1);
        }
        Ok(removed)
    }

    /// Makes room as cachelib does. If there are more files than the threshold, expired ones go
    /// first. If that is not enough, those that expire soonest follow.
    fn prune(&self) -> Result<(), StoreError> {
        if self.threshold == 0 || self.counted() <= self.threshold {
            return Ok(());
        }
        let now = (self.clock)();
        let mut records = self.records()?;
        records.sort_unstable();
        let mut left = records.len();
        for (end, path) in &records {
            if *end > now && left <= self.threshold {
                break;
            }
            disk::remove(path).map_err(failed)?;
            left -= 1;
        }
        self.set_count(left);
        Ok(())
    }

    /// Returns all records by their ends. A file that cannot be read, or is none, is passed over.
    fn records(&self) -> Result<Vec<(UnixTime, PathBuf)>, StoreError> {
        let mut records = Vec::new();
        for path in self.names()? {
            if let Ok(Some(head)) = disk::head(&path, FileLayout::HEAD)
                && let Some((end, _)) = self.layout.decode(&head)
            {
                records.push((end, path));
            }
        }
        Ok(records)
    }

    fn names(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut names = Vec::new();
        for entry in self.dir.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(name) = entry.file_name().to_str()
                && self.layout.is_record(name)
            {
                names.push(entry.path());
            }
        }
        Ok(names)
    }

    fn counted(&self) -> usize {
        let file = disk::read(&self.dir.join(self.layout.counter()));
        let read = |file: Vec<u8>| {
            let (_, at) = self.layout.decode(&file)?;
            let (count, _) = number::read(file.get(at..)?)?;
            usize::try_from(count).ok()
        };
        file.ok().flatten().and_then(read).unwrap_or(0)
    }

    fn count(&self, change: isize) {
        if self.threshold > 0 {
            self.set_count(self.counted().saturating_add_signed(change));
        }
    }

    /// A failed write of the counter is harmless: it is an estimate among writers without a lock,
    /// and each start counts again.
    fn set_count(&self, files: usize) {
        let count = number::write(files as u64);
        let file = self.layout.encode(UnixTime::MAX, &count);
        let path = self.dir.join(self.layout.counter());
        let _ = disk::replace(&self.next(), &path, &file, self.mode);
    }
}

/// Errors of the file system name no file: its name is made from the session's id.
pub(super) fn failed(error: io::Error) -> StoreError {
    disk::failed(STORE, "the session directory", &error)
}
