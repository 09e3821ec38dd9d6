use std::fmt;

use crate::case::{Stated, Stop};

/// The abilities of an adapter and its fixture, claimed or denied.
///
/// Cases of an ability that is neither claimed nor denied are reported as skipped. Those of a
/// [denied](Self::never) one are not applicable, with the reason.
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
pub struct Claims(Stated<Ability>);

/// An ability that an adapter may have.
///
/// ```
/// use cloakroom_conformance::adapter::Ability;
///
/// assert_eq!(Ability::Http2.to_string(), "http2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ability {
    /// Answers HTTP/1.1 requests. Without it the fixture is one for messages:
    /// [`Server::messages`](super::Server::messages).
    Http,
    /// Answers HTTP/2 on the same port, without TLS, by prior knowledge. Every case of HTTP runs
    /// over it too.
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
    /// Several routes are tried for a request until one answers: `/attempts`,
    /// `/attempts/untouched`, `/attempts/nobody`.
    Attempts,
    /// A guard can fail and the handler still run: `/optional`.
    Optional,
    /// A layer between the session's layer and the handlers can copy and repeat a request:
    /// `/repeated`, `/repeated/untouched`.
    Repeats,
}

impl Claims {
    /// Claims an ability. The fixture has the routes for it.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{Ability, Claims};
    ///
    /// let claims = Claims::default().can(Ability::Http).can(Ability::Http2);
    /// ```
    #[must_use]
    pub fn can(mut self, ability: Ability) -> Self {
        self.0.claim(ability);
        self
    }

    /// Denies an ability for good, with the reason.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{Ability, Claims};
    ///
    /// let claims =
    ///     Claims::default().never(Ability::Http, "lines over TCP have no headers");
    /// ```
    #[must_use]
    pub fn never(mut self, ability: Ability, reason: &'static str) -> Self {
        self.0.deny(ability, reason);
        self
    }

    /// For cases that check the alternative.
    pub(super) fn lack(&self, ability: Ability) -> Result<(), Stop> {
        match self.require(ability) {
            Ok(()) => Err(Stop::DoesNotApply(format!("`{ability}` is claimed"))),
            Err(Stop::DoesNotApply(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.0.require(ability)
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
            Self::Repeats => "repeats",
        })
    }
}
