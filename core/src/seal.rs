//! The keys and the cipher of sealed values.
//!
//! ```text
//! sealing key = HKDF-SHA256(secret: the token's id, no salt, info: label, store's key)
//! sealed      = XChaCha20-Poly1305(sealing key, nonce of the write, values; head authenticated)
//! ```
//!
//! The store's key is the token's SHA-256, so neither leads to the other. Without the feature
//! `sealed-values` no token opens anything: sealed records then have a head and public values.

#[cfg(not(feature = "sealed-values"))]
mod absent;
#[cfg(feature = "sealed-values")]
mod cipher;
#[cfg(feature = "sealed-values")]
mod keys;

#[cfg(not(feature = "sealed-values"))]
pub(crate) use absent::{Opener, Secret, open, seal};
#[cfg(feature = "sealed-values")]
pub(crate) use cipher::{open, seal};
#[cfg(feature = "sealed-values")]
pub(crate) use keys::{Opener, Secret};

pub(crate) const SECRET_LEN: usize = 32;
pub(crate) const NONCE_LEN: usize = 24;
pub(crate) const TAG_LEN: usize = 16;

/// Whether this program was built with the cipher.
pub(crate) const AVAILABLE: bool = cfg!(feature = "sealed-values");
