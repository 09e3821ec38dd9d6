//! Sessions as a [tower](https://docs.rs/tower) layer, for axum, tonic, and whatever else is a `Service` of HTTP requests.
//!
//! The layer puts a [`Session`] into each request's extensions. Who wants it loads it; who does not costs nothing: no store
//! call, no header, no boxed future. When the inner service has answered, the layer commits the changes and only then
//! passes the response on, so everything is saved before the response head leaves.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_tower::{Session, SessionLayer, Error};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! async fn counter(request: Request<String>) -> Result<Response<String>, Error> {
//!     let session: &Session = request.extensions().get().unwrap();
//!     session.load().await?;
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(Response::new(format!("visit {visits}")))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let service = ServiceBuilder::new().layer(SessionLayer::new(MemoryStore::new())).service(service_fn(counter));
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert!(response.headers().contains_key("set-cookie"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is committed
//!
//! The changes of every response, except those with a 5xx status, whose changes are dropped (unless
//! [configured](cloakroom::Builder::save_on_server_error)). An inner service that fails, panics, or is cancelled changes nothing.
//! A session that is used after its response head, from a streaming body or an upgraded connection, says that it is closed.
//!
//! # Order of layers
//!
//! Inside of what changes the status of a response after the fact (a panic catcher, a timeout), so that a failed request
//! saves nothing; outside of all that uses the session.

mod future;
mod layer;
mod on_error;
mod service;

pub use cloakroom::{Config, Error, Fate, Session, Sessions};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use on_error::{OnError, StatusOnly};
pub use service::SessionService;
