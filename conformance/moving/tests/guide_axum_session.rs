//! The guide from axum_session: its code, and the way of a visitor through it.

mod guide;

use axum_session_sqlx::SessionPgPool;
use cloakroom_servers::Postgres;
use moving::{Client, Redis};
use serde_json::json;
use sqlx::PgPool;

/// The application as it was.
mod before {
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Json, Router};
    use axum_session::{SessionConfig, SessionError, SessionLayer, SessionStore};
    use axum_session_auth::AuthSessionLayer;
    use sqlx::PgPool;

    use crate::SessionPgPool;
    use crate::backend::User;

    type Session = axum_session::Session<SessionPgPool>;
    type AuthSession = axum_session_auth::AuthSession<User, i64, SessionPgPool, PgPool>;

    pub async fn app(pool: PgPool, config: SessionConfig) -> Result<Router, SessionError> {
        let store = SessionStore::new(Some(SessionPgPool::from(pool.clone())), config).await?;
        let auth = AuthSessionLayer::<User, i64, SessionPgPool, PgPool>::new(Some(pool));
        Ok(Router::new()
            .route("/orders", get(orders))
            .route("/login/{id}", get(login))
            .route("/logout", get(logout))
            .route("/cart", get(cart))
            .route("/add/{item}", get(add))
            .layer(auth)
            .layer(SessionLayer::new(store)))
    }

    async fn login(auth: AuthSession, Path(id): Path<i64>) {
        auth.login_user(id);
    }

    async fn logout(auth: AuthSession) {
        auth.logout_user();
    }

    async fn orders(auth: AuthSession) -> Result<Json<String>, StatusCode> {
        let user = auth.current_user.ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Json(user.id.to_string()))
    }

    async fn cart(session: Session) -> Json<Vec<String>> {
        Json(session.get("cart").unwrap_or_default())
    }

    async fn add(session: Session, Path(item): Path<String>) {
        let mut cart: Vec<String> = session.get("cart").unwrap_or_default();
        cart.push(item);
        session.set("cart", cart);
    }
}

/// Whom axum_session_auth asks.
mod backend {
    use axum_session_auth::Authentication;
    use sqlx::PgPool;

    #[derive(Clone, Debug)]
    pub struct User {
        pub id: i64,
    }

    #[async_trait::async_trait]
    impl Authentication<User, i64, PgPool> for User {
        async fn load_user(id: i64, _: Option<&PgPool>) -> Result<User, anyhow::Error> {
            Ok(User { id })
        }

        fn is_authenticated(&self) -> bool {
            true
        }

        fn is_active(&self) -> bool {
            true
        }

        fn is_anonymous(&self) -> bool {
            false
        }
    }
}

/// The application as it is to be. Each step gives it another store.
mod after {
    use std::net::SocketAddr;

    use axum::extract::{ConnectInfo, Path, Request, State};
    use axum::middleware::{Next, from_fn_with_state};
    use axum::response::Response;
    use axum::routing::get;
    use axum::{Json, Router};
    use cloakroom_axum::{Error, RequireSubject, Session, SessionLayer, Sessions, Store};
    use cloakroom_axum_session::{BoundCookies, Settings};

    pub fn app(store: impl Store + 'static, key: cookie::Key) -> Router {
        // As `with_key(key)`. And axum_session_auth's user is the subject.
        let settings = Settings::new().signed(key.clone()).axum_session_auth();
        let config = settings.builder().build().expect("these settings fit");
        let sessions = Sessions::new(store).with_config(config);
        let bound = BoundCookies::new("session", key);
        Router::new()
            .route("/orders", get(orders))
            .route_layer(RequireSubject::unauthorized())
            .route("/login/{id}", get(login))
            .route("/logout", get(logout))
            .route("/cart", get(cart))
            .route("/add/{item}", get(add))
            .layer(SessionLayer::from(sessions))
            // The layer that is added last comes first.
            .layer(from_fn_with_state(bound, unbind))
    }

    async fn unbind(
        State(cookies): State<BoundCookies>,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
        mut request: Request,
        next: Next,
    ) -> Response {
        cookies.unbind(request.headers_mut(), Some(peer.ip()));
        next.run(request).await
    }

    async fn login(session: Session, Path(id): Path<i64>) -> Result<(), Error> {
        // After the credentials have been checked.
        session.sign_in(&id.to_string())
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
    use cloakroom_axum_session::AxumSessions;
    use cloakroom_redis::RedisStore;
    use cloakroom_store::Key;
    use sqlx::PgPool;

    use crate::after::app;

    pub async fn adopting(
        url: &str,
        redis: &str,
        key: cookie::Key,
        database_key: cookie::Key,
    ) -> Result<Router, StoreError> {
        let old = AxumSessions::connect_sql(url).await?;
        let old = old.database_key(database_key);
        let new = RedisStore::connect(redis).await?;
        Ok(app(Adopting::new(new, old), key))
    }

    pub async fn sweep(
        url: &str,
        redis: &str,
        database_key: cookie::Key,
    ) -> Result<usize, Box<dyn std::error::Error>> {
        let old = AxumSessions::connect_sql(url).await?;
        let old = old.database_key(database_key);
        let store = Adopting::new(RedisStore::connect(redis).await?, old);
        let pool = PgPool::connect(url).await?;
        let ids: Vec<String> = sqlx::query_scalar("select id from sessions")
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

const KEY: [u8; 64] = [7; 64];
const DATABASE_KEY: [u8; 64] = [9; 64];

// R85
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_stays_signed_in_through_every_step() {
    let (server, redis) = (
        Postgres::new().expect("PostgreSQL").0,
        Redis::start_own().expect("Redis"),
    );
    let url = server.by(server.server());
    let pool = PgPool::connect(&url).await.expect("connected");
    let key = || cookie::Key::from(&KEY);
    let database_key = || cookie::Key::from(&DATABASE_KEY);
    let config = axum_session::SessionConfig::default()
        .with_key(axum_session::Key::from(&KEY))
        .with_database_key(axum_session::Key::from(&DATABASE_KEY));
    let before = before::app(pool, config).await.expect("a table");

    let [mut ada, mut bob] = [Client::new(), Client::new()];
    for (client, id) in [(&mut ada, 42), (&mut bob, 7)] {
        assert_eq!(client.send(&before, "/orders").await.status(), 401);
        client.get(&before, &format!("/login/{id}")).await;
        client.get(&before, "/add/tea").await;
    }
    let cookies = [ada.cookie.clone(), bob.cookie.clone()];

    // From here on the old application is gone.
    drop(before);
    let adopting = steps::adopting(&url, &redis.url, key(), database_key()).await;
    let adopting = adopting.expect("opened");
    ada.get(&adopting, "/add/sugar").await;
    assert_eq!(ada.get(&adopting, "/orders").await, "42");
    assert_eq!(bob.get(&adopting, "/orders").await, "7");
    let sweep = async || steps::sweep(&url, &redis.url, database_key()).await;
    assert_eq!(sweep().await.expect("swept"), 1);
    assert_eq!(sweep().await.expect("swept"), 0);
    assert_eq!(bob.get(&adopting, "/orders").await, "7");

    let done = steps::done(&redis.url, key()).await.expect("opened");
    for (client, id, cart) in [
        (&mut ada, "42", json!(["tea", "sugar"])),
        (&mut bob, "7", json!(["tea"])),
    ] {
        assert_eq!(client.get(&done, "/orders").await, id);
        assert_eq!(client.get(&done, "/cart").await, cart);
    }
    assert_eq!([ada.cookie.clone(), bob.cookie.clone()], cookies);

    let mut thief = ada.clone();
    ada.get(&done, "/logout").await;
    assert_eq!(thief.send(&done, "/orders").await.status(), 401);
    assert_eq!(thief.get(&done, "/cart").await, json!([]));
    bob.get(&done, "/login/8").await;
    assert_eq!(bob.get(&done, "/orders").await, "8");
    assert_ne!(bob.cookie, cookies[1]);
}

#[test]
fn the_code_of_the_guide_is_the_code_of_this_test() {
    guide::check(
        include_str!("../../../stores/axum-session/GUIDE.md"),
        include_str!("guide_axum_session.rs"),
    );
}
