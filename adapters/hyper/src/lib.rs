//! Sessions for [hyper](https://docs.rs/hyper)'s own services.
//!
//! ```
//! use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
//! use cloakroom_memory::MemoryStore;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, body::Incoming};
//! use std::convert::Infallible;
//!
//! async fn counter(
//!     request: Request<Incoming>,
//! ) -> Result<Response<String>, Infallible> {
//!     Ok(count(&request).await.unwrap_or_else(Response::from))
//! }
//!
//! async fn count(request: &Request<Incoming>) -> Result<Response<String>, Error> {
//!     let session: Session = session(request).await?;
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(Response::new(format!("visit number {visits}")))
//! }
//!
//! # async fn serve(stream: tokio::net::TcpStream) -> Result<(), hyper::Error> {
//! # use hyper_util::rt::TokioIo;
//! let service = SessionService::new(
//!     service_fn(counter),
//!     SessionLayer::new(MemoryStore::new()),
//! );
//! hyper::server::conn::http1::Builder::new()
//!     .serve_connection(TokioIo::new(stream), service)
//!     .await
//! # }
//! ```
//!
//! - [`SessionService`] goes around a `hyper::service::Service`, with a [`SessionLayer`]: a store
//!   and an optional [`Config`]. It works for HTTP/1 and HTTP/2. Make one and clone it for each
//!   connection.
//! - [`session`] loads the session of a request. A service that does not call it costs no store
//!   call and no header.
//! - [`Error`] is the error of every method. `Response::from` makes a response of it.
//!
//! The service commits all changes before it sends the head of the response. A session that is used
//! later, by a streaming body or an upgraded connection, fails with `Closed`. A response with a 5xx
//! status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)). A
//! service that fails, panics or is cancelled changes nothing.
//!
//! # Order
//!
//! Put the session's service outside of everything that uses the session. Put it inside of
//! everything that makes a response of a failed request (a panic catcher, a timeout) and of
//! everything that repeats requests.
//!
//! # Pages of your own for failures
//!
//! Loading: look at the result of [`session`]. Saving: [`SessionLayer::on_commit_error`].
//!
//! ```
//! use cloakroom_hyper::{Error, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//! use hyper::Response;
//!
//! let layer =
//!     SessionLayer::new(MemoryStore::new()).on_commit_error(|error: &Error| {
//!         let mut response =
//!             Response::new("That was not saved. Please try again.".to_owned());
//!         *response.status_mut() = error.status();
//!         response
//!     });
//! ```
//!
//! # Sessions bound to a device
//!
//! With the feature `device-binding`, `DeviceBindingService` and `RequireDevice` refuse copied
//! cookie jars (Device Bound Session Credentials).
//!
//! # Several independent sessions
//!
//! Each has a cookie name and a type of its own, and a [`SessionService`] around the other's.
//!
//! ```
//! use cloakroom_hyper::{
//!     Config, Error, Session, SessionLayer, SessionService, session,
//! };
//! use cloakroom_memory::MemoryStore;
//! use hyper::{Request, Response, body::Incoming, service::service_fn};
//! use std::convert::Infallible;
//!
//! struct Admin;
//!
//! async fn both(request: &Request<Incoming>) -> Result<String, Error> {
//!     let shop: Session = session(request).await?;
//!     let admin: Session<Admin> = session(request).await?;
//!     Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
//! }
//! # let handler = service_fn(async |_: Request<Incoming>| {
//! #     Ok::<_, Infallible>(Response::new(String::new()))
//! # });
//!
//! let store = MemoryStore::new();
//! let config = Config::builder().cookie_name("__Host-admin").build()?;
//! let admin = SessionLayer::new(store.clone())
//!     .with_config(config)
//!     .named::<Admin>();
//! let shop = SessionService::new(handler, SessionLayer::new(store));
//! let service = SessionService::new(shop, admin);
//! # Ok::<(), cloakroom_hyper::ConfigError>(())
//! ```

#[cfg(feature = "device-binding")]
mod device;
mod service;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, Session, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom_tower::{DeviceBinding, DeviceBindingLayer, DeviceStatus, Policy, RequireDevice};
pub use cloakroom_tower::{
    OnCommitError, PlainText, RequireSubject, ResponseFuture, SessionLayer, StatusOnly,
    grpc_failed, session,
};
#[cfg(feature = "device-binding")]
pub use device::DeviceBindingService;
pub use service::SessionService;
