//! Sessions for any transport: the one driver loop, its clock and its entropy.
//!
//! The adapters for frameworks are built on this crate. A transport without a framework needs
//! nothing else. Hand the token that the client presented to [`Sessions::with`], and follow the
//! outcome's directive:
//!
//! ```
//! use cloakroom::{Directive, Sessions};
//! use cloakroom_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom::Error> {
//! let sessions = Sessions::new(MemoryStore::new());
//! let one_more = |visits: Option<u32>| visits.unwrap_or(0) + 1;
//!
//! // A client without a token:
//! let (visits, outcome) = sessions
//!     .with(None, |session| session.update("visits", one_more))
//!     .await?;
//! let Directive::Issue(issued) = outcome.directive else { panic!() };
//! assert_eq!(visits, 1);
//!
//! // It presents the token next time:
//! let token = issued.token.expose();
//! let (visits, outcome) = sessions
//!     .with(Some(token), |session| session.update("visits", one_more))
//!     .await?;
//! assert_eq!((visits, outcome.directive), (2, Directive::Keep));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Sessions::open`], [`Sessions::load`] and [`Sessions::commit`] are the same in parts.
//! - [`Sessions::list`], [`Sessions::revoke`] and [`Sessions::with_limit`] are for a user's
//!   sessions. [`Sessions::end_all`] ends those of everyone.
//! - [`Session`] is the handle that a handler and its adapter share. [`adapter`] is for authors of
//!   adapters.
//! - [`testing`] shows how to test handlers. [`observability`] lists what to count and what to
//!   alert on.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adapter;
mod backend;
mod clock;
mod commit;
mod copies;
mod crossing;
#[cfg(feature = "device-binding")]
mod device;
mod directory;
mod drive;
mod ended;
mod ending;
mod epoch;
mod error;
mod events;
#[doc(hidden)]
pub mod frameworks;
mod guard;
mod inner;
mod kinds;
mod lease;
mod limit;
mod limited;
mod mark;
mod no_store;
mod observe;
mod place;
mod refusal;
mod report;
mod request_session;
mod response;
mod session;
mod session_info;
mod sessions;
mod slot;
mod strangers;
mod turns;
mod typed;
mod watch;
mod wrap;

#[doc = include_str!("../OBSERVABILITY.md")]
pub mod observability {}

#[doc = include_str!("../EVENTS.md")]
pub mod audit_log {}

#[doc = include_str!("../TESTING.md")]
pub mod testing {}

pub use cloakroom_core::{
    Authentication, Carrier, Config, ConfigBuilder, ConfigError, Contents, CookieScope, Directive,
    Envelope, Epoch, Error as SessionError, Exchange, Expiry, Fate, Format, Issued, Key, KeyFormat,
    Lifetimes, Limits, Outcome, SameSite, Session as CoreSession, SigningKey, Token, TokenFormat,
    TokenScheme, UnixTime, http,
};
#[cfg(feature = "device-binding")]
pub use cloakroom_dbsc::{DeviceBinding, Policy, Status as DeviceStatus};
pub use cloakroom_store::{
    Directory, Feed, SharedDirectory, SharedStore, Store, StoreError, Sweep,
};
pub use clock::ManualClock;
pub use ended::{Ended, Ending};
pub use error::Error;
pub use events::{Cause, Events, Happening, Lagged, SessionEvent};
pub use guard::local_path;
pub use limit::LimitPolicy;
pub use no_store::NoStore;
pub use observe::{Event, Operation, StoreAnswer};
pub use session::Session;
pub use session_info::SessionInfo;
pub use sessions::Sessions;
pub use typed::Typed;
