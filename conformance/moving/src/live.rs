//! An application with a sign-in and a cart: with tower-sessions and axum-login, and with Cloakroom
//! while it adopts their sessions.

use std::time::Duration;

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use cloakroom_adopting::Adopting;
use cloakroom_axum::{Error, Session, SessionLayer, Sessions, StoreError};
use cloakroom_redis::RedisStore;
use cloakroom_store::Store;
use cloakroom_tower_sessions::{Settings, TowerSessions};
use serde_json::{Value, json};
use tower_sessions::{SessionManagerLayer, SessionStore};

use crate::KEY;

/// The session, as both applications show it.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub user: Option<String>,
    pub cart: Vec<String>,
}

impl Seen {
    /// Reads the body of a response.
    pub fn read(body: &Value) -> Self {
        let items = body["cart"].as_array().into_iter().flatten();
        let items = items.map(|item| item.as_str().expect("text").to_owned());
        Self {
            user: body["user"].as_str().map(str::to_owned),
            cart: items.collect(),
        }
    }

    fn show(self) -> Json<Value> {
        Json(json!({ "user": self.user, "cart": self.cart }))
    }
}

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
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
    type Credentials = String;
    type Error = std::convert::Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Self::Error> {
        Ok(Some(User(name)))
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Self::Error> {
        Ok(Some(User(name.clone())))
    }
}

/// The application with tower-sessions and axum-login.
pub fn their_shop(store: impl SessionStore + Clone) -> Router {
    use tower_sessions::Session;

    async fn cart(session: &Session) -> Vec<String> {
        session.get("cart").await.expect("read").unwrap_or_default()
    }

    let key = tower_sessions::cookie::Key::from(&KEY);
    let sessions = SessionManagerLayer::new(store).with_signed(key);
    let layer = AuthManagerLayerBuilder::new(Backend, sessions).build();
    Router::new()
        .route(
            "/login/{name}",
            get(
                async |mut auth: AuthSession<Backend>, Path(name): Path<String>| {
                    auth.login(&User(name)).await.expect("in");
                },
            ),
        )
        .route(
            "/sign-out",
            get(async |mut auth: AuthSession<Backend>| {
                auth.logout().await.expect("out");
            }),
        )
        .route(
            "/add/{item}",
            get(async |session: Session, Path(item): Path<String>| {
                let mut cart = cart(&session).await;
                cart.push(item);
                session.insert("cart", cart).await.expect("inserted");
            }),
        )
        .route(
            "/see",
            get(async |auth: AuthSession<Backend>, session: Session| {
                let user = auth.user.map(|user| user.0);
                let cart = cart(&session).await;
                Seen { user, cart }.show()
            }),
        )
        .layer(layer)
}

/// The application with Cloakroom.
pub fn our_shop(store: impl Store + 'static) -> Router {
    async fn sign_out(session: Session) -> Result<(), Error> {
        session.sign_out()
    }

    async fn rotate(session: Session) -> Result<(), Error> {
        session.rotate()
    }

    async fn add(session: Session, Path(item): Path<String>) -> Result<(), Error> {
        session.update("cart", move |cart: Option<Vec<String>>| {
            let mut cart = cart.unwrap_or_default();
            cart.push(item.clone());
            cart
        })?;
        Ok(())
    }

    async fn see(session: Session) -> Result<Json<Value>, Error> {
        let (user, cart) = (session.subject()?, session.get("cart")?);
        let cart = cart.unwrap_or_default();
        Ok(Seen { user, cart }.show())
    }

    // A rotation whose response is lost leaves the client with the old token: it is to last longer
    // than the test.
    let settings = Settings::new().signed(cookie::Key::from(&KEY)).axum_login();
    let config = settings
        .builder()
        .rotation_grace(Duration::from_secs(3_000));
    let sessions = Sessions::new(store).with_config(config.build().expect("these settings fit"));
    Router::new()
        .route("/sign-out", get(sign_out))
        .route("/rotate", get(rotate))
        .route("/add/{item}", get(add))
        .route("/see", get(see))
        .layer(SessionLayer::from(sessions))
}

/// The store of the move, from tower-sessions' Redis to one of our own.
pub async fn adopting(
    new: &str,
    old: &str,
) -> Result<Adopting<RedisStore, impl Store + Clone + 'static>, StoreError> {
    let old = TowerSessions::connect_redis(old).await?;
    Ok(Adopting::new(RedisStore::connect(new).await?, old))
}
