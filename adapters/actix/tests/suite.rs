//! The whole adapter suite on actix-web: as it comes, and with handlers that end with their client.

use std::net::TcpListener;
use std::pin::Pin;
use std::process::ExitCode;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App as Application, FromRequest, HttpRequest, HttpResponse, HttpServer};
use cloakroom_actix::{Error, Session, SessionMiddleware};
use cloakroom_conformance::adapter::{
    self, Ability, App, Body, Claims, Fixture, FixtureError, Reply, Second, Server, Variant,
};
use futures_util::stream::once;
use http_body::Body as _;
use std::task::{Context, Poll};

fn main() -> ExitCode {
    let variants = || vec![Variant::header(), Variant::sealed_values()];
    adapter::suite_under(Actix, variants())
        .and(adapter::suite_under(Cancelling, variants()))
        .main()
}

/// A server with the settings that it comes with.
struct Actix;

impl Fixture for Actix {
    const NAME: &'static str = "actix";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        serve(app, true)
    }

    fn claims(claims: Claims) -> Claims {
        let reason = "handlers outlive a client that closes; `actix-cancelling` has these cases";
        with_routes(claims)
            .can(Ability::Http2)
            .never(Ability::Cancel, reason)
    }
}

/// A server without half-closed connections.
struct Cancelling;

impl Fixture for Cancelling {
    const NAME: &'static str = "actix-cancelling";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        serve(app, false)
    }

    fn claims(claims: Claims) -> Claims {
        let reason = "the setting is one of HTTP/1; `actix` has the cases of HTTP/2";
        with_routes(claims)
            .can(Ability::Cancel)
            .never(Ability::Http2, reason)
    }
}

/// The claims that do not depend on the settings.
fn with_routes(claims: Claims) -> Claims {
    claims
        .can(Ability::Http)
        .can(Ability::Second)
        .can(Ability::Stream)
        .can(Ability::Upgrade)
        .can(Ability::ErrorPage)
        .can(Ability::Nested)
        .can(Ability::Bytes)
        .never(Ability::Attempts, "in actix-web one route has the request")
        .never(Ability::Repeats, "requests of actix-web cannot be copied")
        .can(Ability::Optional)
}

fn serve(app: App, half_closed: bool) -> Result<Server, FixtureError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let pages = app.clone();
    let first = SessionMiddleware::from(app.sessions())
        .on_commit_error(move |error: &Error| answer(pages.error_page(error)));
    let second = SessionMiddleware::from(app.second()).named::<Second>();
    let factory = move || {
        Application::new()
            .app_data(Data::new(app.clone()))
            .wrap(first.clone())
            .wrap(second.clone())
            .configure(routes)
    };
    let server = HttpServer::new(factory)
        .workers(1)
        .disable_signals()
        .shutdown_timeout(0)
        .h1_allow_half_closed(half_closed)
        .listen_auto_h2c(listener)?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    let stopping = tokio::spawn(async move {
        let _stop = Stop(handle);
        std::future::pending::<()>().await;
    });
    Ok(Server::http(address, stopping.abort_handle()))
}

/// Stops the server when the fixture's task is aborted.
struct Stop(actix_web::dev::ServerHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        // The order is given at once. Its future only waits for the end.
        drop(self.0.stop(false));
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/script", web::to(script))
        .service(web::scope("/nested").route("/script", web::to(script)))
        .route("/untouched", web::to(untouched))
        .route("/second", web::to(second))
        .route("/both", web::to(both))
        .route("/stream", web::to(stream))
        .route("/optional", web::to(optional))
        .route("/upgrade", web::to(upgrade));
}

async fn script(app: Data<App>, session: Session, script: Script) -> HttpResponse {
    answer(app.script(&session, &script.0).await)
}

async fn untouched(app: Data<App>, script: Script) -> HttpResponse {
    answer(app.untouched(&script.0).await)
}

async fn second(app: Data<App>, session: Session<Second>, script: Script) -> HttpResponse {
    answer(app.script(&session, &script.0).await)
}

async fn both(
    app: Data<App>,
    one: Session,
    other: Session<Second>,
    script: Script,
) -> HttpResponse {
    answer(app.both(&one, &other, &script.0).await)
}

async fn stream(app: Data<App>, session: Session, script: Script) -> HttpResponse {
    answer(app.stream(&session, &script.0).await)
}

async fn optional(
    app: Data<App>,
    failed: Option<Guard>,
    session: Session,
    script: Script,
) -> HttpResponse {
    match failed {
        Some(Guard) => HttpResponse::ImATeapot().finish(),
        None => answer(app.next(&session, &script.0).await),
    }
}

/// Performs the script, and fails.
struct Guard;

impl FromRequest for Guard {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().cloned();
        let session = Session::from_request(request, payload);
        let script = Script::of(request);
        Box::pin(async move {
            let session: Session = session.await?;
            if let Some(app) = app {
                app.script(&session, &script.0).await;
            }
            Err(actix_web::error::ErrorForbidden("the guard fails"))
        })
    }
}

async fn upgrade(app: Data<App>, session: Session, script: Script) -> HttpResponse {
    app.script(&session, &script.0).await;
    let frame = async move {
        let results = app.late(&session, &script.0).await;
        Ok::<_, actix_web::Error>(Bytes::from(message(&results)))
    };
    HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .streaming(once(frame))
}

fn answer(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::OK));
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_ref());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.append_header((name, value));
        }
    }
    response.body(Chunks(reply.body))
}

struct Chunks(Body);

impl MessageBody for Chunks {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        self.0
            .size_hint()
            .exact()
            .map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(context);
        frame.map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
        })
    }
}

/// The text of the script's header.
struct Script(String);

impl Script {
    fn of(request: &HttpRequest) -> Self {
        let script = request.headers().get(App::SCRIPT);
        let script = script.and_then(|script| script.to_str().ok());
        Self(script.unwrap_or_default().to_owned())
    }
}

impl FromRequest for Script {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::of(request)))
    }
}

/// An unmasked text message (RFC 6455, section 5.2).
fn message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("scripts have short results");
    [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat()
}
