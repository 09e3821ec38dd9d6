//! A request's sessions in Rocket's local cache: one for each attempt to answer it.

use cloakroom::Session as Handle;
use rocket::http::Method;
use rocket::{Request, Response};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::fairing::Opener;
use crate::headers;

/// What Rocket tries is routes, one after the other while they forward, and at last a catcher. Each that asks gets a session in
/// which nothing is changed; what counts is the one of whoever has answered.
pub(crate) struct Attempts<K>(Mutex<State<K>>);

enum State<K> {
    Open(Vec<Attempt<K>>),
    Closed,
}

struct Attempt<K> {
    route: Route,
    session: Handle<K>,
}

impl<K> Attempt<K> {
    fn is_modified(&self) -> bool {
        self.session.is_modified().unwrap_or(false)
    }
}

/// Which route of the application is tried. Rocket tries those of GET after those of HEAD.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Route {
    address: Option<usize>,
    method: Method,
}

impl Route {
    fn of(request: &Request<'_>) -> Self {
        Self {
            address: request
                .route()
                .map(|route| std::ptr::from_ref(route).addr()),
            method: request.method(),
        }
    }

    /// Fairings ask before there is a route: what they do is for whichever route answers.
    fn answers_as(self, other: Self) -> bool {
        self.address.is_none() || self == other
    }
}

/// Tells whether an attempt has failed: a cookie in Rocket's jar, which Rocket empties before it asks a catcher, and puts into the
/// response of whoever has answered. There it is taken out again.
pub(crate) struct Marker(String);

impl Marker {
    pub(crate) fn new() -> Self {
        // The jar also has what the client sent, so it must not know the name.
        Self(format!("cloakroom-{:x}", RandomState::new().hash_one(())))
    }

    fn set(&self, request: &Request<'_>, attempt: usize) {
        request.cookies().add((self.0.clone(), attempt.to_string()));
    }

    /// The attempt that goes on.
    fn pending(&self, request: &Request<'_>) -> Option<usize> {
        request.cookies().get_pending(&self.0)?.value().parse().ok()
    }

    /// The attempt that has answered.
    pub(crate) fn take(&self, response: &mut Response<'_>) -> Option<usize> {
        headers::take_cookie(response, &self.0)?.parse().ok()
    }
}

impl<K> Attempts<K> {
    pub(crate) fn open(&self, request: &Request<'_>, opener: &Opener<K>) -> Handle<K> {
        let route = Route::of(request);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Open(attempts) = &mut *state else {
            // Asked for after the commit: one that says so.
            let session = opener.open(request);
            drop(session.commit(false));
            return session;
        };
        let pending = opener.marker.pending(request);
        let number = attempts.len().wrapping_sub(1);
        if let Some(last) = attempts.last_mut() {
            let goes_on = pending == Some(number) && last.route.answers_as(route);
            if goes_on || !last.is_modified() {
                last.route = route;
                if !goes_on {
                    opener.marker.set(request, number);
                }
                return last.session.clone();
            }
        }
        let session = opener.open(request);
        opener.marker.set(request, attempts.len());
        attempts.push(Attempt {
            route,
            session: session.clone(),
        });
        session
    }

    /// The session of the attempt that has answered, or of the last one, and whether its changes count. After it nobody gets one.
    pub(crate) fn close(
        &self,
        request: &Request<'_>,
        answered: Option<usize>,
    ) -> Option<(Handle<K>, bool)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Open(mut attempts) = std::mem::replace(&mut *state, State::Closed) else {
            return None;
        };
        let last = attempts.len().checked_sub(1)?;
        let chosen = answered.unwrap_or(last).min(last);
        if chosen < last && attempts[last].is_modified() {
            // Only they can ask after the answer.
            tracing::warn!("a response fairing changed the session too late: that is dropped");
        }
        let chosen = attempts.swap_remove(chosen);
        for other in attempts {
            drop(other.session.commit(false));
        }
        let counts = answered.is_some() && chosen.route.answers_as(Route::of(request));
        Some((chosen.session, counts))
    }
}

impl<K> Default for Attempts<K> {
    fn default() -> Self {
        Self(Mutex::new(State::Open(Vec::new())))
    }
}
