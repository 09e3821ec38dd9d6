//! The adapter for `bell` that ADAPTER.md builds.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use cloakroom::{Error, Session, Sessions, Store, adapter, http as mapping};
use http::{Request, Response};
use hyper::body::Incoming;

use super::bell::Handler;

/// Wraps a handler in sessions. `K` tells several independent sessions apart.
pub(crate) struct WithSessions<H, S, B, K = ()> {
    handler: H,
    sessions: Sessions<S>,
    failed: Arc<Failed<B>>,
    kind: PhantomData<fn() -> K>,
}

/// Makes the response for a failed commit.
type Failed<B> = dyn Fn(&Error) -> Response<B> + Send + Sync;

impl<H, S, B: Default + 'static, K> WithSessions<H, S, B, K> {
    pub(crate) fn new(handler: H, sessions: Sessions<S>) -> Self {
        Self {
            handler,
            sessions,
            failed: Arc::new(status_only),
            kind: PhantomData,
        }
    }

    pub(crate) fn on_commit_error(
        self,
        page: impl Fn(&Error) -> Response<B> + Send + Sync + 'static,
    ) -> Self {
        let failed = Arc::new(page);
        Self { failed, ..self }
    }
}

impl<H, S, B, K> Handler<B> for WithSessions<H, S, B, K>
where
    H: Handler<B>,
    S: Store,
    B: Send + 'static,
    K: 'static,
{
    async fn answer(&self, mut request: Request<Incoming>) -> Response<B> {
        let session: Session<K> = self.sessions.http_session(request.headers());
        request.extensions_mut().insert(session.clone());

        let handler = pin!(self.handler.answer(request));
        // Declared after the handler, so it is dropped first: tasks that
        // notice the handler's end find the session closed.
        let _closing = Closing(&session);
        let response = handler.await;

        self.commit(&session, response).await
    }
}

/// Closes the session if the handler's future is dropped or panics.
struct Closing<'a, K>(&'a Session<K>);

impl<K> Drop for Closing<'_, K> {
    fn drop(&mut self) {
        // Does nothing after a commit.
        adapter::close(self.0);
    }
}

impl<H, S: Store, B, K> WithSessions<H, S, B, K> {
    async fn commit(&self, session: &Session<K>, mut response: Response<B>) -> Response<B> {
        let config = self.sessions.config();
        let failed = response.status().is_server_error();
        let keep_changes = !failed || config.saves_on_server_error();
        let outcome = adapter::commit(session, keep_changes).outcome().await;
        match outcome {
            Ok(outcome) => mapping::apply(config, &outcome, response.headers_mut()),
            Err(error) => {
                response = (self.failed)(&error);
                mapping::vary(session.config(), response.headers_mut());
            }
        }
        response
    }
}

/// The text of a programming mistake, for the log.
const NO_SESSIONS: &str =
    "no session of this type in the request; wrap the handler in `WithSessions` with the same `K`";

/// Returns the request's session, loaded.
pub(crate) fn session<K: 'static>(
    request: &Request<Incoming>,
) -> impl Future<Output = Result<Session<K>, Error>> + Send + use<K> {
    let session: Option<&Session<K>> = request.extensions().get();
    let session = session.cloned();
    async move {
        let session = session.ok_or(Error::NotSetUp(NO_SESSIONS))?;
        session.load().await?;
        Ok(session)
    }
}

/// Returns an empty response with the error's status.
pub(crate) fn status_only<B: Default>(error: &Error) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = error.status();
    response
}

impl<H: Clone, S, B, K> Clone for WithSessions<H, S, B, K> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            sessions: self.sessions.clone(),
            failed: Arc::clone(&self.failed),
            kind: PhantomData,
        }
    }
}
