//! A request's sessions in Rocket's local cache: one for each attempt to answer it.
//!
//! What Rocket tries is routes, one after the other while they forward, and at last a catcher. Each that asks gets a session in
//! which nothing is changed; what counts is the one of whoever has answered.
//!
//! Whether an attempt has failed tells a cookie in Rocket's jar, the marker: Rocket empties the jar before it asks a catcher, and puts
//! it into the response of whoever has answered, where the marker is taken out again.

use cloakroom::Session as Handle;
use rocket::{Request, Response};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fairing::Opener;
use crate::headers;

struct Attempt<K> {
    route: Option<usize>,
    session: Handle<K>,
}

/// The session for whoever asks now. None without a fairing.
pub(crate) fn open<K: 'static>(request: &Request<'_>) -> Option<Handle<K>> {
    let opener = request.rocket().state::<Opener<K>>()?;
    let (jar, route) = (request.cookies(), route(request));
    let mut attempts = attempts::<K>(request);
    let Some(attempts) = &mut *attempts else {
        // Asked for after the commit: one that says so.
        let session = (opener.open)(request);
        drop(session.commit(false));
        return Some(session);
    };
    let pending = jar.get_pending(&opener.marker);
    let pending = pending.and_then(|marker| marker.value().parse().ok());
    let goes_on = |last: &Attempt<K>| pending == Some(attempts.len()) && last.is_of(route);
    let last = attempts.last();
    if !last.is_some_and(|last| goes_on(last) || !last.is_modified()) {
        let session = (opener.open)(request);
        attempts.push(Attempt { route, session });
    }
    let number = attempts.len();
    jar.add((opener.marker.clone(), number.to_string()));
    let last = attempts.last_mut()?;
    last.route = route;
    Some(last.session.clone())
}

/// The session of the attempt that has answered, or of the last one, and whether its changes count. After it nobody gets one.
pub(crate) fn close<K: 'static>(
    request: &Request<'_>,
    response: &mut Response<'_>,
) -> Option<(Handle<K>, bool)> {
    let opener = request.rocket().state::<Opener<K>>()?;
    let mut attempts = attempts::<K>(request).take()?;
    attempts.first()?;
    let marker = headers::take_cookie(response, &opener.marker);
    let answered = marker.and_then(|number| number.parse().ok());
    let answered = answered.filter(|number| *number <= attempts.len());
    let late = attempts.split_off(answered.unwrap_or(attempts.len()));
    if late.iter().any(Attempt::is_modified) {
        // Only they can ask after the answer.
        tracing::warn!("a response fairing changed the session too late: that is dropped");
    }
    let chosen = attempts.pop()?;
    for other in attempts.iter().chain(&late) {
        drop(other.session.commit(false));
    }
    let counts = answered.is_some() && chosen.is_of(route(request));
    Some((chosen.session, counts))
}

impl<K> Attempt<K> {
    fn is_modified(&self) -> bool {
        self.session.is_modified().unwrap_or(false)
    }

    /// Fairings ask before there is a route: what they do is for whichever route answers.
    fn is_of(&self, route: Option<usize>) -> bool {
        self.route.is_none() || self.route == route
    }
}

/// Which route of the application is tried.
fn route(request: &Request<'_>) -> Option<usize> {
    let route = request.route()?;
    Some(std::ptr::from_ref(route).addr())
}

/// None after the commit.
fn attempts<'r, K: 'static>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Vec<Attempt<K>>>> {
    let attempts = request.local_cache(|| Mutex::new(Some(Vec::<Attempt<K>>::new())));
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}
