//! Sessions as a pure state machine. The client's tokens and the store's records go in. Store
//! actions and directives for the client come out.
//!
//! The crate has no I/O, no clock, no randomness and no async: its driver supplies those. So one
//! machine serves every framework, every store, and transports that are not HTTP, and a test can
//! replay any interleaving.
//!
//! Most users want an adapter (`cloakroom-axum`, or the crate `cloakroom` for transports without a
//! framework). Use this crate to write an adapter, or a driver of your own. This is the whole
//! protocol, on a store that is a map:
//!
//! ```
//! use cloakroom_core::{
//!     Commit, Config, Created, Deleted, Directive, Error, Exchange, Key, Outcome,
//!     Replaced, Session, Stored, Touched, UnixTime,
//! };
//! use std::collections::BTreeMap;
//!
//! type Store = BTreeMap<Key, Stored>;
//!
//! fn exchange(
//!     config: &Config,
//!     store: &mut Store,
//!     token: Option<&str>,
//!     now: UnixTime,
//!     random: [u8; 64],
//!     handler: impl FnOnce(&mut Session<'_>) -> Result<(), Error>,
//! ) -> Result<Outcome, Error> {
//!     // 1. Open it with the client's token, and load the records.
//!     let mut exchange = Exchange::open(config, token.map(str::as_bytes), now);
//!     while let Some(key) = exchange.wants_load().cloned() {
//!         exchange.handle_loaded(&key, store.get(&key).cloned())?;
//!     }
//!     // 2. Let the handler use the session.
//!     handler(&mut exchange.session()?)?;
//!     // 3. Carry out what it takes to make the changes real.
//!     let mut commit = exchange.finish(now);
//!     loop {
//!         commit = match commit {
//!             Commit::Done(outcome) => return Ok(outcome),
//!             Commit::Mint(mint) => mint.with(random)?,
//!             Commit::Create(create) if store.contains_key(create.key()) => {
//!                 create.then(Created::Taken, now)?
//!             }
//!             Commit::Create(create) => {
//!                 let write = create.write();
//!                 store.insert(
//!                     create.key().clone(),
//!                     Stored::new(write.bytes.clone(), write.expires_at, 0),
//!                 );
//!                 create.then(Created::Stored, now)?
//!             }
//!             Commit::Replace(replace) => match store.get_mut(replace.key()) {
//!                 Some(stored) if stored.bytes == replace.old().bytes => {
//!                     let write = replace.write();
//!                     *stored =
//!                         Stored::new(write.bytes.clone(), write.expires_at, 0);
//!                     replace.then(Replaced::Stored, now)?
//!                 }
//!                 Some(_) => replace.then(Replaced::Changed, now)?,
//!                 None => replace.then(Replaced::Gone, now)?,
//!             },
//!             Commit::Reload(reload) => {
//!                 let found = store.get(reload.key()).cloned();
//!                 reload.then(found, now)?
//!             }
//!             Commit::Touch(touch) => match store.get_mut(touch.key()) {
//!                 Some(stored) => {
//!                     stored.expires_at = touch.expires_at();
//!                     touch.then(Touched::Extended, now)?
//!                 }
//!                 None => touch.then(Touched::Gone, now)?,
//!             },
//!             Commit::Delete(delete) => match store.get(delete.key()) {
//!                 Some(stored) if stored.bytes == delete.old().bytes => {
//!                     store.remove(delete.key());
//!                     delete.then(Deleted::Deleted, now)?
//!                 }
//!                 Some(_) => delete.then(Deleted::Changed, now)?,
//!                 None => delete.then(Deleted::Gone, now)?,
//!             },
//!             _ => unreachable!("no other questions in this version"),
//!         };
//!     }
//! }
//!
//! let (config, mut store, now) = (
//!     Config::default(),
//!     Store::new(),
//!     UnixTime::from_secs(1_700_000_000),
//! );
//!
//! // A first request without a token. Its response issues one.
//! let first = exchange(&config, &mut store, None, now, [1; 64], |session| {
//!     session.insert("cart", ["tea"])
//! })?;
//! let Directive::Issue(issued) = first.directive else {
//!     panic!()
//! };
//!
//! // The next one presents it.
//! exchange(
//!     &config,
//!     &mut store,
//!     Some(issued.token.expose()),
//!     now,
//!     [2; 64],
//!     |session| {
//!         assert_eq!(session.get::<Vec<String>>("cart")?.unwrap(), ["tea"]);
//!         Ok(())
//!     },
//! )?;
//! # Ok::<(), Error>(())
//! ```
//!
//! - [`Exchange`] is a request and its session while the handler runs. [`Session`] is what the
//!   handler sees.
//! - [`Commit`] is the work that remains after the handler. Each answer consumes its question.
//! - [`Outcome`] holds what to send to the client ([`Directive`]) and the fate of the changes
//!   ([`Fate`]).
//! - [`Look`] tells whether a session lives, for drivers that wait for its end.
//! - [`Config`] is built and validated once.
//! - [`http`] maps all that to headers. Nothing else here depends on HTTP.
//!
//! # Limits
//!
//! Bytes from a client or a store never cause a panic, and never take more memory than their own
//! length. The number of store calls is bounded. An exchange accepts 16 tokens and makes 32 loads
//! before the handler runs ([`Error::TooManyTokens`]). A commit follows 16 rotations, tries 8 new
//! tokens, and gives up after 256 conflicts and lost answers. Values nest at most 256 levels deep.
//! [`Limits`] of the configuration cap their size and number.

mod aim;
mod assurance;
mod commit;
mod config;
mod csrf;
mod envelope;
mod epoch;
mod error;
mod exchange;
mod expiry;
mod format;
pub mod http;
mod journal;
mod limits;
mod look;
mod machine;
mod outcome;
mod pending;
mod record;
mod seal;
mod session;
mod shared;
mod token;
mod translate;
mod values;

pub use aim::{Aim, Known};
pub use assurance::Authentication;
pub use cloakroom_store::{Created, Deleted, Key, Replaced, Stored, Touched, UnixTime, Write};
pub use commit::{Commit, Create, Delete, Mint, Reload, Replace, Touch};
pub use config::{Carrier, Config, ConfigBuilder, ConfigError, CookieScope, Lifetimes, SameSite};
pub use envelope::Envelope;
pub use epoch::Epoch;
pub use error::Error;
pub use exchange::Exchange;
pub use expiry::Expiry;
pub use format::{Contents, Format};
pub use limits::Limits;
pub use look::{Look, Seen, session_id};
pub use machine::Claimed;
pub use outcome::{Directive, Fate, Issued, Outcome};
pub use session::Session;
pub use token::{KeyFormat, SigningKey, Token, TokenFormat, TokenScheme};
