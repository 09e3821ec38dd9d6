use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Directory, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

/// A store that finds sessions in a new store and in an old one, and moves them to the new one. A
/// handle, if both stores are.
///
/// See the [crate's documentation](crate) for the steps of a move and the costs.
///
/// ```
/// use cloakroom_adopting::Adopting;
/// use cloakroom_memory::MemoryStore;
///
/// let store = Adopting::new(MemoryStore::new(), MemoryStore::new());
/// ```
#[derive(Clone)]
pub struct Adopting<N, O> {
    new: N,
    old: O,
    #[cfg(test)]
    pub(crate) mutant: Mutant,
}

/// The fate of a record, returned by [`Adopting::adopt`].
///
/// ```
/// use cloakroom_adopting::Adopted;
///
/// assert_ne!(Adopted::Moved, Adopted::Gone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is in the new store now, and was not before.
    Moved,
    /// It was in the new store already. What the old store still had is removed.
    Already,
    /// Neither store has a living record.
    Gone,
}

/// The record of a session that has been signed out. No format has such a record.
const ENDED: &[u8] = b"\0cloakroom: ended";

/// How much longer than the session its marker stays.
const STAYS: Duration = Duration::from_secs(3_600);

/// How often an operation looks again when the record moved or changed under it.
const TRIES: usize = 4;

/// Where a look found the record.
enum Place {
    New(Stored),
    Old(Stored),
    /// Signed out.
    Ended,
    Nowhere,
}

impl<N, O> Adopting<N, O> {
    /// Returns the store of a move from `old` to `new`.
    ///
    /// ```
    /// # use cloakroom_adopting::Adopting;
    /// # use cloakroom_memory::MemoryStore;
    /// let store = Adopting::new(MemoryStore::new(), MemoryStore::new());
    /// ```
    pub fn new(new: N, old: O) -> Self {
        Self {
            new,
            old,
            #[cfg(test)]
            mutant: Mutant::None,
        }
    }

    /// Returns the new store and the old one.
    ///
    /// ```
    /// # use cloakroom_adopting::Adopting;
    /// assert_eq!(Adopting::new(1, 2).get_ref(), (&1, &2));
    /// ```
    pub fn get_ref(&self) -> (&N, &O) {
        (&self.new, &self.old)
    }
}

impl<N: Store, O: Store> Adopting<N, O> {
    /// Moves a record now, whether or not a request comes for it.
    ///
    /// For a loop over the keys of the old store, which can stop and begin again at any key.
    /// Requests may run meanwhile. Three to five store calls.
    ///
    /// # Errors
    ///
    /// Those of either store. The record is in at least one of them then: call it again.
    ///
    /// ```
    /// # use cloakroom_adopting::{Adopted, Adopting};
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_store::{Key, Store as _, StoreError, UnixTime, Write};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), StoreError> {
    /// let (new, old) = (MemoryStore::new(), MemoryStore::new());
    /// let key = Key::new("session:1").unwrap();
    /// old.create(&key, &Write::new("a coat", UnixTime::MAX, None)).await?;
    ///
    /// let store = Adopting::new(new, old);
    /// assert_eq!(store.adopt(&key, None).await?, Adopted::Moved);
    /// assert_eq!(store.adopt(&key, None).await?, Adopted::Already);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `subject` is the session's, for a new store that is a
    /// [`Directory`](cloakroom_store::Directory). The session's next write sets it in any case.
    pub async fn adopt(&self, key: &Key, subject: Option<&str>) -> Result<Adopted, StoreError> {
        let adopted = match self.look(key).await? {
            Place::Ended | Place::Nowhere => return Ok(Adopted::Gone),
            Place::New(_) => Adopted::Already,
            Place::Old(record) => {
                let subject = subject.map(Box::from);
                let write = Write::new(record.bytes, record.expires_at, subject);
                match self.new.create(key, &write).await? {
                    Created::Stored => Adopted::Moved,
                    Created::Taken => Adopted::Already,
                }
            }
        };
        self.remove_old(key).await?;
        Ok(adopted)
    }

    /// Finds the record. The first look at the new store decides, unless the old store has none:
    /// the record may have moved between the two looks.
    async fn look(&self, key: &Key) -> Result<Place, StoreError> {
        if let Some(place) = self.look_at_new(key).await? {
            return Ok(place);
        }
        if let Some(record) = self.old.load_fresh(key).await? {
            return Ok(Place::Old(record));
        }
        if self.is(Broken::LooksOnce) {
            return Ok(Place::Nowhere);
        }
        let moved = self.look_at_new(key).await?;
        Ok(moved.unwrap_or(Place::Nowhere))
    }

    async fn look_at_new(&self, key: &Key) -> Result<Option<Place>, StoreError> {
        match self.new.load_fresh(key).await? {
            Some(marker) if marker.bytes == ENDED => {
                // The sign-out may have been cut between the marker and the removal.
                if !self.is(Broken::LeavesSignOutsHalf) {
                    self.remove_old(key).await?;
                }
                Ok(Some(Place::Ended))
            }
            found => Ok(found.map(Place::New)),
        }
    }

    /// Removes what the old store has, whichever record that is: the new store has decided.
    async fn remove_old(&self, key: &Key) -> Result<(), StoreError> {
        while let Some(record) = self.old.load_fresh(key).await? {
            if self.old.delete(key, &record).await? != Deleted::Changed {
                break;
            }
        }
        Ok(())
    }

    /// Call it before the new store's record ends at this time. A copy that a cut move left in the
    /// old store must not outlast it, or a token that was rotated away would open it again.
    async fn before_end(&self, key: &Key, found: &Stored, end: UnixTime) -> Result<(), StoreError> {
        if end < found.expires_at && !self.is(Broken::ShortensFirst) {
            self.remove_old(key).await?;
        }
        Ok(())
    }

    fn is(&self, broken: Broken) -> bool {
        #[cfg(test)]
        return self.mutant.breaks(broken);
        #[cfg(not(test))]
        {
            let _ = broken;
            false
        }
    }
}

/// One place in which a test makes the protocol wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    LooksOnce,
    LeavesSignOutsHalf,
    NoMarker,
    RemovesFirst,
    ComparesNothing,
    CreatesBlindly,
    ShortensFirst,
}

/// The fault of the protocol: none, or one place.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    None,
    At(Broken),
}

#[cfg(test)]
impl Mutant {
    pub(crate) fn breaks(self, broken: Broken) -> bool {
        self == Self::At(broken)
    }
}

/// It outlasts what either store has of the session.
fn marker(old: &Stored, found: &Stored) -> Write {
    let end = old.expires_at.max(found.expires_at);
    Write::new(ENDED, end + STAYS, None)
}

impl<N: Store, O: Store> Store for Adopting<N, O> {
    fn place(&self) -> Option<cloakroom_store::Place> {
        self.new.place()
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(match self.look(key).await? {
            Place::New(record) | Place::Old(record) => Some(record),
            Place::Ended | Place::Nowhere => None,
        })
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        if self.is(Broken::CreatesBlindly) {
            return self.new.create(key, write).await;
        }
        match self.look(key).await? {
            Place::Nowhere => self.new.create(key, write).await,
            _ => Ok(Created::Taken),
        }
    }

    // A record's bytes identify it: they have the marks of its writers. The versions of two stores
    // do not compare.
    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        for _ in 0..TRIES {
            return match self.look(key).await? {
                Place::Ended | Place::Nowhere => Ok(Replaced::Gone),
                Place::New(found) | Place::Old(found)
                    if found.bytes != old.bytes && !self.is(Broken::ComparesNothing) =>
                {
                    Ok(Replaced::Changed)
                }
                Place::New(found) => {
                    self.before_end(key, &found, write.expires_at).await?;
                    match self.new.replace(key, &found, write).await? {
                        // By a touch, or signed out.
                        Replaced::Changed => continue,
                        answer => Ok(answer),
                    }
                }
                Place::Old(found) if self.is(Broken::RemovesFirst) => {
                    if self.old.delete(key, &found).await? != Deleted::Deleted {
                        return Ok(Replaced::Changed);
                    }
                    self.new.create(key, write).await?;
                    Ok(Replaced::Stored)
                }
                Place::Old(found) => {
                    let sooner = write.expires_at < found.expires_at;
                    let sooner = sooner && !self.is(Broken::ShortensFirst);
                    let mut first = write.clone();
                    if sooner {
                        first.expires_at = found.expires_at;
                    }
                    match self.new.create(key, &first).await? {
                        // Moved or signed out meanwhile: the new store has the answer.
                        Created::Taken => continue,
                        Created::Stored => {}
                    }
                    self.remove_old(key).await?;
                    if sooner {
                        self.new.touch(key, write.expires_at).await?;
                    }
                    Ok(Replaced::Stored)
                }
            };
        }
        Ok(Replaced::Changed)
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        match self.look(key).await? {
            Place::Ended | Place::Nowhere => Ok(Touched::Gone),
            Place::New(found) => {
                self.before_end(key, &found, expires_at).await?;
                self.new.touch(key, expires_at).await
            }
            Place::Old(_) => match self.old.touch(key, expires_at).await? {
                Touched::Extended => Ok(Touched::Extended),
                // It may have moved.
                Touched::Gone => match self.look_at_new(key).await? {
                    Some(Place::New(_)) => self.new.touch(key, expires_at).await,
                    _ => Ok(Touched::Gone),
                },
            },
        }
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        for _ in 0..TRIES {
            match self.look(key).await? {
                Place::Ended | Place::Nowhere => return Ok(Deleted::Gone),
                Place::New(found) | Place::Old(found) if found.bytes != old.bytes => {
                    return Ok(Deleted::Changed);
                }
                Place::New(found) if self.is(Broken::NoMarker) => {
                    return self.new.delete(key, &found).await;
                }
                Place::Old(found) if self.is(Broken::NoMarker) => {
                    return self.old.delete(key, &found).await;
                }
                Place::New(found) => {
                    match self.new.replace(key, &found, &marker(old, &found)).await? {
                        Replaced::Stored => {}
                        Replaced::Changed => continue,
                        Replaced::Gone => return Ok(Deleted::Gone),
                    }
                }
                Place::Old(found) => match self.new.create(key, &marker(old, &found)).await? {
                    Created::Stored => {}
                    Created::Taken => continue,
                },
            }
            self.remove_old(key).await?;
            return Ok(Deleted::Deleted);
        }
        Ok(Deleted::Changed)
    }
}

impl<N: Directory, O: Directory> Directory for Adopting<N, O> {
    /// Lists both stores. One store call for each record that has not moved.
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        // First the old one: what moves meanwhile is then in the new one's list.
        let old = self.old.list(subject).await?;
        let new = self.new.list(subject).await?;
        self.both(old, new).await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let old = self.old.list_some(subject, limit).await?;
        let is_cut = old.len() >= limit;
        let new = self.new.list_some(subject, limit).await?;
        if new.len() >= limit {
            return Ok(new);
        }
        let mut listed = self.both(old, new).await?;
        if is_cut && listed.len() < limit {
            // Most of what was looked at has ended, and fewer than the limit would mean all.
            listed = self.list(subject).await?;
        }
        listed.truncate(limit);
        Ok(listed)
    }
}

impl<N: Store, O: Store> Adopting<N, O> {
    /// Adds what has not moved to what is in the new store.
    async fn both(
        &self,
        old: Vec<(Key, Stored)>,
        mut listed: Vec<(Key, Stored)>,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let moved: HashSet<Key> = listed.iter().map(|(key, _)| key.clone()).collect();
        for (key, record) in old {
            if moved.contains(&key) {
                continue;
            }
            match self.new.load_fresh(&key).await? {
                None => listed.push((key, record)),
                Some(marker) if marker.bytes == ENDED => {}
                Some(moved) => listed.push((key, moved)),
            }
        }
        Ok(listed)
    }
}

impl<N, O> fmt::Debug for Adopting<N, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adopting(..)")
    }
}
