//! The whole adapter suite on hyper's own services.

use std::convert::Infallible;
use std::process::ExitCode;

use cloakroom_conformance::adapter::{
    self, Ability, App, Body, Claims, Fixture, FixtureError, Second, Server, Variant,
};
use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceExt as _, service_fn};

use cloakroom_servers::http::serve_hyper;
use cloakroom_servers::repeat::repeating;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

fn main() -> ExitCode {
    adapter::suite_under(Hyper, vec![Variant::header(), Variant::sealed_values()]).main()
}

struct Hyper;

impl Fixture for Hyper {
    const NAME: &'static str = "hyper";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let pages = app.clone();
        let layer = SessionLayer::from(app.sessions())
            .on_commit_error(move |error: &Error| Response::<Body>::from(pages.error_page(error)));
        let second = SessionLayer::from(app.second()).named::<Second>();
        let handler = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(answer(app, request).await) }
        });
        // Requests of the suite have no bodies.
        let handler = repeating(handler, "/repeated")
            .map_request(|request: Request<Incoming>| request.map(drop));
        let handler = TowerToHyperService::new(handler);
        let service = SessionService::new(SessionService::new(handler, layer), second);
        let (address, task) = serve_hyper(service).await?;
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
            .can(Ability::Cancel)
            .can(Ability::Bytes)
            .can(Ability::Repeats)
            .never(Ability::Nested, "hyper has no routers")
            .never(Ability::Attempts, "hyper has no routers")
            .never(Ability::Optional, "hyper has nothing before the handler")
    }
}

async fn answer(app: App, request: Request<()>) -> Response<Body> {
    handle(app, request)
        .await
        .unwrap_or_else(|error| status(error.status()))
}

async fn handle(app: App, request: Request<()>) -> Result<Response<Body>, Error> {
    let script = request.headers().get(App::SCRIPT);
    let script = script.and_then(|script| script.to_str().ok());
    let script = script.unwrap_or_default().to_owned();
    let reply = match request.uri().path() {
        "/script" | "/repeated" | "/repeated/untouched" => {
            let session: Session = session(&request).await?;
            app.script(&session, &script).await
        }
        "/repeated/again" => app.next(&session(&request).await?, &script).await,
        "/untouched" | "/repeated/untouched/again" => app.untouched(&script).await,
        "/second" => {
            let session: Session<Second> = session(&request).await?;
            app.script(&session, &script).await
        }
        "/both" => {
            let (one, other) = (session(&request).await?, session(&request).await?);
            app.both(&one, &other, &script).await
        }
        "/stream" => app.stream(&session(&request).await?, &script).await,
        "/upgrade" => {
            let session = session(&request).await?;
            return Ok(upgraded(app, request, session, script).await);
        }
        _ => return Ok(status(StatusCode::NOT_FOUND)),
    };
    Ok(reply.into())
}

/// The 101 response of `/upgrade`.
async fn upgraded(
    app: App,
    request: Request<()>,
    session: Session,
    script: String,
) -> Response<Body> {
    app.script(&session, &script).await;
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let message = message(&app.late(&session, &script).await);
            // The client that is gone needs no message.
            let _ = TokioIo::new(upgraded).write_all(&message).await;
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket")] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An unmasked text message (RFC 6455, section 5.2).
fn message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("scripts have short results");
    [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
