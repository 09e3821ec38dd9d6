use std::time::Duration;

use crate::config::MAX_MAX_AGE;
use crate::{Config, Error, UnixTime};

/// A lifetime of one session's own, instead of the configuration's. Unset parts stay as configured.
///
/// The record keeps it, so it applies to all later requests.
///
/// ```
/// use cloakroom_core::Expiry;
/// use std::time::Duration;
///
/// // "Remember me": two weeks, and the browser keeps the cookie when it is closed.
/// let expiry = Expiry::new()
///     .idle(Duration::from_secs(14 * 86_400))
///     .absolute(Duration::from_secs(14 * 86_400))
///     .persistent();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
    pub(crate) persistent: Option<bool>,
}

impl Expiry {
    /// Returns an expiry with everything as configured.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// assert_eq!(Expiry::new(), Expiry::default());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            idle: None,
            absolute: None,
            persistent: None,
        }
    }

    /// Sets how long the session lives without a request. Whole seconds, at least one.
    ///
    /// At most the absolute timeout: the configured one (default: 12 hours), or
    /// [`absolute`](Expiry::absolute). [`Session::set_expiry`](crate::Session::set_expiry) rejects
    /// more.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// Expiry::new().idle(std::time::Duration::from_secs(600));
    /// ```
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Sets how long the session lives at all, from its creation or sign-in. Whole seconds, at
    /// least one. A configured idle timeout that is longer ends with it.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// Expiry::new().absolute(std::time::Duration::from_secs(86_400));
    /// ```
    #[must_use]
    pub const fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// Gives the next cookie issued for this session a Max-Age: the rest of the absolute lifetime,
    /// which may then be 400 days at most (RFC 10025, section 5.5).
    ///
    /// Set it before `sign_in` or `rotate`, or when the session is created: a cookie that the
    /// client already has is not sent again.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// assert_ne!(Expiry::new().persistent(), Expiry::new());
    /// ```
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = Some(true);
        self
    }

    /// Issues this session's next cookie without a Max-Age, whatever the configuration sets. The
    /// browser drops it on closing.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// assert_ne!(Expiry::new().session_cookie(), Expiry::new());
    /// ```
    #[must_use]
    pub const fn session_cookie(mut self) -> Self {
        self.persistent = Some(false);
        self
    }

    /// Rejects what the configuration, or a user agent, would silently shorten.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Error> {
        let fail = |problem| Err(Error::InvalidExpiry { problem });
        let timeouts = [self.idle, self.absolute].into_iter().flatten();
        if timeouts
            .clone()
            .any(|timeout| timeout.is_zero() || timeout.subsec_nanos() != 0)
        {
            return fail("`idle` and `absolute` must be whole seconds, at least one");
        }
        let lifetime = config.lifetime(Some(*self));
        if self.idle.is_some_and(|idle| idle > lifetime.absolute) {
            return fail(
                "`idle` is longer than the absolute timeout, which would cut it; set \
                 `Expiry::absolute` too, or raise `absolute_timeout` in the configuration",
            );
        }
        let sent = match config.settings().renew_cookie {
            true => lifetime.idle,
            false => lifetime.absolute,
        };
        if lifetime.persistent && sent > MAX_MAX_AGE {
            return fail(
                "its cookie would have a Max-Age over 34,560,000 seconds (400 days), which user \
                 agents cut; shorten `absolute`, or `idle` where the cookie is renewed",
            );
        }
        Ok(())
    }
}

/// The lifetimes of one session: the configuration's, or its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) idle: Duration,
    pub(crate) touch_interval: Duration,
    pub(crate) absolute: Duration,
    pub(crate) persistent: bool,
}

/// How far another node's clock may be ahead before a record from "the future" is rejected. It
/// bounds the life that a clock which jumped ahead and back can add.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

impl Lifetime {
    /// Returns whether a live record of this age and expiry is alive (`now == expires_at` is dead).
    pub(crate) fn alive(&self, created: UnixTime, expires_at: UnixTime, now: UnixTime) -> bool {
        now < expires_at && now < created + self.absolute && created <= now + SKEW
    }

    pub(crate) fn expires_at(&self, created: UnixTime, now: UnixTime) -> UnixTime {
        (now + self.idle).min(created + self.absolute)
    }

    /// Returns the first expiry of a session whose token no client has presented yet.
    pub(crate) fn unpresented_until(&self, created: UnixTime, now: UnixTime) -> UnixTime {
        (now + (self.idle - self.withheld())).min(created + self.absolute)
    }

    /// Returns whether a session still has its first end. Half of what was withheld is for clocks
    /// that differ.
    pub(crate) fn is_unpresented(
        &self,
        created: UnixTime,
        authenticated: UnixTime,
        expires_at: UnixTime,
    ) -> bool {
        let whole = self.expires_at(created, authenticated);
        whole.since(expires_at) > self.withheld() / 2
    }

    /// Returns the extension at the first presentation of a session's token. It is a quarter of its
    /// idle timeout, or more if a smaller part would not be worth a touch. In whole seconds, like
    /// records.
    fn withheld(&self) -> Duration {
        let part = (self.idle / 4).max(self.touch_interval).min(self.idle / 2);
        Duration::from_secs(part.as_secs())
    }

    /// Returns whether the expiry is worth moving. Either it lags by the touch interval (a tenth of
    /// the idle timeout), or a clock that was ahead left it too late.
    pub(crate) fn touch_due(
        &self,
        created: UnixTime,
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let wanted = self.expires_at(created, now);
        let lag = wanted.since(expires_at).max(expires_at.since(wanted));
        (!lag.is_zero() && lag >= self.touch_interval).then_some(wanted)
    }
}
