//! Moves sessions of [axum_session](https://docs.rs/axum_session) to a store of Cloakroom, with
//! nobody signed out. For axum_session 0.20 to 0.22.
//!
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_adopting::Adopting;
//! use cloakroom_axum_session::{AxumSessions, Settings};
//! # use cloakroom_memory::MemoryStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The keys of `SessionConfig::with_key` and `with_database_key`.
//! # let [key, database_key] = [7, 9].map(|n| cookie::Key::from(&[n; 64]));
//! let old = AxumSessions::connect_redis("redis://127.0.0.1:6379").await?;
//! let old = old.database_key(database_key);
//! # let new = MemoryStore::new();
//! let config = Settings::new().signed(key).axum_session_auth().builder();
//! let sessions =
//!     Sessions::new(Adopting::new(new, old)).with_config(config.build()?);
//! // `SessionLayer::from(sessions)` in axum.
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("../ADOPT.md")]

mod bound;
mod format;
mod settings;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
mod store;

pub use bound::BoundCookies;
pub use cloakroom_beside::UserValue;
pub use settings::Settings;
pub use store::AxumSessions;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
