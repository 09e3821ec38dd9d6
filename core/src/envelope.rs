//! Sessions that the client keeps: it presents the session itself, not a token that leads to one.

use crate::{Error, Stored, UnixTime, Write};

/// The size that user agents accept of a cookie's name and value together (RFC 10025, section 5.6).
pub(crate) const MAX_COOKIE: usize = 4_096;

/// Keeps the whole session in what the client presents, so that no store is ever called. Set one
/// with [`ConfigBuilder::envelope`](crate::ConfigBuilder::envelope).
///
/// Such sessions have two limits:
///
/// - The server cannot end one of them. A copy of the cookie works until it expires, also after a
///   sign-out.
/// - Of two concurrent requests, the response that arrives last wins. The other's changes are lost,
///   counters included.
/// - Of several values under one name the newest counts. They are cookies of several scopes. A
///   sign-out outranks all of them.
///
/// An envelope must authenticate before it decodes. It must bind its output to the name of the
/// cookie and to the expiry. It must accept any bytes: no panic, and no more memory than a small
/// multiple of their length.
///
/// ```
/// use cloakroom_core::{Config, Envelope, Error, Stored, UnixTime, Write};
///
/// /// No sessions: reads are empty, a write is an error.
/// struct Nothing;
///
/// impl Envelope for Nothing {
///     fn open(
///         &self,
///         _cookie: &str,
///         _presented: &[u8],
///         _now: UnixTime,
///     ) -> Result<Option<Stored>, Error> {
///         Ok(None)
///     }
///     fn seal(
///         &self,
///         _cookie: &str,
///         _write: &Write,
///         _random: &[u8; 32],
///         _now: UnixTime,
///         _newest: u64,
///     ) -> Result<String, Error> {
///         Err(Error::Unavailable {
///             missing: "SESSION_TYPE",
///         })
///     }
///     fn check(&self) -> Result<(), Error> {
///         Err(Error::Unavailable {
///             missing: "SESSION_TYPE",
///         })
///     }
/// }
///
/// let config = Config::builder().envelope(Nothing).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
pub trait Envelope: Send + Sync + 'static {
    /// Opens the record in what a client presented under this cookie name. Returns `None` if it is
    /// not genuine.
    ///
    /// The record's version is the time of sealing. Of several values under one name the one with
    /// the greatest version counts, also when it has expired, so return it then too where the
    /// format allows it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] for a genuine record that cannot be read.
    fn open(&self, cookie: &str, presented: &[u8], now: UnixTime) -> Result<Option<Stored>, Error>;

    /// Seals the record into what the client is to keep: visible ASCII without `;`, `,`, `"` and
    /// backslash. `random` is new for each call.
    ///
    /// `newest` is the greatest version that the client presented, or 0. The version of the new
    /// value must be greater, where the format allows it.
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
        newest: u64,
    ) -> Result<String, Error>;

    /// Returns whether one of its keys made this value under this cookie name, however old it is.
    /// For [`ConfigBuilder::known_token`](crate::ConfigBuilder::known_token).
    ///
    /// By default this is whether [`open`](Envelope::open) finds it genuine at the epoch. Implement
    /// it where `open` depends on the time.
    fn has_made(&self, cookie: &str, presented: &[u8]) -> bool {
        !matches!(
            self.open(cookie, presented, UnixTime::from_secs(0)),
            Ok(None)
        )
    }

    /// Checks whether anything can be sealed. Called when a handler sets a value, so that the error
    /// appears at its cause.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
