use crate::json::{self, Dialect};
use crate::{FormatError, Value, msgpack, pickle, tagged};

/// The formats of Flask and Flask-Session for a session.
///
/// Reading accepts any bytes: no panic, nothing is imported or called, and no more memory than a
/// small multiple of their length.
///
/// ```
/// use cloakroom_flask::{Serializer, Value};
///
/// let session = Value::Dict(vec![
///     ("_permanent".into(), true.into()),
///     ("user_id".into(), 42.into()),
/// ]);
/// let bytes = Serializer::Msgpack.dumps(&session)?;
/// assert_eq!(bytes, b"\x82\xaa_permanent\xc3\xa7user_id\x2a");
/// assert_eq!(Serializer::Msgpack.loads(&bytes)?, session);
///
/// // What a format would give back as another type is an error.
/// assert!(Serializer::Msgpack.dumps(&Value::Tuple(vec![])).is_err());
/// # Ok::<(), cloakroom_flask::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Serializer {
    /// msgpack: the default of Flask-Session from 0.6.
    Msgpack,
    /// JSON: Flask-Session with SESSION_SERIALIZATION_FORMAT `json`.
    Json,
    /// JSON with tags for further types: Flask's own cookie.
    TaggedJson,
    /// pickle protocol 0: Flask-Session on Memcached up to 0.5. Plain data only.
    Pickle0,
    /// pickle protocol 2, which every Python reads: Flask-Session up to 0.5, and on files. Plain
    /// data only. Protocols 0 to 5 are read.
    Pickle2,
}

impl Serializer {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`], [`TooDeep`](FormatError::TooDeep),
    /// [`TooLarge`](FormatError::TooLarge); for a pickle that is not plain data
    /// [`Refused`](FormatError::Refused).
    ///
    /// ```
    /// # use cloakroom_flask::{Serializer, Value};
    /// assert_eq!(Serializer::Json.loads(b"[1]")?, Value::List(vec![Value::Int(1)]));
    /// # Ok::<(), cloakroom_flask::FormatError>(())
    /// ```
    pub fn loads(self, bytes: &[u8]) -> Result<Value, FormatError> {
        match self {
            Self::Msgpack => msgpack::loads(bytes),
            Self::Json => json::loads(bytes, Dialect::Msgspec),
            Self::TaggedJson => tagged::loads(bytes),
            Self::Pickle0 | Self::Pickle2 => pickle::loads(bytes),
        }
    }

    /// Reads a value as Flask-Session 0.8 does: first in this format, then in the other of msgpack
    /// and JSON, then as a pickle. So a store that an older version wrote, or another setting, can
    /// still be read.
    ///
    /// # Errors
    ///
    /// As [`loads`](Serializer::loads), of the last format tried.
    ///
    /// ```
    /// # use cloakroom_flask::{Serializer, Value};
    /// let old = Serializer::Pickle0.dumps(&Value::Dict(vec![]))?;
    /// assert_eq!(Serializer::Msgpack.loads_any(&old)?, Value::Dict(vec![]));
    /// # Ok::<(), cloakroom_flask::FormatError>(())
    /// ```
    pub fn loads_any(self, bytes: &[u8]) -> Result<Value, FormatError> {
        let order: &[Self] = match self {
            Self::Msgpack => &[Self::Msgpack, Self::Json, Self::Pickle2],
            Self::Json => &[Self::Json, Self::Msgpack, Self::Pickle2],
            Self::TaggedJson => &[Self::TaggedJson],
            // For a store that a newer version wrote to for a while.
            Self::Pickle0 | Self::Pickle2 => &[Self::Msgpack, Self::Json, Self::Pickle2],
        };
        let mut answer = Err(FormatError::Malformed);
        for format in order {
            answer = format.loads(bytes);
            if answer != Err(FormatError::Malformed) {
                break;
            }
        }
        answer
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// [`FormatError::Unsupported`] for a value that the format cannot keep or would return as
    /// another type.
    ///
    /// ```
    /// # use cloakroom_flask::{Serializer, Value};
    /// let tuple = Value::Tuple(vec![Value::Int(1)]);
    /// assert_eq!(Serializer::TaggedJson.dumps(&tuple)?, b"{\" t\":[1]}");
    /// # Ok::<(), cloakroom_flask::FormatError>(())
    /// ```
    pub fn dumps(self, value: &Value) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Msgpack => msgpack::dumps(value),
            Self::Json => json::dumps(value, Dialect::Msgspec).map(String::into_bytes),
            Self::TaggedJson => tagged::dumps(value),
            Self::Pickle0 => pickle::dumps(value, pickle::Protocol::Zero),
            Self::Pickle2 => pickle::dumps(value, pickle::Protocol::Two),
        }
    }
}
