//! Sessions for [Rocket](https://docs.rs/rocket).
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_rocket::{Error, Session, SessionFairing};
//!
//! #[rocket::get("/")]
//! fn counter(session: Session) -> Result<String, Error> {
//!     let visits =
//!         session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! let app = rocket::build()
//!     .attach(SessionFairing::new(MemoryStore::new()))
//!     .mount("/", rocket::routes![counter]);
//! ```
//!
//! - Attach [`SessionFairing`] with a store. Its settings come from `Rocket.toml`.
//! - [`Session`] is the guard. It loads the session. A handler without it costs no store call.
//!   [`Typed`] is the session as one struct of yours.
//! - [`Error`] is the error of the guards and of every method. Handlers can return it. Every
//!   failure goes to the application's catchers.
//!
//! # What is committed
//!
//! Only the handler that produces the response changes the session. The fairing commits its changes
//! before it sends the head of the response. A response with a 5xx status drops its changes
//! ([configurable](cloakroom::ConfigBuilder::save_on_server_error)). A session that is used later,
//! by a stream or an upgraded connection, fails with `Closed`.
//!
//! A route that forwarded, a guard that failed, and a handler that panicked or failed change
//! nothing (Rocket then calls a catcher). Rocket treats cookies the same way. To change the session
//! *and* answer with a client error, return the response itself, for instance
//! `(Status::Unauthorized, "Wrong password.")`, and not an `Err` for a catcher. Changes of a
//! catcher count. It begins with the session as the request found it, loaded again. For Rocket, a
//! guard that the route takes as an `Option` or a `Result` has not failed. Its changes count with
//! the route's, unless it drops them ([`discard_changes`](cloakroom::Session::discard_changes)).
//!
//! # Order of fairings
//!
//! Response fairings run in the order in which they are attached. Attach this one **after**
//! fairings that may turn a response into a 5xx one, and **before** fairings that need its headers.
//! A fairing attached before it may read the session, and its changes are dropped.
//!
//! # Pages of your own for failures
//!
//! Write catchers. The catcher of status 503 answers when the store cannot be reached. If loading
//! failed, no handler has run. If saving failed, the catcher's response replaces the handler's,
//! which claims what did not happen. [`error_of`] returns the error to a catcher.
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
//! let app = rocket::build()
//!     .attach(SessionFairing::new(MemoryStore::new()))
//!     .register("/", rocket::catchers![outage]);
//! ```
//!
//! # Sessions bound to a device
//!
//! With the feature `device-binding`, `SessionFairing::bound_to_devices` and the guard
//! `RequireDevice` refuse copied cookie jars (Device Bound Session Credentials).
//!
//! # What Rocket does differently
//!
//! - It runs a handler to its end even if the client has gone: its changes are saved.
//! - It drops header lines that are not UTF-8: a `Cookie` line in which another cookie has such
//!   bytes reaches no guard.

mod attempt;
#[cfg(feature = "device-binding")]
mod device;
mod failure;
mod fairing;
mod guard;
mod headers;
mod subject;

pub use cloakroom::{
    Carrier, Config, ConfigBuilder, ConfigError, CookieScope, CoreSession, Directive, Ended,
    Ending, Error, Event, Expiry, Fate, KeyFormat, Lifetimes, LimitPolicy, Limits, ManualClock,
    NoStore, SameSite, SessionError, SessionInfo, Sessions, SharedDirectory, SharedStore,
    SigningKey, Store, StoreError, TokenFormat, UnixTime, local_path, testing,
};
#[cfg(feature = "device-binding")]
pub use cloakroom::{DeviceBinding, DeviceStatus, Policy};
#[cfg(feature = "device-binding")]
pub use device::{Device, RequireDevice};
pub use failure::error_of;
pub use fairing::SessionFairing;
pub use guard::{Session, Typed};
pub use subject::{RecentSubject, Subject, sign_in_url};
