//! Flask's and Flask-Session's sessions, so that a Flask application and a Rust application share them while routes move from one to
//! the other. Pure data: no I/O, no clock. The stores in Flask-Session's layouts are in `cloakroom-flask-stores`.
//!
//! ```
//! use cloakroom_core::{Commit, Directive, Exchange, UnixTime};
//! use cloakroom_flask::{SessionType, Settings};
//!
//! // Flask's own session, in the cookie: what `session["user_id"] = 42` made under this key.
//! let mut settings = Settings::new(SessionType::Cookie); // or `Settings::from_env(std::env::vars())`
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
//! let Commit::Mint(mint) = exchange.finish(now) else { panic!() };
//! let Commit::Done(outcome) = mint.with([0; 64])? else { panic!() };
//! let Directive::Issue(issued) = outcome.directive else { panic!() };
//! assert!(issued.token.expose().starts_with("eyJ0aGVtZSI6ImRhcmsiLCJ1c2VyX2lkIjo0Mn0.ZVPxAA."));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Settings`] are Flask's, by Flask's keys; [`Settings::config`] makes a configuration of them.
//! - [`Value`] is a value with Python's type, where serde's types are not enough: a tuple, a `datetime`, a `UUID`.
//! - [`Serializer`] reads and writes msgpack, JSON, Flask's tagged JSON, and pickle (plain data alone: nothing is imported or called).
//! - [`Signer`] signs as itsdangerous does.
//!
//! # How the two see one session
//!
//! | in Flask | in Rust |
//! |---|---|
//! | `session["cart"]` | `session.get("cart")`, `session.insert("cart", …)` |
//! | `session.permanent` (the entry `_permanent`) | [`Expiry::persistent`], [`Expiry::until_closed`]; not one of the values |
//! | `session.clear()`, and nothing else | `session.clear()`: the session is deleted and its cookie cleared; as is one whose last value is removed |
//! | a sign-in: `session["user_id"] = 42` | `session.sign_in(…)`, and the values that Flask goes by |
//! | a sign-out: `session.clear()` | `session.sign_out()` |
//! | `session.new` of the Redis snippet | [`Session::is_new`] |
//! | the entry `_cloakroom`, if it is there | subject, times, CSRF token, own lifetimes: what the values do not say |
//!
//! Flask does not know of subjects: where it signs out by `session.pop("user_id")`, the subject that Rust's `sign_in` has set stays. Sign out
//! by `session.clear()` there, or go by the values alone on both sides.
//!
//! A value that Rust does not change keeps its exact type through a Rust write. What a format cannot keep is an error where it is set:
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
//! A Rust tuple or `Vec` is a `list` for Flask, and a Rust type that serde writes as a text is a `str`; for the others store a [`Value`].
//! What Python cannot hash (a `list`, so also a Rust tuple; a `dict`, a `set`) is an error as a key of a `dict` and in a `set`.
//!
//! In a pickle there may be more than that: instances of the application's own classes, enum members, `OrderedDict`, `defaultdict`,
//! werkzeug's `MultiDict`, dateutil's zones, buffers. Reading that would mean to import and call, so it makes the session unreadable here:
//! `Error::Refused` names the class, and the record is left as it is. So does, in JSON, a `str` with a lone surrogate, which Rust's texts
//! cannot have. Let the Flask application store such a value as plain data (`dict(form)`, `color.value`) before Rust reads its sessions.
//!
//! # What holds, and what does not
//!
//! Flask-Session reads the whole dict when a request begins and overwrites all of it when the request ends, whatever was
//! written in between. Nothing on this side can change that. So:
//!
//! - **Between Rust requests everything holds** that this project promises: no update is lost, increments add up, a sign-out stays.
//! - **A Rust request loses nothing that Flask wrote**, also while it is under way: its changes are replayed over what is there.
//! - **A Flask request loses what Rust wrote while it was under way**: all of it, since it had read the older dict. With
//!   SESSION_REFRESH_EACH_REQUEST, which is on by default, and before Flask-Session 0.7 in any case, it writes on every request, also one
//!   that changed nothing; switch that off to make this rare.
//! - **A Flask request that is under way brings back a session that Rust signed out**, under its old id. The browser has been told to
//!   forget that id; who has a copy has the session. Route sign-out to where the slow requests are, or sign out in both.
//! - **After a sign-in or rotation in Rust the old id never reaches the new privilege**: that is under an id of its own. A Flask request
//!   under way on the old id can write its old data back there, and its response can give the browser the old cookie again.
//! - **A change whose answer from the store was lost** is looked for, and made again if it is not there, also if Flask has
//!   overwritten the record meanwhile.
//!
//! Not kept from Flask-Session: an id that the client made up is never adopted, a session that nobody touched is not written, a pickle is
//! never executed.
//!
//! Flask's own cookie has the limits of every session in a cookie (see `cloakroom_core::Envelope`): a copy works until it expires, and of two
//! concurrent responses the last one wins. The client can read it, also what is in `_cloakroom`. A cookie that inflates to more than 65,536
//! bytes is not read ([`Error::Corrupt`]), and none is written ([`Error::TooLarge`]).
//!
//! The tests `beside_flask_…` in this crate show these lines.
//!
//! # A session interface of your own
//!
//! A `SessionInterface` that an application wrote itself becomes a store: implement `cloakroom_store::Store` for where it keeps its
//! sessions (five methods). Where that does not fit, drive the machine yourself: it says what to load and what to write. Here the
//! application has one dict in memory, and writes whatever it is told to:
//!
//! ```
//! use cloakroom_core::{Commit, Created, Deleted, Error, Exchange, Outcome, Replaced, Stored, Touched, UnixTime};
//! use cloakroom_flask::{SessionType, Settings};
//! use std::collections::BTreeMap;
//!
//! let config = Settings::new(SessionType::Redis).config()?;
//! let mut sessions: BTreeMap<String, Stored> = BTreeMap::new();
//!
//! let request = |sessions: &mut BTreeMap<String, Stored>, cookie: Option<&str>, now| -> Result<Outcome, Error> {
//!     let mut exchange = Exchange::open(&config, cookie.map(str::as_bytes), now);
//!     while let Some(key) = exchange.wants_load().cloned() {
//!         exchange.handle_loaded(&key, sessions.get(key.as_str()).cloned())?;
//!     }
//!     exchange.session()?.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     let mut commit = exchange.finish(now);
//!     loop {
//!         commit = match commit {
//!             Commit::Done(outcome) => return Ok(outcome),
//!             Commit::Mint(mint) => mint.with([7; 64])?, // 64 random bytes
//!             Commit::Create(create) => {
//!                 let write = create.write();
//!                 let stored = Stored::new(write.bytes.clone(), write.expires_at, 0);
//!                 sessions.insert(create.key().as_str().into(), stored);
//!                 create.then(Created::Stored, now)?
//!             }
//!             Commit::Replace(replace) => {
//!                 // Nobody else has the map here; a store compares with `replace.old()`.
//!                 let write = replace.write();
//!                 let stored = Stored::new(write.bytes.clone(), write.expires_at, 0);
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
