//! Sessions for [actix-web](https://docs.rs/actix-web).
//!
//! ```
//! use actix_web::{App, web};
//! use cloakroom_actix::{Error, Session, SessionMiddleware};
//! use cloakroom_memory::MemoryStore;
//!
//! async fn counter(session: Session) -> Result<String, Error> {
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let sessions = SessionMiddleware::new(MemoryStore::new());
//! let factory = move || {
//!     App::new()
//!         .wrap(sessions.clone())
//!         .route("/", web::get().to(counter))
//! };
//! // HttpServer::new(factory).bind(("127.0.0.1", 8080))?.run().await
//! ```
//!
//! - [`SessionMiddleware`] goes around an application, a scope or a resource, with a store and an
//!   optional [`Config`]. Make it outside of the factory and clone it inside.
//! - [`Session`] is the extractor. It loads the session. A handler without it costs no store call.
//!   [`Typed`] is the session as one struct of yours.
//! - [`Error`] is the error of every method. It is a `ResponseError`, so handlers return it with
//!   `?`.
//!
//! The middleware commits all changes before it sends the head of the response. A session that is
//! used later, by a streaming body or an upgraded connection, fails with `Closed`. A response with
//! a 5xx status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)).
//! So does a handler that panics or is cancelled. An inner middleware that returns an `Err` instead
//! of a response changes nothing either.
//!
//! # A client that goes away
//!
//! actix-web decides whether the handler ends with its client. A handler that is cancelled changes
//! nothing. One that runs to its end is saved as a whole, and the client's token stays valid.
//!
//! | the client | by default | with `h1_allow_half_closed(false)` |
//! |---|---|---|
//! | closes an HTTP/1 connection | runs to its end | is cancelled |
//! | loses an HTTP/1 connection (TCP reset) | is cancelled | is cancelled |
//! | resets an HTTP/2 stream, closes or loses the connection | runs to its end | runs to its end |
//!
//! `HttpServer::h1_allow_half_closed(false)` suits browsers and proxies, which do not close half a
//! connection while they wait. On HTTP/2 no setting cancels handlers.
//!
//! # Order of middleware
//!
//! `App::wrap` wraps what was added before it, so the middleware added last sees the request first.
//! Add the session middleware **after** all middleware that uses the session, and **before** what
//! turns a failed request into a response.
//!
//! # Sessions bound to a device
//!
//! With the feature `device-binding`, `DeviceBindingMiddleware` and `RequireDevice` refuse copied
//! cookie jars (Device Bound Session Credentials).
//!
//! # Coming from actix-session and actix-identity
#![doc = include_str!("../MOVING.md")]
//!
//! # Testing
//!
//! [`testing`] shows tests of a handler alone, with [`Session::for_tests`], and tests with a store
//! and a clock. With `actix_web::test`:
//!
//! ```
//! use actix_web::{App, test, web};
//! use cloakroom_actix::{Error, Session, SessionMiddleware};
//! use cloakroom_memory::MemoryStore;
//!
//! async fn sign_in(session: Session) -> Result<String, Error> {
//!     session.sign_in("ada")?;
//!     Ok("Welcome".to_owned())
//! }
//!
//! # #[actix_web::main]
//! # async fn main() {
//! let app = App::new()
//!     .wrap(SessionMiddleware::new(MemoryStore::new()))
//!     .route("/sign-in", web::post().to(sign_in));
//! let app = test::init_service(app).await;
//! let request = test::TestRequest::post().uri("/sign-in").to_request();
//! let response = test::call_service(&app, request).await;
//! assert!(response.headers().contains_key("set-cookie"));
//! # }
//! ```

#[cfg(feature = "device-binding")]
mod device;
mod extract;
mod guard;
mod headers;
mod middleware;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom::{DeviceBinding, DeviceStatus, Policy};
#[cfg(feature = "device-binding")]
pub use device::{
    DeviceBindingMiddleware, DeviceBindingService, RequireDevice, RequireDeviceService,
};
pub use extract::{Session, Typed};
pub use guard::{RequireSubject, RequireSubjectService};
pub use middleware::{SessionMiddleware, SessionService};
