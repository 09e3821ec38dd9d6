//! The whole adapter suite on Rocket.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;

use cloakroom_conformance::adapter::{
    self, Ability, App, Body, Claims, Fixture, FixtureError, Reply, Second, Server, Variant,
};
use cloakroom_rocket::{Session, SessionFairing, error_of};
use futures_util::stream::unfold;
use http_body::Body as _;
use rocket::config::Shutdown;
use rocket::data::{IoHandler, IoStream};
use rocket::fairing::AdHoc;
use rocket::http::{Method, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::stream::ReaderStream;
use rocket::response::{self, Responder, Response};
use rocket::{Config, Request, Route, State, catch, catchers, get, routes};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

fn main() -> ExitCode {
    adapter::suite_under(Rocket, vec![Variant::header(), Variant::sealed_values()]).main()
}

struct Rocket;

impl Fixture for Rocket {
    const NAME: &'static str = "rocket";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        // Set before Rocket's own logger, which reports every launch, whatever the configuration.
        let _ = log::set_logger(&Quiet);
        let config = Config {
            port: 0,
            shutdown: Shutdown {
                ctrlc: false,
                ..Shutdown::default()
            },
            ..Config::release_default()
        };
        let (tell, address) = oneshot::channel();
        let tell = std::sync::Mutex::new(Some(tell));
        let liftoff = AdHoc::on_liftoff("Tell", move |rocket| {
            let address = SocketAddr::new(rocket.config().address, rocket.config().port);
            if let Some(tell) = tell.lock().ok().and_then(|mut tell| tell.take()) {
                let _ = tell.send(address);
            }
            Box::pin(async {})
        });
        let rocket = rocket::custom(config)
            .attach(SessionFairing::from(app.sessions()))
            .attach(SessionFairing::from(app.second()).named::<Second>())
            .attach(liftoff)
            .manage(app)
            .register("/", catchers![page])
            .mount(
                "/",
                for_all_methods(routes![
                    script, untouched, second, both, stream, upgrade, optional
                ]),
            )
            .mount("/nested", for_all_methods(routes![script]))
            .mount("/attempts", for_all_methods(routes![tried, next]))
            .mount("/attempts/untouched", for_all_methods(routes![tried, left]))
            .mount("/attempts/nobody", for_all_methods(routes![tried]));
        let task = tokio::spawn(rocket.launch());
        let abort = task.abort_handle();
        Ok(Server::http(address.await?, abort))
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
            .can(Ability::Attempts)
            .can(Ability::Optional)
            .never(
                Ability::Repeats,
                "Rocket has no layers between a fairing and a route",
            )
            .never(Ability::Cancel, "Rocket runs handlers to their end")
            .never(Ability::Bytes, "Rocket drops such lines")
    }
}

fn for_all_methods(routes: Vec<Route>) -> Vec<Route> {
    use Method::{Delete, Get, Head, Options, Patch, Post, Put};
    let methods = [Delete, Get, Head, Options, Patch, Post, Put];
    let every = |route: Route| {
        methods.map(|method| {
            let mut route = route.clone();
            route.method = method;
            route
        })
    };
    routes.into_iter().flat_map(every).collect()
}

#[get("/script")]
async fn script(app: &State<App>, session: Session, script: Script) -> Answer {
    Answer(app.script(&session, &script.0).await)
}

#[get("/untouched")]
async fn untouched(app: &State<App>, script: Script) -> Answer {
    Answer(app.untouched(&script.0).await)
}

#[get("/second")]
async fn second(app: &State<App>, session: Session<Second>, script: Script) -> Answer {
    Answer(app.script(&session, &script.0).await)
}

#[get("/both")]
async fn both(app: &State<App>, one: Session, other: Session<Second>, script: Script) -> Answer {
    Answer(app.both(&one, &other, &script.0).await)
}

#[get("/stream")]
async fn stream(app: &State<App>, session: Session, script: Script) -> Answer {
    Answer(app.stream(&session, &script.0).await)
}

/// Never answers.
#[get("/", rank = 1)]
fn tried(_never: Guard<true>) {}

#[get("/", rank = 2)]
async fn next(app: &State<App>, session: Session, script: Script) -> Answer {
    Answer(app.next(&session, &script.0).await)
}

#[get("/", rank = 2)]
async fn left(app: &State<App>, script: Script) -> Answer {
    untouched(app, script).await
}

#[get("/optional")]
async fn optional(
    app: &State<App>,
    failed: Option<Guard<false>>,
    session: Session,
    script: Script,
) -> Result<Answer, Status> {
    match failed {
        Some(_) => Err(Status::ImATeapot),
        None => Ok(Answer(app.next(&session, &script.0).await)),
    }
}

/// Performs the script, and forwards or fails.
struct Guard<const FORWARDS: bool>;

#[rocket::async_trait]
impl<'r, const FORWARDS: bool> FromRequest<'r> for Guard<FORWARDS> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let guards = (request.guard::<&State<App>>().await, request.guard().await);
        let (Outcome::Success(app), Outcome::Success(Script(script))) = guards else {
            return Outcome::Error((Status::InternalServerError, ()));
        };
        if let Outcome::Success(session) = request.guard::<Session>().await {
            app.script(&session, &script).await;
        }
        match FORWARDS {
            true => Outcome::Forward(Status::NotFound),
            false => Outcome::Error((Status::Forbidden, ())),
        }
    }
}

#[get("/upgrade")]
async fn upgrade(app: &State<App>, session: Session, script: Script) -> Upgrade {
    app.script(&session, &script.0).await;
    Upgrade(Socket {
        app: app.inner().clone(),
        session,
        script: script.0,
    })
}

#[catch(default)]
fn page(status: Status, request: &Request<'_>) -> Result<Answer, (Status, ())> {
    match (error_of(request), request.rocket().state::<App>()) {
        (Some(error), Some(app)) => Ok(Answer(app.error_page(&error))),
        _ => Err((status, ())),
    }
}

struct Answer(Reply);

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.status(Status::new(self.0.status.as_u16()));
        for (name, value) in &self.0.headers {
            let value = value.to_str().map_err(|_| Status::InternalServerError)?;
            response.raw_header_adjoin(name.as_str().to_owned(), value.to_owned());
        }
        if let Some(length) = self.0.body.size_hint().exact() {
            // A stream has no length.
            response.raw_header("content-length", length.to_string());
        }
        let chunks = unfold(self.0.body, async |mut body: Body| {
            Some((Cursor::new(body.chunk().await?), body))
        });
        response
            .streamed_body(ReaderStream::from(Box::pin(chunks)))
            .ok()
    }
}

struct Upgrade(Socket);

impl<'r> Responder<'r, 'static> for Upgrade {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build().upgrade("websocket", self.0).ok()
    }
}

struct Socket {
    app: App,
    session: Session,
    script: String,
}

#[rocket::async_trait]
impl IoHandler for Socket {
    async fn io(self: Pin<Box<Self>>, mut io: IoStream) -> io::Result<()> {
        let results = self.app.late(&self.session, &self.script).await;
        io.write_all(&message(&results)).await
    }
}

struct Quiet;

impl log::Log for Quiet {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// The text of the script's header.
struct Script(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Script {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let script = request.headers().get_one(App::SCRIPT);
        Outcome::Success(Self(script.unwrap_or_default().to_owned()))
    }
}

/// An unmasked text message (RFC 6455, section 5.2).
fn message(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("scripts have short results");
    [&[0x81, 126][..], &length.to_be_bytes(), text.as_bytes()].concat()
}
