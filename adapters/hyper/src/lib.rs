//! Sessions for [hyper](https://docs.rs/hyper)'s own services.
//!
//! ```
//! use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
//! use cloakroom_memory::MemoryStore;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, body::Incoming};
//! use std::convert::Infallible;
//!
//! async fn counter(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(count(&request).await.unwrap_or_else(Error::into_response))
//! }
//!
//! async fn count(request: &Request<Incoming>) -> Result<Response<String>, Error> {
//!     let session: Session = session(request).await?;
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(Response::new(format!("visit number {visits}")))
//! }
//!
//! # async fn serve(stream: tokio::net::TcpStream) -> Result<(), hyper::Error> {
//! # use hyper_util::rt::TokioIo;
//! let service = SessionService::new(service_fn(counter), SessionLayer::new(MemoryStore::new()));
//! hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
//! # }
//! ```
//!
//! - [`SessionService`] goes around a `hyper::service::Service`, with a [`SessionLayer`]: a store and, if the defaults do not fit, a [`Config`].
//!   It is the same for HTTP/1 and HTTP/2. Make one, and clone it for each connection.
//! - [`session`] loads the session of a request; a service that does not call it costs no store call, no header and no allocation.
//! - [`Error`] is why there is none; it makes a response.
//!
//! Changes are committed before the response head leaves, so a session that is used from a streaming body or an upgraded
//! connection answers that it is closed. Changes of a service that answers with a 5xx status are dropped, unless
//! [configured](cloakroom::Builder::save_on_server_error). A service that fails, panics or is cancelled changes nothing.
//!
//! # Order
//!
//! Inside of what changes the status of a response after the fact (a panic catcher, a timeout), so that a failed request saves
//! nothing; outside of all that uses the session.
//!
//! # Pages of your own for failures
//!
//! Loading: look at what [`session`] returns. Saving: [`SessionLayer::on_error`].
//!
//! ```
//! use cloakroom_hyper::{CommitError, SessionLayer};
//! use cloakroom_memory::MemoryStore;
//! use hyper::Response;
//!
//! let layer = SessionLayer::new(MemoryStore::new()).on_error(|error: &CommitError| {
//!     let mut response = Response::new("That was not saved. Please try again.".to_owned());
//!     *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
//!     response
//! });
//! ```
//!
//! # Several independent sessions
//!
//! Each has a cookie name and a type of its own, and a [`SessionService`] around the other's.
//!
//! ```
//! use cloakroom_hyper::{Config, Error, Session, SessionLayer, SessionService, session};
//! use cloakroom_memory::MemoryStore;
//! use hyper::{Request, body::Incoming, service::service_fn};
//!
//! struct Admin;
//!
//! async fn both(request: &Request<Incoming>) -> Result<String, Error> {
//!     let shop: Session = session(request).await?;
//!     let admin: Session<Admin> = session(request).await?;
//!     Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
//! }
//! # let handler = service_fn(async |_: Request<Incoming>| Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new())));
//!
//! let store = MemoryStore::new();
//! let config = Config::builder().cookie_name("__Host-admin").build()?;
//! let admin = SessionLayer::new(store.clone()).with_config(config).named::<Admin>();
//! let service = SessionService::new(SessionService::new(handler, SessionLayer::new(store)), admin);
//! # Ok::<(), cloakroom_hyper::ConfigError>(())
//! ```

mod error;
mod service;
mod session;

pub use cloakroom::{
    Builder, Config, ConfigError, Error as CommitError, Event, Excess, Expiry, Fate, KeyFormat,
    Lifetimes, Limits, Listed, SameSite, Session, SessionError, Sessions, SigningKey, TokenFormat,
    UnixTime,
};
pub use cloakroom_tower::{OnError, ResponseFuture, SessionLayer, StatusOnly};
pub use error::Error;
pub use service::SessionService;
pub use session::session;
