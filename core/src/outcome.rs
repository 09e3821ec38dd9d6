//! The end of the commit protocol: what to send to the client, and the fate of the changes.

use std::time::Duration;

use crate::machine::{Claimed, Place};
use crate::{Key, Token};

/// The result of an exchange. The default is the outcome of an exchange that never used its
/// session.
///
/// ```
/// use cloakroom_core::{
///     Commit, Config, Directive, Exchange, Fate, Outcome, UnixTime,
/// };
///
/// let exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(0));
/// let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(0)) else {
///     panic!()
/// };
/// assert_eq!(outcome, Outcome::default());
/// assert_eq!(
///     (outcome.directive, outcome.fate, outcome.accessed),
///     (Directive::Keep, Fate::Unchanged, false)
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The instruction for the client.
    pub directive: Directive,
    /// Whether the handler looked at the session: if so, the response depends on the cookie.
    pub accessed: bool,
    /// The fate of the exchange's changes.
    pub fate: Fate,
    /// Whether the client's token has been rotated away, and this exchange issued none. Within the
    /// grace the token still leads to its session, or reads the data from before a sign-in.
    /// Afterwards it leads nowhere.
    ///
    /// Set for reads too, so that a long connection notices in time. A browser needs no notice: the
    /// response that brought the newer cookie went to the same jar.
    pub superseded: bool,
    /// The number of times that another request changed the record first, or the store's answer was
    /// lost.
    pub conflicts: u32,
    /// The value taken, if this is the commit of a [claim](crate::Exchange::claim) and it won.
    pub claimed: Option<Box<Claimed>>,
    /// Where the session is now, if the handler goes on with it.
    pub(crate) place: Option<Box<Place>>,
}

impl Outcome {
    /// Returns the key of the session's record after this commit, if the exchange [was to
    /// report it](crate::Exchange::will_resume) and there is a session.
    ///
    /// ```
    /// assert!(cloakroom_core::Outcome::default().place().is_none());
    /// ```
    #[must_use]
    pub fn place(&self) -> Option<&Key> {
        self.place.as_deref().map(|place| &place.key)
    }
}

/// The instruction that a transport must send to the client.
///
/// ```
/// use cloakroom_core::Directive;
///
/// fn describe(directive: &Directive) -> &'static str {
///     match directive {
///         Directive::Keep => "nothing",
///         Directive::Issue(_) => "keep this token from now on",
///         Directive::Clear => "forget the token",
///         _ => "ignore",
///     }
/// }
/// # assert_eq!(describe(&Directive::Keep), "nothing");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Directive {
    /// Nothing.
    #[default]
    Keep,
    /// Here is a token. Present it from now on.
    Issue(Issued),
    /// Delete the token: this request signed the session out.
    Clear,
}

/// A token for the client.
///
/// ```
/// use cloakroom_core::Issued;
///
/// fn to_header(issued: &Issued) -> (&str, Option<u64>) {
///     (issued.token.expose(), issued.max_age.map(|age| age.as_secs()))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// How long the client should keep it. `None`: until the client closes.
    pub max_age: Option<Duration>,
}

/// The fate of an exchange's changes. `Gone` and `Superseded` are not errors: nothing is broken,
/// and the client did nothing wrong.
///
/// ```
/// use cloakroom_core::Fate;
///
/// fn worth_a_word(fate: Fate) -> bool {
///     matches!(fate, Fate::Superseded | Fate::Gone)
/// }
/// # assert!(worth_a_word(Fate::Gone));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// There were none.
    #[default]
    Unchanged,
    /// They are saved. For a sign-out: the session is deleted.
    Saved,
    /// Dropped: the visitor signed in meanwhile, and the token was the one from before. No other
    /// request has seen any of them. Only with
    /// [`drop_superseded`](crate::ConfigBuilder::drop_superseded); otherwise
    /// [`Error::Superseded`](crate::Error::Superseded).
    Superseded,
    /// Dropped: the session was signed out or expired meanwhile. No other request has seen any of
    /// them.
    Gone,
}
