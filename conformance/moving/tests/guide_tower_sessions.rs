//! The guide from tower-sessions and axum-login: its code, and the way of a visitor through it.

mod guide;

use cloakroom_servers::Postgres;
use moving::{Browser, Redis};
use serde_json::{Value, json};
use tower_sessions_sqlx_store::PostgresStore;
use tower_sessions_sqlx_store::sqlx::PgPool;

/// The application as it was.
mod before {
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Json, Router};
    use axum_login::{AuthManagerLayerBuilder, login_required};
    use tower_sessions::{Session, SessionManagerLayer};
    use tower_sessions_sqlx_store::PostgresStore;

    pub use crate::backend::{AuthSession, Backend};

    pub fn app(store: PostgresStore, key: tower_sessions::cookie::Key) -> Router {
        let sessions = SessionManagerLayer::new(store).with_signed(key);
        let auth = AuthManagerLayerBuilder::new(Backend, sessions).build();
        Router::new()
            .route("/orders", get(orders))
            .route_layer(login_required!(Backend))
            .route("/login/{name}", get(login))
            .route("/logout", get(logout))
            .route("/cart", get(cart))
            .route("/add/{item}", get(add))
            .layer(auth)
    }

    async fn login(mut auth: AuthSession, Path(name): Path<String>) -> StatusCode {
        let Ok(Some(user)) = auth.authenticate(name).await else {
            return StatusCode::UNAUTHORIZED;
        };
        match auth.login(&user).await {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    async fn logout(mut auth: AuthSession) -> StatusCode {
        match auth.logout().await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    async fn orders(auth: AuthSession) -> Json<Option<String>> {
        Json(auth.user.map(|user| user.name))
    }

    fn failed(_error: tower_sessions::session::Error) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    async fn cart(session: Session) -> Result<Json<Vec<String>>, StatusCode> {
        let cart = session.get("cart").await.map_err(failed)?;
        Ok(Json(cart.unwrap_or_default()))
    }

    async fn add(session: Session, Path(item): Path<String>) -> Result<(), StatusCode> {
        let cart: Option<Vec<String>> = session.get("cart").await.map_err(failed)?;
        let mut cart = cart.unwrap_or_default();
        cart.push(item);
        session.insert("cart", cart).await.map_err(failed)
    }
}

/// Whom axum-login asks.
mod backend {
    use axum_login::{AuthUser, AuthnBackend};

    pub type AuthSession = axum_login::AuthSession<Backend>;

    #[derive(Clone, Debug)]
    pub struct User {
        pub name: String,
    }

    impl AuthUser for User {
        type Id = String;

        fn id(&self) -> String {
            self.name.clone()
        }

        fn session_auth_hash(&self) -> &[u8] {
            b"a hash of the password"
        }
    }

    #[derive(Clone)]
    pub struct Backend;

    impl AuthnBackend for Backend {
        type User = User;
        type Credentials = String;
        type Error = std::convert::Infallible;

        async fn authenticate(&self, name: String) -> Result<Option<User>, Self::Error> {
            Ok(Some(User { name }).filter(|user| user.name != "mallory"))
        }

        async fn get_user(&self, name: &String) -> Result<Option<User>, Self::Error> {
            Ok(Some(User { name: name.clone() }))
        }
    }
}

/// The application as it is to be. Each step gives it another store.
mod after {
    use axum::extract::Path;
    use axum::routing::get;
    use axum::{Json, Router};
    use cloakroom_axum::{Error, RequireSubject, Session, SessionLayer, Sessions, Store};
    use cloakroom_tower_sessions::Settings;

    pub fn app(store: impl Store + 'static, key: cookie::Key) -> Router {
        // As `with_signed(key)`. And axum-login's user is the session's subject.
        let settings = Settings::new().signed(key).axum_login();
        let config = settings.builder().build().expect("these settings fit");
        let sessions = Sessions::new(store).with_config(config);
        Router::new()
            .route("/orders", get(orders))
            .route_layer(RequireSubject::unauthorized())
            .route("/login/{name}", get(login))
            .route("/logout", get(logout))
            .route("/cart", get(cart))
            .route("/add/{item}", get(add))
            .layer(SessionLayer::from(sessions))
    }

    async fn login(session: Session, Path(name): Path<String>) -> Result<(), Error> {
        // After the credentials have been checked.
        session.sign_in(&name)
    }

    async fn logout(session: Session) -> Result<(), Error> {
        session.sign_out()
    }

    async fn orders(session: Session) -> Result<Json<Option<String>>, Error> {
        Ok(Json(session.subject()?))
    }

    async fn cart(session: Session) -> Result<Json<Vec<String>>, Error> {
        Ok(Json(session.get("cart")?.unwrap_or_default()))
    }

    async fn add(session: Session, Path(item): Path<String>) -> Result<(), Error> {
        // Two requests that add an item at the same time add both.
        session.update("cart", move |cart: Option<Vec<String>>| {
            let mut cart = cart.unwrap_or_default();
            cart.push(item.clone());
            cart
        })?;
        Ok(())
    }
}

mod steps {
    use axum::Router;
    use cloakroom_adopting::Adopting;
    use cloakroom_axum::StoreError;
    use cloakroom_redis::RedisStore;
    use cloakroom_store::Key;
    use cloakroom_tower_sessions::TowerSessions;
    use tower_sessions_sqlx_store::sqlx::{self, PgPool};

    use crate::after::app;

    pub async fn beside(url: &str, key: cookie::Key) -> Result<Router, StoreError> {
        let store = TowerSessions::connect_sql(url).await?;
        Ok(app(store, key))
    }

    pub async fn adopting(url: &str, redis: &str, key: cookie::Key) -> Result<Router, StoreError> {
        let old = TowerSessions::connect_sql(url).await?;
        let new = RedisStore::connect(redis).await?;
        Ok(app(Adopting::new(new, old), key))
    }

    pub async fn sweep(url: &str, redis: &str) -> Result<usize, Box<dyn std::error::Error>> {
        let old = TowerSessions::connect_sql(url).await?;
        let store = Adopting::new(RedisStore::connect(redis).await?, old);
        let pool = PgPool::connect(url).await?;
        let ids: Vec<String> = sqlx::query_scalar(r#"select id from "tower_sessions"."session""#)
            .fetch_all(&pool)
            .await?;
        for id in &ids {
            let key = Key::new(id).ok_or("not an id")?;
            store.adopt(&key, None).await?;
        }
        Ok(ids.len())
    }

    pub async fn done(redis: &str, key: cookie::Key) -> Result<Router, StoreError> {
        Ok(app(RedisStore::connect(redis).await?, key))
    }
}

const KEY: [u8; 64] = [9; 64];

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_stays_signed_in_through_every_step() {
    let (server, redis) = (
        Postgres::new().expect("PostgreSQL").0,
        Redis::start().expect("Redis"),
    );
    let url = server.by(server.server());
    let store = PostgresStore::new(PgPool::connect(&url).await.expect("connected"));
    store.migrate().await.expect("migrated");
    let key = || cookie::Key::from(&KEY);
    let before = before::app(store, tower_sessions::cookie::Key::from(&KEY));

    let (mut ada, mut bob) = (Browser::default(), Browser::default());
    for (browser, name) in [(&mut ada, "ada"), (&mut bob, "bob")] {
        assert_eq!(browser.send(&before, "/orders").await.status(), 401);
        browser.get(&before, &format!("/login/{name}")).await;
        browser.get(&before, "/add/tea").await;
    }
    let cookies = [ada.cookie.clone(), bob.cookie.clone()];

    let beside = steps::beside(&url, key()).await.expect("opened");
    for app in [&beside, &before, &beside] {
        assert_eq!(ada.get(app, "/orders").await, "ada");
        ada.get(app, "/add/milk").await;
    }
    let cart = json!(["tea", "milk", "milk", "milk"]);
    for app in [&beside, &before] {
        assert_eq!(ada.get(app, "/cart").await, cart);
    }

    // From here on the old application is gone.
    drop(before);
    let adopting = steps::adopting(&url, &redis.url, key())
        .await
        .expect("opened");
    ada.get(&adopting, "/add/sugar").await;
    assert_eq!(ada.get(&adopting, "/orders").await, "ada");
    assert_eq!(bob.get(&adopting, "/orders").await, "bob");
    assert_eq!(steps::sweep(&url, &redis.url).await.expect("swept"), 1);
    assert_eq!(steps::sweep(&url, &redis.url).await.expect("swept"), 0);
    assert_eq!(bob.get(&adopting, "/orders").await, "bob");

    let done = steps::done(&redis.url, key()).await.expect("opened");
    assert_eq!(ada.get(&done, "/orders").await, "ada");
    assert_eq!(
        ada.get(&done, "/cart").await,
        json!(["tea", "milk", "milk", "milk", "sugar"])
    );
    assert_eq!(bob.get(&done, "/orders").await, "bob");
    assert_eq!(bob.get(&done, "/cart").await, json!(["tea"]));
    assert_eq!([ada.cookie.clone(), bob.cookie.clone()], cookies);

    let mut thief = Browser {
        cookie: ada.cookie.clone(),
    };
    ada.get(&done, "/logout").await;
    assert_eq!(thief.send(&done, "/orders").await.status(), 401);
    assert_eq!(thief.get(&done, "/cart").await, json!([]));
    assert_ne!(bob.get(&done, "/orders").await, Value::Null);
}

#[test]
fn the_code_of_the_guide_is_the_code_of_this_test() {
    guide::check(
        include_str!("../../../stores/tower-sessions/GUIDE.md"),
        include_str!("guide_tower_sessions.rs"),
    );
}
