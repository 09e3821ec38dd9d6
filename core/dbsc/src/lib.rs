//! Device-bound sessions: a copied cookie jar stops working after some minutes.
//!
//! The browser keeps a private key in the device's hardware and proves, every few minutes, that it
//! still has it (W3C, Device Bound Session Credentials). For that it gets a second, short-lived
//! cookie. A request of a bound session without a fresh bound cookie does not come from the device.
//!
//! This crate is the server's side without I/O: functions of headers, the session, the time and
//! entropy. An adapter sends what they return.
//!
//! ```
//! use cloakroom_core::{Config, Exchange, UnixTime};
//! use cloakroom_dbsc::{DeviceBinding, OFFER, Policy};
//! use http::HeaderMap;
//!
//! let config = Config::default();
//! let binding = DeviceBinding::new(&config)?;
//! let now = UnixTime::from_secs(1_700_000_000);
//!
//! // 1. The response to a sign-in offers to bind the session.
//! let mut exchange = Exchange::open(&config, [], now);
//! let mut session = exchange.session()?;
//! session.sign_in("ada")?;
//! let mut response = HeaderMap::new();
//! if let Some(offer) = binding.offer(&mut session, now, [1; 64])? {
//!     response.insert(OFFER, offer);
//! }
//!
//! // 2. POST to `register_path` and `refresh_path`: send the answer as it is.
//! let request = HeaderMap::new();
//! let answer = binding.register(&request, &mut session, now, [2; 64])?;
//! assert_eq!(answer.status, 403);
//!
//! // 3. Other routes.
//! let checked =
//!     binding.guard(&request, &mut session, Policy::Refuse, now, [3; 64])?;
//! assert!(checked.answer.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - **One value of the session holds the binding**: an identifier, a secret, the public key, and
//!   whether the browser has confirmed it. The session's ordinary commit writes it, so a
//!   registration that races a page load loses nothing.
//! - **Challenges and bound cookies are MACs** (HMAC-SHA256) under that secret, with their expiry
//!   inside. So a refresh costs one load and no write. Every challenge is accepted until it
//!   expires, not only the last: browsers send the one that they have.
//! - **A lost answer locks nobody out.** A registration counts once the browser has shown the bound
//!   cookie, or has refreshed it. Until then the session is [`Status::Pending`], and another
//!   registration may take its place. A lost refresh is repeated.
//! - **A rotation keeps the binding.** A sign-in ends it, and the new session gets an offer of its
//!   own. A sign-out ends it, and the browser learns it at its next refresh.
//! - **Bytes from the client never cause a panic.** A JWS has 2,048 characters at most, and at most
//!   eight bound cookies are looked at.
//!
//! The crate's tests play thousands of random schedules: overlapping requests, lost, late and
//! doubled messages, copied cookie jars, and time. They find each of nineteen faults that the
//! tests put into the protocol.
//!
//! # What it does not protect from
//!
//! - Malware that stays on the device: it can ask for signatures there.
//! - A theft of the cookie before the browser has registered its key. Register at the sign-in.
//! - A copy of the bound cookie, until that expires.
//! - Someone who can read the store: the secret makes bound cookies. The store holds no tokens,
//!   though, and the bound cookie is of no use without one.
//!
//! # ES256 alone
//!
//! Every browser with the protocol signs with ES256, and one algorithm cannot be confused with
//! another. `p256` verifies it: pure Rust by the RustCrypto maintainers, in 20 small crates that
//! build for every target, without a C compiler. `ring` is faster, but it contains C and assembler,
//! and a session's signature is verified once in ten minutes.
//!
//! The JWS is parsed here, on `serde_json` and `base64`. The JWT libraries accept several
//! algorithms and repeated names, and check claims that this protocol does not have. What remains
//! is one compact form with two bounded objects.

mod answer;
mod binding;
#[cfg(test)]
#[path = "../tests/client/mod.rs"]
mod client;
mod device;
mod jws;
mod mutant;
mod policy;
mod protocol;
#[cfg(test)]
mod schedules;
#[cfg(test)]
#[path = "../../tests/support/mod.rs"]
mod support;

pub use answer::Answer;
pub use device::DeviceBinding;
pub use policy::{Checked, Policy, Status};
pub use protocol::OFFER;
