//! Flask's and Flask-Session's sessions as pure data: signatures as itsdangerous makes them ([`Signer`]), values with the types that
//! Python has ([`Value`]), and the formats in which they are kept ([`Serializer`]). No I/O, no clock.
//!
//! ```
//! use cloakroom_flask::{Serializer, Signer, Value};
//!
//! // What `app.session_interface` of Flask 3.1 made of `session["user_id"] = 42`.
//! let cookie = b"eyJ1c2VyX2lkIjo0Mn0.ZVPxAA.pJyNR17IQxqjRhN4rU6OQT3WzUk";
//! let signer = Signer::new("dev-secret-key-0123456789abcdef", Signer::COOKIE_SESSION);
//! let (payload, signed_at) = signer.unsign_at(cookie).unwrap();
//! assert_eq!((payload, signed_at), (&b"eyJ1c2VyX2lkIjo0Mn0"[..], 1_700_000_000));
//!
//! let session = Serializer::TaggedJson.loads(br#"{"user_id":42}"#)?;
//! assert_eq!(session.get("user_id"), Some(&Value::Int(42)));
//! # Ok::<(), cloakroom_flask::FormatError>(())
//! ```

mod cookie;
mod error;
mod format;
mod json;
mod msgpack;
mod pickle;
mod serializer;
mod settings;
mod sid;
mod signer;
mod tagged;
mod value;

pub use error::FormatError;
pub use format::{MARKS, PERMANENT};
pub use serializer::Serializer;
pub use settings::{Secret, SessionType, Settings, SettingsError};
pub use signer::Signer;
pub use value::{Date, DateTime, Integer, MAX_DEPTH, TimeDelta, Value};
