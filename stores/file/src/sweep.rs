use cloakroom_store::{StoreError, UnixTime};

use crate::engine::Engine;
use crate::failure;
use crate::format::ends_at;
use crate::layout::{Name, is_temporary};

/// The result of sweeping one shard. Both may be set: an error does not stop the rest.
#[derive(Default)]
pub(crate) struct Swept {
    pub(crate) removed: usize,
    pub(crate) error: Option<StoreError>,
}

impl Engine {
    /// Removes expired records of a shard, and files that a killed writer left. A file that is no
    /// record stays, and is reported.
    pub(crate) fn sweep_shard(&self, shard: u8, limit: usize) -> Swept {
        let mut swept = Swept::default();
        if let Err(error) = self.sweep_into(shard, limit, &mut swept) {
            swept.error.get_or_insert(error);
        }
        swept
    }

    /// How many records there are, the expired ones included.
    pub(crate) fn count(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for shard in 0..=u8::MAX {
            count += self.names(shard)?.len();
        }
        Ok(count)
    }

    /// The `excess` records that end soonest.
    pub(crate) fn soonest(&self, excess: usize) -> Result<Vec<Name>, StoreError> {
        let mut all: Vec<(UnixTime, Name)> = Vec::new();
        for shard in 0..=u8::MAX {
            for name in self.names(shard)? {
                // One that cannot be read is the sweeper's to report.
                if let Ok(Some(end)) = self.end(&name) {
                    all.push((end, name));
                }
            }
        }
        all.sort_by_key(|(end, _)| *end);
        all.truncate(excess);
        Ok(all.into_iter().map(|(_, name)| name).collect())
    }

    /// Removes a record, whichever it is.
    pub(crate) fn evict(&self, name: &Name) -> Result<(), StoreError> {
        let _lock = self.lock(name.shard(), self.deadline())?;
        match self.read(name)? {
            Some(record) => self.remove(name, &record),
            None => Ok(()),
        }
    }

    fn sweep_into(&self, shard: u8, limit: usize, swept: &mut Swept) -> Result<(), StoreError> {
        let dir = self.layout.shard(shard);
        let names = self.disk.names(&dir).map_err(|error| self.failed(error))?;
        let left = names.iter().any(|name| is_temporary(name));
        let now = (self.clock)();
        let mut expired = Vec::new();
        for name in names.iter().filter_map(|name| Name::parse(name)) {
            match self.end(&name) {
                Ok(Some(end)) if end <= now => expired.push(name),
                Ok(_) => {}
                Err(error) => {
                    swept.error.get_or_insert(error);
                }
            }
        }
        if expired.is_empty() && !left {
            return Ok(());
        }

        let _lock = self.lock(shard, self.deadline())?;
        // A writer would hold the lock, so this file was left by a killed one.
        for name in names.iter().filter(|name| is_temporary(name)) {
            let _ = self.disk.remove_file(&dir.join(name));
        }
        for name in expired {
            if swept.removed == limit {
                break;
            }
            // `end` was read without a lock and without a checksum, so it is only a hint.
            let removed = match self.read(&name) {
                Ok(Some(record)) if !self.is_living(&record) => self.remove(&name, &record),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match removed {
                Ok(()) => swept.removed += 1,
                Err(error) => {
                    swept.error.get_or_insert(error);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn names(&self, shard: u8) -> Result<Vec<Name>, StoreError> {
        let names = self.disk.names(&self.layout.shard(shard));
        let names = names.map_err(|error| self.failed(error))?;
        Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
    }

    fn end(&self, name: &Name) -> Result<Option<UnixTime>, StoreError> {
        let path = self.layout.record(name);
        let start = self.disk.peek(&path);
        match start.map_err(|error| self.failed(error))? {
            Some(start) => ends_at(&start)
                .map(Some)
                .map_err(|reason| failure::corrupt(&path, reason)),
            None => Ok(None),
        }
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        failure::before("look for expired records", self.layout.base(), error)
    }
}
