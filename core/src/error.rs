use std::error::Error as StdError;
use std::fmt;

/// What can go wrong in an exchange. Nothing here is caused by what a client presented: hostile bytes are an answer
/// ("no session"), not an error.
///
/// No error contains a token, a key, or a session's values.
///
/// ```
/// use cloakroom_core::Error;
///
/// let error = Error::Contended;
/// assert!(error.to_string().contains("retry"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The session was asked for while [`Exchange::wants_load`](crate::Exchange::wants_load) still wants something.
    NotLoaded,
    /// The session was used after its exchange had been finished: its changes could not be saved any more.
    Closed,
    /// A function that was given to an update used the session that it updates, instead of what it is given.
    Nested,
    /// The answer is not to the question that the machine asked: a mistake in a driver.
    Misuse,
    /// The stored record is not one that this library wrote, or it is damaged. It was left as it is.
    Corrupt,
    /// The stored record was written by a newer version of this library. It was left as it is.
    NewerRecord {
        /// The record's version.
        version: u64,
    },
    /// A limit of the configuration would be exceeded; nothing was changed.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes or in number.
        limit: usize,
    },
    /// The name of a value is empty, over 255 bytes, or has a control character.
    InvalidName,
    /// A subject is empty, over 255 bytes, or has a control character.
    InvalidSubject,
    /// The value under this name is not of the type asked for.
    Decode {
        /// The name of the value.
        name: Box<str>,
        /// The type asked for.
        wanted: &'static str,
    },
    /// This type cannot be stored (its `Serialize` failed, or for a typed session it is not a struct or map).
    Encode {
        /// The type.
        given: &'static str,
    },
    /// The format in which the sessions are kept has no such type, or would give it back as another one.
    Unrepresentable {
        /// The name of the value.
        name: Box<str>,
        /// The type.
        what: &'static str,
    },
    /// The format in which the sessions are kept uses this name for itself.
    ReservedName {
        /// The name.
        name: Box<str>,
    },
    /// The stored record could be read, but holds what must not be loaded (a pickle that imports or calls something). It was
    /// left as it is.
    Refused {
        /// What, cut short.
        what: Box<str>,
    },
    /// Sessions are not available, as something is missing in the configuration; reading gives an empty session.
    Unavailable {
        /// The name of the setting.
        missing: &'static str,
    },
    /// The session does not fit in its cookie.
    CookieTooLarge {
        /// The length of the cookie's name and value, in bytes.
        bytes: usize,
    },
    /// Too many other requests changed the session meanwhile, or too many rotations followed one another. Nothing of this
    /// request's changes was saved.
    Contended,
    /// The store failed while it wrote, and by the time it answered again the record was gone, or others had written so often, that it
    /// cannot be seen whether this request's changes were saved.
    Uncertain,
    /// The exchange took longer than the grace, and the record is gone: it may have been signed out, or it may live on under
    /// a newer token. So this request cannot claim that the session was signed out.
    Late,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str("the session is not loaded yet: load what `wants_load` asks for first"),
            Self::Closed => f.write_str(
                "the session is closed: its response has been sent; change sessions before the handler answers",
            ),
            Self::Nested => f.write_str(
                "a function that updates the session uses the session itself; let it use what it is given, and nothing else",
            ),
            Self::Misuse => f.write_str("the answer does not fit the question that the session machine asked"),
            Self::Corrupt => f.write_str(
                "the stored session cannot be read and was left as it is; check that nothing else writes under this prefix",
            ),
            Self::NewerRecord { version } => write!(
                f,
                "the stored session has format version {version}, newer than this program knows; update every node"
            ),
            Self::TooLarge { what, limit } => write!(
                f,
                "{what} over the limit of {limit}; keep less in the session, or raise the limit in the configuration"
            ),
            Self::InvalidName => {
                f.write_str("the name of a session value must have 1 to 255 bytes and no control characters")
            }
            Self::InvalidSubject => {
                f.write_str("the subject of a session must have 1 to 255 bytes and no control characters")
            }
            Self::Decode { name, wanted } => {
                write!(f, "the session value `{name}` is not of type `{wanted}`; read it as the type it was written with")
            }
            Self::Encode { given } => write!(
                f,
                "a value of type `{given}` cannot be stored in a session; a typed session must be a struct or a map with text keys"
            ),
            Self::Unrepresentable { name, what } => write!(
                f,
                "the session value `{name}` cannot be kept: the format of these sessions cannot keep {what}; store another type"
            ),
            Self::ReservedName { name } => {
                write!(f, "the name `{name}` is reserved in the format of these sessions; use another one")
            }
            Self::Refused { what } => write!(
                f,
                "the stored session holds `{what}`, which is not plain data; it was not loaded, and was left as it is"
            ),
            Self::Unavailable { missing } => {
                write!(f, "sessions are read-only and empty, because `{missing}` is not set; set it in the configuration")
            }
            Self::CookieTooLarge { bytes } => write!(
                f,
                "the session does not fit in its cookie: {bytes} bytes with the name, of 4,096 that browsers accept; keep less in it, or keep sessions in a store"
            ),
            Self::Contended => {
                f.write_str("too many other requests changed this session at the same time; retry the request")
            }
            Self::Uncertain => f.write_str(
                "the store failed during the write, and whether the changes were saved cannot be seen; check before you retry",
            ),
            Self::Late => f.write_str(
                "the request took longer than the rotation grace, so whether the session ended cannot be seen; sign out again",
            ),
        }
    }
}

impl StdError for Error {}
