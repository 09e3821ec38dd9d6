//! The application with each version of actix-session and actix-identity, behind a port.

use std::sync::Arc;

use actix_web::web::{Data, Json, Path, get};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpServer};
use serde_json::Value;
use tokio::sync::Notify;

use crate::{Cookie, KEY, Served};

/// A request that stops between the load of its session and its change.
#[derive(Clone, Debug, Default)]
pub struct Halfway(Arc<[Notify; 2]>);

impl Halfway {
    /// Waits until the request has loaded its session.
    pub async fn reached(&self) {
        self.0[0].notified().await;
    }

    /// Lets the request go on.
    pub fn goes_on(&self) {
        self.0[1].notify_one();
    }

    async fn stop(&self) {
        self.0[0].notify_one();
        self.0[1].notified().await;
    }
}

/// The application with one version of each.
macro_rules! theirs {
    ($name:ident, $session:ident, $identity:ident) => {
        pub async fn $name(url: &str, cookie: Cookie, halfway: &Halfway) -> Served {
            use $identity::{Identity, IdentityMiddleware};
            use $session::config::CookieContentSecurity;
            use $session::storage::RedisSessionStore;
            use $session::{Session, SessionMiddleware};

            async fn insert(session: Session, path: Path<(String, String)>) -> &'static str {
                let (name, value) = path.into_inner();
                let value: Value = serde_json::from_str(&value).expect("JSON");
                session.insert(name, value).expect("inserted");
                ""
            }

            async fn insert_halfway(
                session: Session,
                halfway: Data<Halfway>,
                path: Path<(String, String)>,
            ) -> &'static str {
                halfway.stop().await;
                insert(session, path).await
            }

            let content = match cookie {
                Cookie::Plain => panic!("actix-session has no plain cookie"),
                Cookie::Signed => CookieContentSecurity::Signed,
                Cookie::Private => CookieContentSecurity::Private,
            };
            let halfway = Data::new(halfway.clone());
            let url = url.to_owned();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("bound");
            let app = move |store: RedisSessionStore| {
                let key = actix_web::cookie::Key::from(&KEY);
                let sessions = SessionMiddleware::builder(store, key)
                    .cookie_content_security(content)
                    .build();
                App::new()
                    .app_data(halfway.clone())
                    .route("/insert/{name}/{value}", get().to(insert))
                    .route("/halfway/{name}/{value}", get().to(insert_halfway))
                    .route(
                        "/get/{name}",
                        get().to(async |session: Session, name: Path<String>| {
                            Json(session.get::<Value>(&name).expect("read"))
                        }),
                    )
                    .route(
                        "/rotate",
                        get().to(async |session: Session| {
                            session.renew();
                            ""
                        }),
                    )
                    .route(
                        "/end",
                        get().to(async |session: Session| {
                            session.purge();
                            ""
                        }),
                    )
                    .route(
                        "/login/{user}",
                        get().to(async |request: HttpRequest, user: Path<String>| {
                            let login = Identity::login(&request.extensions(), user.into_inner());
                            login.expect("in");
                            ""
                        }),
                    )
                    .route(
                        "/user",
                        get().to(async |user: Option<Identity>| {
                            Json(user.map(|user| user.id().expect("a name")))
                        }),
                    )
                    .wrap(IdentityMiddleware::default())
                    .wrap(sessions)
            };
            // Its services are no `Send`.
            std::thread::spawn(move || {
                actix_web::rt::System::new().block_on(async move {
                    let store = RedisSessionStore::new(url).await.expect("Redis");
                    let server = HttpServer::new(move || app(store.clone()));
                    let server = server.workers(1).disable_signals().listen(listener);
                    server.expect("a socket").run().await
                })
            });
            Served(address)
        }
    };
}

theirs!(their_actix, actix_session, actix_identity);
theirs!(their_actix_0_10, actix_session_0_10, actix_identity_0_8);
