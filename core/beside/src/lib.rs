//! The common part of other Rust session libraries' layouts: ids in cookies, and values as JSON.
//!
//! Use `cloakroom-tower-sessions`, `cloakroom-actix-session` or `cloakroom-axum-session`, which are
//! built on it. Use this crate for a layout of your own.
//!
//! - [`CookieIds`] is a [`TokenScheme`](cloakroom_core::TokenScheme): ids in plain, signed or
//!   private cookies of the crate `cookie`.
//! - [`json`] translates a session's values between CBOR and JSON.
//! - [`UserValue`] makes the user that another library signed in the session's subject.

mod ids;
pub mod json;
mod user;

pub use ids::{CookieIds, IdShape};
pub use user::UserValue;
