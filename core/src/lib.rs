//! Sessions as a pure state machine: what a client presented and what a store returned go in, store actions and directives
//! for the client come out. No I/O, no clock, no randomness, no async: whoever drives it brings those, so the same machine
//! serves every framework, every store, and transports that are not HTTP; and a test can replay any interleaving.
//!
//! Most users want an adapter (`cloakroom-axum`, or the crate `cloakroom` for transports without a framework). Use this crate to write one,
//! or a driver of your own. This is the whole protocol, on a store that is a map:
//!
//! ```
//! use cloakroom_core::{
//!     Commit, Config, Created, Deleted, Directive, Error, Exchange, Key, Outcome, Replaced, Session, Stored, Touched, UnixTime,
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
//!     // 1. Open it with what the client presented, and load what it wants.
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
//!             Commit::Create(create) if store.contains_key(create.key()) => create.then(Created::Taken, now)?,
//!             Commit::Create(create) => {
//!                 let write = create.write();
//!                 store.insert(create.key().clone(), Stored::new(write.bytes.clone(), write.expires_at, 0));
//!                 create.then(Created::Stored, now)?
//!             }
//!             Commit::Replace(replace) => match store.get_mut(replace.key()) {
//!                 Some(stored) if stored.bytes == replace.old().bytes => {
//!                     let write = replace.write();
//!                     *stored = Stored::new(write.bytes.clone(), write.expires_at, 0);
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
//! let (config, mut store, now) = (Config::default(), Store::new(), UnixTime::from_secs(1_700_000_000));
//!
//! // A first request: it presents nothing, and is told to keep a token.
//! let first = exchange(&config, &mut store, None, now, [1; 64], |session| session.insert("cart", ["tea"]))?;
//! let Directive::Issue(issued) = first.directive else { panic!() };
//!
//! // The next one presents it.
//! exchange(&config, &mut store, Some(issued.token.expose()), now, [2; 64], |session| {
//!     assert_eq!(session.get::<Vec<String>>("cart")?.unwrap(), ["tea"]);
//!     Ok(())
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! - [`Exchange`] is a request and its session while the handler runs, [`Session`] what the handler sees.
//! - [`Commit`] is what remains to be done after it; each of its questions is consumed by its answer.
//! - [`Outcome`] says what to tell the client ([`Directive`]) and what became of the changes ([`Fate`]).
//! - [`Config`] is built and validated once.
//! - [`http`] maps all that to Cookie and Set-Cookie lines; nothing else here knows of HTTP.
//!
//! # Limits
//!
//! Whatever bytes arrive, from a client or a store: no panic, no more memory than the bytes themselves take, and a bounded
//! number of store calls: at most 4 tokens of one request are looked at, 16 rotations followed, 8 tokens tried, 256 conflicts
//! and lost answers met. Values nest at most 256 levels deep; size and number are [`Limits`] of the configuration.

mod commit;
mod config;
mod envelope;
mod error;
mod exchange;
mod expiry;
mod format;
pub mod http;
mod journal;
mod machine;
mod record;
mod session;
mod store;
mod time;
mod token;
mod values;

pub use commit::{
    Commit, Create, Delete, Directive, Fate, Issued, Mint, Outcome, Reload, Replace, Touch,
};
pub use config::{Builder, Config, ConfigError, Lifetimes, Limits, SameSite};
pub use envelope::Envelope;
pub use error::Error;
pub use exchange::Exchange;
pub use expiry::Expiry;
pub use format::{Contents, Format};
pub use session::Session;
pub use store::{Created, Deleted, Key, Replaced, Stored, Touched, Write};
pub use time::UnixTime;
pub use token::{KeyFormat, SigningKey, Token, TokenFormat, TokenScheme};
