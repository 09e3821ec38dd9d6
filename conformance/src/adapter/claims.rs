use std::collections::BTreeMap;
use std::fmt;

use crate::case::Stop;

/// What an adapter and its fixture can do, and what they never will.
///
/// Where an ability is neither claimed nor denied its cases are reported as skipped; where it is [denied](Self::never), as not
/// applicable, with the reason.
///
/// ```
/// use cloakroom_conformance::adapter::{Ability, Claims};
///
/// fn claims(claims: Claims) -> Claims {
///     claims
///         .can(Ability::Http)
///         .can(Ability::Second)
///         .never(Ability::Upgrade, "the framework knows no WebSockets")
/// }
/// ```
#[derive(Debug, Default)]
pub struct Claims(BTreeMap<Ability, Option<&'static str>>);

/// What an adapter may be able to do.
///
/// ```
/// use cloakroom_conformance::adapter::Ability;
///
/// assert_eq!(Ability::Http2.to_string(), "http2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ability {
    /// Answers HTTP/1.1 requests. Without it the fixture is one for messages: [`Server::messages`](super::Server::messages).
    Http,
    /// Answers HTTP/2 on the same port, without TLS, by prior knowledge. Every case of HTTP runs over it too.
    Http2,
    /// Routes in routers in routers: `/nested/script`.
    Nested,
    /// Two independent sessions in one application: `/second`, `/both`.
    Second,
    /// Bodies that are made while they are sent: `/stream`.
    Stream,
    /// WebSockets: `/upgrade`.
    Upgrade,
    /// A hook for commits that failed: [`App::error_page`](super::App::error_page).
    ErrorPage,
    /// A handler ends when its client has gone, and with it what it would have changed.
    Cancel,
    /// Handlers see header lines that are not UTF-8.
    Bytes,
    /// Several routes are tried for a request, one after the other, until one answers: `/attempts`, `/attempts/untouched`, `/attempts/nobody`.
    Attempts,
    /// What stands before a handler can fail, and the handler go on: `/optional`.
    Optional,
}

impl Claims {
    /// The adapter has this ability, and the fixture the routes that show it.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{Ability, Claims};
    ///
    /// let claims = Claims::default().can(Ability::Http).can(Ability::Http2);
    /// ```
    #[must_use]
    pub fn can(mut self, ability: Ability) -> Self {
        self.0.insert(ability, None);
        self
    }

    /// The adapter does not have this ability and is not meant to, for this reason.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{Ability, Claims};
    ///
    /// let claims = Claims::default().never(Ability::Http, "lines over TCP have no headers");
    /// ```
    #[must_use]
    pub fn never(mut self, ability: Ability, reason: &'static str) -> Self {
        self.0.insert(ability, Some(reason));
        self
    }

    /// For cases that say what is to happen instead.
    pub(super) fn lack(&self, ability: Ability) -> Result<(), Stop> {
        match self.require(ability) {
            Ok(()) => Err(Stop::DoesNotApply(format!("`{ability}` is claimed"))),
            Err(Stop::DoesNotApply(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        match self.0.get(&ability) {
            Some(None) => Ok(()),
            Some(Some(reason)) => Err(Stop::DoesNotApply((*reason).to_owned())),
            None => Err(Stop::Skipped(format!(
                "the fixture neither claims nor denies `{ability}`"
            ))),
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Nested => "nested",
            Self::Second => "second",
            Self::Stream => "stream",
            Self::Upgrade => "upgrade",
            Self::ErrorPage => "error_page",
            Self::Cancel => "cancel",
            Self::Bytes => "bytes",
            Self::Attempts => "attempts",
            Self::Optional => "optional",
        })
    }
}
