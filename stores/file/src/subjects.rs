//! The index from a subject to its records: one directory for each subject, in it one empty file
//! for each record.
//!
//! A record that can be loaded is always listed, but a listed record may be missing. So each entry
//! is compared with its record when it is used. An entry without a record, left by a killed
//! process, is removed. Adding or removing an entry requires the lock of its record's shard.

use std::io::{self, ErrorKind};

use cloakroom_store::{Key, StoreError, Stored};

use crate::engine::Engine;
use crate::failure;
use crate::layout::Name;
use crate::lock::ShardLock;

impl Engine {
    pub(crate) fn list(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let mut listed = Vec::new();
        for name in self.entries(subject)? {
            if listed.len() >= limit {
                break;
            }
            let found = match self.read_unlocked(&name)? {
                None => self.look_again(&name, self.deadline())?,
                found => found,
            };
            match found {
                Some(record) if record.subject.as_deref() == Some(subject) => {
                    if self.is_living(&record) {
                        let stored = Stored::new(record.bytes, record.expires_at, 0);
                        listed.push((record.key, stored));
                    }
                }
                _ => self.tidy(subject, &name),
            }
        }
        Ok(listed)
    }

    /// Adds an entry. `is_listed`: it should be there already, and is put back only if it was
    /// removed.
    pub(crate) fn list_under(&self, subject: &str, name: &Name, is_listed: bool) -> io::Result<()> {
        let subject = Name::of_subject(subject);
        let dir = self.layout.subject(&subject);
        let entry = dir.join(name.as_str());
        // The removal of another record's entry may remove a directory just made, because it is
        // empty. That is a matter of a moment: sixteen times in a row means a broken file system.
        for _ in 0..16 {
            match self.disk.create(&entry) {
                Ok(_) => return self.disk.sync_names(&dir),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && is_listed => {
                    return Ok(());
                }
                // Left by a writer that may have been killed before it made the entry last.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return self.disk.sync_names(&dir);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.disk.make_dir(&dir)?;
                    self.disk
                        .sync_names(&self.layout.subject_shard(subject.shard()))?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    /// Removes an entry, and the subject's directory if that was the last one. An entry too many
    /// does no harm.
    pub(crate) fn unlist(&self, subject: &str, name: &Name) {
        let dir = self.layout.subject(&Name::of_subject(subject));
        if self.disk.remove_file(&dir.join(name.as_str())).is_ok() {
            let _ = self.disk.remove_dir(&dir);
        }
    }

    fn entries(&self, subject: &str) -> Result<Vec<Name>, StoreError> {
        let subject = Name::of_subject(subject);
        let dir = self.layout.subject(&subject);
        let failed = |error| failure::before("list a subject", self.layout.base(), error);
        match self.disk.names(&dir) {
            Ok(names) => {
                if names.is_empty() {
                    // Left by a killed process.
                    let _ = self.disk.remove_dir(&dir);
                }
                Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self
                    .disk
                    .is_dir(&self.layout.subject_shard(subject.shard()))
                {
                    Ok(true) => Ok(Vec::new()),
                    Ok(false) => Err(failed(error)),
                    Err(error) => Err(failed(error)),
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes an entry without a record. Skips it while a writer is in that shard, because it may
    /// be about to write the record.
    fn tidy(&self, subject: &str, name: &Name) {
        let lock = ShardLock::try_acquire(&self.disk, &self.layout.lock(name.shard()));
        let Ok(Some(_lock)) = lock else { return };
        let leads_somewhere = match self.read(name) {
            Ok(Some(record)) => record.subject.as_deref() == Some(subject),
            Ok(None) => false,
            Err(_) => true,
        };
        if !leads_somewhere {
            self.unlist(subject, name);
        }
    }
}
