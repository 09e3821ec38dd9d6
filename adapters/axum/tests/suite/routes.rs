//! The fixture for axum.

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{RequestPartsExt as _, Router};
use cloakroom_axum::{Error, Session, SessionLayer};
use cloakroom_conformance::adapter::{
    Ability, App, Claims, Fixture, FixtureError, Reply, Second, Server,
};
use http::StatusCode;
use http::request::Parts;

use cloakroom_servers::http::serve;
use cloakroom_servers::repeat::repeating;

pub(crate) struct Axum;

impl Fixture for Axum {
    const NAME: &'static str = "axum";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let pages = app.clone();
        let layer = SessionLayer::from(app.sessions())
            .on_commit_error(move |error: &Error| answer(pages.error_page(error)));
        let second = SessionLayer::from(app.second()).named::<Second>();
        let repeated = Router::new()
            .route("/", any(script))
            .route("/again", any(next))
            .route("/untouched", any(script))
            .route("/untouched/again", any(untouched))
            .with_state(app.clone());
        let routes = routes(app).nest_service("/repeated", repeating(repeated, "/"));
        let (address, task) = serve(routes.layer(layer).layer(second)).await?;
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
            .never(Ability::Attempts, "in axum one route has the request")
            .can(Ability::Optional)
            .can(Ability::Repeats)
    }
}

/// The application, without the layers.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/script", any(script))
        .nest("/nested", Router::new().route("/script", any(script)))
        .route("/untouched", any(untouched))
        .route("/second", any(second))
        .route("/both", any(both))
        .route("/stream", any(stream))
        .route("/optional", any(optional))
        .route("/upgrade", any(upgrade))
        .with_state(app)
}

async fn script(State(app): State<App>, session: Session, Script(script): Script) -> Response {
    answer(app.script(&session, &script).await)
}

async fn next(State(app): State<App>, session: Session, Script(script): Script) -> Response {
    answer(app.next(&session, &script).await)
}

async fn untouched(State(app): State<App>, Script(script): Script) -> Response {
    answer(app.untouched(&script).await)
}

async fn second(
    State(app): State<App>,
    session: Session<Second>,
    Script(script): Script,
) -> Response {
    answer(app.script(&session, &script).await)
}

async fn both(
    State(app): State<App>,
    one: Session,
    other: Session<Second>,
    Script(script): Script,
) -> Response {
    answer(app.both(&one, &other, &script).await)
}

async fn stream(State(app): State<App>, session: Session, Script(script): Script) -> Response {
    answer(app.stream(&session, &script).await)
}

async fn optional(
    State(app): State<App>,
    failed: Result<Guard, StatusCode>,
    session: Session,
    Script(script): Script,
) -> Result<Response, StatusCode> {
    match failed {
        Ok(Guard) => Err(StatusCode::IM_A_TEAPOT),
        Err(_) => Ok(answer(app.next(&session, &script).await)),
    }
}

/// Performs the script, and fails.
struct Guard;

impl FromRequestParts<App> for Guard {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
        let session: Session = parts.extract().await.map_err(|_: Error| FAILED)?;
        let Ok(Script(script)) = parts.extract().await;
        app.script(&session, &script).await;
        Err(FAILED)
    }
}

const FAILED: StatusCode = StatusCode::FORBIDDEN;

async fn upgrade(
    State(app): State<App>,
    session: Session,
    Script(script): Script,
    upgrade: WebSocketUpgrade,
) -> Response {
    app.script(&session, &script).await;
    upgrade.on_upgrade(async move |mut socket| {
        let results = app.late(&session, &script).await;
        // The client that is gone needs no message.
        let _ = socket.send(Message::text(results)).await;
    })
}

fn answer(reply: Reply) -> Response {
    http::Response::from(reply).into_response()
}

/// The text of the script's header.
struct Script(String);

impl<S: Sync> FromRequestParts<S> for Script {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let script = parts
            .headers
            .get(App::SCRIPT)
            .and_then(|script| script.to_str().ok());
        Ok(Self(script.unwrap_or_default().to_owned()))
    }
}
