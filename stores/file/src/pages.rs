//! Going through all records, in the order of their files' names.

use cloakroom_store::{Cursor, Entry, Page, StoreError, Stored};

use crate::engine::Engine;
use crate::failure;
use crate::layout::Name;
use crate::lock::ShardLock;

impl Engine {
    /// Returns the records behind `after`. Looks at `limit` files, the expired ones included.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let after = match after {
            None => None,
            Some(text) => Some(Name::parse(text.as_ref()).ok_or_else(failure::cursor)?),
        };
        let mut page = Page::default();
        let mut looked = 0;
        for shard in after.map_or(0, |after| after.shard())..=u8::MAX {
            for name in self.sorted(shard)? {
                if after.is_some_and(|after| name.as_str() <= after.as_str()) {
                    continue;
                }
                let found = match self.read(&name)? {
                    None => self.look_again(&name, self.deadline())?,
                    found => found,
                };
                if let Some(record) = found.filter(|record| self.is_living(record)) {
                    let stored = Stored::new(record.bytes, record.expires_at, 0);
                    page.records
                        .push(Entry::new(record.key, stored, record.subject));
                }
                looked += 1;
                if looked >= limit.max(1) {
                    page.next = Some(Cursor::new(name.as_str()));
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// The records of a shard. No writer is in it meanwhile: a file system may show a name neither
    /// before nor after a rename over it, to someone who is reading the directory.
    fn sorted(&self, shard: u8) -> Result<Vec<Name>, StoreError> {
        let path = self.layout.lock(shard);
        let _lock = ShardLock::share(&self.disk, &path, self.deadline())
            .map_err(|error| failure::before("lock", self.layout.base(), error))?
            .ok_or_else(|| failure::locked_out(self.layout.base(), self.lock_timeout))?;
        let mut names = self.names(shard)?;
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(names)
    }
}
