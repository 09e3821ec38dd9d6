//! Going through all records of a store.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::{Key, Store, StoreError, Stored};

/// A store that can go through all its records: for statistics, and for moving to another store.
///
/// It is for tools and not for requests: a whole enumeration reads the whole store.
pub trait Enumerate: Store {
    /// Returns the next records after `after`, in an order of the store's own. `None` begins.
    ///
    /// A page has about `limit` records (at least one is meant): a store may return fewer, even
    /// none, or some more. [`Page::next`] is `None` at the end only.
    ///
    /// - A record that lives from the first page to the last is on at least one of them, as it was
    ///   at some time meanwhile. Other writes do not change that.
    /// - A record that is created or ends meanwhile may be on a page or not.
    /// - A record may be on two pages.
    /// - An expired record is on none.
    ///
    /// A cursor stays valid when records come and go, the one that it was made at included. It is
    /// for this store, and need not outlive the process.
    ///
    /// # Errors
    ///
    /// When the store could not look, and permanent for a cursor of another store. The same cursor
    /// can be tried again.
    fn enumerate(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

impl<S: Enumerate> Enumerate for Arc<S> {
    fn enumerate(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        S::enumerate(self, after, limit)
    }
}

/// Where an enumeration goes on. Only the store that made it can read it.
///
/// `Debug` shows nothing of it: it may be a key.
///
/// ```
/// use cloakroom_store::Cursor;
///
/// let cursor = Cursor::new("session:47DEQpj8HBSa");
/// assert_eq!(cursor.as_str(), "session:47DEQpj8HBSa");
/// assert_eq!(format!("{cursor:?}"), "Cursor(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Makes a cursor of a store's own text.
    ///
    /// ```
    /// # use cloakroom_store::Cursor;
    /// assert_eq!(Cursor::new("17").as_str(), "17");
    /// ```
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the store's own text.
    ///
    /// ```
    /// # use cloakroom_store::Cursor;
    /// assert_eq!(Cursor::new("17").as_str(), "17");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// Some of a store's records.
///
/// ```
/// use cloakroom_store::Page;
///
/// let empty = Page::default();
/// assert!(empty.records.is_empty() && empty.next.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Entry>,
    /// Where to go on. `None` at the end.
    pub next: Option<Cursor>,
}

/// A record of a [`Page`].
///
/// ```
/// use cloakroom_store::{Entry, Key, Stored, UnixTime};
///
/// let key = Key::new("session:47DEQpj8HBSa").unwrap();
/// let stored = Stored::new("record", UnixTime::MAX, 0);
/// let entry = Entry::new(key, stored, Some("ada".into()));
/// assert_eq!(entry.subject.as_deref(), Some("ada"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub key: Key,
    /// The record, as a load would have returned it.
    pub stored: Stored,
    /// The subject that its last write named.
    pub subject: Option<Box<str>>,
}

impl Entry {
    /// Makes an entry of these parts.
    ///
    /// ```
    /// # use cloakroom_store::{Entry, Key, Stored, UnixTime};
    /// let stored = Stored::new("record", UnixTime::MAX, 0);
    /// assert!(Entry::new(Key::new("a").unwrap(), stored, None).subject.is_none());
    /// ```
    #[must_use]
    pub fn new(key: Key, stored: Stored, subject: Option<Box<str>>) -> Self {
        Self {
            key,
            stored,
            subject,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}
