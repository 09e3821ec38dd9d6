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
//! let app: Router = Router::new().route("/", get(counter)).layer(SessionLayer::new(MemoryStore::new()));
//! ```
//!
//! - [`SessionLayer`] goes around the routes (`Router::layer`), with a store and, if the defaults do not fit, a [`Config`].
//! - [`Session`] is the extractor. It loads the session; a handler that does not take it costs no store call. [`Typed`] is the
//!   session as one struct of yours.
//! - [`Error`] is what handlers can return: every failure as a response.
//!
//! Requests that change something are committed before the response head leaves, so a session that is used from a
//! streaming body or an upgraded connection answers that it is closed. Changes of a handler that answers with a 5xx status
//! are dropped.
//!
//! # Order of middleware
//!
//! `Router::layer` wraps what was added before it, so the last layer added sees the request first. Add the session layer
//! **after** (outside of) all middleware that uses the session, and **before** (inside of) what turns a failed request into a response,
//! such as a panic catcher or a timeout. It works on nested routers, and on a part of the routes.
//!
//! # Pages of your own for failures
//!
//! Loading: take `Result<Session, Error>` in the handler. Saving: [`SessionLayer::on_error`].
//!
//! ```
//! use axum::{Router, response::{Html, IntoResponse}, routing::get};
//! use cloakroom_axum::{Error, Session, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//! use http::StatusCode;
//!
//! async fn page(session: Result<Session, Error>) -> Result<Html<&'static str>, (StatusCode, Html<&'static str>)> {
//!     let session = session.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, Html("<p>Back in a minute.")))?;
//!     Ok(Html("<p>Welcome."))
//! }
//!
//! let layer = SessionLayer::new(MemoryStore::new()).on_error(|error: &cloakroom_axum::CommitError| {
//!     (StatusCode::SERVICE_UNAVAILABLE, Html("<p>That was not saved. Please try again.")).into_response()
//! });
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

mod error;
mod session;
mod typed;

pub use cloakroom::{
    Builder, Config, ConfigError, Error as CommitError, Event, Excess, Expiry, Fate, KeyFormat,
    Lifetimes, Limits, Listed, SameSite, SessionError, Sessions, SigningKey, TokenFormat, UnixTime,
};
pub use cloakroom_tower::{OnError, SessionLayer, StatusOnly};
pub use error::Error;
pub use session::Session;
pub use typed::Typed;

/// The examples of the repository's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
