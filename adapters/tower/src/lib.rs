//! Sessions as a [tower](https://docs.rs/tower) layer: for axum, tonic and every other `Service` of
//! HTTP requests.
//!
//! The layer puts a session into each request. A handler loads it with [`session`]. A request whose
//! handler does not ask costs no store call and adds no header. When the inner service has
//! answered, the layer commits the changes, and only then passes the response on.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_tower::{Error, Session, SessionLayer, session};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! async fn counter(request: Request<String>) -> Result<Response<String>, Error> {
//!     let session: Session = session(&request).await?;
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(Response::new(format!("visit {visits}")))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let service = ServiceBuilder::new()
//!     .layer(SessionLayer::new(MemoryStore::new()))
//!     .service(service_fn(counter));
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert!(response.headers().contains_key("set-cookie"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is committed
//!
//! The layer commits the changes of every response. A response with a 5xx status drops its changes
//! ([configurable](cloakroom::ConfigBuilder::save_on_server_error)). An inner service that fails,
//! panics or is cancelled changes nothing. A session that is used after the head of its response,
//! by a streaming body or an upgraded connection, fails with `Closed`.
//!
//! # gRPC
//!
//! A gRPC error has the status 200 and a `grpc-status` header. Have the layer drop its changes with
//! [`SessionLayer::failed_if`], and choose a hook whose body fits:
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_tower::{SessionLayer, StatusOnly, grpc_failed};
//!
//! let layer = SessionLayer::new(MemoryStore::new())
//!     .on_commit_error(StatusOnly)
//!     .failed_if(grpc_failed);
//! ```
//!
//! # Order of layers
//!
//! Put the session layer outside of everything that uses the session. Put it inside of everything
//! that makes a response of a failed request (a panic catcher, a timeout), so that such a request
//! saves nothing. A layer that repeats requests (retry, hedge) also belongs outside: then each
//! attempt has a session of its own. Inside, the second attempt after a changed session fails.

#[cfg(feature = "device-binding")]
mod device;
mod future;
mod guard;
mod hooks;
mod layer;
mod on_commit_error;
mod service;
mod session;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, Session, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom::{DeviceBinding, DeviceStatus, Policy};
#[cfg(feature = "device-binding")]
pub use device::{DeviceBindingLayer, DeviceBindingService, RequireDevice, RequireDeviceService};
pub use future::ResponseFuture;
pub use guard::{RequireSubject, RequireSubjectService};
pub use hooks::grpc_failed;
pub use layer::SessionLayer;
pub use on_commit_error::{OnCommitError, PlainText, StatusOnly};
pub use service::SessionService;
pub use session::session;
