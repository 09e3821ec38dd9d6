//! Sessions that are kept by the client: what it presents is the session itself, not a token that leads to one.

use smallvec::SmallVec;

use crate::exchange::Loading;
use crate::machine::Machine;
use crate::{Error, Key, Stored, UnixTime, Write};

/// What user agents accept of a cookie: its name and value together (RFC 10025, section 5.6).
pub(crate) const MAX_COOKIE: usize = 4_096;

/// Keeps the whole session in what the client presents, so that no store is ever called. Set one with
/// [`Builder::envelope`](crate::Builder::envelope).
///
/// What such sessions cannot do: one of them cannot be ended from the server's side (a copy of the cookie works until it
/// expires, also after a sign-out), and of two concurrent requests the one whose response arrives last wins: the other's changes
/// are lost, counters included.
///
/// An envelope must authenticate before it decodes, must bind what it makes to the name of the cookie and to the expiry, and must
/// take whatever is presented: no panic, no more memory than a small multiple of its length.
///
/// ```
/// use cloakroom_core::{Config, Envelope, Error, Stored, UnixTime, Write};
///
/// /// No sessions: reads are empty, a write is an error.
/// struct Nothing;
///
/// impl Envelope for Nothing {
///     fn open(&self, _cookie: &str, _presented: &[u8], _now: UnixTime) -> Result<Option<Stored>, Error> {
///         Ok(None)
///     }
///     fn seal(&self, _cookie: &str, _write: &Write, _random: &[u8; 32], _now: UnixTime) -> Result<String, Error> {
///         Err(Error::Unavailable { missing: "SESSION_TYPE" })
///     }
///     fn check(&self) -> Result<(), Error> {
///         Err(Error::Unavailable { missing: "SESSION_TYPE" })
///     }
/// }
///
/// let config = Config::builder().envelope(Nothing).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
pub trait Envelope: Send + Sync + 'static {
    /// The record that is in what a client presented under this cookie name; `None` if it is not genuine, or not any more.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] for what is genuine and cannot be read.
    fn open(&self, cookie: &str, presented: &[u8], now: UnixTime) -> Result<Option<Stored>, Error>;

    /// What the client is to keep: visible ASCII without `;`, `,`, `"` and backslash. `random` is new for each call.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    fn seal(
        &self,
        cookie: &str,
        write: &Write,
        random: &[u8; 32],
        now: UnixTime,
    ) -> Result<String, Error>;

    /// Whether anything can be sealed. Asked when a handler sets a value, so that the error is where its cause is.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a client presented, to be looked at when the session is asked for.
pub(crate) type Sealed = SmallVec<[Box<[u8]>; 1]>;

/// More distinct values than this under one name: none is looked at.
const MAX_PRESENTED: usize = 4;

pub(crate) fn presented<'t>(values: impl IntoIterator<Item = &'t [u8]>) -> (bool, Sealed) {
    let (mut any, mut sealed) = (false, Sealed::new());
    for value in values {
        any = true;
        if value.len() > MAX_COOKIE || sealed.iter().any(|known| **known == *value) {
            continue;
        }
        if sealed.len() == MAX_PRESENTED {
            sealed.clear();
            break;
        }
        sealed.push(value.into());
    }
    (any, sealed)
}

impl Machine {
    /// Opens what was presented. Of several living sessions none is trusted.
    #[cold]
    pub(crate) fn unseal(&mut self, sealed: &Sealed) -> Result<(), Error> {
        let settings = self.config.settings();
        let Some(envelope) = &settings.envelope else {
            return Err(Error::Misuse);
        };
        let mut living = None;
        for value in sealed {
            let opened = envelope
                .0
                .open(&settings.cookie.name, value, self.opened)?
                .map(|stored| self.config.sealed(stored, self.opened));
            match (opened.transpose()?.flatten(), &living) {
                (None, _) => {}
                (found, None) => living = found,
                (Some(_), Some(_)) => return Ok(()),
            }
        }
        self.work.base = living;
        Ok(())
    }

    pub(crate) fn take_sealed(&mut self) -> Option<Sealed> {
        let Loading::Sealed(sealed) = &mut self.loading else {
            return None;
        };
        let sealed = std::mem::take(sealed);
        self.loading = Loading::Next;
        Some(sealed)
    }
}

/// Not a key of any store: nothing is looked up by it.
pub(crate) fn no_key() -> Key {
    Key::from_valid(SmallVec::from_slice(b"-"))
}
