use std::error::Error as StdError;
use std::fmt;

/// The errors of an exchange. None is caused by what a client presents: hostile bytes result in "no
/// session", not in an error.
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
    /// The handler asked for the session while
    /// [`Exchange::wants_load`](crate::Exchange::wants_load) still returned a key.
    NotLoaded,
    /// The session was used after its exchange had finished, so its changes could no longer be
    /// saved.
    Closed,
    /// The function of an update used the session that it updates, instead of its argument.
    ReentrantUpdate,
    /// The answer does not match the machine's question: a bug in the driver.
    ProtocolMisuse,
    /// The stored record is damaged, or this library did not write it. It was left as it is.
    Corrupt,
    /// A newer version of this library wrote the stored record. It was left as it is.
    NewerRecord {
        /// The record's version.
        version: u64,
    },
    /// The change would exceed a limit of the configuration. Nothing was changed.
    TooLarge {
        /// The part of the session that is too large.
        what: &'static str,
        /// The limit, in bytes or in number.
        limit: usize,
    },
    /// The name of a value is empty, over 255 bytes, or has a control character.
    InvalidName,
    /// A subject is empty, over 1,024 bytes, or has a control character.
    InvalidSubject,
    /// The method of an authentication is empty, over 32 bytes or not visible ASCII, or there are
    /// more than eight.
    InvalidAuthentication,
    /// A session without a subject was to be authenticated again.
    NotSignedIn,
    /// A session's own expiry has a timeout that would be cut short, or is not whole seconds.
    InvalidExpiry {
        /// The timeout, and the remedy.
        problem: &'static str,
    },
    /// The value under this name has another type than the requested one.
    Decode {
        /// The name of the value.
        name: Box<str>,
        /// The requested type.
        wanted: &'static str,
        /// serde's reason, without the value.
        reason: Box<str>,
    },
    /// This type cannot be stored (its `Serialize` failed, or for a typed session it is not a
    /// struct or map).
    Encode {
        /// The type.
        given: &'static str,
        /// Why, without the value.
        reason: Box<str>,
    },
    /// The function of a [`try_update`](crate::Session::try_update) failed when it ran again, over
    /// the value that another request had saved meanwhile. None of this request's changes were
    /// saved.
    UpdateFailed {
        /// The name of the value.
        name: Box<str>,
    },
    /// The format of the sessions has no such type, or would return it as another one.
    Unrepresentable {
        /// The name of the value.
        name: Box<str>,
        /// The type.
        what: &'static str,
    },
    /// The format of the sessions reserves this name.
    ReservedName {
        /// The name.
        name: Box<str>,
    },
    /// The stored record is readable, but its contents must not be loaded (a pickle that imports or
    /// calls something). It was left as it is.
    Refused {
        /// The reason, cut short.
        what: Box<str>,
    },
    /// Sessions are not available, because a setting is missing in the configuration. Reading
    /// returns an empty session.
    Unavailable {
        /// The name of the setting.
        missing: &'static str,
    },
    /// The session does not fit in its cookie.
    CookieTooLarge {
        /// The length of the cookie's name and value, in bytes.
        bytes: usize,
    },
    /// Too many other requests changed the session meanwhile, or too many rotations followed one
    /// another. None of this request's changes were saved.
    Contended,
    /// The store failed during a write, and it cannot be determined whether this request's changes
    /// were saved. When the store answered again the record was gone, or others had written too
    /// often.
    UnknownOutcome,
    /// The client presented more tokens under one cookie name than an exchange looks at, so a
    /// sign-in or sign-out cannot end all of their sessions. Nothing was changed.
    TooManyTokens {
        /// How many may be presented.
        limit: usize,
    },
    /// The visitor signed in with another request. This one changed, or signed out of, the session
    /// from before the sign-in. None of its changes were saved, and the session after the sign-in
    /// lives on. See [`drop_superseded`](crate::ConfigBuilder::drop_superseded).
    Superseded,
    /// The session was signed out or expired while the handler ran. Nothing was saved.
    Ended,
    /// A session that the client keeps in its cookie cannot be saved before its response, and none
    /// of its values can be claimed before it.
    NeedsStore,
    /// The session's values are sealed ([`seal_values`](crate::ConfigBuilder::seal_values)), and
    /// this is no request with the visitor's token: a listing, an operator or a background job. Or
    /// the program was built without the feature `sealed-values`. Nothing was changed.
    Sealed,
    /// The exchange took longer than the grace, and the record is gone. It may have been signed
    /// out, or it may live on under a newer token. So this request cannot report that the session
    /// was signed out.
    GraceExpired,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str("the session is not loaded yet; load the keys of \
                                            `wants_load` first"),
            Self::Closed => f.write_str(
                "the session is closed: its response has been sent; change the session before the \
                 handler returns",
            ),
            Self::ReentrantUpdate => f.write_str(
                "an update function used its own session; use only the function's argument",
            ),
            Self::ProtocolMisuse => f.write_str("the driver answered another question than the \
                                                 session machine asked; answer each question once"),
            Self::Corrupt => f.write_str(
                "the stored session cannot be read and was left as it is; check that nothing else writes under this prefix",
            ),
            Self::NewerRecord { version } => write!(
                f,
                "the stored session has format version {version}, which this program does not \
                 support; update every node"
            ),
            Self::TooLarge { what, limit } => write!(
                f,
                "{what} over the limit of {limit}; keep less in the session, or raise the limit in the configuration"
            ),
            Self::InvalidName => {
                f.write_str("the name of a session value must have 1 to 255 bytes and no control characters")
            }
            Self::InvalidSubject => {
                f.write_str("the subject of a session must have 1 to 1,024 bytes and no control characters")
            }
            Self::InvalidAuthentication => f.write_str(
                "the methods of an authentication must be at most eight names of 1 to 32 visible ASCII characters",
            ),
            Self::NotSignedIn => f.write_str(
                "the session belongs to nobody, so nobody can be authenticated again; sign in instead",
            ),
            Self::InvalidExpiry { problem } => {
                write!(f, "the session's own expiry was not set: {problem}")
            }
            Self::Decode {
                name,
                wanted,
                reason,
            } => write!(
                f,
                "the session value `{name}` is not of type `{wanted}` ({reason}); read it as the type it was \
                 written with, or use `get_or_reset` or `typed_or_reset` where its type has changed"
            ),
            Self::Encode { given, reason } => write!(
                f,
                "a value of type `{given}` cannot be stored in a session: {reason}; store another type"
            ),
            Self::UpdateFailed { name } => write!(
                f,
                "the update of the session value `{name}` failed over the value that another request had saved \
                 meanwhile, and nothing was saved; retry the request"
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
            Self::UnknownOutcome => f.write_str(
                "the store failed during the write, so it is unknown whether the changes were \
                 saved; check before you retry",
            ),
            Self::TooManyTokens { limit } => write!(
                f,
                "the client sent more than {limit} session cookies of one name, so not all of their sessions can be ended; delete the cookies of this site, and of its parent domains, and try again"
            ),
            Self::Superseded => f.write_str(
                "the changes were not saved: the visitor signed in meanwhile, and this request \
                 carries the earlier token; reload the page and retry, or set `drop_superseded`",
            ),
            Self::Ended => f.write_str(
                "nothing was saved: the session was signed out or expired meanwhile; start the request again",
            ),
            Self::NeedsStore => f.write_str(
                "the session is kept in its cookie (`envelope` is set), so it can be neither saved \
                 nor claimed before the response; keep sessions in a store",
            ),
            Self::Sealed => f.write_str(
                "the session's values are sealed (`seal_values`), so only a request with the visitor's \
                 token can read or change them; name the values that listings need in `public_values`, \
                 and build every program with the feature `sealed-values`",
            ),
            Self::GraceExpired => f.write_str(
                "the request took longer than the rotation grace, so it is unknown whether the \
                 session ended; sign out again",
            ),
        }
    }
}

impl StdError for Error {}
