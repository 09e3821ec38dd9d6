use super::Value;
use crate::TimeDelta;

/// The longest name of a time zone. Those of IANA's database have at most 32 characters.
const MAX_ZONE: usize = 64;

/// A value of one of a few Python types that have no type of their own here. Its arguments are read
/// from the pickle, and written back unchanged. Nothing of it is imported or called.
///
/// | class | arguments |
/// |---|---|
/// | `datetime.time` | its state, as 6 bytes; then its zone, if it has one |
/// | `datetime.datetime` | its state, as 10 bytes; then its zone. Only for what [`DateTime`](crate::DateTime) cannot be: a zone that is no plain offset, or `fold` |
/// | `datetime.timezone` | its offset; then its name, if it has one |
/// | `zoneinfo.ZoneInfo` | its key |
/// | `pytz.UTC` | |
/// | `pytz.timezone` | its name; or name, offset and daylight saving time in seconds, and abbreviation |
/// | `pytz.FixedOffset` | its minutes |
/// | `bytearray` | its bytes |
/// | `complex` | its two parts |
/// | `str` | only with lone surrogates: its bytes in UTF-8, with three for each of these |
///
/// ```
/// use cloakroom_flask::{Object, Serializer, Value};
///
/// let point = Object::new("complex", [1.5.into(), 2.0.into()]).unwrap();
/// assert_eq!((point.class(), point.arguments().len()), ("complex", 2));
/// let pickle = Serializer::Pickle2.dumps(&Value::Object(point.clone()))?;
/// assert_eq!(Serializer::Pickle2.loads(&pickle)?, Value::Object(point));
/// # Ok::<(), cloakroom_flask::FormatError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Object {
    kind: Kind,
    arguments: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Time,
    DateTime,
    Timezone,
    ZoneInfo,
    PytzUtc,
    Pytz,
    PytzFixed,
    ByteArray,
    Complex,
    Surrogates,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Time,
        Self::DateTime,
        Self::Timezone,
        Self::ZoneInfo,
        Self::PytzUtc,
        Self::Pytz,
        Self::PytzFixed,
        Self::ByteArray,
        Self::Complex,
        Self::Surrogates,
    ];

    fn class(self) -> &'static str {
        match self {
            Self::Time => "datetime.time",
            Self::DateTime => "datetime.datetime",
            Self::Timezone => "datetime.timezone",
            Self::ZoneInfo => "zoneinfo.ZoneInfo",
            Self::PytzUtc => "pytz.UTC",
            Self::Pytz => "pytz.timezone",
            Self::PytzFixed => "pytz.FixedOffset",
            Self::ByteArray => "bytearray",
            Self::Complex => "complex",
            Self::Surrogates => "str",
        }
    }

    fn takes(self, arguments: &[Value]) -> bool {
        match (self, arguments) {
            (Self::Time, [Value::Bytes(state)]) => is_time(state),
            (Self::Time, [Value::Bytes(state), zone]) => is_time(state) && is_zone(zone),
            (Self::DateTime, [Value::Bytes(state)]) => is_date_time(state),
            (Self::DateTime, [Value::Bytes(state), zone]) => is_date_time(state) && is_zone(zone),
            (Self::Timezone, [Value::TimeDelta(offset)]) => is_offset(*offset),
            (Self::Timezone, [Value::TimeDelta(offset), Value::Str(name)]) => {
                is_offset(*offset) && name.len() <= MAX_ZONE
            }
            (Self::ZoneInfo | Self::Pytz, [Value::Str(name)]) => name.len() <= MAX_ZONE,
            (
                Self::Pytz,
                [
                    Value::Str(name),
                    Value::Int(_),
                    Value::Int(_),
                    Value::Str(abbreviation),
                ],
            ) => name.len() <= MAX_ZONE && abbreviation.len() <= MAX_ZONE,
            (Self::PytzUtc, [])
            | (Self::PytzFixed, [Value::Int(_)])
            | (Self::ByteArray, [Value::Bytes(_)])
            | (Self::Complex, [Value::Float(_), Value::Float(_)]) => true,
            (Self::Surrogates, [Value::Bytes(bytes)]) => has_surrogates(bytes),
            _ => false,
        }
    }
}

impl Object {
    /// Makes an object of this class with these arguments. Returns `None` if the table above has no
    /// such class, or not with such arguments.
    ///
    /// ```
    /// # use cloakroom_flask::Object;
    /// assert!(Object::new("zoneinfo.ZoneInfo", ["Europe/Berlin".into()]).is_some());
    /// assert!(Object::new("os.system", ["true".into()]).is_none());
    /// ```
    #[must_use]
    pub fn new(class: &str, arguments: impl IntoIterator<Item = Value>) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.class() == class)?;
        Self::of(kind, arguments.into_iter().collect())
    }

    pub(crate) fn of(kind: Kind, arguments: Vec<Value>) -> Option<Self> {
        kind.takes(&arguments).then_some(Self { kind, arguments })
    }

    /// Returns the class, by its name in the table above.
    ///
    /// ```
    /// # use cloakroom_flask::Object;
    /// let utc = Object::new("pytz.UTC", []).unwrap();
    /// assert_eq!(utc.class(), "pytz.UTC");
    /// ```
    #[must_use]
    pub fn class(&self) -> &'static str {
        self.kind.class()
    }

    /// Returns the arguments, as in the table above.
    ///
    /// ```
    /// # use cloakroom_flask::Object;
    /// assert!(Object::new("pytz.UTC", []).unwrap().arguments().is_empty());
    /// ```
    #[must_use]
    pub fn arguments(&self) -> &[Value] {
        &self.arguments
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the seconds east of UTC, if the zone is a plain offset.
    pub(crate) fn plain_offset(&self) -> Option<i32> {
        match (self.kind, &self.arguments[..]) {
            (Kind::Timezone, [Value::TimeDelta(offset)]) if offset.microseconds == 0 => {
                offset.total_seconds().try_into().ok()
            }
            _ => None,
        }
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({})", self.class())
    }
}

fn is_zone(value: &Value) -> bool {
    let Value::Object(zone) = value else {
        return false;
    };
    matches!(
        zone.kind,
        Kind::Timezone | Kind::ZoneInfo | Kind::PytzUtc | Kind::Pytz | Kind::PytzFixed
    )
}

/// Returns whether this is less than a day, in either direction.
fn is_offset(offset: TimeDelta) -> bool {
    let day = 86_400;
    let seconds = offset.total_seconds();
    (-day < seconds || seconds == -day && offset.microseconds > 0) && seconds < day
}

/// Checks Python's six bytes. The first bit of the hour is `fold`.
fn is_time(state: &[u8]) -> bool {
    let [hour, minute, second, u1, u2, u3] = state[..] else {
        return false;
    };
    let microsecond = u32::from_be_bytes([0, u1, u2, u3]);
    hour & 0x7f < 24 && minute < 60 && second < 60 && microsecond < 1_000_000
}

/// Checks Python's ten bytes. The first bit of the month is `fold`.
fn is_date_time(state: &[u8]) -> bool {
    let Some(([y1, y2, month, day], time)) = state.split_first_chunk() else {
        return false;
    };
    let year = u16::from_be_bytes([*y1, *y2]).into();
    let date = super::Date::new(year, month & 0x7f, *day);
    date.is_some() && time.first().is_some_and(|hour| *hour < 24) && is_time(time)
}

/// Returns whether these bytes are UTF-8 except for at least one surrogate: the output of Python's
/// `surrogatepass`.
fn has_surrogates(mut bytes: &[u8]) -> bool {
    let mut found = false;
    while let Err(error) = std::str::from_utf8(bytes) {
        match bytes.get(error.valid_up_to()..) {
            Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => {
                found = true;
                bytes = rest;
            }
            _ => return false,
        }
    }
    found
}
