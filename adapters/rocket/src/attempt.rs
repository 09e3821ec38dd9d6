//! A request's session in Rocket's local cache.

use cloakroom::Session as Handle;
use rocket::Request;
use rocket::http::Method;
use std::sync::{Mutex, PoisonError};

use crate::fairing::Opener;

/// The session of the route that is being tried. A route that changed it and then forwarded has changed nothing: the next one
/// that asks gets a fresh one.
pub(crate) struct Attempts<K>(Mutex<State<K>>);

enum State<K> {
    Untouched,
    Open(Route, Handle<K>),
    Closed,
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

impl<K> Attempts<K> {
    pub(crate) fn open(&self, request: &Request<'_>, opener: &Opener<K>) -> Handle<K> {
        let route = Route::of(request);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Closed => {
                // Asked for after the commit: one that says so.
                let session = opener.open(request);
                drop(session.commit(false));
                return session;
            }
            State::Open(of, session)
                if of.answers_as(route) || !session.is_modified().unwrap_or(false) =>
            {
                let session = session.clone();
                *state = State::Open(route, session.clone());
                return session;
            }
            State::Open(_, forwarded) => drop(forwarded.commit(false)),
            State::Untouched => {}
        }
        let session = opener.open(request);
        *state = State::Open(route, session.clone());
        session
    }

    /// The session, if anybody asked for it, and whether it was the route that has answered. After it nobody gets one.
    pub(crate) fn close(&self, request: &Request<'_>) -> Option<(Handle<K>, bool)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open(of, session) => Some((session, of.answers_as(Route::of(request)))),
            State::Untouched | State::Closed => None,
        }
    }
}

impl<K> Default for Attempts<K> {
    fn default() -> Self {
        Self(Mutex::new(State::Untouched))
    }
}
