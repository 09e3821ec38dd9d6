//! Sessions for [warp](https://docs.rs/warp).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{Error, Layer as _, Session, SessionLayer, recover, session};
//! use tokio::net::TcpListener;
//! use warp::Filter as _;
//!
//! async fn count(session: Session) -> Result<String, Error> {
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let routes = warp::path::end().and(session()).then(count).recover(recover);
//! let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
//!
//! let listener = TcpListener::bind("127.0.0.1:3000").await?;
//! cloakroom_warp::serve(listener, service, std::future::pending()).await
//! # }
//! ```
//!
//! - [`session`] is the filter. It loads the session; a route without it costs no store call. Put it last: what rejects a
//!   request before it costs none either.
//! - [`SessionLayer`] goes around `warp::service` of **all** filters, with a store and, if the defaults do not fit, a [`Config`].
//! - [`serve`] serves it, instead of `warp::serve`.
//! - [`Error`] is a rejection, and a reply for handlers to return; [`recover`] makes the reply of the rejection.
//!
//! # Why around the service
//!
//! A response must not leave before its session has been saved, and must carry its cookie, also if it was made by a `recover`
//! handler, or by warp itself, out of a rejection. In warp only `warp::service` sees all of them: nobody else can write a
//! wrapper for `with` that shares something between the filters inside and the reply outside, as warp keeps the trait for that
//! to itself. So the layer is that of tower, and `warp::serve`, which takes nothing but filters, gives way to [`serve`] (or any server of tower
//! services). One thing is lost by that: `warp::addr::remote()`, whose value only `warp::serve` can set, is `None`.
//!
//! # What is committed
//!
//! The changes of every response, whichever filter made them, except those with a 5xx status (unless
//! [configured](cloakroom::Builder::save_on_server_error)): an unhandled custom rejection is one. A filter that panics or is cancelled changes
//! nothing. A session that is used after its response head, from a streaming body or a WebSocket, says that it is closed.
//!
//! A rejection means two things in warp: that the request is another route's, and how to answer with an error. A session cannot
//! tell them apart, so what a route changed before it rejected is saved too, with the response that a `recover` handler or a
//! later route makes. [`attempt`] goes around a route of which nothing is to stay when it rejects.
//!
//! # Pages of your own for failures
//!
//! Loading: a `recover` handler of your own that looks for [`Error`]. Saving: [`SessionLayer::on_error`].
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{CommitError, Error, Layer as _, SessionLayer, session};
//! use warp::http::StatusCode;
//! use warp::{Filter as _, Rejection, Reply};
//!
//! async fn sorry(rejection: Rejection) -> Result<impl Reply, Rejection> {
//!     match rejection.find::<Error>() {
//!         Some(error) => Ok(warp::reply::with_status("Back in a minute.", error.status())),
//!         None => Err(rejection),
//!     }
//! }
//!
//! let routes = session().map(|_| "Welcome.").recover(sorry);
//! let layer = SessionLayer::new(MemoryStore::new()).on_error(|_: &CommitError| {
//!     warp::reply::with_status("That was not saved. Please try again.", StatusCode::SERVICE_UNAVAILABLE).into_response()
//! });
//! let service = layer.layer(warp::service(routes));
//! ```
//!
//! # Several independent sessions
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{Config, Layer as _, Session, SessionLayer, named, session};
//! use warp::Filter as _;
//!
//! struct Admin;
//!
//! let routes = session()
//!     .and(named::<Admin>())
//!     .map(|shop: Session, admin: Session<Admin>| format!("{:?} {:?}", shop.subject(), admin.subject()));
//!
//! let store = MemoryStore::new();
//! let config = Config::builder().cookie_name("__Host-admin").build()?;
//! let admin = SessionLayer::new(store.clone()).with_config(config).named::<Admin>();
//! let service = admin.layer(SessionLayer::new(store).layer(warp::service(routes)));
//! # Ok::<(), cloakroom_warp::ConfigError>(())
//! ```
//!
//! # Testing filters
//!
//! `warp::test` knows no layers: put a session into the request.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{Session, Sessions, session};
//! use warp::Filter as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_warp::CommitError> {
//! let routes = session().map(|session: Session| format!("{:?}", session.get::<String>("theme")));
//!
//! let visitor: Session = Sessions::new(MemoryStore::new()).session([]);
//! visitor.load().await?;
//! visitor.insert("theme", "dark")?;
//! let response = warp::test::request().extension(visitor).reply(&routes).await;
//! assert_eq!(response.body(), r#"Ok(Some("dark"))"#);
//! # Ok(())
//! # }
//! ```

mod attempt;
mod error;
mod serve;
mod session;

pub use attempt::{attempt, attempt_named};
pub use cloakroom::{
    Builder, Config, ConfigError, Error as CommitError, Event, Excess, Expiry, Fate, KeyFormat,
    Lifetimes, Limits, Listed, SameSite, Session, SessionError, Sessions, SigningKey, TokenFormat,
    UnixTime,
};
pub use cloakroom_tower::{OnError, SessionLayer, StatusOnly};
pub use error::{Error, recover};
pub use serve::serve;
pub use session::{named, session};
pub use tower_layer::Layer;
