//! A look at a session from outside of its requests.

use std::fmt;

use crate::record::not_ended;
use crate::session::name_of_key;
use crate::{Config, Epoch, Error, Key, Stored, UnixTime};

/// How many rotations a look follows.
const MAX_CHAIN: usize = 16;

/// Returns the public name of the session whose record is under this key
/// ([`Session::id`](crate::Session::id)), for sessions in a store.
///
/// ```
/// use cloakroom_core::{Key, session_id};
///
/// let key = Key::new("__Host-session:key").unwrap();
/// assert_eq!(session_id(&key).len(), 16);
/// ```
#[must_use]
pub fn session_id(key: &Key) -> String {
    name_of_key(key)
}

/// A look at the session under a key: whether it lives, or how it ended. For drivers that watch
/// sessions, such as those of connections that stay open.
///
/// A look writes nothing and is no use of the session, so it does not extend its life. It follows
/// plain rotations, within the grace and after it, and nothing else: what a sign-in made is not for
/// the holder of an earlier token.
///
/// Load the record under [`key`](Look::key) past every cache, and give it to
/// [`answer`](Look::answer), until that returns what was seen. Costs one load, and one more for
/// each rotation.
///
/// ```
/// use cloakroom_core::{Config, Key, Look, Seen, UnixTime};
///
/// let key = "__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
/// let (key, now) = (Key::new(key).unwrap(), UnixTime::from_secs(100));
/// let mut look = Look::new(&Config::default(), key.clone());
/// assert_eq!(look.key(), &key);
/// let found = None; // store.load_fresh(look.key()).await?
/// assert_eq!(look.answer(found, now)?, Some(Seen::Missing));
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub struct Look {
    config: Config,
    key: Key,
    hops: usize,
    epoch: Epoch,
}

/// The result of a [`Look`].
///
/// ```
/// use cloakroom_core::{Seen, UnixTime};
///
/// let lives = |seen: &Seen| matches!(seen, Seen::Lives { .. });
/// assert!(lives(&Seen::Lives { until: UnixTime::from_secs(100) }));
/// assert!(!lives(&Seen::Missing));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// The session lives.
    Lives {
        /// When it expires, unless a request puts that off.
        until: UnixTime,
    },
    /// It lives under another token: a plain rotation replaced this one.
    Rotated {
        /// Its public name now ([`Session::id`](crate::Session::id)).
        id: String,
    },
    /// A sign-in replaced it.
    SignedIn,
    /// Its record is there, and its time is over.
    Expired,
    /// Its record is gone: it was signed out, or has expired. Or all sessions were ended.
    Missing,
}

impl Look {
    /// Begins a look at the session under this key.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Key, Look};
    /// let key = Key::new("__Host-session:key").unwrap();
    /// let look = Look::new(&Config::default(), key);
    /// ```
    #[must_use]
    pub fn new(config: &Config, key: Key) -> Self {
        Self {
            config: config.clone(),
            key,
            hops: 0,
            epoch: Epoch::default(),
        }
    }

    /// Sets the epoch as it is known by now: to sessions of earlier ones, [`answer`](Look::answer)
    /// returns [`Seen::Missing`]. Default: the first epoch.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Epoch, Key, Look};
    /// # let key = Key::new("__Host-session:key").unwrap();
    /// let found = None; // store.load(config.epoch_key()).await?
    /// let look = Look::new(&Config::default(), key).in_epoch(Epoch::read(found)?);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn in_epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }

    /// Returns the key of the record to load.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Key, Look};
    /// let key = Key::new("__Host-session:key").unwrap();
    /// assert_eq!(Look::new(&Config::default(), key.clone()).key(), &key);
    /// ```
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Takes what the store found. Returns what was seen, or `None` if another load is needed.
    /// `now` is the time of this call.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::NewerRecord`] if the record cannot be read, and
    /// [`Error::Contended`] after 16 rotations. The session may live.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Key, Look, Seen, UnixTime};
    /// # let mut look = Look::new(&Config::default(), Key::new("__Host-session:key").unwrap());
    /// let seen = loop {
    ///     let found = None; // store.load_fresh(look.key()).await?
    ///     if let Some(seen) = look.answer(found, UnixTime::from_secs(100))? {
    ///         break seen;
    ///     }
    /// };
    /// assert_eq!(seen, Seen::Missing);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn answer(&mut self, found: Option<Stored>, now: UnixTime) -> Result<Option<Seen>, Error> {
        let Some(stored) = not_ended(found) else {
            return Ok(Some(Seen::Missing));
        };
        let record = self.config.read(stored, &self.key, &mut None, now)?;
        if let Some(retired) = record.retired {
            // Rule follow: nothing crosses a sign-in.
            if retired.signs_in {
                return Ok(Some(Seen::SignedIn));
            }
            self.hops += 1;
            if self.hops > MAX_CHAIN {
                return Err(Error::Contended);
            }
            self.key = retired.successor;
            return Ok(None);
        }
        // Rule epoch: sessions of an older one have ended.
        if record.epoch < self.epoch.number() {
            return Ok(Some(Seen::Missing));
        }
        let lifetime = self.config.lifetime(record.expiry);
        let until = (record.stored.expires_at).min(record.created + lifetime.absolute);
        Ok(Some(match (now >= until, self.hops) {
            (true, _) => Seen::Expired,
            (false, 0) => Seen::Lives { until },
            (false, _) => Seen::Rotated {
                id: name_of_key(&self.key),
            },
        }))
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look(..)")
    }
}
