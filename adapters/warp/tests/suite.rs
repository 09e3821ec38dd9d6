//! The whole adapter suite on warp.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use cloakroom_conformance::adapter::{
    self, Ability, App, Body, Claims, Fixture, FixtureError, Reply, Second, Server, Variant,
};
use cloakroom_warp::{Error, Layer as _, Session, SessionLayer, attempt, named, recover, session};
use futures_util::{SinkExt as _, stream};
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use warp::reply::{Reply as _, Response};
use warp::ws::{Message, Ws};
use warp::{Filter, Rejection};

use cloakroom_servers::repeat::repeating;

fn main() -> ExitCode {
    adapter::suite_under(Warp, vec![Variant::header(), Variant::sealed_values()]).main()
}

struct Warp;

impl Fixture for Warp {
    const NAME: &'static str = "warp";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pages = app.clone();
        let layer = SessionLayer::from(app.sessions())
            .on_commit_error(move |error: &Error| answer(pages.error_page(error)));
        let second = SessionLayer::from(app.second()).named::<Second>();
        let handlers = warp::service(routes(app).recover(recover));
        // Requests of the suite have no bodies.
        let handlers = repeating(handlers, "/repeated")
            .map_request(|request: Request<Incoming>| request.map(|_| String::new()));
        let service = second.layer(layer.layer(handlers));
        let task = tokio::spawn(async move {
            let _ = cloakroom_warp::serve(listener, service, std::future::pending()).await;
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
            .can(Ability::Attempts)
            .can(Ability::Optional)
            .can(Ability::Repeats)
    }
}

fn routes(
    app: App,
) -> impl Filter<Extract = (impl warp::Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let with = warp::any().map(move || app.clone());
    // The script comes before the session, so that a rejection costs no store call.
    let with = warp::header::optional(App::SCRIPT)
        .map(Option::unwrap_or_default)
        .and(with);
    let script = (with.clone().and(session()))
        .then(async |text: String, app: App, one: Session| answer(app.script(&one, &text).await));
    let untouched =
        (with.clone()).then(async |text: String, app: App| answer(app.untouched(&text).await));
    let second = (with.clone().and(named())).then(
        async |text: String, app: App, second: Session<Second>| {
            answer(app.script(&second, &text).await)
        },
    );
    let both = (with.clone().and(session()).and(named())).then(
        async |text: String, app: App, one: Session, other: Session<Second>| {
            answer(app.both(&one, &other, &text).await)
        },
    );
    let streamed = (with.clone().and(session()))
        .then(async |text: String, app: App, one: Session| answer(app.stream(&one, &text).await));
    let next = (with.clone().and(session()))
        .then(async |text: String, app: App, one: Session| answer(app.next(&one, &text).await));
    let rejecting = (with.clone().and(session())).and_then(give_up);
    let tried = attempt(rejecting.clone());
    let optional = rejecting.map(drop).untuple_one();
    let optional = optional.or(warp::any()).unify();
    let upgrade = with.and(session()).and(warp::ws()).then(upgrade);
    (warp::path!("script").and(script.clone()))
        .or(warp::path("nested").and(warp::path!("script").and(script.clone())))
        .or(warp::path!("untouched").and(untouched.clone()))
        .or(warp::path!("second").and(second))
        .or(warp::path!("both").and(both))
        .or(warp::path!("stream").and(streamed))
        .or(warp::path!("attempts").and(tried.clone()))
        .or(warp::path!("attempts").and(next.clone()))
        .or(warp::path!("attempts" / "untouched").and(tried.clone()))
        .or(warp::path!("attempts" / "untouched").and(untouched.clone()))
        .or(warp::path!("attempts" / "nobody").and(tried))
        .or(warp::path!("repeated").and(script.clone()))
        .or(warp::path!("repeated" / "untouched").and(script.clone()))
        .or(warp::path!("repeated" / "again").and(next.clone()))
        .or(warp::path!("repeated" / "untouched" / "again").and(untouched.clone()))
        .or(warp::path!("optional").and(optional).and(next))
        .or(warp::path!("upgrade").and(upgrade))
}

/// Performs the script, and leaves the request to other routes.
async fn give_up(text: String, app: App, session: Session) -> Result<Response, Rejection> {
    app.script(&session, &text).await;
    Err(warp::reject())
}

async fn upgrade(text: String, app: App, session: Session, upgrade: Ws) -> Response {
    app.script(&session, &text).await;
    let upgraded = upgrade.on_upgrade(async move |mut socket| {
        let results = app.late(&session, &text).await;
        // The client that is gone needs no message.
        let _ = socket.send(Message::text(results)).await;
    });
    upgraded.into_response()
}

fn answer(reply: Reply) -> Response {
    let length = reply.body.size_hint().exact();
    let mut body = Mutex::new(reply.body);
    let chunks = stream::poll_fn(move |cx| {
        let body: &mut Body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = Pin::new(body).poll_frame(cx);
        frame.map(|frame| {
            frame.map(|frame| frame.map(|frame| Frame::into_data(frame).unwrap_or_default()))
        })
    });
    let mut response = warp::reply::stream(chunks).into_response();
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if let Some(length) = length {
        // A stream has no length.
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}
