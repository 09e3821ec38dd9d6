//! The fixture for the tower layer, without a framework.

use std::convert::Infallible;

use cloakroom_conformance::adapter::{
    Ability, App, Body, Claims, Fixture, FixtureError, Second, Server,
};
use cloakroom_tower::{Error, Session, SessionLayer};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tower::{ServiceBuilder, service_fn};

use super::server::serve;

pub(crate) struct Tower;

impl Fixture for Tower {
    const NAME: &'static str = "tower";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let pages = app.clone();
        let layer = SessionLayer::from(app.sessions())
            .on_error(move |error: &Error| Response::<Body>::from(pages.error_page(error)));
        let second = SessionLayer::from(app.second()).named::<Second>();
        let handler = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(answer(&app, request).await) }
        });
        serve(
            ServiceBuilder::new()
                .layer(second)
                .layer(layer)
                .service(handler),
        )
        .await
    }

    fn claims(claims: Claims) -> Claims {
        super::axum::all(claims)
            .never(Ability::Nested, "tower has no routers")
            .never(Ability::Attempts, "tower has no routers")
            .never(Ability::Optional, "tower has nothing before the handler")
    }
}

async fn answer(app: &App, request: Request<Incoming>) -> Response<Body> {
    match handle(app, request).await {
        Ok(response) => response,
        Err(error) => status(error.status()),
    }
}

async fn handle(app: &App, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let script = request
        .headers()
        .get(App::SCRIPT)
        .and_then(|script| script.to_str().ok());
    let script = script.unwrap_or_default().to_owned();
    let reply = match request.uri().path() {
        "/script" => app.script(&session::<()>(&request).await?, &script).await,
        "/untouched" => app.untouched(&script).await,
        "/second" => {
            app.script(&session::<Second>(&request).await?, &script)
                .await
        }
        "/both" => {
            app.both(
                &session(&request).await?,
                &session(&request).await?,
                &script,
            )
            .await
        }
        "/stream" => app.stream(&session(&request).await?, &script).await,
        "/upgrade" => return upgrade(app.clone(), request, script).await,
        _ => return Ok(status(StatusCode::NOT_FOUND)),
    };
    Ok(reply.into())
}

async fn session<K: 'static>(request: &Request<Incoming>) -> Result<Session<K>, Error> {
    let session: &Session<K> = request
        .extensions()
        .get()
        .expect("the layer is around this handler");
    session.load().await?;
    Ok(session.clone())
}

async fn upgrade(
    app: App,
    request: Request<Incoming>,
    script: String,
) -> Result<Response<Body>, Error> {
    let session = session(&request).await?;
    Ok(upgraded(app, request, session, script).await)
}

/// The 101 response of `/upgrade`.
pub(super) async fn upgraded(
    app: App,
    request: Request<Incoming>,
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
pub(super) fn message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("scripts have short results");
    [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat()
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
