//! A request's sessions in Rocket's local cache: one for each attempt to answer it.
//!
//! Rocket tries routes one after the other while they forward. If one fails, or none is left, it
//! tries a catcher. Each route or catcher that uses the session gets one without changes. Only the
//! one that produces the response changes the session.
//!
//! A cookie in Rocket's jar, the mark, identifies it. The mark's value is the last route that used
//! the session. Rocket empties the jar before it calls a catcher, and puts the jar into the
//! response, where the adapter removes the mark again.
//!
//! A mark of another route belongs to one that has forwarded. Its changes are dropped, and the next
//! route continues with the loaded session. An empty jar has two possible causes: the route failed,
//! or it answered and a response fairing uses the session. Both get a session of their own.

use cloakroom::{Session as Handle, adapter, http as mapping};
use rocket::http::Cookie;
use rocket::{Request, Response};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{failure, headers};

/// Managed state: the guards' and responses' access to the fairing, without the store's type.
pub(crate) struct Attempts<K> {
    pub(crate) open: Box<Open<K>>,
    #[cfg(feature = "device-binding")]
    pub(crate) devices: Option<cloakroom::adapter::Devices<K>>,
    /// The name of the mark. The jar also has what the client sent, which must not know it.
    pub(crate) mark: String,
}

type Open<K> = dyn Fn(&Request<'_>) -> Handle<K> + Send + Sync;

impl<K: 'static> Attempts<K> {
    /// Returns the session of the current route, catcher or fairing. `None` after the commit.
    pub(crate) fn session(&self, request: &Request<'_>) -> Option<Handle<K>> {
        let mut opened = opened(request);
        let opened = opened.as_mut()?;
        let jar = request.cookies();
        let mark = jar.get_pending(&self.mark);
        if mark.is_none() {
            // The first to ask, or the previous one has failed or has answered.
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

    /// Commits the session of the attempt that has answered, and closes the others. Afterwards no
    /// attempt gets a session.
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
        #[cfg(feature = "device-binding")]
        if let Some(devices) = self.devices.as_ref().filter(|_| answered && !failed) {
            let traits = devices.traits(&headers::of_devices(request));
            if let Some((name, line)) = devices.after(session, traits) {
                headers::add(response, [(&name, &line)]);
            }
        }
        let commit = adapter::commit(session, answered && saves);
        for other in opened.iter().chain(&late) {
            adapter::close(other);
        }
        match commit.outcome().await {
            Ok(outcome) => headers::edit(response, session.config(), &self.mark, |headers| {
                mapping::apply(session.config(), &outcome, headers);
            }),
            Err(error) => {
                // The handler's response claims what did not happen.
                *response = failure::page(error, request).await;
                let config = session.config();
                headers::edit(response, config, &self.mark, |headers| {
                    mapping::vary(config, headers);
                });
            }
        }
    }

    /// Returns whether a cookie marks the current attempt. Request fairings run before there is a
    /// route, so their changes count for whichever route answers.
    fn marks(&self, cookie: &Cookie<'_>, request: &Request<'_>) -> bool {
        cookie.name() == self.mark && ["None", &route(request)].contains(&cookie.value())
    }
}

/// Returns the application's route that is tried.
fn route(request: &Request<'_>) -> String {
    let tried = request.route().map(std::ptr::from_ref);
    let mut routes = request.rocket().routes().map(std::ptr::from_ref);
    format!("{:?}", routes.position(|route| Some(route) == tried))
}

/// Returns the sessions of a request. None after the commit.
fn opened<'r, K: 'static>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Vec<Handle<K>>>> {
    let opened = request.local_cache(|| Mutex::new(Some(Vec::<Handle<K>>::new())));
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}
