//! Sessions for [Rocket](https://docs.rs/rocket).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_rocket::{Error, Session, SessionFairing};
//!
//! #[rocket::get("/")]
//! fn counter(session: Session) -> Result<String, Error> {
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let app = rocket::build().attach(SessionFairing::new(MemoryStore::new())).mount("/", rocket::routes![counter]);
//! ```
//!
//! - [`SessionFairing`] is attached, with a store. Its settings come from `Rocket.toml`.
//! - [`Session`] is the guard. It loads the session; a handler that does not take it costs no store call. [`Typed`] is the session
//!   as one struct of yours.
//! - [`Error`] is what the guards fail with, and what handlers can return: every failure goes to the application's catchers.
//!
//! # What is committed
//!
//! The changes of whoever has answered, before the response head leaves; except those of a response with a 5xx status, which are
//! dropped (unless [configured](cloakroom::Builder::save_on_server_error)). A session that is used after the response head, from a stream or an
//! upgraded connection, says that it is closed.
//!
//! What has not answered has changed nothing: a route that forwarded, a guard that failed, a handler that panicked or failed (Rocket asks
//! a catcher then). That is as Rocket has it for cookies. A handler that changes the session *and* answers with an error of the client returns
//! the response itself, for instance `(Status::Unauthorized, "Wrong password.")`, and not an `Err` for a catcher. What a catcher itself changes
//! counts; it begins with the session as the request found it, loaded anew. A guard that fails, but that the route wants as an `Option` or
//! a `Result`, has not failed as far as Rocket is concerned: its changes count with the route's, unless it takes them back
//! ([`discard_changes`](cloakroom::Session::discard_changes)).
//!
//! # Order of fairings
//!
//! Response fairings run in the order in which they are attached. Attach this one **after** what may turn a response into a 5xx one, and
//! before whatever else wants to see its headers. One that is attached before may read the session; what it changes is dropped.
//!
//! # Pages of your own for failures
//!
//! Catchers. One of status 503 answers when the store cannot be reached, be it for loading, and then no handler has run, or for saving,
//! and then its response replaces the handler's, which claims what did not happen. [`Error::of`] tells a catcher what it was.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_rocket::SessionFairing;
//! use rocket::response::content::RawHtml;
//!
//! #[rocket::catch(503)]
//! fn outage() -> RawHtml<&'static str> {
//!     RawHtml("<p>Back in a minute.")
//! }
//!
//! let app = rocket::build().attach(SessionFairing::new(MemoryStore::new())).register("/", rocket::catchers![outage]);
//! ```
//!
//! # What Rocket does differently
//!
//! - It runs a handler to its end even if the client has gone: its changes are saved.
//! - It drops header lines that are not UTF-8: a `Cookie` line in which another cookie has such bytes reaches no guard.

mod attempt;
mod error;
mod fairing;
mod guard;
mod headers;

pub use cloakroom::{
    Builder, Config, ConfigError, Error as CommitError, Event, Excess, Expiry, Fate, KeyFormat,
    Lifetimes, Limits, Listed, SameSite, SessionError, Sessions, SigningKey, TokenFormat, UnixTime,
};
pub use error::Error;
pub use fairing::SessionFairing;
pub use guard::{Session, Typed};
