//! Sessions where [tower-sessions](https://docs.rs/tower-sessions) keeps them, versions 0.10 to 0.15.
//!
//! Applications on either library then share their visitors: each reads and writes what the other
//! one wrote.
//!
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_tower_sessions::{Settings, TowerSessions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The key of `SessionManagerLayer::with_signed`.
//! let key = cookie::Key::from(&[7; 64]);
//! let config = Settings::new().signed(key).builder().build()?;
//! let store = TowerSessions::connect_redis("redis://127.0.0.1:6379").await?;
//! let sessions = Sessions::new(store).with_config(config);
//! // `SessionLayer::from(sessions)` in axum.
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("../BESIDE.md")]

mod format;
mod layout;
#[cfg(feature = "mongodb")]
mod mongodb;
mod settings;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
mod store;

#[cfg(feature = "mongodb")]
pub use crate::mongodb::MongoDbBuilder;
pub use cloakroom_beside::UserValue;
pub use settings::Settings;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sql::SqlBuilder;
pub use store::TowerSessions;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
