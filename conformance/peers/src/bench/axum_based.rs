//! Applications in axum: bare, and with the three libraries for it.

use ::axum_session::{DatabasePool, Key, SessionConfig, SessionNullPool, SessionStore};
use ::tower_sessions::SessionManagerLayer;
use axum::body::Body;
use axum::http::{Request, header};
use axum::{Router, routing::get};
use cloakroom::Sessions;
use cloakroom_memory::MemoryStore;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use super::calls::Counted;
use super::{Application, BODY, pair};

pub fn bare() -> Application {
    let answer = async || BODY;
    application(
        runtime(),
        Router::new()
            .route("/fill", get(answer))
            .route("/end", get(answer))
            .route("/untouched", get(answer))
            .route("/read", get(answer))
            .route("/counter", get(answer))
            .route("/create", get(answer))
            .route("/rotate", get(answer)),
    )
}

pub fn cloakroom() -> Application {
    let sessions = Sessions::new(Counted(MemoryStore::new()));
    let layer = cloakroom_axum::SessionLayer::from(sessions);
    application(runtime(), cloakroom_routes().layer(layer))
}

pub fn cloakroom_routes() -> Router {
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
            "/rotate",
            get(async |session: Session| session.rotate().map(|()| BODY).map_err(Error::from)),
        )
}

pub fn tower_sessions() -> Application {
    let store = Counted(::tower_sessions::MemoryStore::default());
    application(
        runtime(),
        tower_sessions_routes().layer(SessionManagerLayer::new(store)),
    )
}

pub fn tower_sessions_routes() -> Router {
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
            "/rotate",
            get(async |session: Session| -> Result<_, Failed> {
                Ok(session.cycle_id().await.map(|()| BODY)?)
            }),
        )
}

pub fn axum_session() -> Application {
    let runtime = runtime();
    let config = axum_session_config();
    let routes = runtime.block_on(async {
        let store = SessionStore::<SessionNullPool>::new(None, config).await;
        let layer = ::axum_session::SessionLayer::new(store.expect("a store in memory"));
        axum_session_routes::<SessionNullPool>().layer(layer)
    });
    application(runtime, routes)
}

pub fn axum_session_config() -> SessionConfig {
    SessionConfig::default()
        .with_key(Key::from(&[7; 64]))
        .with_secure(true)
}

pub fn axum_session_routes<P>() -> Router
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
            "/rotate",
            get(async |session: Session<P>| {
                session.renew();
                BODY
            }),
        )
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn application(runtime: Runtime, routes: Router) -> Application {
    // As `axum::serve` does: everything is turned into routes once, not for each request.
    // This is where the layers are applied; axum_session's starts a task.
    let routes: Router = {
        let _within = runtime.enter();
        routes.with_state(())
    };
    Box::new(move |path, cookie| {
        let mut request = Request::get(path).header(header::HOST, "localhost");
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = runtime
            .block_on(routes.clone().oneshot(request))
            .expect("infallible");
        assert!(response.status().is_success(), "{}", response.status());
        let mut lines = response.headers().get_all(header::SET_COOKIE).into_iter();
        let first = pair(lines.next().map(|line| line.as_bytes()));
        // axum_session has a second cookie.
        lines.fold(first, |all, line| {
            format!("{all}; {}", pair(Some(line.as_bytes())))
        })
    })
}
