//! Sessions for [salvo](https://salvo.rs).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_salvo::{Error, Session, SessionMiddleware};
//! use salvo::prelude::*;
//!
//! #[handler]
//! async fn counter(session: Session) -> Result<String, Error> {
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let router = Router::new()
//!     .hoop(SessionMiddleware::new(MemoryStore::new()))
//!     .get(counter);
//! // let acceptor = TcpListener::new("127.0.0.1:8698").bind().await;
//! // Server::new(acceptor).serve(router).await;
//! ```
//!
//! - [`SessionMiddleware`] is a hoop of a router, a handler or a service. It has a store and an
//!   optional [`Config`].
//! - [`Session`] is the extractor. It loads the session. A handler without it costs no store call.
//!   [`Typed`] is the session as one struct of yours.
//! - [`session`] loads it in a hoop of your own, from the `Depot`.
//! - [`Error`] is the error of every method. It is a `Scribe`, so handlers return it with `?`. The
//!   service's `Catcher` writes its page, as for each `StatusError`. Its `downcast_origin::<Error>`
//!   returns the error.
//!
//! The middleware commits all changes before it sends the head of the response. A session that is
//! used later, by a streaming body or an upgraded connection, fails with `Closed`. A response with
//! a 5xx status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)).
//! So does a handler that panics or aborts the connection, or whose client has gone.
//!
//! # Order of hoops
//!
//! The hoop added first sees the request first. Add the session's **before** all hoops that use the
//! session, and **after** those that turn a failed request into a response, such as `CatchPanic`
//! and `Timeout`. A `Catcher` runs when the session is closed.
//!
//! # Routes for signed-in visitors
//!
//! [`RequireSubject`] redirects visitors without a subject to the sign-in page, or answers with
//! 401. The sign-in page returns to `next`, if it is a [`local_path`].
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_salvo::{
//!     Error, RequireSubject, Session, SessionMiddleware, local_path,
//! };
//! use salvo::prelude::*;
//! use std::time::Duration;
//!
//! #[handler]
//! async fn orders(session: Session) -> Result<String, Error> {
//!     Ok(format!("orders of {:?}", session.subject()?))
//! }
//!
//! #[handler]
//! async fn sign_in(
//!     session: Session,
//!     req: &mut Request,
//!     res: &mut Response,
//! ) -> Result<(), Error> {
//!     // After the password has been checked.
//!     session.sign_in("ada")?;
//!     let next = req.query::<String>("next");
//!     let next = next.as_deref().and_then(local_path);
//!     res.render(Redirect::other(next.unwrap_or("/")));
//!     Ok(())
//! }
//!
//! let signed_in = RequireSubject::redirect_to("/sign-in");
//! let recently = signed_in.within(Duration::from_secs(300));
//! let router = Router::new()
//!     .hoop(SessionMiddleware::new(MemoryStore::new()))
//!     .push(Router::with_path("orders").hoop(signed_in).get(orders))
//!     .push(Router::with_path("delete").hoop(recently).post(orders))
//!     .push(Router::with_path("sign-in").get(sign_in));
//! ```
//!
//! `within` and `level` ask for a recent or stronger sign-in: a step-up.
//!
//! # Hoops that use the session
//!
//! ```
//! use cloakroom_salvo::{Error, Session, session};
//! use salvo::prelude::*;
//!
//! #[handler]
//! async fn count_visits(depot: &mut Depot) -> Result<(), Error> {
//!     let session: Session = session(depot).await?;
//!     session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(())
//! }
//! ```
//!
//! An `#[endpoint]` of salvo's `oapi` takes no extractor of other crates. It takes the `Depot` too,
//! and renders errors with `res.render(error)`.
//!
//! # Tower services
//!
//! A tower service that a router mounts with salvo's `tower-compat` has the session too. It calls
//! `session(&request)` of `cloakroom-tower`, or takes the extractor of `cloakroom-axum`.
//!
//! # Testing
//!
//! [`testing`] shows tests of functions that take a session, with [`Session::for_tests`], and tests
//! with a store and a clock. With `salvo::test`:
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_salvo::{Error, Session, SessionMiddleware};
//! use salvo::prelude::*;
//! use salvo::test::TestClient;
//!
//! #[handler]
//! async fn sign_in(session: Session) -> Result<&'static str, Error> {
//!     session.sign_in("ada")?;
//!     Ok("Welcome")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let router = Router::new()
//!     .hoop(SessionMiddleware::new(MemoryStore::new()))
//!     .post(sign_in);
//! let response = TestClient::post("http://localhost/").send(router).await;
//! assert!(response.headers().contains_key("set-cookie"));
//! # }
//! ```

mod extract;
mod guard;
mod middleware;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
pub use extract::{Session, Typed, session};
pub use guard::RequireSubject;
pub use middleware::SessionMiddleware;
