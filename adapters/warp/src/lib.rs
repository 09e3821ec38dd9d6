//! Sessions for [warp](https://docs.rs/warp).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{
//!     Error, Layer as _, Session, SessionLayer, recover, session,
//! };
//! use tokio::net::TcpListener;
//! use warp::Filter as _;
//!
//! async fn count(session: Session) -> Result<String, Error> {
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let routes = warp::path::end()
//!     .and(session())
//!     .then(count)
//!     .recover(recover);
//! let service =
//!     SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
//!
//! let listener = TcpListener::bind("127.0.0.1:3000").await?;
//! cloakroom_warp::serve(listener, service, std::future::pending()).await
//! # }
//! ```
//!
//! - [`session`] is the filter. It loads the session. A route without it costs no store call. Put
//!   it last: a request that an earlier filter rejects costs none either.
//! - [`SessionLayer`] goes around `warp::service` of **all** filters, with a store and an optional
//!   [`Config`].
//! - [`serve`] serves it, instead of `warp::serve`.
//! - [`Error`] is the error of every method: a reply, and with `?` a rejection. [`recover`] makes
//!   the reply of the rejection.
//!
//! # Why around the service
//!
//! A response must not leave before its session is saved, also if a `recover` handler or warp
//! itself made it out of a rejection. Only `warp::service` sees all responses, because warp keeps
//! the trait behind `with` to itself. So the layer is tower's, and [`serve`] (or any server of
//! tower services) takes the place of `warp::serve`. One thing is lost: `warp::addr::remote()` is
//! `None`, because only `warp::serve` can set it.
//!
//! # What is committed
//!
//! The layer commits the changes of every response, whichever filter made them. A response with a
//! 5xx status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)).
//! So does a custom rejection that no filter handles. A filter that panics or is cancelled changes
//! nothing. A session that is used after the head of its response, by a streaming body or a
//! WebSocket, fails with `Closed`.
//!
//! A rejection means two things in warp: another route has to answer, or this is the answer. The
//! session cannot tell them apart. So the changes of a route that rejects are saved with the
//! response of a later route or `recover` handler. [`attempt`] goes around a route whose changes
//! must not outlive its rejection.
//!
//! # Pages of your own for failures
//!
//! Loading: a `recover` handler of your own that calls [`error_of`]. Saving:
//! [`SessionLayer::on_commit_error`].
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{Error, Layer as _, SessionLayer, error_of, session};
//! use warp::{Filter as _, Rejection, Reply};
//!
//! async fn sorry(rejection: Rejection) -> Result<impl Reply, Rejection> {
//!     match error_of(&rejection) {
//!         Some(error) => Ok(warp::reply::with_status(
//!             "Back in a minute.",
//!             error.status(),
//!         )),
//!         None => Err(rejection),
//!     }
//! }
//!
//! let routes = session().map(|_| "Welcome.").recover(sorry);
//! let layer =
//!     SessionLayer::new(MemoryStore::new()).on_commit_error(|error: &Error| {
//!         let text = "That was not saved. Please try again.";
//!         warp::reply::with_status(text, error.status()).into_response()
//!     });
//! let service = layer.layer(warp::service(routes));
//! ```
//!
//! # Sessions bound to a device
//!
//! With the feature `device-binding`, `DeviceBindingLayer` and `require_device` refuse copied
//! cookie jars (Device Bound Session Credentials).
//!
//! # Several independent sessions
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_warp::{
//!     Config, Layer as _, Session, SessionLayer, named, session,
//! };
//! use warp::Filter as _;
//!
//! struct Admin;
//!
//! let routes = session().and(named::<Admin>()).map(
//!     |shop: Session, admin: Session<Admin>| {
//!         format!("{:?} {:?}", shop.subject(), admin.subject())
//!     },
//! );
//!
//! let store = MemoryStore::new();
//! let config = Config::builder().cookie_name("__Host-admin").build()?;
//! let admin = SessionLayer::new(store.clone())
//!     .with_config(config)
//!     .named::<Admin>();
//! let service =
//!     admin.layer(SessionLayer::new(store).layer(warp::service(routes)));
//! # Ok::<(), cloakroom_warp::ConfigError>(())
//! ```
//!
//! # Testing filters
//!
//! `warp::test` has no layers, so put a session into the request. [`testing`] shows more.
//!
//! ```
//! use cloakroom_warp::{Error, Session, session};
//! use warp::Filter as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let routes =
//!     session().map(|session: Session| format!("{:?}", session.subject()));
//!
//! let visitor: Session = Session::for_tests();
//! visitor.sign_in("ada")?;
//! let response = warp::test::request()
//!     .extension(visitor)
//!     .reply(&routes)
//!     .await;
//! assert_eq!(response.body(), r#"Ok(Some("ada"))"#);
//! # Ok(())
//! # }
//! ```

mod attempt;
#[cfg(feature = "device-binding")]
mod device;
mod failure;
mod guard;
mod serve;
mod session;

pub use attempt::{attempt, attempt_named};
pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, Session, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom_tower::{DeviceBinding, DeviceBindingLayer, DeviceStatus, Policy, RequireDevice};
pub use cloakroom_tower::{
    OnCommitError, PlainText, RequireSubject, SessionLayer, StatusOnly, grpc_failed,
};
#[cfg(feature = "device-binding")]
pub use device::require_device;
pub use failure::{error_of, recover};
pub use guard::require_subject;
pub use serve::serve;
pub use session::{named, session};
pub use tower_layer::Layer;
