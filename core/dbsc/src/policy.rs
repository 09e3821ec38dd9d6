//! The device that a request comes from, and the policies of routes.

use crate::Answer;

/// Whether a session is bound to a device, and whether the request comes from it.
///
/// ```
/// use cloakroom_dbsc::Status;
///
/// assert!(!Status::Pending.is_foreign());
/// assert!(Status::Missing.is_foreign());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No binding was offered.
    Unbound,
    /// A binding was offered, and no browser has taken it for certain. Browsers without the
    /// protocol stay here. So does a browser whose registration, or its answer, is under way.
    Pending,
    /// The request has the fresh bound cookie.
    Bound,
    /// The session is bound, and the request has no bound cookie of it.
    Missing,
    /// The session is bound, and the bound cookie is too old.
    Stale,
}

impl Status {
    /// Returns whether the session is bound, and the request does not show that it comes from the
    /// device.
    ///
    /// ```
    /// assert!(cloakroom_dbsc::Status::Stale.is_foreign());
    /// ```
    #[must_use]
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Missing | Self::Stale)
    }
}

/// A route's treatment of a bound session's request that does not come from its device.
///
/// ```
/// use cloakroom_dbsc::Policy;
///
/// assert_eq!(Policy::default(), Policy::Refuse);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Lets it pass. The application looks at the [`Status`] and counts it.
    Observe,
    /// Refuses it with 403 and a challenge.
    #[default]
    Refuse,
    /// Signs the session out, for everybody.
    ///
    /// A thief can end the session with that, and so can a browser that has just lost its key. Use
    /// it where a copied cookie must be of no use to anybody.
    End,
}

/// The result of [`DeviceBinding::guard`](crate::DeviceBinding::guard).
///
/// ```
/// # use cloakroom_core::{Config, Exchange, UnixTime};
/// # use cloakroom_dbsc::{DeviceBinding, Policy, Status};
/// # let config = Config::default();
/// # let now = UnixTime::from_secs(100);
/// # let mut exchange = Exchange::open(&config, [], now);
/// # let mut session = exchange.session()?;
/// let binding = DeviceBinding::new(&config)?;
/// let request = http::HeaderMap::new();
/// let checked =
///     binding.guard(&request, &mut session, Policy::Observe, now, [7; 64])?;
/// assert_eq!(checked.status, Status::Unbound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The request's device.
    pub status: Status,
    /// The response instead of the route's, if the policy refuses the request.
    pub answer: Option<Answer>,
}
