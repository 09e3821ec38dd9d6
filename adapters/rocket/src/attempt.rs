//! A request's sessions in Rocket's local cache: one for each attempt to answer it.
//!
//! What Rocket tries is routes, one after the other while they forward, and if one fails, or none is left, a catcher. Each that asks
//! gets a session in which nothing is changed; what counts is the one of whoever has answered.
//!
//! Who that is tells a cookie in Rocket's jar, the mark, whose value is the route that has asked last: Rocket empties the jar before it
//! asks a catcher, and puts it into the response of whoever has answered, where the mark is taken out again. A mark of another
//! route is of one that has forwarded: its changes are dropped, and the next goes on with what was loaded. An empty jar may mean that
//! whoever has asked has failed, or that it has answered and a response fairing asks; so these get a session of their own.

use cloakroom::{Session as Handle, http as mapping};
use rocket::http::Cookie;
use rocket::{Request, Response};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, headers};

/// What guards and responses need of the fairing, without the store's type. Managed state.
pub(crate) struct Attempts<K> {
    pub(crate) open: Box<Open<K>>,
    /// The name of the mark. The jar also has what the client sent, which must not know it.
    pub(crate) mark: String,
}

type Open<K> = dyn Fn(&Request<'_>) -> Handle<K> + Send + Sync;

impl<K: 'static> Attempts<K> {
    /// The session for whoever asks now. None after the commit.
    pub(crate) fn session(&self, request: &Request<'_>) -> Option<Handle<K>> {
        let mut opened = opened(request);
        let opened = opened.as_mut()?;
        let jar = request.cookies();
        let mark = jar.get_pending(&self.mark);
        if mark.is_none() {
            // Nobody has asked yet, or whoever did has failed, or has answered.
            opened.push((self.open)(request));
        }
        let session = opened.last()?;
        if mark.is_some_and(|mark| !self.marks(&mark, request)) {
            // The route that has asked has forwarded.
            session.discard_changes().ok()?;
        }
        jar.add((self.mark.clone(), route(request)));
        Some(session.clone())
    }

    /// Commits the session of the attempt that has answered, and closes the others. After it nobody gets one.
    pub(crate) async fn commit<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let mut opened = opened::<K>(request).take().unwrap_or_default();
        // The answer's mark is in the response already: one in the jar is of a response fairing.
        let late = request.cookies().get_pending(&self.mark);
        let late = late.and_then(|_| opened.pop());
        if matches!(late.as_ref().map(Handle::is_modified), Some(Ok(true))) {
            tracing::warn!("a response fairing changed the session too late: that is dropped");
        }
        let Some(session) = opened.last().or(late.as_ref()) else {
            return;
        };
        let answered = response.cookies().any(|mark| self.marks(&mark, request));
        let failed = response.status().class().is_server_error();
        let saves = !failed || session.config().saves_on_server_error();
        let commit = session.commit(answered && saves);
        for other in opened.iter().chain(&late) {
            drop(other.commit(false));
        }
        match commit.outcome().await {
            Ok(outcome) => headers::edit(response, &self.mark, |headers| {
                mapping::apply(session.config(), &outcome, headers);
            }),
            Err(error) => {
                // The handler's response claims what did not happen.
                *response = Error::from(error).page(request).await;
                headers::edit(response, &self.mark, mapping::vary);
            }
        }
    }

    /// Whether a cookie marks what is tried now. Fairings ask before there is a route: what they do is for whichever answers.
    fn marks(&self, cookie: &Cookie<'_>, request: &Request<'_>) -> bool {
        cookie.name() == self.mark && ["None", &route(request)].contains(&cookie.value())
    }
}

/// Which route of the application is tried.
fn route(request: &Request<'_>) -> String {
    let tried = request.route().map(std::ptr::from_ref);
    let mut routes = request.rocket().routes().map(std::ptr::from_ref);
    format!("{:?}", routes.position(|route| Some(route) == tried))
}

/// The sessions of a request. None after the commit.
fn opened<'r, K: 'static>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Vec<Handle<K>>>> {
    let opened = request.local_cache(|| Mutex::new(Some(Vec::<Handle<K>>::new())));
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}
