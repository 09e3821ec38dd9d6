//! The whole adapter suite on poem.

use std::convert::Infallible;
use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::adapter::{
    self, Ability, App, Claims, Fixture, FixtureError, Reply, Second, Server, Variant,
};
use cloakroom_poem::{Error, Session, SessionMiddleware};
use futures_util::stream;
use http_body::Body as _;
use poem::http::StatusCode;
use poem::http::header::CONTENT_LENGTH;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{
    Body, Endpoint, EndpointExt as _, FromRequest, Request, RequestBody, Response, Result, Route,
    handler,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn main() -> ExitCode {
    let variants = vec![Variant::header(), Variant::sealed_values()];
    let http1 = adapter::suite_under(Poem::<false>, variants).only(|name| !is_http2(name));
    let http2 = adapter::suite(Poem::<true>).only(is_http2);
    http1.and(http2).main()
}

fn is_http2(name: &str) -> bool {
    name.ends_with("[poem/http2]")
}

/// When a client goes away, poem ends its handler over HTTP/2 alone. So each version has claims of
/// its own, on the same server.
struct Poem<const HTTP2: bool>;

impl<const HTTP2: bool> Fixture for Poem<HTTP2> {
    const NAME: &'static str = "poem";

    async fn start(&self, app: App) -> std::result::Result<Server, FixtureError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pages = app.clone();
        let first = SessionMiddleware::from(app.sessions())
            .on_commit_error(move |error: &Error| answer(pages.error_page(error)));
        let other = SessionMiddleware::from(app.second()).named::<Second>();
        let handlers = Repeating(routes()).data(app).with(first).with(other);
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let server = poem::Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
        let stopped = async { drop(stopped.await) };
        tokio::spawn(server.run_with_graceful_shutdown(handlers, stopped, Some(Duration::ZERO)));
        // Connections have tasks of their own, so the server stops by its signal.
        let stopping = tokio::spawn(async move {
            let _stop = stop;
            pending::<()>().await;
        });
        Ok(Server::http(address, stopping.abort_handle()))
    }

    fn claims(claims: Claims) -> Claims {
        let claims = match HTTP2 {
            true => claims.can(Ability::Cancel),
            false => claims.never(
                Ability::Cancel,
                "over HTTP/1 poem runs handlers to their end",
            ),
        };
        claims
            .can(Ability::Http)
            .can(Ability::Http2)
            .can(Ability::Second)
            .can(Ability::Stream)
            .can(Ability::Upgrade)
            .can(Ability::ErrorPage)
            .can(Ability::Nested)
            .can(Ability::Bytes)
            .can(Ability::Repeats)
            .can(Ability::Optional)
            .never(Ability::Attempts, "in poem one route has the request")
    }
}

fn routes() -> Route {
    Route::new()
        .at("/script", script)
        .nest("/nested", Route::new().at("/script", script))
        .at("/untouched", untouched)
        .at("/second", second)
        .at("/both", both)
        .at("/stream", streamed)
        .at("/optional", optional)
        .at("/repeated", script)
        .at("/repeated/untouched", script)
        .at("/repeated/again", next)
        .at("/repeated/untouched/again", untouched)
        .at("/upgrade", upgrade)
}

#[handler]
async fn script(app: Data<&App>, session: Session, text: Script) -> Response {
    answer(app.script(&session, &text.0).await)
}

#[handler]
async fn untouched(app: Data<&App>, text: Script) -> Response {
    answer(app.untouched(&text.0).await)
}

#[handler]
async fn second(app: Data<&App>, session: Session<Second>, text: Script) -> Response {
    answer(app.script(&session, &text.0).await)
}

#[handler]
async fn both(app: Data<&App>, one: Session, other: Session<Second>, text: Script) -> Response {
    answer(app.both(&one, &other, &text.0).await)
}

#[handler]
async fn streamed(app: Data<&App>, session: Session, text: Script) -> Response {
    answer(app.stream(&session, &text.0).await)
}

#[handler]
async fn next(app: Data<&App>, session: Session, text: Script) -> Response {
    answer(app.next(&session, &text.0).await)
}

#[handler]
async fn optional(
    app: Data<&App>,
    failed: Option<Guard>,
    session: Session,
    text: Script,
) -> Response {
    match failed {
        Some(Guard) => StatusCode::IM_A_TEAPOT.into(),
        None => answer(app.next(&session, &text.0).await),
    }
}

/// Performs the script, and fails.
struct Guard;

impl<'a> FromRequest<'a> for Guard {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let app = Data::<&App>::from_request(request, body).await?;
        let session: Session = Session::from_request(request, body).await?;
        let text = Script::from_request(request, body).await?;
        app.script(&session, &text.0).await;
        Err(StatusCode::FORBIDDEN.into())
    }
}

#[handler]
async fn upgrade(
    request: &Request,
    app: Data<&App>,
    session: Session,
    text: Script,
) -> Result<Response> {
    let upgrading = request.take_upgrade()?;
    let app = app.clone();
    app.script(&session, &text.0).await;
    tokio::spawn(async move {
        if let Ok(mut upgraded) = upgrading.await {
            let message = message(&app.late(&session, &text.0).await);
            // The client that is gone needs no message.
            let _ = upgraded.write_all(&message).await;
        }
    });
    Ok(Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .finish())
}

/// An unmasked text message (RFC 6455, section 5.2).
fn message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("scripts have short results");
    [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat()
}

fn answer(reply: Reply) -> Response {
    let length = reply.body.size_hint().exact();
    let chunks = stream::unfold(reply.body, async |mut body| {
        let chunk = body.chunk().await?;
        Some((Ok::<_, std::io::Error>(chunk), body))
    });
    let mut response = Response::from(Body::from_bytes_stream(chunks));
    response.set_status(reply.status);
    *response.headers_mut() = reply.headers;
    if let Some(length) = length {
        // A stream has no length.
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// The text of the script's header.
struct Script(String);

impl<'a> FromRequest<'a> for Script {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(
            request.header(App::SCRIPT).unwrap_or_default().to_owned(),
        ))
    }
}

/// Repeats requests under `/repeated` whose response is 503, once, at the path `again` below.
struct Repeating<E>(E);

impl<E: Endpoint> Endpoint for Repeating<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        if !path.starts_with("/repeated") || path.ends_with("/again") {
            return Ok(self.0.get_response(request).await);
        }
        let again = format!("{path}/again").parse().expect("a path");
        let mut copy = Request::builder()
            .method(request.method().clone())
            .uri(again)
            .finish();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        let response = self.0.get_response(request).await;
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => Ok(self.0.get_response(copy).await),
            _ => Ok(response),
        }
    }
}
