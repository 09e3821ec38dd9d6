//! An adapter for axum that can be wrong in one way at a time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use cloakroom::adapter::{self, SessionCommit};
use cloakroom::{Error, Fate, Outcome, Session, Sessions, http as mapping};
use cloakroom_conformance::adapter::{
    Ability, App, AppStore, Claims, Fixture, FixtureError, Second, Server,
};
use cloakroom_tower::SessionLayer;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::header::{COOKIE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::Semaphore;

use crate::routes;
use cloakroom_servers::http::serve;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// A plain write is saved behind the last byte of the body.
    CommitAfterHead,
    /// The cookie is sent again on every response, asked for or not.
    CookieOnUntouched,
    /// A commit that failed is answered as if it had not.
    SwallowsCommitErrors,
    NoVary,
    CommitsOnServerError,
    /// A write that was dropped sends the old cookie again.
    CookieOnSuperseded,
    LoadsEagerly,
    /// A request whose client is gone keeps its place, of which there are 64.
    KeepsPlaces,
    /// The handler goes on when its client is gone.
    OutlivesClient,
    /// When the client is gone, or the handler has panicked, the session is left as it is.
    LeavesOpen,
    /// Changes of a handler that panics are saved.
    CommitsAfterPanic,
    /// Only the first Cookie line counts.
    OneCookieLine,
    TokenInUrl,
    /// The session's Set-Cookie takes the place of all others.
    OnlyOwnCookie,
    /// A dead token is cleared, whatever the handler did.
    ClearsUnknown,
    /// No-store replaces the application's directives.
    ReplacesCacheControl,
}

pub(crate) struct Broken(pub(crate) Fault);

impl Fixture for Broken {
    const NAME: &'static str = "broken";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let adapter = Adapter {
            fault: self.0,
            sessions: app.sessions(),
            app: app.clone(),
            places: Arc::new(Semaphore::new(64)),
        };
        let second = SessionLayer::from(app.second()).named::<Second>();
        let routes = routes::routes(app).layer(from_fn_with_state(adapter, Adapter::handle));
        let (address, task) = serve(routes.layer(second)).await?;
        Ok(Server::http(address, task.abort_handle()))
    }

    fn claims(claims: Claims) -> Claims {
        routes::Axum::claims(claims).never(Ability::Repeats, "the retry layer is left out")
    }
}

#[derive(Clone)]
struct Adapter {
    fault: Fault,
    sessions: Sessions<AppStore>,
    app: App,
    places: Arc<Semaphore>,
}

impl Adapter {
    async fn handle(State(adapter): State<Self>, mut request: Request, next: Next) -> Response {
        let (fault, config) = (adapter.fault, adapter.sessions.config().clone());
        let mut cookies = request.headers().clone();
        if fault == Fault::OneCookieLine
            && let Some(first) = request.headers().get(COOKIE)
        {
            cookies.insert(COOKIE, first.clone());
        }
        let presented: Vec<Vec<u8>> = mapping::tokens(&config, &cookies)
            .map(<[u8]>::to_vec)
            .collect();
        let in_url = request
            .uri()
            .query()
            .and_then(|query| query.split(['=', '&']).nth(1));
        let in_url = in_url
            .filter(|_| fault == Fault::TokenInUrl)
            .map(str::as_bytes);
        let session: Session = adapter
            .sessions
            .session(presented.iter().map(Vec::as_slice).chain(in_url));
        let _closing = (fault != Fault::LeavesOpen).then(|| Closing(session.clone()));
        if fault == Fault::LoadsEagerly
            && let Err(error) = session.load().await
        {
            return adapter.page(&error);
        }
        let asked = !["/untouched", "/second"].contains(&request.uri().path());
        let script = request
            .headers()
            .get(App::SCRIPT)
            .and_then(|script| script.to_str().ok());
        let plain = ["sign_", "rotate", "destroy"]
            .iter()
            .all(|op| !script.unwrap_or_default().contains(op));
        request.extensions_mut().insert(session.clone());
        let mut response = match fault {
            Fault::OutlivesClient => match tokio::spawn(next.run(request)).await {
                Ok(response) => response,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            },
            Fault::CommitsAfterPanic => {
                match AssertUnwindSafe(next.run(request)).catch_unwind().await {
                    Ok(response) => response,
                    Err(_) => StatusCode::BAD_REQUEST.into_response(),
                }
            }
            Fault::KeepsPlaces => {
                let Ok(place) = adapter.places.acquire().await else {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                };
                place.forget();
                let response = next.run(request).await;
                adapter.places.add_permits(1);
                response
            }
            _ => next.run(request).await,
        };
        // A request that uses the session counts as an access.
        let unknown = asked && matches!(session.is_new(), Ok(true));
        let keep = !response.status().is_server_error()
            || config.saves_on_server_error()
            || fault == Fault::CommitsOnServerError;
        let presented = presented.first().map(Vec::as_slice);
        let own = |value: &[u8]| cookie(config.cookie_name(), value);
        let outcome = match adapter::commit(&session, keep) {
            SessionCommit::Untouched => {
                if let Some(token) = presented.filter(|_| fault == Fault::CookieOnUntouched) {
                    response.headers_mut().append(SET_COOKIE, own(token));
                }
                return response;
            }
            SessionCommit::Done(outcome) => Ok(outcome),
            SessionCommit::Pending(commit)
                if fault == Fault::CommitAfterHead && plain && !unknown =>
            {
                mapping::vary(&config, response.headers_mut());
                let late = stream::once(commit.map(|_| Ok(Bytes::new())));
                return response.map(|body| Body::from_stream(body.into_data_stream().chain(late)));
            }
            SessionCommit::Pending(commit) => commit.await,
        };
        let said: Vec<_> = response.headers().get_all(VARY).iter().cloned().collect();
        match &outcome {
            Ok(outcome) => {
                adapter.apply(outcome, response.headers_mut());
                let overtaken = outcome.superseded && outcome.fate != Fate::Unchanged;
                if fault == Fault::CookieOnSuperseded && overtaken {
                    response
                        .headers_mut()
                        .append(SET_COOKIE, own(presented.unwrap_or_default()));
                }
                if fault == Fault::ClearsUnknown
                    && unknown
                    && presented.is_some()
                    && !response.headers().contains_key(SET_COOKIE)
                {
                    response.headers_mut().append(SET_COOKIE, own(b""));
                }
            }
            Err(_) if fault == Fault::SwallowsCommitErrors => {}
            Err(error) => response = adapter.page(error),
        }
        mapping::vary(&config, response.headers_mut());
        if fault == Fault::NoVary {
            response.headers_mut().remove(VARY);
            for line in said {
                response.headers_mut().append(VARY, line);
            }
        }
        response
    }

    fn apply(&self, outcome: &Outcome, headers: &mut HeaderMap) {
        let config = self.sessions.config();
        let own = |headers: &HeaderMap, name: HeaderName| {
            headers.get_all(name).iter().next_back().cloned()
        };
        let issued = !matches!(outcome.directive, cloakroom::Directive::Keep);
        mapping::apply(config, outcome, headers);
        let name = match self.fault {
            Fault::OnlyOwnCookie => SET_COOKIE,
            Fault::ReplacesCacheControl => http::header::CACHE_CONTROL,
            _ => return,
        };
        if let Some(last) = own(headers, name.clone()).filter(|_| issued) {
            headers.insert(name, last);
        }
    }

    fn page(&self, error: &Error) -> Response {
        let mut response = http::Response::from(self.app.error_page(error)).into_response();
        mapping::vary(self.sessions.config(), response.headers_mut());
        response
    }
}

/// Closes the session with the request, however that ends.
struct Closing(Session);

impl Drop for Closing {
    fn drop(&mut self) {
        adapter::close(&self.0);
    }
}

fn cookie(name: &str, value: &[u8]) -> HeaderValue {
    let line = [name.as_bytes(), b"=", value, b"; Path=/; Secure; HttpOnly"].concat();
    HeaderValue::from_bytes(&line).unwrap_or_else(|_| HeaderValue::from_static("x=y"))
}
