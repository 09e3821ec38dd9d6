//! The nodes that a pickle builds. They refer to one another, because a pickle may put one object
//! in several places and fill it afterwards.

use crate::value::{Depth, Kind};
use crate::{Date, DateTime, FormatError, Object, TimeDelta, Value};

/// The budget of an expanded value beyond its pickle's own size, in nodes and in bytes of text.
/// Shared objects are copied, and 1 kB of pickle could ask for terabytes of copies.
const MAX_COPIES: usize = 65_536;

pub(super) type Id = usize;

pub(super) enum Node {
    /// Data without parts.
    Plain(Value),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    FrozenSet(Vec<Id>),
    /// Keys and values in turn.
    Dict(Vec<Id>),
    /// A class or function of the closed list. Not data: it must not be left in the result.
    Class(Class),
    /// A UUID whose state is still to come.
    UuidWithoutState,
}

/// A name that a pickle may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Set,
    FrozenSet,
    /// `bytes()`: how protocols 0 to 2 write empty ones.
    Bytes,
    /// `_codecs.encode(text, "latin1")`: how protocols 0 to 2 write bytes.
    Encode,
    DateTime,
    Date,
    Time,
    TimeDelta,
    Timezone,
    Decimal,
    Uuid,
    Markup,
    ByteArray,
    Complex,
    ZoneInfo,
    /// `zoneinfo.ZoneInfo._unpickle(key, from_cache)`.
    ZoneInfoUnpickle,
    /// `getattr`, of nothing but `ZoneInfo` and `_unpickle`: how a method is pickled.
    GetAttr,
    PytzUtc,
    Pytz,
    PytzFixed,
    /// `copyreg._reconstructor(class, base, state)`: how protocols 0 and 1 write instances.
    Reconstructor,
    /// A base that `_reconstructor` is given.
    Object,
    Str,
}

impl Class {
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("builtins" | "__builtin__", "set") => Self::Set,
            ("builtins" | "__builtin__", "frozenset") => Self::FrozenSet,
            ("builtins" | "__builtin__", "bytes") => Self::Bytes,
            ("builtins" | "__builtin__", "object") => Self::Object,
            ("builtins", "str") | ("__builtin__", "unicode") => Self::Str,
            ("_codecs", "encode") => Self::Encode,
            ("datetime", "datetime") => Self::DateTime,
            ("datetime", "date") => Self::Date,
            ("datetime", "time") => Self::Time,
            ("datetime", "timedelta") => Self::TimeDelta,
            ("datetime", "timezone") => Self::Timezone,
            ("decimal", "Decimal") => Self::Decimal,
            ("uuid", "UUID") => Self::Uuid,
            ("markupsafe", "Markup") => Self::Markup,
            ("builtins" | "__builtin__", "bytearray") => Self::ByteArray,
            ("builtins" | "__builtin__", "complex") => Self::Complex,
            ("builtins" | "__builtin__", "getattr") => Self::GetAttr,
            ("zoneinfo", "ZoneInfo") => Self::ZoneInfo,
            ("pytz", "_UTC") => Self::PytzUtc,
            ("pytz", "_p") => Self::Pytz,
            ("pytz", "FixedOffset") => Self::PytzFixed,
            ("copyreg" | "copy_reg", "_reconstructor") => Self::Reconstructor,
            _ => return None,
        })
    }
}

pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The remaining budget for copies in calls.
    left: usize,
}

impl Nodes {
    /// For a pickle of this length.
    pub(super) fn new(input: usize) -> Self {
        Self {
            nodes: Vec::new(),
            left: input.saturating_mul(2).saturating_add(MAX_COPIES),
        }
    }

    pub(super) fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn get(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(id)
    }

    /// Returns the value of `class(*arguments)`, or `None` for unsuitable arguments.
    ///
    /// Arguments are copied within a budget, because a few bytes can repeat the call again and
    /// again.
    pub(super) fn construct(
        &mut self,
        class: Class,
        arguments: &[Id],
    ) -> Result<Option<Node>, FormatError> {
        let cost = arguments
            .iter()
            .filter_map(|id| self.get(*id))
            .map(|node| match node {
                Node::Plain(value) => size(value),
                Node::List(items) | Node::Tuple(items) => items.len(),
                _ => 0,
            });
        let cost = cost.sum();
        spend(&mut self.left, cost)?;
        Ok(self.made(class, arguments))
    }

    fn made(&self, class: Class, arguments: &[Id]) -> Option<Node> {
        let nodes: Vec<&Node> = arguments
            .iter()
            .map(|id| self.get(*id))
            .collect::<Option<_>>()?;
        Some(match (class, &nodes[..]) {
            (Class::Set, []) => Node::Set(Vec::new()),
            (Class::FrozenSet, []) => Node::FrozenSet(Vec::new()),
            (Class::Set, [Node::List(items) | Node::Tuple(items)]) => Node::Set(items.clone()),
            (Class::FrozenSet, [Node::List(items) | Node::Tuple(items)]) => {
                Node::FrozenSet(items.clone())
            }
            (Class::Bytes, []) => Node::Plain(Value::Bytes(Vec::new())),
            (
                Class::Encode,
                [
                    Node::Plain(Value::Str(text)),
                    Node::Plain(Value::Str(codec)),
                ],
            ) if matches!(&**codec, "latin1" | "latin-1") => {
                Node::Plain(Value::Bytes(latin1(text)?))
            }
            (Class::DateTime, [state]) => date_time(state, None)?,
            (Class::DateTime, [state, Node::Plain(Value::Object(zone))]) => {
                date_time(state, Some(zone))?
            }
            (Class::Date, [Node::Plain(Value::Bytes(state))]) => {
                let [high, low, month, day] = state[..] else {
                    return None;
                };
                Node::Plain(Value::Date(Date::new(year(high, low), month, day)?))
            }
            (
                Class::TimeDelta,
                [
                    Node::Plain(days),
                    Node::Plain(seconds),
                    Node::Plain(microseconds),
                ],
            ) => {
                let (Value::Int(days), Value::Int(seconds), Value::Int(microseconds)) =
                    (days, seconds, microseconds)
                else {
                    return None;
                };
                let delta = TimeDelta::new(
                    (*days).try_into().ok()?,
                    (*seconds).try_into().ok()?,
                    (*microseconds).try_into().ok()?,
                )?;
                Node::Plain(Value::TimeDelta(delta))
            }
            (Class::Time, parts) => object(Kind::Time, parts)?,
            (Class::Timezone, parts) => object(Kind::Timezone, parts)?,
            (Class::ByteArray, []) => {
                let empty = vec![Value::Bytes(Vec::new())];
                Node::Plain(Value::Object(Object::of(Kind::ByteArray, empty)?))
            }
            (Class::ByteArray, parts) => object(Kind::ByteArray, parts)?,
            (Class::Complex, parts) => object(Kind::Complex, parts)?,
            (Class::PytzUtc, parts) => object(Kind::PytzUtc, parts)?,
            (Class::Pytz, parts) => object(Kind::Pytz, parts)?,
            (Class::PytzFixed, parts) => object(Kind::PytzFixed, parts)?,
            (
                Class::GetAttr,
                [
                    Node::Class(Class::ZoneInfo),
                    Node::Plain(Value::Str(method)),
                ],
            ) if method == "_unpickle" => Node::Class(Class::ZoneInfoUnpickle),
            (Class::ZoneInfoUnpickle, [key, Node::Plain(Value::Int(1) | Value::Bool(true))]) => {
                object(Kind::ZoneInfo, &[*key])?
            }
            (Class::Decimal, [Node::Plain(Value::Str(text))]) => {
                let valid = text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
                valid.then(|| Node::Plain(Value::Decimal(text.clone())))?
            }
            (Class::Uuid, []) => Node::UuidWithoutState,
            (Class::Markup, [Node::Plain(Value::Str(text))]) => {
                Node::Plain(Value::Markup(text.clone()))
            }
            (
                Class::Reconstructor,
                [
                    Node::Class(Class::Uuid),
                    Node::Class(Class::Object),
                    Node::Plain(Value::None),
                ],
            ) => Node::UuidWithoutState,
            (
                Class::Reconstructor,
                [
                    Node::Class(Class::Markup),
                    Node::Class(Class::Str),
                    Node::Plain(Value::Str(text)),
                ],
            ) => Node::Plain(Value::Markup(text.clone())),
            _ => return None,
        })
    }

    /// Gives an object its state. `None`: not such a state, or not such an object.
    pub(super) fn build(&mut self, object: Id, state: Id) -> Option<()> {
        let Some(Node::Dict(entries)) = self.get(state) else {
            return None;
        };
        let mut number = None;
        for pair in entries.chunks_exact(2) {
            let [key, value] = pair else { return None };
            match (self.get(*key)?, self.get(*value)?) {
                (Node::Plain(Value::Str(key)), Node::Plain(value)) if key == "int" => {
                    number = Some(unsigned(value)?);
                }
                // How the number was made: no part of it.
                (Node::Plain(Value::Str(key)), Node::Plain(Value::Int(-1..=1)))
                    if key == "is_safe" => {}
                _ => return None,
            }
        }
        let number = number?;
        let object = self.get_mut(object)?;
        match object {
            Node::UuidWithoutState => *object = Node::Plain(Value::Uuid(number)),
            _ => return None,
        }
        Some(())
    }

    /// The value that a node stands for. `input` is the length of the pickle.
    pub(super) fn expand(&self, root: Id, input: usize) -> Result<Value, FormatError> {
        let mut left = input.saturating_add(MAX_COPIES);
        self.value(root, Depth::START, &mut left)
    }

    fn value(&self, id: Id, depth: Depth, left: &mut usize) -> Result<Value, FormatError> {
        spend(left, 1)?;
        match self.get(id).ok_or(FormatError::Malformed)? {
            Node::Plain(value) => {
                spend(left, size(value))?;
                Ok(value.clone())
            }
            Node::List(items) => self.values(items, depth, left).map(Value::List),
            Node::Tuple(items) => self.values(items, depth, left).map(Value::Tuple),
            Node::Set(items) => self.values(items, depth, left).map(Value::Set),
            Node::FrozenSet(items) => self.values(items, depth, left).map(Value::FrozenSet),
            Node::Dict(items) => {
                let depth = depth.enter()?;
                let pairs = items.chunks_exact(2).map(|pair| match pair {
                    [key, value] => Ok((
                        self.value(*key, depth, left)?,
                        self.value(*value, depth, left)?,
                    )),
                    _ => Err(FormatError::Malformed),
                });
                pairs.collect::<Result<_, _>>().map(Value::Dict)
            }
            Node::Class(_) => Err(FormatError::Refused {
                what: "a class as a value".into(),
            }),
            Node::UuidWithoutState => Err(FormatError::Malformed),
        }
    }

    fn values(
        &self,
        ids: &[Id],
        depth: Depth,
        left: &mut usize,
    ) -> Result<Vec<Value>, FormatError> {
        // Also what ends a list that contains itself.
        let depth = depth.enter()?;
        ids.iter().map(|id| self.value(*id, depth, left)).collect()
    }
}

fn spend(left: &mut usize, amount: usize) -> Result<(), FormatError> {
    *left = left.checked_sub(amount).ok_or(FormatError::TooLarge)?;
    Ok(())
}

fn size(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Decimal(text) | Value::Markup(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Object(object) => object.arguments().iter().map(|part| 1 + size(part)).sum(),
        Value::BigInt(integer) => integer.len(),
        _ => 0,
    }
}

/// Text whose characters are bytes.
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

fn year(high: u8, low: u8) -> i32 {
    u16::from_be_bytes([high, low]).into()
}

/// Python's ten bytes, and the zone. Unless these are a plain moment, they are kept as they are.
fn date_time(state: &Node, zone: Option<&Object>) -> Option<Node> {
    let Node::Plain(Value::Bytes(bytes)) = state else {
        return None;
    };
    let [y1, y2, month, day, hour, minute, second, u1, u2, u3] = bytes[..] else {
        return None;
    };
    let offset = zone.map(Object::plain_offset);
    if month < 0x80 && offset != Some(None) {
        let date = Date::new(year(y1, y2), month, day)?;
        let microsecond = u32::from_be_bytes([0, u1, u2, u3]);
        let time = [hour, minute, second];
        let at = DateTime::new(date, time, microsecond, offset.flatten())?;
        return Some(Node::Plain(Value::DateTime(at)));
    }
    let zone = zone.map(|zone| Value::Object(zone.clone()));
    let parts = [Value::Bytes(bytes.clone())].into_iter().chain(zone);
    let object = Object::of(Kind::DateTime, parts.collect())?;
    Some(Node::Plain(Value::Object(object)))
}

fn object(kind: Kind, parts: &[&Node]) -> Option<Node> {
    let part = |part: &&Node| match part {
        Node::Plain(value) => Some(value.clone()),
        _ => None,
    };
    let parts = parts.iter().map(part).collect::<Option<_>>()?;
    Some(Node::Plain(Value::Object(Object::of(kind, parts)?)))
}

/// An integer of 0 to 2^128 - 1.
fn unsigned(value: &Value) -> Option<[u8; 16]> {
    match value {
        Value::Int(value) => Some(u128::try_from(*value).ok()?.to_be_bytes()),
        Value::BigInt(value) => {
            let (false, magnitude) = value.to_cbor() else {
                return None;
            };
            let mut bytes = [0; 16];
            bytes
                .get_mut(16_usize.checked_sub(magnitude.len())?..)?
                .copy_from_slice(&magnitude);
            Some(bytes)
        }
        _ => None,
    }
}
