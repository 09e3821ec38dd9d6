//! Sans-IO session state machine.
mod commit;
mod config;
mod error;
mod exchange;
mod expiry;
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
pub use error::Error;
pub use exchange::Exchange;
pub use expiry::Expiry;
pub use session::Session;
pub use store::{Created, Deleted, Key, Replaced, Stored, Touched, Write};
pub use time::UnixTime;
pub use token::{KeyFormat, SigningKey, Token, TokenFormat};
