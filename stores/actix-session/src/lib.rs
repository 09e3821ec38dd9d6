//! Sessions where [actix-session](https://docs.rs/actix-session) keeps them in Redis, versions 0.7
//! to 0.11.
//!
//! Applications on either library then share their visitors: each reads and writes what the other
//! one wrote.
//!
//! ```no_run
//! use cloakroom::Sessions;
//! use cloakroom_actix_session::{Settings, connect_redis};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The key of `SessionMiddleware::new`.
//! let key = cookie::Key::from(&[7; 64]);
//! let config = Settings::new(key).builder().build()?;
//! let store = connect_redis("redis://127.0.0.1:6379").await?;
//! let sessions = Sessions::new(store).with_config(config);
//! // `SessionMiddleware::from(sessions)` in actix-web.
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("../BESIDE.md")]

mod format;
mod settings;

pub use cloakroom_beside::UserValue;
pub use settings::Settings;

/// Connects to the Redis or Valkey of actix-session's `RedisSessionStore`.
///
/// # Errors
///
/// A permanent one if the URL cannot be read or the server does not let the user in. A transient
/// one if it does not answer. None contains the URL.
///
/// ```
/// # use cloakroom_actix_session::connect_redis;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = connect_redis("http://user:secret@localhost").await;
/// assert!(!error.unwrap_err().to_string().contains("secret"));
/// # }
/// ```
#[cfg(feature = "redis")]
pub async fn connect_redis(
    url: &str,
) -> Result<cloakroom_flask_stores::RedisStore, cloakroom_store::StoreError> {
    cloakroom_flask_stores::RedisStore::connect(url).await
}

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
