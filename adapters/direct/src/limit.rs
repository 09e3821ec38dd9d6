//! A limit on the sessions of one subject.

use std::future::Future;
use std::pin::Pin;

use cloakroom_core::{Exchange, Outcome};

use crate::Error;

/// The treatment of a sign-in over the limit of
/// [`Sessions::with_limit`](crate::Sessions::with_limit).
///
/// Recommended: [`EndOldest`](LimitPolicy::EndOldest), which never refuses a user with valid
/// credentials. Under [`Refuse`](LimitPolicy::Refuse) a forgotten device that stays signed in keeps
/// the user out.
///
/// Neither policy counts sessions of clients that disconnected during their sign-in. No client has
/// presented the token of such a session, so a sign-in over the limit ends it.
///
/// ```
/// use cloakroom::{LimitPolicy, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// let sessions =
///     Sessions::new(MemoryStore::new()).with_limit(3, LimitPolicy::EndOldest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitPolicy {
    /// The sign-in fails with [`Error::TooManySessions`] and changes nothing.
    ///
    /// Sessions whose tokens were never presented after their sign-in do not count. The sign-in
    /// replaces them, the oldest first and at most 16. Such a session lives for three quarters of
    /// its idle timeout. Its first request extends it to the whole, with one touch.
    Refuse,
    /// The sign-in succeeds, and the session that was signed in longest ago ends. The session that
    /// signs in never ends. A session that cannot be ended is logged (`tracing`), and the next
    /// sign-in ends it. One sign-in ends at most 16 sessions, so that its time is bounded for users
    /// with very many. The next sign-ins end the rest. Of a user
    /// with more than 1,000 sessions it looks at 1,000, and the oldest of those end.
    EndOldest,
}

/// Commits a sign-in under a limit. `I` is `Inner`, whose store implements `Directory`.
pub(crate) trait Limit<I>: Send + Sync {
    fn commit<'a>(&'a self, inner: &'a std::sync::Arc<I>, exchange: Exchange) -> Limited<'a>;
}

pub(crate) type Limited<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;
