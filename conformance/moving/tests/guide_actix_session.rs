//! The guide from actix-session and actix-identity: its code, and the way of a visitor through it.

mod guide;

use actix_session::storage::RedisSessionStore;
use actix_web::body::MessageBody;
use actix_web::cookie::{Cookie, Key};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, test};
use moving::Redis;
use serde_json::{Value, json};

/// The application as it was.
mod before {
    use actix_identity::{Identity, IdentityMiddleware};
    use actix_session::storage::RedisSessionStore;
    use actix_session::{Session, SessionMiddleware};
    use actix_web::cookie::Key;
    use actix_web::web::{Json, Path, ServiceConfig, get, scope};
    use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};

    pub fn app(store: RedisSessionStore, key: Key) -> impl FnOnce(&mut ServiceConfig) {
        let sessions = SessionMiddleware::new(store, key);
        let routes = scope("")
            .route("/login/{name}", get().to(login))
            .route("/logout", get().to(logout))
            .route("/orders", get().to(orders))
            .route("/cart", get().to(cart))
            .route("/add/{item}", get().to(add))
            .wrap(IdentityMiddleware::default())
            .wrap(sessions);
        |config| _ = config.service(routes)
    }

    async fn login(request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Error> {
        Identity::login(&request.extensions(), name.into_inner())?;
        Ok(HttpResponse::Ok().finish())
    }

    async fn logout(user: Identity) -> HttpResponse {
        user.logout();
        HttpResponse::Ok().finish()
    }

    async fn orders(user: Identity) -> Result<Json<Option<String>>, Error> {
        Ok(Json(Some(user.id()?)))
    }

    async fn cart(session: Session) -> Result<Json<Vec<String>>, Error> {
        Ok(Json(session.get("cart")?.unwrap_or_default()))
    }

    async fn add(session: Session, item: Path<String>) -> Result<HttpResponse, Error> {
        let mut cart: Vec<String> = session.get("cart")?.unwrap_or_default();
        cart.push(item.into_inner());
        session.insert("cart", cart)?;
        Ok(HttpResponse::Ok().finish())
    }
}

/// The application as it is to be. Each step gives it another store.
mod after {
    use actix_web::HttpResponse;
    use actix_web::web::{Json, Path, ServiceConfig, get, scope};
    use cloakroom_actix::{Error, RequireSubject, Session, SessionMiddleware, Sessions, Store};
    use cloakroom_actix_session::Settings;

    pub fn app(store: impl Store + 'static, key: cookie::Key) -> impl FnOnce(&mut ServiceConfig) {
        // As `new(store, key)`. And actix-identity's user is the subject.
        let settings = Settings::new(key).actix_identity();
        let config = settings.builder().build().expect("these settings fit");
        let sessions = SessionMiddleware::from(Sessions::new(store).with_config(config));
        let orders = get().to(orders).wrap(RequireSubject::unauthorized());
        let routes = scope("")
            .route("/login/{name}", get().to(login))
            .route("/logout", get().to(logout))
            .route("/orders", orders)
            .route("/cart", get().to(cart))
            .route("/add/{item}", get().to(add))
            .wrap(sessions);
        |config| _ = config.service(routes)
    }

    async fn login(session: Session, name: Path<String>) -> Result<HttpResponse, Error> {
        // After the credentials have been checked.
        session.sign_in(&name)?;
        Ok(HttpResponse::Ok().finish())
    }

    async fn logout(session: Session) -> Result<HttpResponse, Error> {
        session.sign_out()?;
        Ok(HttpResponse::Ok().finish())
    }

    async fn orders(session: Session) -> Result<Json<Option<String>>, Error> {
        Ok(Json(session.subject()?))
    }

    async fn cart(session: Session) -> Result<Json<Vec<String>>, Error> {
        Ok(Json(session.get("cart")?.unwrap_or_default()))
    }

    async fn add(session: Session, item: Path<String>) -> Result<HttpResponse, Error> {
        // Two requests that add an item at the same time add both.
        session.update("cart", move |cart: Option<Vec<String>>| {
            let mut cart = cart.unwrap_or_default();
            cart.push(item.to_string());
            cart
        })?;
        Ok(HttpResponse::Ok().finish())
    }
}

mod steps {
    use actix_web::web::ServiceConfig;
    use cloakroom_actix::StoreError;
    use cloakroom_actix_session::connect_redis;
    use cloakroom_adopting::Adopting;
    use cloakroom_redis::RedisStore;

    use crate::after::app;

    pub async fn beside(
        old: &str,
        key: cookie::Key,
    ) -> Result<impl FnOnce(&mut ServiceConfig), StoreError> {
        let store = connect_redis(old).await?;
        Ok(app(store, key))
    }

    pub async fn adopting(
        old: &str,
        new: &str,
        key: cookie::Key,
    ) -> Result<impl FnOnce(&mut ServiceConfig), StoreError> {
        let store = Adopting::new(RedisStore::connect(new).await?, connect_redis(old).await?);
        Ok(app(store, key))
    }

    pub async fn done(
        new: &str,
        key: cookie::Key,
    ) -> Result<impl FnOnce(&mut ServiceConfig), StoreError> {
        Ok(app(RedisStore::connect(new).await?, key))
    }
}

const KEY: [u8; 64] = [9; 64];

#[derive(Default)]
struct Browser {
    cookie: Option<Cookie<'static>>,
}

impl Browser {
    async fn get<S, B>(&mut self, app: &S, path: &str) -> (u16, Value)
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let mut request = test::TestRequest::get().uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.cookie(cookie.clone());
        }
        let response = match app.call(request.to_request()).await {
            Ok(response) => response,
            Err(error) => {
                return (
                    error.as_response_error().status_code().as_u16(),
                    Value::Null,
                );
            }
        };
        for cookie in response.response().cookies() {
            self.cookie = Some(cookie.into_owned()).filter(|cookie| !cookie.value().is_empty());
        }
        let status = response.status().as_u16();
        let body = test::read_body(response).await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

// R85
#[actix_web::test]
async fn a_visitor_stays_signed_in_through_every_step() {
    let (old, new) = (
        Redis::start().expect("Redis"),
        Redis::start_own().expect("Redis"),
    );
    let key = || cookie::Key::from(&KEY);
    let store = RedisSessionStore::new(&*old.url).await.expect("connected");
    let before =
        test::init_service(App::new().configure(before::app(store, Key::from(&KEY)))).await;

    let (mut ada, mut bob) = (Browser::default(), Browser::default());
    for (browser, name) in [(&mut ada, "ada"), (&mut bob, "bob")] {
        assert_eq!(browser.get(&before, "/orders").await.0, 401);
        assert_eq!(browser.get(&before, &format!("/login/{name}")).await.0, 200);
        assert_eq!(browser.get(&before, "/add/tea").await.0, 200);
    }

    let beside = steps::beside(&old.url, key()).await.expect("opened");
    let beside = test::init_service(App::new().configure(beside)).await;
    assert_eq!(Browser::default().get(&beside, "/orders").await.0, 401);
    assert_eq!(ada.get(&beside, "/orders").await.1, "ada");
    assert_eq!(ada.get(&beside, "/add/milk").await.0, 200);
    assert_eq!(ada.get(&before, "/orders").await.1, "ada");
    assert_eq!(ada.get(&before, "/add/milk").await.0, 200);
    assert_eq!(
        ada.get(&beside, "/cart").await.1,
        json!(["tea", "milk", "milk"])
    );
    // Another user at either is another user at both, or nobody.
    let mut other = Browser::default();
    other.get(&before, "/login/carol").await;
    assert_eq!(other.get(&beside, "/login/dave").await.0, 200);
    assert_eq!(other.get(&beside, "/orders").await.1, "dave");
    assert_eq!(other.get(&before, "/orders").await.0, 401);
    assert_eq!(other.get(&before, "/login/erin").await.0, 200);
    assert_eq!(other.get(&beside, "/orders").await.1, "erin");
    assert_eq!(other.get(&beside, "/logout").await.0, 200);

    // From here on the old application is gone.
    let adopting = steps::adopting(&old.url, &new.url, key())
        .await
        .expect("opened");
    let adopting = test::init_service(App::new().configure(adopting)).await;
    assert_eq!(ada.get(&adopting, "/add/sugar").await.0, 200);
    assert_eq!(ada.get(&adopting, "/orders").await.1, "ada");
    assert_eq!(bob.get(&adopting, "/orders").await.1, "bob");
    assert_eq!(bob.get(&adopting, "/add/milk").await.0, 200);

    let done = steps::done(&new.url, key()).await.expect("opened");
    let done = test::init_service(App::new().configure(done)).await;
    assert_eq!(ada.get(&done, "/orders").await.1, "ada");
    assert_eq!(
        ada.get(&done, "/cart").await.1,
        json!(["tea", "milk", "milk", "sugar"])
    );
    assert_eq!(bob.get(&done, "/orders").await.1, "bob");
    assert_eq!(bob.get(&done, "/cart").await.1, json!(["tea", "milk"]));

    let cookie = ada.cookie.clone();
    assert_eq!(ada.get(&done, "/logout").await.0, 200);
    assert_eq!(Browser { cookie }.get(&done, "/orders").await.0, 401);
}

#[::core::prelude::v1::test]
fn the_code_of_the_guide_is_the_code_of_this_test() {
    guide::check(
        include_str!("../../../stores/actix-session/GUIDE.md"),
        include_str!("guide_actix_session.rs"),
    );
}
