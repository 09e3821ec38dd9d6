//! axum-login's user is the subject: on the same records, and when they are adopted.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use cloakroom_adopting::Adopting;
use cloakroom_axum::{Session, SessionLayer, Sessions};
use cloakroom_redis::RedisStore;
use cloakroom_store::Store;
use cloakroom_tower_sessions::{Settings, TowerSessions};
use moving::{Browser, Redis, their_redis};
use serde_json::{Value, json};
use tower_sessions::{SessionManagerLayer, SessionStore};

#[derive(Clone, Debug)]
struct User(i64);

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.0
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"a hash of the password"
    }
}

/// Everyone may sign in.
#[derive(Clone)]
struct Backend;

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = i64;
    type Error = std::convert::Infallible;

    async fn authenticate(&self, id: i64) -> Result<Option<User>, Self::Error> {
        Ok(Some(User(id)))
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Self::Error> {
        Ok(Some(User(*id)))
    }
}

fn theirs(store: impl SessionStore + Clone) -> Router {
    let layer = AuthManagerLayerBuilder::new(Backend, SessionManagerLayer::new(store)).build();
    Router::new()
        .route(
            "/login/{id}",
            get(
                async |mut auth: AuthSession<Backend>, Path(id): Path<i64>| {
                    let user = auth.authenticate(id).await.expect("asked");
                    auth.login(&user.expect("a user")).await.expect("in");
                },
            ),
        )
        .route(
            "/logout",
            get(async |mut auth: AuthSession<Backend>| {
                auth.logout().await.expect("out");
            }),
        )
        .route(
            "/user",
            get(async |auth: AuthSession<Backend>| Json(auth.user.map(|user| user.0))),
        )
        .route(
            "/insert/{name}",
            get(
                async |session: tower_sessions::Session, Path(name): Path<String>| {
                    session.insert(&name, 1).await.expect("inserted");
                },
            ),
        )
        .layer(layer)
}

fn ours(store: impl Store + 'static) -> Router {
    let config = Settings::new().axum_login().builder().build();
    let sessions = Sessions::new(store).with_config(config.expect("a configuration"));
    Router::new()
        .route(
            "/user",
            get(async |session: Session| Json(session.subject().expect("read"))),
        )
        .route(
            "/authenticated",
            get(async |session: Session| {
                let at = session.authenticated_at().expect("read");
                Json(at.is_some())
            }),
        )
        .route(
            "/sign-in/{id}",
            get(async |session: Session, Path(id): Path<String>| {
                session.sign_in(&id).expect("in");
            }),
        )
        .route(
            "/sign-in-to-both/{id}",
            get(async |session: Session, Path(id): Path<i64>| {
                session.sign_in(&id.to_string()).expect("in");
                let hash = User(id).session_auth_hash().to_vec();
                let data = json!({ "user_id": id, "auth_hash": hash });
                session.insert("axum-login.data", data).expect("inserted");
            }),
        )
        .route(
            "/sign-out",
            get(async |session: Session| session.sign_out().expect("out")),
        )
        .route(
            "/insert/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                session.insert(&name, 1).expect("inserted");
            }),
        )
        .layer(SessionLayer::from(sessions))
}

async fn beside() -> (Redis, Router, Router) {
    let redis = Redis::start().expect("Redis");
    let theirs = theirs(their_redis(&redis).await);
    let store = TowerSessions::connect_redis(&redis.url)
        .await
        .expect("Redis");
    (redis, theirs, ours(store))
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn their_user_is_the_subject_and_stays_it() {
    let (_redis, theirs, ours) = beside().await;
    let mut browser = Browser::default();
    assert_eq!(browser.get(&ours, "/user").await, Value::Null);
    browser.get(&theirs, "/login/7").await;
    assert_eq!(browser.get(&ours, "/user").await, "7");
    // Nobody has signed in here, so that a step-up is asked for.
    assert_eq!(browser.get(&ours, "/authenticated").await, false);
    browser.get(&ours, "/insert/a").await;
    for app in [&theirs, &ours] {
        browser.get(app, "/insert/b").await;
        assert_eq!(browser.get(&theirs, "/user").await, 7);
        assert_eq!(browser.get(&ours, "/user").await, "7");
    }
    browser.get(&theirs, "/logout").await;
    assert_eq!(browser.get(&ours, "/user").await, Value::Null);
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_the_user_who_was_there_before() {
    let (_redis, theirs, ours) = beside().await;
    // Signed in here, and then there as another user, in the same session.
    let mut browser = Browser::default();
    browser.get(&ours, "/sign-in/7").await;
    assert_eq!(browser.get(&ours, "/authenticated").await, true);
    browser.get(&theirs, "/login/8").await;
    assert_eq!(browser.get(&ours, "/user").await, "8");
    assert_eq!(browser.get(&ours, "/authenticated").await, false);
    // And the other way round.
    browser.get(&ours, "/sign-in/9").await;
    assert_eq!(browser.get(&ours, "/user").await, "9");
    assert_eq!(browser.get(&theirs, "/user").await, Value::Null);
    assert_eq!(browser.get(&ours, "/user").await, "9");
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_here_can_be_one_there_too() {
    let (_redis, theirs, ours) = beside().await;
    let mut browser = Browser::default();
    browser.get(&ours, "/sign-in-to-both/7").await;
    assert_eq!(browser.get(&theirs, "/user").await, 7);
    assert_eq!(browser.get(&ours, "/user").await, "7");
    assert_eq!(browser.get(&ours, "/authenticated").await, true);
    let old = browser.cookie.clone();
    browser.get(&ours, "/sign-out").await;
    let mut thief = Browser { cookie: old };
    assert_eq!(thief.get(&theirs, "/user").await, Value::Null);
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_session_has_their_user() {
    let (redis, theirs, _) = beside().await;
    let mut browser = Browser::default();
    browser.get(&theirs, "/login/7").await;
    browser.get(&theirs, "/insert/cart").await;

    let old = TowerSessions::connect_redis(&redis.url)
        .await
        .expect("Redis");
    let own = Redis::start_own().expect("Redis");
    let new = RedisStore::connect(&own.url).await.expect("Redis");
    let ours = ours(Adopting::new(new, old));
    assert_eq!(browser.get(&ours, "/user").await, "7");
    let before = browser.cookie.clone();
    // The first write moves the record, and signs nobody out.
    browser.get(&ours, "/insert/tea").await;
    assert_eq!(browser.cookie, before);
    assert_eq!(browser.get(&ours, "/user").await, "7");
    assert_eq!(browser.get(&theirs, "/user").await, Value::Null);
    let left: Vec<String> = redis.command(&[b"KEYS", before.expect("a cookie").as_bytes()]);
    assert!(left.is_empty());
}
