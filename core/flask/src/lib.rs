//! Flask's and Flask-Session's sessions, so that a Flask application and a Rust application share
//! them while routes move from one to the other. Pure data: no I/O, no clock. The stores in
//! Flask-Session's layouts are in `cloakroom-flask-stores`.
//!
//! ```
//! use cloakroom_core::{Commit, Directive, Exchange, UnixTime};
//! use cloakroom_flask::{SessionType, Settings};
//!
//! // Flask's own session, in the cookie. `Settings::from_env` reads the
//! // settings from Flask's environment variables instead.
//! let mut settings = Settings::new(SessionType::Cookie);
//! settings.secret_key = Some("dev-secret-key-0123456789abcdef".into());
//! let config = settings.config()?;
//! let cookie = "eyJ1c2VyX2lkIjo0Mn0.ZVPxAA.pJyNR17IQxqjRhN4rU6OQT3WzUk";
//!
//! let now = UnixTime::from_secs(1_700_000_000);
//! let mut exchange = Exchange::open(&config, [cookie.as_bytes()], now);
//! let mut session = exchange.session()?;
//! assert_eq!(session.get::<u64>("user_id")?, Some(42));
//! session.insert("theme", "dark")?;
//!
//! // What Flask will read: {"theme": "dark", "user_id": 42}
//! let Commit::Mint(mint) = exchange.finish(now) else {
//!     panic!()
//! };
//! let Commit::Done(outcome) = mint.with([0; 64])? else {
//!     panic!()
//! };
//! let Directive::Issue(issued) = outcome.directive else {
//!     panic!()
//! };
//! assert!(
//!     issued
//!         .token
//!         .expose()
//!         .starts_with("eyJ0aGVtZSI6ImRhcmsiLCJ1c2VyX2lkIjo0Mn0.ZVPxAA.")
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Settings`] have Flask's keys. [`Settings::config`] builds a configuration from them.
//! - [`Value`] is a value with Python's type, where serde's types are not enough: a tuple, a
//!   `datetime`, a `UUID`.
//! - [`Serializer`] reads and writes msgpack, JSON, Flask's tagged JSON, and pickle (plain data
//!   alone: nothing is imported or called).
//! - [`Signer`] signs as itsdangerous does.
//!
//! # How the two see one session
//!
//! | in Flask | in Rust |
//! |---|---|
//! | `session["cart"]` | `session.get("cart")`, `session.insert("cart", …)` |
//! | `session.permanent` (the entry `_permanent`) | [`Expiry::persistent`], [`Expiry::session_cookie`]; not one of the values |
//! | `session.clear()`, and nothing else | `session.clear()`: the session is deleted and its cookie cleared; as is one whose last value is removed |
//! | a sign-in: `session["user_id"] = 42` | `session.sign_in(…)`, and the values that Flask goes by |
//! | a sign-out: `session.clear()` | `session.sign_out()` |
//! | `session.new` of the Redis snippet | [`Session::is_new`] |
//! | the entry `_cloakroom`, if it is there | subject, times, CSRF token, own lifetimes: what the values do not say |
//!
//! Flask has no subjects. Where it signs out by `session.pop("user_id")`, the subject that Rust's
//! `sign_in` has set stays. Sign out by `session.clear()` there, or use the values alone on both
//! sides.
//!
//! A value that Rust does not change keeps its exact type through a Rust write. A value that the
//! format cannot keep is an error where you set it:
//!
//! | | msgpack | JSON | tagged JSON | pickle |
//! |---|---|---|---|---|
//! | integers | 64 bits | any | any | any |
//! | bytes | yes | | yes | yes |
//! | tuple | | | yes | yes |
//! | `datetime` | in UTC | | in UTC, whole seconds | yes |
//! | `UUID`, `Markup` | | | yes | yes |
//! | `set`, `frozenset`, `date`, `timedelta`, `Decimal` | | | | yes |
//! | `time`, `timezone`, `ZoneInfo`, pytz's zones, `bytearray`, `complex`: an [`Object`] | | | | yes |
//! | `str` with lone surrogates: an [`Object`] | | | | yes |
//! | floats that are not finite | yes | | yes | yes |
//! | keys of a `dict` that are no text | yes | | | yes |
//!
//! A Rust tuple or `Vec` is a `list` for Flask, and a Rust type that serde writes as a text is a
//! `str`. For the other types store a [`Value`]. Unhashable Python values (a `dict`, a `set`, a
//! `list`, so also a Rust tuple) are errors as keys of a `dict` and in a `set`.
//!
//! A pickle may hold more than that: instances of the application's own classes, enum members,
//! `OrderedDict`, `defaultdict`, werkzeug's `MultiDict`, dateutil's zones, buffers. Reading them
//! would mean importing and calling, so they make the session unreadable here. `Error::Refused`
//! names the class, and the record stays as it is.
//!
//! In JSON, a `str` with a lone surrogate has the same effect, because Rust's texts cannot have
//! one. Let the Flask application store such a value as plain data (`dict(form)`, `color.value`)
//! before Rust reads its sessions.
//!
//! # Guarantees and limits
//!
//! Flask-Session reads the whole dict when a request begins, and overwrites it at the end, with all
//! concurrent changes. Nothing on this side can change that. So:
//!
//! - **Between Rust requests every promise of this project holds**: no update is lost, increments
//!   add up, a sign-out stays.
//! - **A Rust request loses nothing that Flask wrote**, even during the request: its changes are
//!   replayed over the newer record.
//! - **A Flask request loses what Rust wrote during the request**: all of it, because Flask read
//!   the older dict. With SESSION_REFRESH_EACH_REQUEST, which is on by default, Flask-Session
//!   writes on every request, even if nothing changed. Before version 0.7 it always does. Switch
//!   the setting off to make such losses rare.
//! - **A Flask request in flight restores a session that Rust signed out**, under its old id. The
//!   browser has deleted that id's cookie, but a copy of the id leads to the session. Route
//!   sign-out to where the slow requests are, or sign out in both.
//! - **After a sign-in or rotation in Rust the old id never reaches the new privilege**, which has
//!   its own id. A Flask request in flight on the old id can write its old data back there, and its
//!   response can restore the old cookie in the browser.
//! - **A change without an answer from the store** is looked up, and repeated if it is missing,
//!   even if Flask has overwritten the record meanwhile.
//!
//! Three habits of Flask-Session are left out. An id that the client made up is never adopted. An
//! unused session is not written. A pickle is never executed.
//!
//! Flask's own cookie has the limits of every session in a cookie (see `cloakroom_core::Envelope`).
//! A copy works until it expires, and of two concurrent responses the last one wins. The client can
//! read it, including `_cloakroom`. A cookie that inflates to more than 65,536 bytes is not read
//! ([`Error::Corrupt`]), and none is written ([`Error::TooLarge`]).
//!
//! The tests `beside_flask_…` in this crate demonstrate these points.
//!
//! # A session interface of your own
//!
//! To turn an application's own `SessionInterface` into a store, implement `cloakroom_store::Store`
//! (five methods) for the place where it keeps its sessions. If that does not fit, drive the
//! machine yourself: it returns what to load and what to write. Here the application has one dict
//! in memory, and writes whatever the machine returns:
//!
//! ```
//! use cloakroom_core::{
//!     Commit, Created, Deleted, Error, Exchange, Outcome, Replaced, Stored,
//!     Touched, UnixTime,
//! };
//! use cloakroom_flask::{SessionType, Settings};
//! use std::collections::BTreeMap;
//!
//! let config = Settings::new(SessionType::Redis).config()?;
//! let mut sessions: BTreeMap<String, Stored> = BTreeMap::new();
//!
//! let request = |sessions: &mut BTreeMap<String, Stored>,
//!                cookie: Option<&str>,
//!                now|
//!  -> Result<Outcome, Error> {
//!     let mut exchange = Exchange::open(&config, cookie.map(str::as_bytes), now);
//!     while let Some(key) = exchange.wants_load().cloned() {
//!         exchange.handle_loaded(&key, sessions.get(key.as_str()).cloned())?;
//!     }
//!     exchange
//!         .session()?
//!         .update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     let mut commit = exchange.finish(now);
//!     loop {
//!         commit = match commit {
//!             Commit::Done(outcome) => return Ok(outcome),
//!             Commit::Mint(mint) => mint.with([7; 64])?, // 64 random bytes
//!             Commit::Create(create) => {
//!                 let write = create.write();
//!                 let stored =
//!                     Stored::new(write.bytes.clone(), write.expires_at, 0);
//!                 sessions.insert(create.key().as_str().into(), stored);
//!                 create.then(Created::Stored, now)?
//!             }
//!             Commit::Replace(replace) => {
//!                 // A real store compares with `replace.old()`.
//!                 let write = replace.write();
//!                 let stored =
//!                     Stored::new(write.bytes.clone(), write.expires_at, 0);
//!                 sessions.insert(replace.key().as_str().into(), stored);
//!                 replace.then(Replaced::Stored, now)?
//!             }
//!             Commit::Reload(reload) => {
//!                 let found = sessions.get(reload.key().as_str()).cloned();
//!                 reload.then(found, now)?
//!             }
//!             Commit::Touch(touch) => touch.then(Touched::Extended, now)?,
//!             Commit::Delete(delete) => {
//!                 sessions.remove(delete.key().as_str());
//!                 delete.then(Deleted::Deleted, now)?
//!             }
//!             _ => unreachable!("no other questions in this version"),
//!         }
//!     }
//! };
//! request(&mut sessions, None, UnixTime::from_secs(1_700_000_000))?;
//! assert!(sessions.keys().next().unwrap().starts_with("session:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doc)]
use cloakroom_core::{Error, Expiry, Session};

mod cookie;
mod error;
mod format;
mod json;
mod msgpack;
mod pickle;
mod serializer;
mod settings;
mod sid;
mod signer;
mod tagged;
mod value;

pub use error::FormatError;
pub use format::{MARKS, PERMANENT};
pub use serializer::Serializer;
pub use settings::{Secret, SessionType, Settings, SettingsError};
pub use signer::Signer;
pub use value::{Date, DateTime, Integer, MAX_DEPTH, Object, TimeDelta, Value};
