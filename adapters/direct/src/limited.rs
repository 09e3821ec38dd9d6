//! The commit of a sign-in under a limit, on a store that lists a subject's sessions.

use std::sync::Arc;

use cloakroom_core::{Exchange, Outcome};
use cloakroom_store::Directory;

use crate::inner::Inner;
use crate::limit::{Limit, LimitPolicy, Limited};
use crate::{Cause, Error, SessionInfo};

/// How many sessions one sign-in ends at most, so that a user with very many of them waits no
/// longer than another. The next sign-ins end the rest, or the idle timeout does.
const MOST_ENDED: usize = 16;

/// How many records one sign-in looks at, if the limit is smaller. So a user with very many of them
/// waits no longer for the list either.
const MOST_LISTED: usize = 1_000;

pub(crate) struct SessionLimit {
    pub(crate) sessions: usize,
    pub(crate) excess: LimitPolicy,
}

impl<S: Directory> Limit<Inner<S>> for SessionLimit {
    fn commit<'a>(&'a self, inner: &'a Arc<Inner<S>>, exchange: Exchange) -> Limited<'a> {
        Box::pin(self.limited(inner, exchange))
    }
}

impl SessionLimit {
    async fn limited<S: Directory>(
        &self,
        inner: &Arc<Inner<S>>,
        mut exchange: Exchange,
    ) -> Result<Outcome, Error> {
        let Some(subject) = exchange.signs_in().map(str::to_owned) else {
            let commit = inner.finish(exchange, Cause::OwnRequest);
            return Arc::clone(inner).drive_for(commit).await;
        };
        // Listed before the sign-in, so the new session is never among those to end.
        let own = exchange.replaces();
        let most = self.sessions.saturating_add(1).max(MOST_LISTED);
        let listing = inner.listing_some(&subject, most).await;
        let ((mut others, _), _) = listing.inspect_err(|error| inner.observer.failed(error))?;
        others.retain(|listed| Some(listed.id()) != own.as_deref());
        let over = (others.len() + 1).saturating_sub(self.sessions);
        if self.excess == LimitPolicy::Refuse {
            let all = others.len();
            // Their clients may have disconnected, so they refuse nobody.
            others.retain(SessionInfo::is_unpresented);
            if all - others.len() >= self.sessions {
                inner.observer.failed(&Error::TooManySessions);
                return Err(Error::TooManySessions);
            }
            exchange.mark_unpresented();
        }
        let commit = inner.finish(exchange, Cause::OwnRequest);
        let outcome = Arc::clone(inner).drive_for(commit).await?;
        // The listing has the newest first.
        for oldest in others.into_iter().rev().take(over.min(MOST_ENDED)) {
            // The sign-in has happened, so its client must receive the token. The next sign-in
            // ends the rest.
            if let Err(error) = inner.end(oldest, Cause::Limit).await {
                tracing::warn!(%error, "a session over the limit could not be ended");
            }
        }
        Ok(outcome)
    }
}
