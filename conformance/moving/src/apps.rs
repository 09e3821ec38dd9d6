//! The two applications, with the same routes.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use cloakroom_axum::{Session, SessionLayer, Sessions};
use cloakroom_store::Store;
use cloakroom_tower_sessions::Settings;
use serde_json::Value;
use tower_sessions::{SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use crate::Redis;

/// How the cookie is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    Plain,
    Signed,
    Private,
}

/// The key of both.
pub const KEY: [u8; 64] = [7; 64];

/// tower-sessions' store in this Redis.
pub async fn their_redis(redis: &Redis) -> RedisStore<Pool> {
    let config = Config::from_url(&redis.url).expect("a URL");
    let pool = Pool::new(config, None, None, None, 1).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("a connection");
    RedisStore::new(pool)
}

/// The application with tower-sessions.
pub fn theirs(store: impl SessionStore + Clone, cookie: Cookie) -> Router {
    let layer = SessionManagerLayer::new(store);
    let key = tower_sessions::cookie::Key::from(&KEY);
    use tower_sessions::Session;
    let routes = Router::new()
        .route(
            "/insert/{name}/{value}",
            get(
                async |session: Session, Path((name, value)): Path<(String, String)>| {
                    let value: Value = serde_json::from_str(&value).expect("JSON");
                    session.insert(&name, value).await.expect("inserted");
                },
            ),
        )
        .route(
            "/get/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                Json(session.get::<Value>(&name).await.expect("read"))
            }),
        )
        .route(
            "/rotate",
            get(async |session: Session| session.cycle_id().await.expect("rotated")),
        )
        .route(
            "/end",
            get(async |session: Session| session.flush().await.expect("ended")),
        );
    match cookie {
        Cookie::Plain => routes.layer(layer),
        Cookie::Signed => routes.layer(layer.with_signed(key)),
        Cookie::Private => routes.layer(layer.with_private(key)),
    }
}

/// The settings of an application with this cookie.
pub fn settings(cookie: Cookie) -> Settings {
    let (settings, key) = (Settings::new(), cookie::Key::from(&KEY));
    match cookie {
        Cookie::Plain => settings,
        Cookie::Signed => settings.signed(key),
        Cookie::Private => settings.private(key),
    }
}

/// The application with Cloakroom.
pub fn ours(store: impl Store + 'static, settings: Settings) -> Router {
    let config = settings.builder().build().expect("a configuration");
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
