use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Extensions;

use crate::Session;
use crate::copies::Branch;

/// The session in a request's extensions. It recognizes copies of the request.
///
/// An adapter inserts it, and its extractors ask [`of`](RequestSession::of) for the session. When a
/// retry or hedge layer between the two copies the request, each copy is an attempt of its own. If
/// one attempt has changed the session, the others get [`Error::NotSetUp`](crate::Error::NotSetUp),
/// and nothing is saved.
///
/// ```
/// use cloakroom::adapter::RequestSession;
/// use cloakroom::{Session, Sessions};
/// # use cloakroom_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom::Error> {
/// let session: Session = Sessions::new(MemoryStore::new()).session([]);
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(RequestSession::new(session));
///
/// let copy = request.clone();
/// let first = RequestSession::of::<()>(request.extensions()).unwrap();
/// first.load().await?;
/// first.sign_in("ada")?;
/// let second = RequestSession::of::<()>(copy.extensions()).unwrap();
/// assert!(second.load().await.is_err(), "another attempt has signed in");
/// # Ok(())
/// # }
/// ```
pub struct RequestSession<K = ()> {
    session: Session<K>,
    /// Changes when the request is copied.
    branch: AtomicU32,
    /// The branch of the request that this one was copied from, as it was then.
    origin: Branch,
}

impl RequestSession {
    /// Returns the session of the request with these extensions. `K` is the kind of session.
    ///
    /// A plain `Session<K>` in the extensions works too: for tests, and for layers of your own.
    ///
    /// ```
    /// # use cloakroom::{Session, adapter::RequestSession};
    /// fn session(request: &http::Request<()>) -> Option<Session> {
    ///     RequestSession::of(request.extensions())
    /// }
    /// ```
    #[must_use]
    pub fn of<K: 'static>(extensions: &Extensions) -> Option<Session<K>> {
        match extensions.get::<RequestSession<K>>() {
            Some(own) => Some(own.session.on(own.branch.load(Ordering::Relaxed))),
            None => extensions.get::<Session<K>>().cloned(),
        }
    }
}

impl<K> RequestSession<K> {
    /// Returns the extension for a request that has not been copied yet.
    ///
    /// ```
    /// # use cloakroom::{Session, adapter::RequestSession};
    /// fn insert(session: Session, request: &mut http::Request<()>) {
    ///     request.extensions_mut().insert(RequestSession::new(session));
    /// }
    /// ```
    #[must_use]
    pub fn new(session: Session<K>) -> Self {
        Self {
            session,
            branch: AtomicU32::new(0),
            origin: 0,
        }
    }

    /// Returns the session of the request that this value was cloned from: for frameworks whose
    /// handlers see clones of extensions only (warp).
    ///
    /// ```
    /// # use cloakroom::{Session, adapter::RequestSession};
    /// fn session(clone: RequestSession) -> Session {
    ///     clone.of_origin()
    /// }
    /// ```
    #[must_use]
    pub fn of_origin(&self) -> Session<K> {
        self.session.on(self.origin)
    }

    /// Returns the configuration of its session.
    ///
    /// ```
    /// # use cloakroom::{Session, adapter::RequestSession};
    /// let outer: RequestSession = RequestSession::new(Session::for_tests());
    /// assert_eq!(outer.config().cookie_name(), "__Host-session");
    /// ```
    #[must_use]
    pub fn config(&self) -> &crate::Config {
        self.session.config()
    }
}

/// The copy of a request is another attempt to answer it.
impl<K> Clone for RequestSession<K> {
    fn clone(&self) -> Self {
        let origin = self.branch.load(Ordering::Relaxed);
        let [here, copy] = self.session.split(origin);
        self.branch.store(here, Ordering::Relaxed);
        Self {
            session: self.session.clone(),
            branch: AtomicU32::new(copy),
            origin,
        }
    }
}

impl<K> fmt::Debug for RequestSession<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestSession(..)")
    }
}
