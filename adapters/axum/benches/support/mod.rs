//! The requests that the benchmarks send, in process, to an axum application with and without
//! sessions.

#![allow(dead_code, reason = "each benchmark uses a part")]

mod by_hand;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cloakroom::{Directive, Sessions};
use cloakroom_axum::{Error, Session, SessionLayer};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use http::{HeaderValue, Request, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt};

/// One kind of request.
pub struct Scenario {
    pub name: &'static str,
    path: &'static str,
    cookies: Cookies,
    application: Application,
}

#[derive(Clone, Copy, PartialEq)]
enum Application {
    Bare,
    Nothing,
    Sessions,
}

#[derive(Clone, Copy, PartialEq)]
enum Cookies {
    None,
    Foreign,
    Session,
    Unknown,
}

const fn scenario(
    name: &'static str,
    path: &'static str,
    cookies: Cookies,
    application: Application,
) -> Scenario {
    Scenario {
        name,
        path,
        cookies,
        application,
    }
}

/// The bare handler first: it is what the others are measured against.
pub const SCENARIOS: [Scenario; 13] = [
    scenario(
        "bare handler",
        "/untouched",
        Cookies::Session,
        Application::Bare,
    ),
    scenario(
        "a layer that does nothing",
        "/untouched",
        Cookies::Session,
        Application::Nothing,
    ),
    scenario(
        "untouched",
        "/untouched",
        Cookies::Session,
        Application::Sessions,
    ),
    scenario(
        "untouched, 8 foreign cookies",
        "/untouched",
        Cookies::Foreign,
        Application::Sessions,
    ),
    scenario("read", "/read", Cookies::Session, Application::Sessions),
    scenario(
        "counter",
        "/counter",
        Cookies::Session,
        Application::Sessions,
    ),
    scenario("create", "/counter", Cookies::None, Application::Sessions),
    scenario(
        "unknown token",
        "/read",
        Cookies::Unknown,
        Application::Sessions,
    ),
    scenario("rotate", "/rotate", Cookies::Session, Application::Sessions),
    scenario(
        "read, by hand",
        "/by-hand/read",
        Cookies::Session,
        Application::Nothing,
    ),
    scenario(
        "counter, by hand",
        "/by-hand/counter",
        Cookies::Session,
        Application::Nothing,
    ),
    scenario(
        "create, by hand",
        "/by-hand/create",
        Cookies::None,
        Application::Nothing,
    ),
    scenario(
        "unknown token, by hand",
        "/by-hand/read",
        Cookies::Unknown,
        Application::Nothing,
    ),
];

/// The goal for what a request may cost above the bare handler, if there is one.
pub fn goal(goals: &[(&str, i64)], name: &str) -> String {
    goals
        .iter()
        .find(|(of, _)| *of == name)
        .map(|(_, goal)| goal.to_string())
        .unwrap_or_default()
}

/// Counts the calls.
#[derive(Clone, Default)]
pub struct CountingStore {
    inner: MemoryStore,
    calls: Arc<AtomicU64>,
}

impl CountingStore {
    fn counted(&self) -> &MemoryStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

impl Store for CountingStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.counted().load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.counted().create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.counted().replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.counted().touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.counted().delete(key, old).await
    }
}

async fn untouched() -> &'static str {
    "a response of some length"
}

async fn read(session: Session) -> Result<&'static str, Error> {
    let found: Option<u64> = session.get("visits")?;
    std::hint::black_box(found);
    Ok("a response of some length")
}

async fn counter(session: Session) -> Result<&'static str, Error> {
    session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
    Ok("a response of some length")
}

async fn rotate(session: Session) -> Result<&'static str, Error> {
    session.rotate()?;
    Ok("a response of some length")
}

#[derive(Clone)]
struct Nothing;

#[derive(Clone)]
struct NothingService<S>(S);

impl<S> Layer<S> for Nothing {
    type Service = NothingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NothingService(inner)
    }
}

impl<S: Service<R>, R> Service<R> for NothingService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request)
    }
}

/// Ten values, about a kilobyte.
async fn fill(sessions: &Sessions<CountingStore>) -> String {
    let filled = sessions.with(None, |session| {
        session.insert("visits", 41_u64)?;
        for n in 0..9 {
            session.insert(&format!("value-{n}"), "x".repeat(96))?;
        }
        Ok(())
    });
    match filled.await {
        Ok(((), outcome)) => match outcome.directive {
            Directive::Issue(issued) => issued.token.expose().to_owned(),
            other => panic!("no token issued: {other:?}"),
        },
        Err(error) => panic!("{error}"),
    }
}

pub struct Subject {
    app: Router,
    path: &'static str,
    cookie: Option<HeaderValue>,
    cookie_is_consumed: bool,
    sessions: Sessions<CountingStore>,
}

impl Subject {
    pub async fn new(scenario: &Scenario) -> Self {
        let sessions = Sessions::new(CountingStore::default());
        let token = fill(&sessions).await;
        let store = || sessions.store().clone();
        let routes = Router::new()
            .route("/untouched", get(untouched))
            .route("/read", get(read))
            .route("/counter", get(counter))
            .route("/rotate", get(rotate))
            .route("/by-hand/read", get(by_hand::read).with_state(store()))
            .route(
                "/by-hand/counter",
                get(by_hand::counter).with_state(store()),
            )
            .route("/by-hand/create", get(by_hand::create).with_state(store()));
        let app = match scenario.application {
            Application::Bare => routes,
            Application::Nothing => routes.layer(Nothing),
            Application::Sessions => routes.layer(SessionLayer::from(sessions.clone())),
        };
        // As `axum::serve` does: everything is turned into routes once, not for each request.
        let app = app.with_state(());
        let foreign: String = (0..8)
            .map(|n| format!("_tracker_{n}=GA1.2.1234567890.170000000{n}; "))
            .collect();
        let cookie = match scenario.cookies {
            Cookies::None => None,
            Cookies::Session => Some(format!("__Host-session={token}")),
            Cookies::Foreign => Some(format!("{foreign}__Host-session={token}")),
            Cookies::Unknown => {
                Some("__Host-session=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned())
            }
        };
        let cookie = cookie.map(|cookie| cookie.try_into().expect("a cookie is a header value"));
        Self {
            app,
            path: scenario.path,
            cookie,
            cookie_is_consumed: scenario.name == "rotate",
            sessions,
        }
    }

    pub async fn request(&self) -> Request<Body> {
        let mut request = Request::get(self.path)
            .header(header::HOST, "localhost")
            .body(Body::empty())
            .expect("valid");
        let cookie = if self.cookie_is_consumed {
            Some(
                format!("__Host-session={}", fill(&self.sessions).await)
                    .try_into()
                    .expect("valid"),
            )
        } else {
            self.cookie.clone()
        };
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, cookie);
        }
        request
    }

    pub async fn send(&self, request: Request<Body>) {
        let response = self.app.clone().oneshot(request).await.expect("infallible");
        assert!(response.status().is_success(), "{}", response.status());
        std::hint::black_box(&response);
    }
    /// Store calls so far.
    pub fn calls(&self) -> u64 {
        self.sessions.store().calls.load(Ordering::Relaxed)
    }
}
