use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cloakroom::{Session, Sessions};
use cloakroom_core::Session as CoreSession;
use cloakroom_memory::MemoryStore;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::script::{self, Op, Results, Script};
use super::stage::Stage;
use crate::Instrumented;

/// The store under the sessions of the suite's application.
///
/// ```
/// use cloakroom::{Sessions, Store};
/// use cloakroom_conformance::adapter::AppStore;
///
/// fn any_store(sessions: Sessions<impl Store>) {}
/// # fn works(sessions: Sessions<AppStore>) { any_store(sessions) }
/// ```
pub type AppStore = Arc<Instrumented<MemoryStore>>;

/// The kind of the application's second session, in its second cookie: `Session<Second>`.
///
/// ```
/// use cloakroom::Session;
/// use cloakroom_conformance::adapter::Second;
///
/// fn user(session: &Session<Second>) -> Option<String> {
///     session.subject().ok().flatten()
/// }
/// ```
#[derive(Debug)]
pub enum Second {}

/// The application that a [`Fixture`](super::Fixture) serves: its sessions and its handlers.
///
/// An HTTP fixture mounts these routes, for every method. The text of the header
/// `conformance-script` ([`App::SCRIPT`], empty if it is missing) goes to the handler as it is.
///
/// | path | extracts | answers with |
/// |---|---|---|
/// | `/script` | `Session` | [`script`](App::script) |
/// | `/untouched` | nothing | [`untouched`](App::untouched) |
/// | `/nested/script` (in a nested router) | `Session` | [`script`](App::script) |
/// | `/second` | `Session<Second>` | [`script`](App::script) |
/// | `/both` | `Session`, `Session<Second>` | [`both`](App::both) |
/// | `/stream` | `Session` | [`stream`](App::stream), its body not collected but passed on |
/// | `/attempts` | `Session` | nothing, after [`script`](App::script): leaves the request to a second route, which extracts `Session` and answers with [`next`](App::next) |
/// | `/attempts/untouched` | `Session` | the same, and the second route extracts nothing and answers with [`untouched`](App::untouched) |
/// | `/attempts/nobody` | `Session` | the same, and there is no second route |
/// | `/optional` | `Session`, in what stands before the handler, which performs [`script`](App::script) and fails | the handler goes on: `Session`, [`next`](App::next) |
/// | `/repeated`, `/repeated/untouched` | `Session` | [`script`](App::script); if the status is 503, a layer inside the session's sends a copy of the request to `again` below the path |
/// | `/repeated/again` | `Session` | [`next`](App::next) |
/// | `/repeated/untouched/again` | nothing | [`untouched`](App::untouched) |
/// | `/upgrade` | `Session` | 101 after [`script`](App::script); then [`late`](App::late), as one WebSocket text message |
///
/// Leave out the routes of abilities that you do not claim.
///
/// Two layers wrap all routes. One has [`sessions`](App::sessions), and
/// [`error_page`](App::error_page) as its hook for failed commits. The other has
/// [`second`](App::second), the kind [`Second`], and the hook's default.
///
/// Transports other than HTTP perform each message's script: [`perform`](App::perform).
///
/// ```
/// use cloakroom_conformance::adapter::App;
///
/// /// Two servers of one application share its store.
/// fn two(app: &App) -> [App; 2] {
///     [app.clone(), app.clone()]
/// }
/// ```
#[derive(Clone)]
pub struct App {
    pub(super) sessions: Sessions<AppStore>,
    pub(super) second: Sessions<AppStore>,
    pub(super) stage: Stage,
}

impl App {
    /// The request header that carries the script.
    ///
    /// ```
    /// assert_eq!(cloakroom_conformance::adapter::App::SCRIPT, "conformance-script");
    /// ```
    pub const SCRIPT: &'static str = "conformance-script";

    /// Returns the application's sessions for the adapter, with the case's configuration, store,
    /// clock and randomness.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::App;
    ///
    /// fn session(app: &App, request: &http::HeaderMap) -> Session {
    ///     app.sessions().http_session(request)
    /// }
    /// ```
    #[must_use]
    pub fn sessions(&self) -> Sessions<AppStore> {
        self.sessions.clone()
    }

    /// Returns the independent sessions of the second cookie.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::{App, Second};
    ///
    /// fn second(app: &App, request: &http::HeaderMap) -> Session<Second> {
    ///     app.second().http_session(request)
    /// }
    /// ```
    #[must_use]
    pub fn second(&self) -> Sessions<AppStore> {
        self.second.clone()
    }

    /// Performs the request's script on the session.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::{App, Reply};
    ///
    /// async fn handler(
    ///     app: App,
    ///     session: Session,
    ///     request: http::request::Parts,
    /// ) -> Reply {
    ///     let script = request
    ///         .headers
    ///         .get(App::SCRIPT)
    ///         .and_then(|script| script.to_str().ok());
    ///     app.script(&session, script.unwrap_or_default()).await
    /// }
    /// ```
    pub async fn script<K: 'static>(&self, session: &Session<K>, script: &str) -> Reply {
        let results = self.performed(script, |script| &script.now, Some(session));
        self.reply(results.await)
    }

    /// Answers without a session.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{App, Reply};
    ///
    /// async fn handler(app: App, script: String) -> Reply {
    ///     app.untouched(&script).await
    /// }
    /// ```
    pub async fn untouched(&self, script: &str) -> Reply {
        let results = self.performed::<()>(script, |script| &script.now, None);
        self.reply(results.await)
    }

    /// Performs the request's script on both sessions.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::{App, Reply, Second};
    ///
    /// async fn handler(
    ///     app: App,
    ///     one: Session,
    ///     other: Session<Second>,
    ///     script: String,
    /// ) -> Reply {
    ///     app.both(&one, &other, &script).await
    /// }
    /// ```
    pub async fn both(&self, one: &Session, other: &Session<Second>, script: &str) -> Reply {
        let first = self
            .performed(script, |script| &script.now, Some(one))
            .await;
        let more = self.performed(script, |script| &script.then, Some(other));
        match (first, more.await) {
            (Ok(mut results), Ok(more)) => {
                results.values.extend(more.values);
                self.reply(Ok(results))
            }
            (Err(error), _) | (_, Err(error)) => self.reply(Err(error)),
        }
    }

    /// Answers after another route did [`script`](App::script) and then forwarded the request.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::{App, Reply};
    ///
    /// async fn second_route(app: App, session: Session, script: String) -> Reply {
    ///     app.next(&session, &script).await
    /// }
    /// ```
    pub async fn next(&self, session: &Session, script: &str) -> Reply {
        let results = self.performed(script, |script| &script.then, Some(session));
        self.reply(results.await)
    }

    /// Performs the script with a body that uses the session while it is sent.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::{App, Reply};
    ///
    /// async fn handler(app: App, session: Session, script: String) -> Reply {
    ///     app.stream(&session, &script).await
    /// }
    /// ```
    pub async fn stream(&self, session: &Session, script: &str) -> Reply {
        let mut reply = self.script(session, script).await;
        let (app, session, script) = (self.clone(), session.clone(), script.to_owned());
        reply.body.late = Some(Box::pin(
            async move { app.late(&session, &script).await.into() },
        ));
        reply
    }

    /// Performs the late part of the script on an upgraded connection. Returns the text to send.
    ///
    /// ```
    /// use cloakroom::Session;
    /// use cloakroom_conformance::adapter::App;
    ///
    /// async fn upgraded(app: App, session: Session, script: String) -> String {
    ///     app.late(&session, &script).await
    /// }
    /// ```
    pub async fn late(&self, session: &Session, script: &str) -> String {
        let results = self.performed(script, |script| &script.then, Some(session));
        results
            .await
            .map_or_else(|error| error, |results| results.to_text())
    }

    /// Returns the application's page for a failed commit.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{App, Body};
    ///
    /// fn not_saved(app: &App, error: &cloakroom::Error) -> http::Response<Body> {
    ///     app.error_page(error).into()
    /// }
    /// ```
    pub fn error_page(&self, error: &cloakroom::Error) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(Self::PAGE),
            HeaderValue::from_static("not saved"),
        );
        Reply {
            status: error.status(),
            headers,
            body: Body::of("[]".into(), self.stage.clone()),
        }
    }

    /// Performs a message's script, for transports other than HTTP. Returns the results as text, to
    /// be sent back.
    ///
    /// # Errors
    ///
    /// If the script makes the handler fail. Then nothing may be saved.
    ///
    /// ```
    /// use cloakroom::Outcome;
    /// use cloakroom_conformance::adapter::App;
    ///
    /// async fn message(
    ///     app: &App,
    ///     token: Option<&str>,
    ///     script: &str,
    /// ) -> Result<(String, Outcome), cloakroom::Error> {
    ///     app.sessions()
    ///         .with(token, |session| app.perform(session, script))
    ///         .await
    /// }
    /// ```
    pub fn perform(
        &self,
        session: &mut CoreSession<'_>,
        script: &str,
    ) -> Result<String, cloakroom_core::Error> {
        // Any error will do.
        let failed = cloakroom_core::Error::ProtocolMisuse;
        let script = Script::parse(script).map_err(|_| failed.clone())?;
        let results = script::perform_now(&script.now, session, &self.stage);
        if results.failed {
            Err(failed)
        } else {
            Ok(results.to_text())
        }
    }

    pub(super) const PAGE: &'static str = "conformance-page";

    /// The gate that the first poll of a body reaches.
    pub(super) const BODY: &'static str = "body";

    /// Performs one part of a script. An error: the text is no script.
    async fn performed<K: 'static>(
        &self,
        script: &str,
        part: fn(&Script) -> &[Op],
        session: Option<&Session<K>>,
    ) -> Result<Results, String> {
        let script = Script::parse(script)?;
        Ok(script::perform(part(&script), session, &self.stage).await)
    }

    fn reply(&self, results: Result<Results, String>) -> Reply {
        let results = match results {
            Ok(results) => results,
            Err(error) => return Reply::refusal(error),
        };
        let status = if results.failed {
            500
        } else {
            results.status.unwrap_or(200)
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let mut headers = HeaderMap::new();
        for (name, value) in &results.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                headers.append(name, value);
            }
        }
        let body = Body::of(results.to_text().into(), self.stage.clone());
        Reply {
            status,
            headers,
            body,
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// A handler's response, to be turned into the framework's own without adding or dropping anything.
///
/// ```
/// use cloakroom_conformance::adapter::{Body, Reply};
///
/// fn response(reply: Reply) -> http::Response<Body> {
///     reply.into()
/// }
/// ```
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The lines of the head. A name may be there more than once.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Reply {
    fn refusal(error: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            headers: HeaderMap::new(),
            body: Body::of(error.into(), Stage::default()),
        }
    }
}

impl From<Reply> for Response<Body> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }
}

/// The body of a [`Reply`], empty by default. It implements `http_body::Body`. For other kinds of
/// streams, call [`chunk`](Body::chunk) repeatedly.
///
/// ```
/// use cloakroom_conformance::adapter::Body;
///
/// async fn whole(mut body: Body) -> Vec<u8> {
///     let mut bytes = Vec::new();
///     while let Some(chunk) = body.chunk().await {
///         bytes.extend_from_slice(&chunk);
///     }
///     bytes
/// }
/// ```
#[derive(Default)]
pub struct Body {
    first: Option<Bytes>,
    late: Option<Pin<Box<dyn Future<Output = Bytes> + Send>>>,
    stage: Stage,
}

impl Body {
    /// Returns the next part, or `None` at the end.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::Body;
    ///
    /// async fn is_empty(mut body: Body) -> bool {
    ///     body.chunk().await.is_none()
    /// }
    /// ```
    pub async fn chunk(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn of(first: Bytes, stage: Stage) -> Self {
        let (first, late) = (Some(first), None);
        Self { first, late, stage }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.stage.reach(App::BODY);
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let Some(late) = &mut self.late else {
            return Poll::Ready(None);
        };
        late.as_mut().poll(cx).map(|bytes| {
            self.late = None;
            Some(bytes)
        })
    }
}

/// For the default hook of failed commits, whose body is a text.
impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::of(text.into(), Stage::default())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.poll(cx)
            .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.late.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.first, &self.late) {
            (Some(first), None) => SizeHint::with_exact(first.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}
