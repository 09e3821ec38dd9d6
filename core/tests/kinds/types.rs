//! Types of applications.

pub(super) use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
pub(super) use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Like `bson::oid::ObjectId`: it has one form, and reads it only from a human-readable format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ObjectId(pub(crate) [u8; 2]);

impl Serialize for ObjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("$oid", 1)?;
        fields.serialize_field("$oid", &format!("{:02x}{:02x}", self.0[0], self.0[1]))?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "$oid")]
            oid: String,
        }
        if !deserializer.is_human_readable() {
            let bytes = <[u8; 2]>::deserialize(deserializer)?;
            return Ok(Self(bytes));
        }
        let Fields { oid } = Fields::deserialize(deserializer)?;
        let byte = |at| {
            oid.get(at..at + 2)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        };
        match (byte(0), byte(2)) {
            (Some(a), Some(b)) => Ok(Self([a, b])),
            _ => Err(serde::de::Error::custom(format!("bad id {oid}"))),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Unit;
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Empty {}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Newtype<T>(pub(super) T);
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Transparent<T> {
    pub(super) inner: T,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Field<T> {
    pub(super) inner: T,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Flattened<T> {
    pub(super) own: u8,
    #[serde(flatten)]
    pub(super) rest: Field<T>,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Internal<T> {
    Struct { inner: T },
    Newtype(Field<T>),
    Unit,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "content")]
pub(super) enum Adjacent<T> {
    Struct { inner: T },
    Newtype(T),
    Tuple(u8, T),
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Untagged<T> {
    Struct { inner: T },
    Nothing { nothing: bool },
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Bare<T> {
    Newtype(T),
    Nothing { nothing: bool, at_all: String },
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum External<T> {
    Unit,
    Newtype(T),
    Tuple(u8, T),
    Struct { inner: T },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Colour {
    Red,
    Green,
}
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) x: u8,
    pub(super) y: u8,
}
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Id(pub(super) u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) skipped: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub(super) enum Open {
    Known(u8),
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Extra {
    own: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Extra {
    pub(super) fn new() -> Self {
        let rest = keys([
            ("a".into(), 1.into()),
            ("b".into(), serde_json::json!([null])),
        ]);
        Self { own: 1, rest }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct NumberExtra {
    #[serde(flatten)]
    rest: BTreeMap<u64, IpAddr>,
}

impl NumberExtra {
    pub(super) fn new() -> Self {
        let rest = keys([(7, IpAddr::from([10, 0, 0, 7]))]);
        Self { rest }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree(pub(super) BTreeMap<String, Self>);

pub(super) fn tree() -> Tree {
    let leaf = |name: &str| Tree(keys([(name.into(), Tree(BTreeMap::new()))]));
    Tree(keys([("a".into(), leaf("b")), ("c".into(), leaf("d"))]))
}

pub(super) fn deep() -> Internal<Flattened<Untagged<IpAddr>>> {
    let inner = IpAddr::from([10, 0, 0, 7]);
    let inner = Untagged::Struct { inner };
    let rest = Field { inner };
    let inner = Flattened { own: 1, rest };
    Internal::Struct { inner }
}

pub(super) fn keys<K: Ord, V, const N: usize>(entries: [(K, V); N]) -> BTreeMap<K, V> {
    BTreeMap::from(entries)
}

pub(super) fn hashes() -> HashMap<String, HashSet<String>> {
    let set = |items: [&str; 2]| items.map(str::to_owned).into();
    HashMap::from([("a".into(), set(["x", "y"])), ("b".into(), set(["z", "w"]))])
}

pub(super) fn later() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 5)
}

pub(super) fn at() -> time::OffsetDateTime {
    time::OffsetDateTime::UNIX_EPOCH + time::Duration::new(1_700_000_000, 5)
}

pub(super) fn local() -> time::PrimitiveDateTime {
    time::PrimitiveDateTime::new(at().date(), at().time())
}

pub(super) fn zone() -> time::UtcOffset {
    time::UtcOffset::from_hms(-3, -30, 0).expect("an offset")
}

/// As an application has them.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Groups {
    roles: HashSet<String>,
    of: HashMap<String, Vec<HashSet<u8>>>,
}

pub(super) fn groups() -> Groups {
    let set = || (0..20).collect();
    Groups {
        roles: (0..20).map(|n| format!("role {n}")).collect(),
        of: (0..20)
            .map(|n| (n.to_string(), vec![set(), set()]))
            .collect(),
    }
}

pub(super) fn nested() -> HashMap<u8, HashMap<String, u8>> {
    let inner = |n: u8| (0..20).map(|m| (m.to_string(), n)).collect();
    (0..20).map(|n| (n, inner(n))).collect()
}
