//! The whole adapter suite on salvo.

use std::convert::Infallible;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use cloakroom_conformance::adapter::{
    self, Ability, App, Body, Claims, Fixture, FixtureError, Reply, Second, Server, Variant,
};
use cloakroom_salvo::{Error, Session, SessionMiddleware};
use cloakroom_servers::repeat::repeating;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use salvo::conn::tcp::TcpAcceptor;
use salvo::extract::{Extractible, Metadata};
use salvo::http::{ReqBody, ResBody};
use salvo::hyper::body::Bytes;
use salvo::prelude::*;
use salvo::websocket::{Message, WebSocketUpgrade};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower::service_fn;

fn main() -> ExitCode {
    adapter::suite_under(Salvo, vec![Variant::header(), Variant::sealed_values()]).main()
}

struct Salvo;

impl Fixture for Salvo {
    const NAME: &'static str = "salvo";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pages = app.clone();
        let first = SessionMiddleware::from(app.sessions()).on_commit_error(
            move |error: &Error, res: &mut Response| res.render(Answer(pages.error_page(error))),
        );
        let other = SessionMiddleware::from(app.second()).named::<Second>();
        let router = routes(&app).hoop(WithApp(app)).hoop(other).hoop(first);
        let server = salvo::Server::new(TcpAcceptor::try_from(listener)?);
        // Dropped with the task, and with it every connection.
        let task = tokio::spawn(async move {
            let _ = server.try_serve(router).await;
        });
        Ok(Server::http(address, task.abort_handle()))
    }

    fn claims(claims: Claims) -> Claims {
        claims
            .can(Ability::Http)
            .can(Ability::Http2)
            .can(Ability::Second)
            .can(Ability::Stream)
            .can(Ability::Upgrade)
            .can(Ability::ErrorPage)
            .can(Ability::Nested)
            .can(Ability::Cancel)
            .can(Ability::Bytes)
            .can(Ability::Optional)
            .can(Ability::Repeats)
            .never(Ability::Attempts, "in salvo one route has the request")
    }
}

fn routes(app: &App) -> Router {
    let app = app.clone();
    // A layer between a hoop and a handler cannot repeat a request, but a mounted service can.
    let repeated = service_fn(move |request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(repeated(app, request).await) }
    });
    let repeated = repeating(repeated, "/repeated").compat();
    let nested = Router::with_path("nested").push(Router::with_path("script").goal(script));
    Router::new()
        .push(Router::with_path("script").goal(script))
        .push(nested)
        .push(Router::with_path("untouched").goal(untouched))
        .push(Router::with_path("second").goal(second))
        .push(Router::with_path("both").goal(both))
        .push(Router::with_path("stream").goal(stream))
        .push(Router::with_path("optional").goal(optional))
        .push(Router::with_path("repeated/{**rest}").goal(repeated))
        .push(Router::with_path("upgrade").goal(upgrade))
}

#[handler]
async fn script(suite: Suite, session: Session) -> Answer {
    Answer(suite.app.script(&session, &suite.script).await)
}

#[handler]
async fn untouched(suite: Suite) -> Answer {
    Answer(suite.app.untouched(&suite.script).await)
}

#[handler]
async fn second(suite: Suite, session: Session<Second>) -> Answer {
    Answer(suite.app.script(&session, &suite.script).await)
}

#[handler]
async fn both(suite: Suite, one: Session, other: Session<Second>) -> Answer {
    Answer(suite.app.both(&one, &other, &suite.script).await)
}

#[handler]
async fn stream(suite: Suite, session: Session) -> Answer {
    Answer(suite.app.stream(&session, &suite.script).await)
}

#[handler]
async fn optional(failed: Option<Guard>, suite: Suite, session: Session) -> Answer {
    assert!(failed.is_none());
    Answer(suite.app.next(&session, &suite.script).await)
}

/// Performs the script, and fails.
#[derive(Deserialize)]
struct Guard;

impl<'ex> Extractible<'ex> for Guard {
    fn metadata() -> &'static Metadata {
        Suite::metadata()
    }

    #[allow(refining_impl_trait)]
    async fn extract(req: &'ex mut Request, depot: &'ex mut Depot) -> Result<Self, StatusError> {
        let suite = Suite::of(req, depot);
        let session: Session = cloakroom_salvo::session(depot)
            .await
            .map_err(|_| StatusError::internal_server_error())?;
        suite.app.script(&session, &suite.script).await;
        Err(StatusError::forbidden())
    }
}

#[handler]
async fn upgrade(
    suite: Suite,
    session: Session,
    req: &mut Request,
    res: &mut Response,
) -> Result<(), StatusError> {
    suite.app.script(&session, &suite.script).await;
    let upgraded = async move |mut socket: salvo::websocket::WebSocket| {
        let results = suite.app.late(&session, &suite.script).await;
        // The client that is gone needs no message.
        let _ = socket.send(Message::text(results)).await;
    };
    WebSocketUpgrade::new().upgrade(req, res, upgraded).await
}

/// The routes below `/repeated`, in a service of tower.
async fn repeated(app: App, request: http::Request<ReqBody>) -> http::Response<Chunks> {
    let text = text(request.headers());
    let path = request.uri().path();
    if path == "/repeated/untouched/again" {
        return response(app.untouched(&text).await);
    }
    let session: cloakroom_tower::Session = match cloakroom_tower::session(&request).await {
        Ok(session) => session,
        Err(error) => return http::Response::<Body>::from(error).map(Chunks::of),
    };
    response(match path {
        "/repeated/again" => app.next(&session, &text).await,
        _ => app.script(&session, &text).await,
    })
}

/// Puts the application into the depot.
struct WithApp(App);

#[handler]
impl WithApp {
    async fn handle(&self, depot: &mut Depot) {
        depot.insert_typed(self.0.clone());
    }
}

/// The application and the request's script.
struct Suite {
    app: App,
    script: String,
}

impl Suite {
    fn of(req: &Request, depot: &Depot) -> Self {
        Self {
            app: depot.get_typed::<App>().expect("an application").clone(),
            script: text(req.headers()),
        }
    }
}

impl<'ex> Extractible<'ex> for Suite {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Suite");
        &METADATA
    }

    #[allow(refining_impl_trait)]
    async fn extract(req: &'ex mut Request, depot: &'ex mut Depot) -> Result<Self, Infallible> {
        Ok(Self::of(req, depot))
    }
}

fn text(headers: &http::HeaderMap) -> String {
    let text = headers.get(App::SCRIPT);
    let text = text.and_then(|text| text.to_str().ok());
    text.unwrap_or_default().to_owned()
}

struct Answer(Reply);

impl Scribe for Answer {
    fn render(self, res: &mut Response) {
        let (head, body) = response(self.0).into_parts();
        res.status_code(head.status);
        res.set_headers(head.headers);
        res.body(ResBody::Boxed(Box::pin(body.map_err(Into::into))));
    }
}

fn response(reply: Reply) -> http::Response<Chunks> {
    http::Response::<Body>::from(reply).map(Chunks::of)
}

/// A body that is `Sync`, as salvo requires.
struct Chunks(Mutex<Body>);

impl Chunks {
    fn of(body: Body) -> Self {
        Self(Mutex::new(body))
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(body).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}
