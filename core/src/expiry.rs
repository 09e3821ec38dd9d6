use std::time::Duration;

use crate::UnixTime;

/// A lifetime of one session's own, instead of the configuration's. What is not set stays as configured.
///
/// It is kept in the record, so it holds for all later requests.
///
/// ```
/// use cloakroom_core::Expiry;
/// use std::time::Duration;
///
/// // "Remember me": two weeks, and the browser keeps the cookie when it is closed.
/// let expiry = Expiry::new().idle(Duration::from_secs(14 * 86_400)).absolute(Duration::from_secs(14 * 86_400)).persistent();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
    pub(crate) persistent: Option<bool>,
}

impl Expiry {
    /// Everything as configured.
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

    /// How long the session lives without a request. A fraction of a second is dropped; with less than a second the session ends
    /// with this request.
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

    /// How long the session lives at all, from its creation or sign-in. A fraction of a second is dropped; with less than a second
    /// the session ends with this request.
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

    /// The next cookie issued for this session has a Max-Age: the rest of the absolute lifetime, at most 400 days
    /// (RFC 10025, section 5.5). Set it before `sign_in` or `rotate`, or when the session is created: a cookie that the client
    /// already has is not sent again.
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

    /// The next cookie issued for this session has no Max-Age, whatever the configuration says: the browser drops it when it is
    /// closed.
    ///
    /// ```
    /// # use cloakroom_core::Expiry;
    /// assert_ne!(Expiry::new().until_closed(), Expiry::new());
    /// ```
    #[must_use]
    pub const fn until_closed(mut self) -> Self {
        self.persistent = Some(false);
        self
    }
}

/// The lifetimes that hold for one session: the configuration's, or its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) idle: Duration,
    pub(crate) extend_after: Duration,
    pub(crate) absolute: Duration,
    pub(crate) persistent: bool,
}

/// How far the clock of another node may be ahead before a record of "the future" is refused. It bounds what a clock that
/// jumped ahead and back can add to a life.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

impl Lifetime {
    /// Whether a live record of this age and expiry is alive (`now == expires_at` is dead).
    pub(crate) fn alive(&self, created: UnixTime, expires_at: UnixTime, now: UnixTime) -> bool {
        now < expires_at && now < created + self.absolute && created <= now + SKEW
    }

    pub(crate) fn expires_at(&self, created: UnixTime, now: UnixTime) -> UnixTime {
        (now + self.idle).min(created + self.absolute)
    }

    /// Whether the expiry is worth moving: it lags by what is configured (a tenth of the idle timeout), or a clock that was ahead
    /// left it too late.
    pub(crate) fn touch_due(
        &self,
        created: UnixTime,
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let wanted = self.expires_at(created, now);
        let lag = wanted.since(expires_at).max(expires_at.since(wanted));
        (!lag.is_zero() && lag >= self.extend_after).then_some(wanted)
    }
}
