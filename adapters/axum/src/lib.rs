//! Sessions for [axum](https://docs.rs/axum).
//!
//! ```
//! use axum::{Router, routing::get};
//! use cloakroom_axum::{Error, Session, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//!
//! async fn counter(session: Session) -> Result<String, Error> {
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let app: Router = Router::new()
//!     .route("/", get(counter))
//!     .layer(SessionLayer::new(MemoryStore::new()));
//! ```
//!
//! - [`SessionLayer`] goes around the routes (`Router::layer`), with a store and an optional
//!   [`Config`].
//! - [`Session`] is the extractor. It loads the session. A handler without it costs no store call.
//!   [`Typed`] is the session as one struct of yours.
//! - [`Error`] is the error of every method. It is a response, so handlers return it with `?`.
//!
//! The layer commits all changes before it sends the head of the response. A session that is used
//! later, by a streaming body or an upgraded connection, fails with `Closed`. A response with a 5xx
//! status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)).
//!
//! # A user's sessions: list, end, limit
//!
//! [`Sessions`] is what the layer and the application share. It lists a user's sessions, ends them
//! one by one or all at once, and limits their number. The store must be a
//! [`Directory`](cloakroom::Directory): memory, file, Redis, SQL and MongoDB are.
//!
//! ```
//! use axum::extract::{Path, State};
//! use axum::routing::{get, post};
//! use axum::{Form, Router};
//! use cloakroom_axum::{Error, LimitPolicy, Session, SessionLayer, Sessions};
//! use cloakroom_memory::MemoryStore;
//!
//! type App = Sessions<MemoryStore>;
//!
//! async fn devices(
//!     State(app): State<App>,
//!     session: Session,
//! ) -> Result<String, Error> {
//!     let Some(user) = session.subject()? else {
//!         return Ok("Please sign in.".into());
//!     };
//!     let this = session.id()?;
//!     let mut page = String::new();
//!     for other in app.list(&user).await? {
//!         let mark = if this.as_deref() == Some(other.id()) {
//!             "this device"
//!         } else {
//!             ""
//!         };
//!         page +=
//!             &format!("{} since {:?} {mark}\n", other.id(), other.created_at());
//!     }
//!     Ok(page)
//! }
//!
//! async fn end(
//!     State(app): State<App>,
//!     session: Session,
//!     Path(id): Path<String>,
//! ) -> Result<(), Error> {
//!     if let Some(user) = session.subject()? {
//!         app.revoke(&user, &id).await?;
//!     }
//!     Ok(())
//! }
//!
//! async fn end_others(
//!     State(app): State<App>,
//!     session: Session,
//! ) -> Result<String, Error> {
//!     let Some(user) = session.subject()? else {
//!         return Ok("Please sign in.".into());
//!     };
//!     let ended = app.revoke_others(&user, session.id()?.as_deref()).await?;
//!     Ok(format!("{ended} other sessions ended"))
//! }
//!
//! // At most five sessions for each user. The sixth sign-in ends the oldest.
//! let sessions =
//!     Sessions::new(MemoryStore::new()).with_limit(5, LimitPolicy::EndOldest);
//! let app: Router = Router::new()
//!     .route("/devices", get(devices))
//!     .route("/devices/{id}/end", post(end))
//!     .route("/devices/end-others", post(end_others))
//!     .layer(SessionLayer::from(sessions.clone()))
//!     .with_state(sessions);
//! ```
//!
//! # Order of middleware
//!
//! `Router::layer` wraps the layers added before it, so the layer added last sees the request
//! first. Add the session layer **after** (outside of) all middleware that uses the session. Add it
//! **before** (inside of) layers that turn a failed request into a response, such as a panic
//! catcher or a timeout. It works on nested routers and on a part of the routes.
//!
//! # Development on plain HTTP
//!
//! The default cookie is `Secure`, and browsers accept it on `https://` and on `http://localhost`
//! (Safari: on `https://` only). On `http://` under any other name they refuse it, and every visit
//! is the first one. The library reports that once, on standard error or with `tracing`. During
//! development build the configuration with
//! [`insecure_for_development`](cloakroom::ConfigBuilder::insecure_for_development).
//!
//! # Pages of your own for failures
//!
//! Loading: take `Result<Session, Error>` in the handler. Saving:
//! [`SessionLayer::on_commit_error`].
//!
//! ```
//! use axum::response::{Html, IntoResponse, Response};
//! use axum::{Router, routing::get};
//! use cloakroom_axum::{Error, Session, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//!
//! async fn page(session: Result<Session, Error>) -> Response {
//!     match session {
//!         Ok(_) => Html("<p>Welcome.").into_response(),
//!         Err(error) => {
//!             (error.status(), Html("<p>Back in a minute.")).into_response()
//!         }
//!     }
//! }
//!
//! let layer =
//!     SessionLayer::new(MemoryStore::new()).on_commit_error(|error: &Error| {
//!         (
//!             error.status(),
//!             Html("<p>That was not saved. Please try again."),
//!         )
//!             .into_response()
//!     });
//! let app: Router = Router::new().route("/", get(page)).layer(layer);
//! ```
//!
//! # Several independent sessions
//!
//! ```
//! use axum::{Router, routing::get};
//! use cloakroom_axum::{Config, Error, Session, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//!
//! struct Admin;
//!
//! async fn both(shop: Session, admin: Session<Admin>) -> Result<String, Error> {
//!     Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
//! }
//!
//! let store = MemoryStore::new();
//! let config = Config::builder().cookie_name("__Host-admin").build()?;
//! let app: Router = Router::new()
//!     .route("/", get(both))
//!     .layer(SessionLayer::new(store.clone()))
//!     .layer(SessionLayer::new(store).with_config(config).named::<Admin>());
//! # Ok::<(), cloakroom_axum::ConfigError>(())
//! ```
//!
//! # Coming from tower-sessions and axum-login
#![doc = include_str!("../MOVING.md")]
//!
//! # Sessions bound to a device
//!
//! With the feature `device-binding` a copied cookie jar stops working after some minutes, in
//! browsers that have Device Bound Session Credentials. One line answers the protocol's two
//! endpoints and offers each sign-in to be bound. A guard protects routes:
#![cfg_attr(feature = "device-binding", doc = include_str!("../DEVICE.md"))]
//!
//! # Testing
//!
//! [`testing`] shows unit tests of handlers, tests of a whole router, and tests with a clock.

mod session;
mod typed;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom_tower::{
    DeviceBinding, DeviceBindingLayer, DeviceBindingService, DeviceStatus, Policy, RequireDevice,
    RequireDeviceService,
};
pub use cloakroom_tower::{
    OnCommitError, PlainText, RequireSubject, SessionLayer, StatusOnly, grpc_failed,
};
pub use session::Session;
pub use typed::Typed;

/// The examples of the repository's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
