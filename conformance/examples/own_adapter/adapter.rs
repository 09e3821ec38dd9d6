//! Sessions for `bell`: the whole adapter that the guide explains.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use cloakroom::{Error, Session, Sessions, Store, http as mapping};
use http::{Request, Response};
use hyper::body::Incoming;

use super::bell::Handler;

/// A handler with sessions around it. `K` tells several independent sessions apart.
pub(crate) struct WithSessions<H, S, B, K = ()> {
    handler: H,
    sessions: Sessions<S>,
    failed: Arc<Failed<B>>,
    kind: PhantomData<fn() -> K>,
}

/// The application's page for a session that could not be saved.
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

    pub(crate) fn on_error(
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
        // Declared after the handler, and so dropped before it: nobody who learns that the handler is gone finds it open.
        let _closing = Closing(&session);
        let response = handler.await;

        self.commit(&session, response).await
    }
}

/// Closes a session whose handler gave no answer.
struct Closing<'a, K>(&'a Session<K>);

impl<K> Drop for Closing<'_, K> {
    fn drop(&mut self) {
        // Of no effect if there was an answer, and the session has been committed.
        drop(self.0.commit(false));
    }
}

impl<H, S: Store, B, K> WithSessions<H, S, B, K> {
    async fn commit(&self, session: &Session<K>, mut response: Response<B>) -> Response<B> {
        let config = self.sessions.config();
        let failed = response.status().is_server_error();
        let keep_changes = !failed || config.saves_on_server_error();
        let outcome = session.commit(keep_changes).outcome().await;
        match outcome {
            Ok(outcome) => mapping::apply(config, &outcome, response.headers_mut()),
            Err(error) => {
                response = (self.failed)(&error);
                mapping::vary(response.headers_mut());
            }
        }
        response
    }
}

/// Loads the session of a request: for handlers.
pub(crate) fn session<K: 'static>(
    request: &Request<Incoming>,
) -> impl Future<Output = Result<Session<K>, Error>> + Send + use<K> {
    let session: Option<&Session<K>> = request.extensions().get();
    let session = session.cloned();
    async move {
        let session = session.ok_or(Error::NotSetUp("there is no `WithSessions` of this type"))?;
        session.load().await?;
        Ok(session)
    }
}

/// What a handler answers that has no session.
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
