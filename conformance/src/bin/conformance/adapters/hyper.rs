//! The fixture for hyper's own services.

use std::convert::Infallible;

use cloakroom_conformance::adapter::{
    Ability, App, Body, Claims, Fixture, FixtureError, Second, Server,
};
use cloakroom_hyper::{CommitError, Error, Session, SessionLayer, SessionService, session};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;

use super::server::serve_hyper;
use super::tower::{status, upgraded};

pub(crate) struct Hyper;

impl Fixture for Hyper {
    const NAME: &'static str = "hyper";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let pages = app.clone();
        let layer = SessionLayer::from(app.sessions())
            .on_error(move |error: &CommitError| Response::<Body>::from(pages.error_page(error)));
        let second = SessionLayer::from(app.second()).named::<Second>();
        let handler = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(answer(app, request).await) }
        });
        serve_hyper(SessionService::new(
            SessionService::new(handler, layer),
            second,
        ))
        .await
    }

    fn claims(claims: Claims) -> Claims {
        super::axum::all(claims)
            .never(Ability::Nested, "hyper has no routers")
            .never(Ability::Attempts, "hyper has no routers")
            .never(Ability::Optional, "hyper has nothing before the handler")
    }
}

async fn answer(app: App, request: Request<Incoming>) -> Response<Body> {
    handle(app, request)
        .await
        .unwrap_or_else(|error| status(error.status()))
}

async fn handle(app: App, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let script = request.headers().get(App::SCRIPT);
    let script = script.and_then(|script| script.to_str().ok());
    let script = script.unwrap_or_default().to_owned();
    let reply = match request.uri().path() {
        "/script" => {
            let session: Session = session(&request).await?;
            app.script(&session, &script).await
        }
        "/untouched" => app.untouched(&script).await,
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
