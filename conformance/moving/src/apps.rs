//! The application with each version of tower-sessions, and with Cloakroom. All have the same
//! routes.

use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Json, Router};
use cloakroom_axum::{Config, Session, SessionLayer, Sessions};
use cloakroom_store::Store;
use cloakroom_tower_sessions::Settings;
use serde_json::Value;

/// How the cookie is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    Plain,
    Signed,
    Private,
}

impl Cookie {
    /// All that tower-sessions has.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Signed, Self::Private];
}

/// The key of both.
pub const KEY: [u8; 64] = [7; 64];

/// The application with one version of tower-sessions.
macro_rules! theirs {
    ($name:ident, $lib:ident) => {
        pub fn $name(store: impl $lib::SessionStore + Clone, cookie: Cookie) -> Router {
            use $lib::Session;
            let layer = $lib::SessionManagerLayer::new(store);
            let key = $lib::cookie::Key::from(&KEY);
            let routes = Router::new()
                .route(
                    "/insert/{name}/{value}",
                    get(
                        async |Extension(session): Extension<Session>,
                               Path((name, value)): Path<(String, String)>| {
                            let value: Value = serde_json::from_str(&value).expect("JSON");
                            session.insert(&name, value).await.expect("inserted");
                        },
                    ),
                )
                .route(
                    "/get/{name}",
                    get(
                        async |Extension(session): Extension<Session>, Path(name): Path<String>| {
                            Json(session.get::<Value>(&name).await.expect("read"))
                        },
                    ),
                )
                .route(
                    "/rotate",
                    get(async |Extension(session): Extension<Session>| {
                        session.cycle_id().await.expect("rotated");
                    }),
                )
                .route(
                    "/end",
                    get(async |Extension(session): Extension<Session>| {
                        session.flush().await.expect("ended");
                    }),
                );
            match cookie {
                Cookie::Plain => routes.layer(layer),
                Cookie::Signed => routes.layer(layer.with_signed(key)),
                Cookie::Private => routes.layer(layer.with_private(key)),
            }
        }
    };
}

theirs!(theirs, tower_sessions);
theirs!(theirs_0_11, tower_sessions_0_11);
theirs!(theirs_0_15, tower_sessions_0_15);

/// The settings of an application with this cookie.
pub fn settings(cookie: Cookie) -> Settings {
    let (settings, key) = (Settings::new(), cookie::Key::from(&KEY));
    match cookie {
        Cookie::Plain => settings,
        Cookie::Signed => settings.signed(key),
        Cookie::Private => settings.private(key),
    }
}

/// The application with Cloakroom, beside tower-sessions.
pub fn ours(store: impl Store + 'static, settings: Settings) -> Router {
    let config = settings.builder().build().expect("a configuration");
    ours_with(store, config)
}

/// The application with Cloakroom.
pub fn ours_with(store: impl Store + 'static, config: Config) -> Router {
    let sessions = Sessions::new(store).with_config(config);
    Router::new()
        .route(
            "/insert/{name}/{value}",
            get(
                async |session: Session, Path((name, value)): Path<(String, String)>| {
                    let value: Value = serde_json::from_str(&value).expect("JSON");
                    session.insert(&name, value).expect("inserted");
                },
            ),
        )
        .route(
            "/get/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                Json(session.get::<Value>(&name).expect("read"))
            }),
        )
        .route(
            "/update/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                let count = session.update(&name, |n: Option<u64>| n.unwrap_or(0) + 1);
                count.expect("counted");
            }),
        )
        .route(
            "/sign-in",
            get(async |session: Session| session.sign_in("ada").expect("in")),
        )
        .route(
            "/subject",
            get(async |session: Session| Json(session.subject().expect("read"))),
        )
        .route(
            "/rotate",
            get(async |session: Session| session.rotate().expect("rotated")),
        )
        .route(
            "/end",
            get(async |session: Session| session.sign_out().expect("out")),
        )
        .layer(SessionLayer::from(sessions))
}
