use cloakroom::adapter::{self, SessionCommit};
use cloakroom::{Error, Fate, Outcome, Session, http as mapping};
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::OnCommitError;
use crate::hooks::Hooks;

pin_project! {
    /// The future of a response, which it returns when the session has been committed.
    ///
    /// ```
    /// use cloakroom_tower::{PlainText, ResponseFuture};
    /// use std::any::Any;
    ///
    /// fn boxed<F, B>(
    ///     future: ResponseFuture<F, (), PlainText, B>,
    /// ) -> Box<dyn Any + Send>
    /// where
    ///     F: Send + 'static,
    ///     B: Send + 'static,
    /// {
    ///     Box::new(future)
    /// }
    /// ```
    pub struct ResponseFuture<F, K, E, B> {
        // `None`: the request was refused.
        #[pin]
        inner: Option<F>,
        refused: Option<Error>,
        // `None`: a layer further out has it.
        session: Option<Session<K>>,
        hooks: Arc<Hooks<E>>,
        committing: Option<Pending<B>>,
        answered: bool,
    }

    impl<F, K, E, B> PinnedDrop for ResponseFuture<F, K, E, B> {
        fn drop(this: Pin<&mut Self>) {
            // The request was cancelled, or the inner service failed or panicked. A task that
            // outlives it gets an error for further changes.
            if let (false, Some(session)) = (this.answered, &this.session) {
                adapter::close(session);
            }
        }
    }
}

struct Pending<B> {
    response: Response<B>,
    commit: Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>,
}

impl<F, K, E, B> ResponseFuture<F, K, E, B> {
    pub(crate) fn new(inner: F, session: Option<Session<K>>, hooks: Arc<Hooks<E>>) -> Self {
        Self {
            inner: Some(inner),
            refused: None,
            session,
            hooks,
            committing: None,
            answered: false,
        }
    }

    pub(crate) fn refused(error: Error, hooks: Arc<Hooks<E>>) -> Self {
        Self {
            inner: None,
            refused: Some(error),
            session: None,
            hooks,
            committing: None,
            answered: false,
        }
    }
}

impl<F, K, E, B, X> Future for ResponseFuture<F, K, E, B>
where
    F: Future<Output = Result<Response<B>, X>>,
    E: OnCommitError<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            let refused = this.refused.take();
            return refused.map_or(Poll::Pending, |error| {
                Poll::Ready(Ok(this.hooks.on_commit_error.respond(&error)))
            });
        };
        let Some(session) = this.session else {
            return inner.poll(cx);
        };
        let config = session.config();
        if this.committing.is_none() {
            let mut response = ready!(inner.poll(cx))?;
            *this.answered = true;
            let drops = this
                .hooks
                .drops(config, (response.status(), response.headers()));
            match adapter::commit(session, !drops) {
                SessionCommit::Untouched => return Poll::Ready(Ok(response)),
                SessionCommit::Done(outcome) => {
                    finish(
                        config,
                        Ok(outcome),
                        &mut response,
                        &*this.hooks.on_commit_error,
                    );
                    return Poll::Ready(Ok(response));
                }
                SessionCommit::Pending(commit) => {
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
        finish(config, outcome, &mut response, &*this.hooks.on_commit_error);
        Poll::Ready(Ok(response))
    }
}

fn finish<B>(
    config: &cloakroom::Config,
    outcome: Result<Outcome, Error>,
    response: &mut Response<B>,
    on_commit_error: &impl OnCommitError<B>,
) {
    match outcome {
        Ok(outcome) => {
            mapping::apply(config, &outcome, response.headers_mut());
            if matches!(outcome.fate, Fate::Superseded | Fate::Gone) {
                response.extensions_mut().insert(outcome.fate);
            }
        }
        Err(error) => {
            *response = on_commit_error.respond(&error);
            mapping::vary(config, response.headers_mut());
        }
    }
}

impl<F, K, E, B> fmt::Debug for ResponseFuture<F, K, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
