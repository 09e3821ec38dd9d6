use cloakroom::{Committing, Error, Fate, Outcome, Session, http as mapping};
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::OnError;

pin_project! {
    /// The response, passed on when its session has been committed.
    ///
    /// ```
    /// use cloakroom_tower::ResponseFuture;
    ///
    /// fn boxed<F: Send + 'static, B: Send + 'static>(future: ResponseFuture<F, (), cloakroom_tower::StatusOnly, B>) -> Box<dyn std::any::Any + Send> {
    ///     Box::new(future)
    /// }
    /// ```
    pub struct ResponseFuture<F, K, E, B> {
        #[pin]
        inner: F,
        // `None`: a layer further out has it.
        session: Option<Session<K>>,
        on_error: Arc<E>,
        committing: Option<Pending<B>>,
        answered: bool,
    }

    impl<F, K, E, B> PinnedDrop for ResponseFuture<F, K, E, B> {
        fn drop(this: Pin<&mut Self>) {
            // The request was cancelled, or the inner service failed or panicked: nobody will save what a task that outlives it
            // changes, so that task is told.
            if let (false, Some(session)) = (this.answered, &this.session) {
                drop(session.commit(false));
            }
        }
    }
}

struct Pending<B> {
    response: Response<B>,
    commit: Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>,
}

impl<F, K, E, B> ResponseFuture<F, K, E, B> {
    pub(crate) fn new(inner: F, session: Option<Session<K>>, on_error: Arc<E>) -> Self {
        Self {
            inner,
            session,
            on_error,
            committing: None,
            answered: false,
        }
    }
}

impl<F, K, E, B, X> Future for ResponseFuture<F, K, E, B>
where
    F: Future<Output = Result<Response<B>, X>>,
    E: OnError<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(session) = this.session else {
            return this.inner.poll(cx);
        };
        let config = session.config();
        if this.committing.is_none() {
            let mut response = ready!(this.inner.poll(cx))?;
            *this.answered = true;
            let keep_changes =
                !response.status().is_server_error() || config.saves_on_server_error();
            match session.commit(keep_changes) {
                Committing::Untouched => return Poll::Ready(Ok(response)),
                Committing::Done(outcome) => {
                    finish(config, Ok(outcome), &mut response, &**this.on_error);
                    return Poll::Ready(Ok(response));
                }
                Committing::Pending(commit) => {
                    *this.committing = Some(Pending { response, commit });
                }
            }
        }
        let Some(pending) = this.committing else {
            return Poll::Pending;
        };
        let outcome = ready!(pending.commit.as_mut().poll(cx));
        let Some(Pending { mut response, .. }) = this.committing.take() else {
            return Poll::Pending;
        };
        finish(config, outcome, &mut response, &**this.on_error);
        Poll::Ready(Ok(response))
    }
}

fn finish<B>(
    config: &cloakroom::Config,
    outcome: Result<Outcome, Error>,
    response: &mut Response<B>,
    on_error: &impl OnError<B>,
) {
    match outcome {
        Ok(outcome) => {
            mapping::apply(config, &outcome, response.headers_mut());
            if matches!(outcome.fate, Fate::Superseded | Fate::Gone) {
                response.extensions_mut().insert(outcome.fate);
            }
        }
        Err(error) => {
            *response = on_error.respond(&error);
            mapping::vary(response.headers_mut());
        }
    }
}

impl<F, K, E, B> fmt::Debug for ResponseFuture<F, K, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
