//! [`Error`](crate::Error) as a response of each framework.
//!
//! Rust allows these implementations only in the crate of the type. Each is behind a feature that
//! the framework's adapter turns on.

#[cfg(feature = "actix")]
mod actix;

#[cfg(feature = "axum")]
mod axum;

#[cfg(feature = "poem")]
mod poem;

#[cfg(feature = "rocket")]
pub mod rocket;

#[cfg(feature = "salvo")]
mod salvo;

#[cfg(feature = "warp")]
pub mod warp;
