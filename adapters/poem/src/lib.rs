//! Sessions for [poem](https://docs.rs/poem).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_poem::{Error, Session, SessionMiddleware};
//! use poem::{EndpointExt as _, Route, get, handler};
//!
//! #[handler]
//! async fn counter(session: Session) -> Result<String, Error> {
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let app = Route::new()
//!     .at("/", get(counter))
//!     .with(SessionMiddleware::new(MemoryStore::new()));
//! // Server::new(TcpListener::bind("127.0.0.1:3000")).run(app).await
//! ```
//!
//! - [`SessionMiddleware`] goes around the routes (`EndpointExt::with`), with a store and an
//!   optional [`Config`].
//! - [`Session`] is the extractor. It loads the session. A handler without it costs no store call.
//!   [`Typed`] is the session as one struct of yours.
//! - [`Error`] is the error of every method. It is a `ResponseError`, so handlers return it with
//!   `?`.
//!
//! The middleware commits all changes before it sends the head of the response. A session that is
//! used later, by a streaming body or an upgraded connection, fails with `Closed`. A response with
//! a 5xx status drops its changes ([configurable](cloakroom::ConfigBuilder::save_on_server_error)).
//! A handler that panics or is cancelled changes nothing.
//!
//! # A client that goes away
//!
//! poem's server cancels the handler over HTTP/2. Over HTTP/1 it runs the handler to its end, and
//! the changes are saved although nobody receives the response.
//!
//! # A handler that returns an error
//!
//! In poem an `Err` is a way to answer: it becomes a response outside of the routes. The session
//! treats it as that response. Changes of a 404 are saved, changes of a 500 are dropped. If the
//! handler used its session, the middleware makes the response itself. Only a response can carry
//! the cookie and the headers that keep it out of shared caches. So put `catch_error` and
//! `catch_all_error` **before** (inside of) the session middleware. Outside, they see only errors
//! of requests that did not use the session.
//!
//! # Order of middleware
//!
//! `with` wraps what was added before it, so the middleware added last sees the request first. Add
//! the session middleware **after** all middleware that uses the session, and **before** what turns
//! a failed request into a response, such as `CatchPanic` or a timeout. It works on nested routes
//! and on a part of the routes.
//!
//! # Pages of your own for failures
//!
//! Loading: `catch_error`, or `poem::Result<Session>` in the handler. Saving:
//! [`SessionMiddleware::on_commit_error`].
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_poem::{Error, Session, SessionMiddleware};
//! use poem::web::Html;
//! use poem::{EndpointExt as _, IntoResponse as _, Route, get, handler};
//!
//! #[handler]
//! fn page(_session: Session) -> Html<&'static str> {
//!     Html("<p>Welcome.")
//! }
//!
//! let sessions = SessionMiddleware::new(MemoryStore::new()).on_commit_error(
//!     |error: &Error| {
//!         Html("<p>That was not saved. Please try again.")
//!             .with_status(error.status())
//!     },
//! );
//! let app = Route::new()
//!     .at("/", get(page))
//!     .catch_error(async |error: Error| {
//!         Html("<p>Back in a minute.").with_status(error.status())
//!     })
//!     .with(sessions);
//! ```
//!
//! # Routes for signed-in visitors
//!
//! [`RequireSubject`] redirects visitors without a subject to the sign-in page, or answers with
//! 401. The sign-in page returns to `next`, if it is a [`local_path`].
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_poem::{
//!     Error, RequireSubject, Session, SessionMiddleware, local_path,
//! };
//! use poem::web::{Query, Redirect};
//! use poem::{EndpointExt as _, Route, get, handler};
//! use std::time::Duration;
//!
//! #[handler]
//! async fn orders(session: Session) -> Result<String, Error> {
//!     Ok(format!("orders of {:?}", session.subject()?))
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Next {
//!     next: Option<String>,
//! }
//!
//! #[handler]
//! async fn sign_in(
//!     session: Session,
//!     Query(page): Query<Next>,
//! ) -> Result<Redirect, Error> {
//!     // After the password has been checked.
//!     session.sign_in("ada")?;
//!     let next = page.next.as_deref().and_then(local_path);
//!     Ok(Redirect::see_other(next.unwrap_or("/")))
//! }
//!
//! let signed_in = RequireSubject::redirect_to("/sign-in");
//! let recently = signed_in.within(Duration::from_secs(300));
//! let app = Route::new()
//!     .at("/orders", get(orders.with(signed_in)))
//!     .at("/account/delete", get(orders.with(recently)))
//!     .at("/sign-in", get(sign_in))
//!     .with(SessionMiddleware::new(MemoryStore::new()));
//! ```
//!
//! `within` and `level` ask for a recent or stronger sign-in: a step-up.
//!
//! # Testing
//!
//! [`testing`] shows tests of a handler alone, with [`Session::for_tests`], and tests with a store
//! and a clock. A whole application needs no socket:
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_poem::{Error, Session, SessionMiddleware};
//! use poem::{Endpoint as _, EndpointExt as _, Request, handler};
//!
//! #[handler]
//! async fn sign_in(session: Session) -> Result<&'static str, Error> {
//!     session.sign_in("ada")?;
//!     Ok("Welcome")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = sign_in.with(SessionMiddleware::new(MemoryStore::new()));
//! let response = app.get_response(Request::default()).await;
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
pub use extract::{Session, Typed};
pub use guard::{RequireSubject, RequireSubjectEndpoint};
pub use middleware::{SessionEndpoint, SessionMiddleware};
