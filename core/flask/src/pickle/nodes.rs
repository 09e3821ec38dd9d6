//! What a pickle builds: nodes that refer to one another, since a pickle may put one object in several places, and fill it after
//! it has done so.

use crate::value::Depth;
use crate::{Date, DateTime, FormatError, TimeDelta, Value};

/// How much an expanded value may have beyond what its pickle has, in nodes and in bytes of texts and numbers: objects in several
/// places are copied, and 1 kB could ask for terabytes of copies. The same holds for what calls make of their arguments.
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
    /// `datetime.timezone(offset)`, in seconds. Not data by itself.
    Timezone(i32),
    /// A UUID whose state is still to come.
    UuidWithoutState,
}

/// What a pickle may name.
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
    TimeDelta,
    Timezone,
    Decimal,
    Uuid,
    Markup,
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
            ("datetime", "timedelta") => Self::TimeDelta,
            ("datetime", "timezone") => Self::Timezone,
            ("decimal", "Decimal") => Self::Decimal,
            ("uuid", "UUID") => Self::Uuid,
            ("markupsafe", "Markup") => Self::Markup,
            ("copyreg" | "copy_reg", "_reconstructor") => Self::Reconstructor,
            _ => return None,
        })
    }
}

pub(super) struct Nodes {
    all: Vec<Node>,
    /// How much calls may still copy.
    left: usize,
    input: usize,
}

impl Nodes {
    /// None yet, of a pickle of this length.
    pub(super) fn new(input: usize) -> Self {
        Self {
            all: Vec::new(),
            left: input.saturating_add(MAX_COPIES),
            input,
        }
    }

    pub(super) fn add(&mut self, node: Node) -> Id {
        self.all.push(node);
        self.all.len() - 1
    }

    pub(super) fn get(&self, id: Id) -> Option<&Node> {
        self.all.get(id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.all.get_mut(id)
    }

    /// Adds what a call has made by copying from its arguments.
    pub(super) fn add_copy(&mut self, made: Node) -> Result<Id, FormatError> {
        let copied = match &made {
            Node::Set(items) | Node::FrozenSet(items) => items.len(),
            Node::Plain(value) => size(value),
            _ => 0,
        };
        spend(&mut self.left, copied)?;
        Ok(self.add(made))
    }

    /// What `class(*arguments)` is. `None`: not with such arguments.
    pub(super) fn construct(&self, class: Class, arguments: &[Id]) -> Option<Node> {
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
            (Class::DateTime, [state]) => Node::Plain(date_time(state, None)?),
            (Class::DateTime, [state, Node::Timezone(offset)]) => {
                Node::Plain(date_time(state, Some(*offset))?)
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
            (Class::Timezone, [Node::Plain(Value::TimeDelta(delta))])
                if delta.microseconds == 0 =>
            {
                Node::Timezone(delta.total_seconds().try_into().ok()?)
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
        let [key, value] = entries[..] else {
            return None;
        };
        let number = match (self.get(key)?, self.get(value)?) {
            (Node::Plain(Value::Str(key)), Node::Plain(value)) if key == "int" => unsigned(value)?,
            _ => return None,
        };
        let object = self.get_mut(object)?;
        match object {
            Node::UuidWithoutState => *object = Node::Plain(Value::Uuid(number)),
            _ => return None,
        }
        Some(())
    }

    /// The value that a node stands for.
    pub(super) fn expand(&self, root: Id) -> Result<Value, FormatError> {
        let mut left = self.input.saturating_add(MAX_COPIES);
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
            Node::Timezone(_) => Err(FormatError::Refused {
                what: "datetime.timezone as a value".into(),
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

/// Python's ten bytes; the first bit of the month is `fold`, which says which of two equal local times is meant.
fn date_time(state: &Node, offset: Option<i32>) -> Option<Value> {
    let Node::Plain(Value::Bytes(state)) = state else {
        return None;
    };
    let [y1, y2, month, day, hour, minute, second, u1, u2, u3] = state[..] else {
        return None;
    };
    let date = Date::new(year(y1, y2), month, day)?;
    let microsecond = u32::from_be_bytes([0, u1, u2, u3]);
    DateTime::new(date, [hour, minute, second], microsecond, offset).map(Value::DateTime)
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
