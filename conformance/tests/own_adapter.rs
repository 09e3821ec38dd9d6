//! The adapter suite on the adapter that the guide `ADAPTER.md` explains.

#[path = "../examples/own_adapter/adapter.rs"]
mod adapter;
#[path = "../examples/own_adapter/bell.rs"]
mod bell;

use std::process::ExitCode;

use adapter::{WithSessions, session, status_only};
use cloakroom::Error;
use cloakroom_conformance::adapter::{
    Ability, App, Body, Claims, Fixture, FixtureError, Second, Server,
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    cloakroom_conformance::adapter::run(Bell)
}

struct Bell;

impl Fixture for Bell {
    const NAME: &'static str = "bell";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let (pages, sessions, second) = (app.clone(), app.sessions(), app.second());
        let handler = move |request| answer(app.clone(), request);
        let one: WithSessions<_, _, _> = WithSessions::new(handler, sessions);
        let one = one.on_commit_error(move |error| pages.error_page(error).into());
        let both: WithSessions<_, _, _, Second> = WithSessions::new(one, second);

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(bell::serve(listener, both));
        Ok(Server::http(address, server.abort_handle()))
    }

    fn claims(claims: Claims) -> Claims {
        use Ability::{Attempts, Nested, Optional, Repeats};
        use Ability::{Bytes, Cancel, ErrorPage, Http, Http2, Second, Stream, Upgrade};
        let all = [
            Http, Http2, Second, Stream, Upgrade, ErrorPage, Cancel, Bytes,
        ];
        let claims = all.into_iter().fold(claims, Claims::can);
        let routers = [Nested, Attempts, Optional, Repeats];
        (routers.into_iter()).fold(claims, |claims, ability| {
            claims.never(ability, "bell has no routers or layers")
        })
    }
}

async fn answer(app: App, request: Request<Incoming>) -> Response<Body> {
    let answer = route(app, request).await;
    answer.unwrap_or_else(|error| status_only(&error))
}

async fn route(app: App, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let script = request.headers().get(App::SCRIPT);
    let script = script.and_then(|script| script.to_str().ok());
    let script = script.unwrap_or_default().to_owned();
    let reply = match request.uri().path() {
        "/script" => app.script(&session::<()>(&request).await?, &script).await,
        "/untouched" => app.untouched(&script).await,
        "/second" => {
            let second = session::<Second>(&request).await?;
            app.script(&second, &script).await
        }
        "/both" => {
            let (one, other) = (session(&request).await?, session(&request).await?);
            app.both(&one, &other, &script).await
        }
        "/stream" => app.stream(&session(&request).await?, &script).await,
        "/upgrade" => return upgrade(app, request, script).await,
        _ => {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(reply.into())
}

async fn upgrade(
    app: App,
    request: Request<Incoming>,
    script: String,
) -> Result<Response<Body>, Error> {
    let session = session(&request).await?;
    app.script(&session, &script).await;
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let text = app.late(&session, &script).await;
            // An unmasked text message (RFC 6455, section 5.2). The client that is gone needs none.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            let message = [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat();
            let _ = TokioIo::new(upgraded).write_all(&message).await;
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    Ok(response.body(Body::default()).unwrap_or_default())
}
