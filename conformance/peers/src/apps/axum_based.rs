//! Applications in axum: bare, with plain Redis commands, and with three session libraries.

use ::axum_session::{DatabasePool, Key, SessionConfig, SessionNullPool, SessionStore};
use ::tower_sessions::{CachingSessionStore, SessionManagerLayer};
use axum::body::Body;
use axum::http::{Request, header};
use axum::{Router, routing::get};
use axum_session_redispool::SessionRedisPool;
use cloakroom::{Event, Operation, Sessions, StoreAnswer};
use cloakroom_memory::MemoryStore;
use cloakroom_near::Near;
use cloakroom_redis::RedisStore;
use futures_util::future::join_all;
use redis_pool::RedisPool;
use tokio::runtime::Builder;
use tower::ServiceExt as _;

use super::calls::{self, Counted};
use super::{Application, BODY, Error, PATHS, Place, WORK, commands, pair};

pub fn in_process(name: &str, place: Place<'_>) -> Result<Application, Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Inside the runtime, because axum_session's layer starts a task. Routes are built once, as in
    // `axum::serve`, not per request.
    let routes =
        runtime.block_on(async { routes(name, place).await.map(|all| all.with_state(())) })?;
    Ok(Box::new(move |path, cookies| {
        runtime.block_on(join_all(
            cookies.iter().map(|cookie| send(&routes, path, cookie)),
        ))
    }))
}

async fn send(routes: &Router, path: &str, cookie: &str) -> String {
    let mut request = Request::get(path).header(header::HOST, "localhost");
    if !cookie.is_empty() {
        request = request.header(header::COOKIE, cookie);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("infallible");
    assert!(response.status().is_success(), "{}", response.status());
    let mut lines = response.headers().get_all(header::SET_COOKIE).into_iter();
    let first = pair(lines.next().map(|line| line.as_bytes()));
    // axum_session has a second cookie.
    lines.fold(first, |all, line| {
        format!("{all}; {}", pair(Some(line.as_bytes())))
    })
}

pub async fn serve(name: &str, port: u16, place: Place<'_>) -> Result<(), Error> {
    let routes = routes(name, place).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, routes).await?)
}

async fn routes(name: &str, place: Place<'_>) -> Result<Router, Error> {
    use ::axum_session::SessionLayer as AxumSessionLayer;
    use cloakroom_axum::SessionLayer;
    Ok(match (name, place) {
        ("axum", _) => bare(),
        ("commands", Place::Redis(url)) => commands::routes(commands::connect(url).await?),
        ("cloakroom", Place::Memory) => {
            let sessions = Sessions::new(Counted(MemoryStore::new()));
            cloakroom().layer(SessionLayer::from(sessions))
        }
        ("cloakroom", Place::Redis(url)) => {
            let sessions = Sessions::new(RedisStore::connect(url).await?);
            cloakroom().layer(SessionLayer::from(sessions))
        }
        ("cloakroom-lease", Place::Redis(url)) => {
            let store = Near::new(RedisStore::connect(url).await?);
            cloakroom().layer(SessionLayer::from(Sessions::new(store)))
        }
        ("cloakroom-near", Place::Redis(url)) => {
            let store = Near::builder(RedisStore::connect(url).await?).build_tracked()?;
            cloakroom().layer(SessionLayer::from(Sessions::new(store)))
        }
        // Reports how often it tried to write.
        ("cloakroom-observed", Place::Memory) => {
            let sessions = Sessions::new(MemoryStore::new()).with_observer(observe);
            cloakroom().layer(SessionLayer::from(sessions))
        }
        ("cloakroom-observed", Place::Redis(url)) => {
            let sessions = Sessions::new(RedisStore::connect(url).await?).with_observer(observe);
            cloakroom().layer(SessionLayer::from(sessions))
        }
        ("tower-sessions", Place::Memory) => {
            let store = Counted(::tower_sessions::MemoryStore::default());
            tower_sessions().layer(SessionManagerLayer::new(store))
        }
        ("tower-sessions", Place::Redis(url)) => {
            let store = commands::Records(commands::connect(url).await?);
            tower_sessions().layer(SessionManagerLayer::new(store))
        }
        ("tower-sessions-caching", Place::Redis(url)) => {
            let store = commands::Records(commands::connect(url).await?);
            let cache = ::tower_sessions::MemoryStore::default();
            let store = CachingSessionStore::new(cache, store);
            tower_sessions().layer(SessionManagerLayer::new(store))
        }
        ("axum_session", Place::Memory) => {
            let store = SessionStore::<SessionNullPool>::new(None, config()).await?;
            axum_session::<SessionNullPool>().layer(AxumSessionLayer::new(store))
        }
        ("axum_session", Place::Redis(url)) => {
            let pool = RedisPool::from(redis::Client::open(url)?).into();
            let store = SessionStore::<SessionRedisPool>::new(Some(pool), config()).await?;
            axum_session::<SessionRedisPool>().layer(AxumSessionLayer::new(store))
        }
        (other, _) => return Err(format!("no application with {other} there").into()),
    })
}

/// Counts the attempts to write existing sessions, whatever the store answers.
fn observe(event: &Event<'_>) {
    if let Event::StoreCall {
        operation: Operation::Replace,
        answer: StoreAnswer::Done | StoreAnswer::Changed,
        ..
    } = event
    {
        calls::one();
    }
}

fn bare() -> Router {
    PATHS.into_iter().fold(Router::new(), |all, path| {
        all.route(path, get(async || BODY))
    })
}

fn cloakroom() -> Router {
    use cloakroom_axum::{Error, Session};
    async fn counter(session: Session) -> Result<&'static str, Error> {
        session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
        Ok(BODY)
    }
    Router::new()
        .route(
            "/fill",
            get(async |session: Session| -> Result<_, Error> {
                session.insert("visits", 41_u64)?;
                for n in 0..9 {
                    session.insert(&format!("value-{n}"), "x".repeat(96))?;
                }
                Ok(BODY)
            }),
        )
        .route(
            "/end",
            get(async |session: Session| session.sign_out().map(|()| BODY).map_err(Error::from)),
        )
        .route("/untouched", get(async || BODY))
        .route(
            "/read",
            get(async |session: Session| -> Result<_, Error> {
                std::hint::black_box(session.get::<u64>("visits")?);
                Ok(BODY)
            }),
        )
        .route("/counter", get(counter))
        .route("/create", get(counter))
        .route(
            "/slow",
            get(async |session: Session| -> Result<_, Error> {
                std::hint::black_box(session.get::<u64>("visits")?);
                tokio::time::sleep(WORK).await;
                counter(session).await
            }),
        )
        .route(
            "/visits",
            get(async |session: Session| -> Result<_, Error> {
                Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
            }),
        )
        .route("/attempts", get(async || calls::so_far().to_string()))
        .route(
            "/rotate",
            get(async |session: Session| session.rotate().map(|()| BODY).map_err(Error::from)),
        )
}

fn tower_sessions() -> Router {
    use ::tower_sessions::{Session, session::Error};
    struct Failed;
    impl From<Error> for Failed {
        fn from(_: Error) -> Self {
            Self
        }
    }
    impl axum::response::IntoResponse for Failed {
        fn into_response(self) -> axum::response::Response {
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
    async fn counter(session: Session) -> Result<&'static str, Failed> {
        let visits = session.get::<u64>("visits").await?.unwrap_or(0);
        session.insert("visits", visits + 1).await?;
        Ok(BODY)
    }
    Router::new()
        .route(
            "/fill",
            get(async |session: Session| -> Result<_, Failed> {
                session.insert("visits", 41_u64).await?;
                for n in 0..9 {
                    session
                        .insert(&format!("value-{n}"), "x".repeat(96))
                        .await?;
                }
                Ok(BODY)
            }),
        )
        .route(
            "/end",
            get(async |session: Session| -> Result<_, Failed> {
                Ok(session.flush().await.map(|()| BODY)?)
            }),
        )
        .route("/untouched", get(async || BODY))
        .route(
            "/read",
            get(async |session: Session| -> Result<_, Failed> {
                std::hint::black_box(session.get::<u64>("visits").await?);
                Ok(BODY)
            }),
        )
        .route("/counter", get(counter))
        .route("/create", get(counter))
        .route(
            "/slow",
            get(async |session: Session| -> Result<_, Failed> {
                let visits = session.get::<u64>("visits").await?.unwrap_or(0);
                tokio::time::sleep(WORK).await;
                session.insert("visits", visits + 1).await?;
                Ok(BODY)
            }),
        )
        .route(
            "/visits",
            get(async |session: Session| -> Result<_, Failed> {
                let visits = session.get::<u64>("visits").await?;
                Ok(visits.unwrap_or(0).to_string())
            }),
        )
        .route(
            "/rotate",
            get(async |session: Session| -> Result<_, Failed> {
                Ok(session.cycle_id().await.map(|()| BODY)?)
            }),
        )
}

fn config() -> SessionConfig {
    SessionConfig::default()
        .with_key(Key::from(&[7; 64]))
        .with_secure(true)
}

fn axum_session<P>() -> Router
where
    P: DatabasePool + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    use ::axum_session::Session;
    async fn counter<P>(session: Session<P>) -> &'static str
    where
        P: DatabasePool + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let visits = session.get::<u64>("visits").unwrap_or(0);
        session.set("visits", visits + 1);
        BODY
    }
    Router::new()
        .route(
            "/fill",
            get(async |session: Session<P>| {
                session.set("visits", 41_u64);
                for n in 0..9 {
                    session.set(&format!("value-{n}"), "x".repeat(96));
                }
                BODY
            }),
        )
        .route(
            "/end",
            get(async |session: Session<P>| {
                session.destroy();
                BODY
            }),
        )
        .route("/untouched", get(async || BODY))
        .route(
            "/read",
            get(async |session: Session<P>| {
                std::hint::black_box(session.get::<u64>("visits"));
                BODY
            }),
        )
        .route("/counter", get(counter::<P>))
        .route("/create", get(counter::<P>))
        .route(
            "/slow",
            get(async |session: Session<P>| {
                let visits = session.get::<u64>("visits").unwrap_or(0);
                tokio::time::sleep(WORK).await;
                session.set("visits", visits + 1);
                BODY
            }),
        )
        .route(
            "/visits",
            get(async |session: Session<P>| session.get::<u64>("visits").unwrap_or(0).to_string()),
        )
        .route(
            "/rotate",
            get(async |session: Session<P>| {
                session.renew();
                BODY
            }),
        )
}
