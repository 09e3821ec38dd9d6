//! A value with Python's types: the common form that all the formats are read into and written
//! from.

mod cbor;
mod integer;
mod object;
mod times;

pub use integer::Integer;
pub(crate) use object::Kind;
pub use object::Object;
pub use times::{Date, DateTime, TimeDelta};

use std::fmt;

use crate::FormatError;

/// How deeply containers may be nested, in every format, in both directions.
pub const MAX_DEPTH: usize = 128;

/// A value of a Flask session, with the type that Python sees.
///
/// Plain Rust types pass through serde as everywhere in this project. Use this type where they are
/// not enough: to write a tuple, a `datetime` or a `UUID`, or to read a value of unknown type.
/// `Debug` shows only the type.
///
/// ```
/// use cloakroom_flask::Value;
///
/// let flashed =
///     Value::List(vec![Value::Tuple(vec!["message".into(), "Saved.".into()])]);
/// assert_eq!(format!("{flashed:?}"), "Value(list)");
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int`, within 64 bits.
    Int(i64),
    /// `int`, beyond 64 bits. Never holds one that fits `Int`: [`Integer`] ensures it.
    BigInt(Integer),
    /// `float`.
    Float(f64),
    /// `str`. A `str` with lone surrogates, which Python allows, is an `Object`.
    Str(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `list`.
    List(Vec<Self>),
    /// `tuple`.
    Tuple(Vec<Self>),
    /// `set`, in any order.
    Set(Vec<Self>),
    /// `frozenset`, in any order.
    FrozenSet(Vec<Self>),
    /// `dict`, in its order. Of equal keys the last one counts.
    Dict(Vec<(Self, Self)>),
    /// `datetime.datetime`, with or without an offset from UTC.
    DateTime(DateTime),
    /// `datetime.date`.
    Date(Date),
    /// `datetime.timedelta`.
    TimeDelta(TimeDelta),
    /// `decimal.Decimal`, as its text.
    Decimal(String),
    /// `uuid.UUID`.
    Uuid([u8; 16]),
    /// `markupsafe.Markup`: text that is HTML already.
    Markup(String),
    /// One of a few more types, which pickles keep.
    Object(Object),
    /// An extension type of msgpack without a meaning here: its code and bytes.
    Ext(i8, Vec<u8>),
}

impl Value {
    /// Returns Python's name of the type.
    ///
    /// ```
    /// # use cloakroom_flask::Value;
    /// assert_eq!(Value::Tuple(vec![]).type_name(), "tuple");
    /// ```
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::FrozenSet(_) => "frozenset",
            Self::Dict(_) => "dict",
            Self::DateTime(_) => "datetime",
            Self::Date(_) => "date",
            Self::TimeDelta(_) => "timedelta",
            Self::Decimal(_) => "Decimal",
            Self::Uuid(_) => "UUID",
            Self::Markup(_) => "Markup",
            Self::Object(object) => object.class().rsplit('.').next().unwrap_or_default(),
            Self::Ext(..) => "msgpack.Ext",
        }
    }

    /// Returns the value under a text key of a dict.
    ///
    /// ```
    /// # use cloakroom_flask::Value;
    /// let session = Value::Dict(vec![("user_id".into(), 42.into())]);
    /// assert_eq!(session.get("user_id"), Some(&Value::Int(42)));
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(entries) = self else {
            return None;
        };
        let mut entries = entries.iter().rev();
        let (_, value) =
            entries.find(|(found, _)| matches!(found, Self::Str(found) if found == key))?;
        Some(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

/// The nesting levels that are left, for recursive readers and writers.
#[derive(Clone, Copy)]
pub(crate) struct Depth(usize);

impl Depth {
    pub(crate) const START: Self = Self(MAX_DEPTH);

    pub(crate) fn enter(self) -> Result<Self, FormatError> {
        self.0.checked_sub(1).map(Self).ok_or(FormatError::TooDeep)
    }
}
