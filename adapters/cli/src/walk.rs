//! Going through all records of a store.

use cloakroom_any::{Enumerator, Opened};
use cloakroom_store::{Cursor, Entry};

use crate::failure::Failure;

/// How many records a page has.
const PAGE: usize = 256;

/// The key of the lease by which one process sweeps at a time: no session.
const LEASE: &str = "cloakroom:sweep";

/// All records of a store, page by page.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    enumerator: &'a Enumerator,
    after: Option<Cursor>,
    begun: bool,
}

impl<'a> Walk<'a> {
    /// Begins, or explains why this store cannot.
    pub(crate) fn new(opened: &'a Opened) -> Result<Self, Failure> {
        let Some(enumerator) = &opened.enumerator else {
            return Err(Failure::unable(
                "this store does not go through all its records: Memcached has no list of them, and \
                 each node of a Redis Cluster has only its own; the other stores can",
            ));
        };
        Ok(Self {
            enumerator,
            after: None,
            begun: false,
        })
    }

    /// Returns the next records, or `None` after the last.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<Entry>>, Failure> {
        if self.begun && self.after.is_none() {
            return Ok(None);
        }
        let page = self.enumerator.enumerate(self.after.as_ref(), PAGE).await?;
        self.begun = true;
        self.after = page.next;
        let mut records = page.records;
        records.retain(|entry| entry.key.as_str() != LEASE);
        Ok(Some(records))
    }
}
