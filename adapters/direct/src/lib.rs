//! Sessions for any transport: the one driver loop, its clock and its entropy.
//!
//! This crate is what the adapters for frameworks stand on, and all that a transport without a framework needs: hand
//! [`Sessions::with`] the token that the client presented, and tell the client what the outcome says.
//!
//! ```
//! use cloakroom::{Directive, Sessions};
//! use cloakroom_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom::Error> {
//! let sessions = Sessions::new(MemoryStore::new());
//!
//! // A client without a token:
//! let (visits, outcome) = sessions.with(None, |session| session.update("visits", |n: Option<u32>| n.unwrap_or(0) + 1)).await?;
//! let Directive::Issue(issued) = outcome.directive else { panic!() };
//!
//! // It presents the token next time:
//! let token = issued.token.expose();
//! let (visits, outcome) = sessions.with(Some(token), |session| session.update("visits", |n: Option<u32>| n.unwrap_or(0) + 1)).await?;
//! assert_eq!((visits, outcome.directive), (2, Directive::Keep));
//! # Ok(())
//! # }
//! ```
//!
//! For control of each step there is the same in parts: [`Sessions::open`], [`Sessions::load`], [`Sessions::commit`]. Adapters use [`Session`], a
//! handle that a handler and its adapter share.
//!
//! What can be counted and traced, and what to alert on, is in [`observability`].

mod drive;
mod error;
mod listed;
mod no_store;
mod observe;
mod session;
mod sessions;
mod slot;
mod turns;
mod typed;
mod wrap;

#[doc = include_str!("../OBSERVABILITY.md")]
pub mod observability {}

pub use cloakroom_core::{
    Builder, Config, ConfigError, Contents, Directive, Envelope, Error as SessionError, Exchange,
    Expiry, Fate, Format, Issued, Key, KeyFormat, Lifetimes, Limits, Outcome, SameSite, SigningKey,
    Token, TokenFormat, TokenScheme, UnixTime, http,
};
pub use cloakroom_store::{Directory, SharedDirectory, SharedStore, Store, StoreError, Sweep};
pub use error::Error;
pub use listed::Listed;
pub use no_store::NoStore;
pub use observe::{Answer, Event, Operation};
pub use session::{Committing, Session};
pub use sessions::{Excess, Sessions};
pub use typed::Typed;
