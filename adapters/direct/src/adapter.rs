//! For authors of adapters: the commit, error responses, and macros for an adapter's own types.
//!
//! Handlers need none of it. An adapter makes a [`Session`] per request
//! ([`Sessions::http_session`](crate::Sessions::http_session)), hands it to the handler, and calls
//! [`commit`] before it sends the head of the response.
//!
//! - [`commit`] closes the session and saves its changes. [`SessionCommit`] is its result.
//! - [`RequestSession`] carries it in a request's extensions, and detects layers that retry.
//! - [`request_headers`] picks what a session reads from a framework's own type of headers.
//! - [`Kinds`] refuses two kinds of session with one cookie name.
//! - [`Devices`] is the protocol of device-bound sessions (feature `device-binding`).
//! - [`SubjectGuard`] lets only signed-in visitors pass. [`Denied`] is its response.
//! - [`call`] hands core's session, the time and randomness to a function. [`is_touched`] and
//!   [`in_background`] are for layers that must not use a session that no handler uses.
//! - [`report`] logs an error and returns the text of its response.
//! - [`wrap_session`] and [`wrap_typed`] implement what an extractor's own types have in common.

use cloakroom_core::{Session as CoreSession, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Config, Error, Session, refusal};

pub use crate::commit::SessionCommit;
#[cfg(feature = "device-binding")]
pub use crate::device::{DeviceEndpoint, DeviceTraits, Devices};
pub use crate::guard::{Denied, SubjectGuard};
pub use crate::kinds::Kinds;
pub use crate::report::report;
pub use crate::request_session::RequestSession;
#[doc(inline)]
pub use crate::{__wrap_session as wrap_session, __wrap_typed as wrap_typed};

/// Closes a session and returns its commit. With `keep_changes` false all changes are dropped.
///
/// From here on every call on the session returns
/// [`Closed`](crate::SessionError::Closed). The second call for a session returns `Untouched`.
///
/// ```
/// use cloakroom::adapter::{self, SessionCommit};
/// use cloakroom::{Session, Sessions};
/// # use cloakroom_memory::MemoryStore;
///
/// let session: Session = Sessions::new(MemoryStore::new()).session([]);
/// assert!(matches!(adapter::commit(&session, true), SessionCommit::Untouched));
/// ```
pub fn commit<K>(session: &Session<K>, keep_changes: bool) -> SessionCommit {
    session.commit(keep_changes)
}

/// Closes a session and drops its changes: for a request that ends without a response.
///
/// ```
/// use cloakroom::{Session, Sessions, adapter};
/// # use cloakroom_memory::MemoryStore;
///
/// let session: Session = Sessions::new(MemoryStore::new()).session([]);
/// adapter::close(&session);
/// assert!(session.insert("theme", "dark").is_err());
/// ```
pub fn close<K>(session: &Session<K>) {
    drop(session.commit(false));
}

/// Returns the headers of a request that a session reads: the token's, and without a cookie those
/// that tell whether the browser will refuse one. For frameworks with a header type of their own.
/// `lines` returns the values of a header.
///
/// ```
/// use cloakroom::{Config, adapter};
/// use http::HeaderValue;
///
/// let headers = adapter::request_headers(&Config::default(), |name| {
///     let is_host = name == "host";
///     is_host.then(|| HeaderValue::from_static("shop.test"))
/// });
/// assert_eq!(headers.len(), 1);
/// assert_eq!(headers["host"], "shop.test");
/// ```
pub fn request_headers<L: IntoIterator<Item = HeaderValue>>(
    config: &Config,
    mut lines: impl FnMut(&HeaderName) -> L,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut read = |name: &HeaderName, headers: &mut HeaderMap| {
        headers.extend(lines(name).into_iter().map(|line| (name.clone(), line)));
    };
    read(config.request_header(), &mut headers);
    if headers.is_empty() && config.header().is_none() {
        refusal::READ
            .iter()
            .for_each(|name| read(name, &mut headers));
    }
    headers
}

/// Calls a function with core's session, the time, and 64 bytes of fresh randomness: for protocols
/// on top of sessions. Load the session before. The commit saves what the function changes.
///
/// # Errors
///
/// [`Error::Session`] if the session is not loaded, or closed. [`Error::Entropy`].
///
/// ```
/// use cloakroom::{Session, adapter};
///
/// let session: Session = Session::for_tests();
/// let bound = adapter::call(&session, |session, _now, _entropy| {
///     session.set_binding("a key")?;
///     session.binding()
/// })?;
/// assert_eq!(bound?.as_deref(), Some("a key"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn call<K, R>(
    session: &Session<K>,
    f: impl FnOnce(&mut CoreSession<'_>, UnixTime, [u8; 64]) -> R,
) -> Result<R, Error> {
    session.with_core(f)
}

/// Returns whether a handler has asked for the session. Never loads it.
///
/// ```
/// use cloakroom::{Session, adapter};
///
/// let session: Session = Session::for_tests();
/// assert!(!adapter::is_touched(&session));
/// session.insert("theme", "dark")?;
/// assert!(adapter::is_touched(&session));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[must_use]
pub fn is_touched<K>(session: &Session<K>) -> bool {
    session.is_touched()
}

/// Marks the request as no use of the session by its visitor, so that it does not extend the idle
/// timeout. Load the session before.
///
/// # Errors
///
/// [`Error::Session`] if the session is closed.
///
/// ```
/// use cloakroom::{Session, adapter};
///
/// let session: Session = Session::for_tests();
/// adapter::in_background(&session)?;
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub fn in_background<K>(session: &Session<K>) -> Result<(), Error> {
    session.in_background()
}
