//! Types of values, each in every position, for a property of all formats (R70).
//!
//! The positions are compiled for one type, [`Any`], which reads and writes whichever kind is the
//! wanted one. Compiling each position for each kind would take minutes.

#![expect(
    clippy::disallowed_types,
    reason = "sessions keep hash maps, whatever their order"
)]
#![allow(dead_code, reason = "each test file uses its part of this")]

mod types;

use std::cell::{Cell, RefCell};
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use cloakroom_core::{Error, Session};

use super::support::{World, issued};

pub(crate) use types::ObjectId;

/// The values that a session can hold.
pub(crate) trait Kind:
    Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + 'static
{
}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + 'static> Kind for T {}

thread_local! {
    static WANTED: Cell<usize> = const { Cell::new(0) };
}

macro_rules! kinds {
    ($($kind:ident($type:ty) = $name:literal, $value:expr;)*) => {
        /// A value of one of the kinds.
        #[derive(Debug, Clone, PartialEq)]
        enum Held { $($kind($type)),* }

        #[derive(Clone, Copy)]
        enum At { $($kind),* }

        impl Serialize for Any {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match &*self.0.borrow() {
                    $(Held::$kind(value) => serializer.serialize_newtype_struct("Any", value)),*
                }
            }
        }

        impl<'de> Deserialize<'de> for Any {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let wanted = WANTED.get();
                $(if wanted == At::$kind as usize {
                    let value = <$type>::deserialize(deserializer)?;
                    return Ok(Self(RefCell::new(Held::$kind(value))));
                })*
                unreachable!("one kind is the wanted one")
            }
        }

        /// Looks at each kind alone.
        fn alone(check: &mut Matrix) {
            $({
                let value: $type = $value;
                check.check($name, &value);
            })*
        }

        /// Looks at each kind in every position.
        fn everywhere(check: &mut Matrix) {
            $({
                WANTED.set(At::$kind as usize);
                positions(check, $name, &Any(RefCell::new(Held::$kind($value))));
            })*
        }
    };
}

/// One of the kinds. The cell leaves the compiler no spare bit patterns, as most types of
/// applications have none.
#[derive(Debug, Clone, PartialEq)]
struct Any(RefCell<Held>);

use types::*;
kinds! {
    Bool(bool) = "bool", true;
    I8(i8) = "i8", i8::MIN;
    U64(u64) = "u64", u64::MAX;
    I64(i64) = "i64", i64::MIN;
    U128(u128) = "wide u128", u128::MAX;
    SmallU128(u128) = "wide u128 that is small", 7;
    I128(i128) = "wide i128", i128::MIN;
    SmallI128(i128) = "wide i128 that is small", -7;
    NonZeroU128(std::num::NonZeroU128) = "wide non-zero", std::num::NonZeroU128::MAX;
    F32(f32) = "f32", 0.1;
    F64(f64) = "f64", 0.1;
    WholeF64(f64) = "whole f64", 5.0;
    LargeF64(f64) = "large f64", 1e300;
    Infinite(f64) = "infinite f64", f64::NEG_INFINITY;
    Char(char) = "char", 'ü';
    Text(String) = "text", "ünï\0\u{1F9E5} `quoted\" \\".into();
    NoText(String) = "empty text", String::new();
    NumberText(String) = "text of a number", "17".into();
    BoxedText(Box<str>) = "boxed text", "text".into();
    Bytes(serde_bytes::ByteBuf) = "bytes", serde_bytes::ByteBuf::from(vec![0, 255, 0xf6]);
    ByteArray(serde_bytes::ByteArray<4>) = "byte array", [0, 255, 0xf6, 0x18].into();
    Numbers(Vec<u8>) = "numbers", vec![0, 255];
    NoUnit(()) = "unit", ();
    UnitStruct(Unit) = "unit struct", Unit;
    EmptyStruct(Empty) = "empty struct", Empty {};
    UnitVariant(Colour) = "unit variant", Colour::Green;
    Phantom(std::marker::PhantomData<u8>) = "phantom", std::marker::PhantomData;
    Array([[u16; 3]; 2]) = "array", [[1; 3]; 2];
    NoArray([u8; 0]) = "empty array", [];
    Tuple((u8, String, char)) = "tuple", (1, "b".into(), 'c');
    Nothing(Option<u8>) = "nothing", None;
    Something(Option<u8>) = "something", Some(5);
    NothingInside(Option<Option<u8>>) = "nothing in something", Some(None);
    SomethingInside(Option<Option<u8>>) = "something in something", Some(Some(5));
    DeepNothing(Option<Option<Option<()>>>) = "deep nothing", Some(Some(None));
    UnitInside(Option<()>) = "unit in something", Some(());
    NullInside(Option<serde_json::Value>) = "null in something", Some(serde_json::Value::Null);
    Options(Vec<Option<Option<u8>>>) = "options", vec![None, Some(None), Some(Some(1))];
    Borrowed(std::borrow::Cow<'static, str>) = "borrowed", "cow".into();
    Boxed(Box<u8>) = "boxed", Box::new(5);
    Failure(Result<u8, String>) = "result", Err("bad".into());
    Set(BTreeSet<i32>) = "set", BTreeSet::from([3, 1, 2]);
    Hashed(HashSet<i32>) = "hash set", HashSet::from([3, 1, 2]);
    Queue(VecDeque<u8>) = "queue", VecDeque::from([1, 2]);
    Linked(LinkedList<u8>) = "linked list", LinkedList::from([1, 2]);
    Map(BTreeMap<String, u8>) = "map", BTreeMap::from([("a".into(), 1), ("b".into(), 2)]);
    NoMap(BTreeMap<String, u8>) = "empty map", BTreeMap::new();
    HashedMap(HashMap<String, HashSet<String>>) = "hash map", hashes();
    NestedHashes(HashMap<u8, HashMap<String, u8>>) = "number keys to hash maps", nested();
    Grouped(Groups) = "hash set in struct", groups();
    SetOfSets(HashSet<BTreeSet<Vec<u8>>>) = "hash set of sets", (0..20).map(|n| [vec![n]].into()).collect();
    SpaceKey(BTreeMap<String, String>) = "key of a tag", keys([(" t".into(), "a".into())]);
    OddText(BTreeMap<String, u8>) = "odd text keys", keys([("".into(), 1), ("1".into(), 2)]);
    NumberKeys(BTreeMap<i64, char>) = "number keys", keys([(-1, 'a'), (7, 'b')]);
    SmallKeys(HashMap<u8, u8>) = "small number keys", HashMap::from([(1, 1), (200, 2)]);
    WideKeys(BTreeMap<u128, u8>) = "wide keys", keys([(u128::MAX, 1), (1, 2)]);
    BoolKeys(BTreeMap<bool, char>) = "bool keys", keys([(true, 'a'), (false, 'b')]);
    CharKeys(BTreeMap<char, u8>) = "char keys", keys([('a', 1), ('ü', 2)]);
    OptionKeys(BTreeMap<Option<u8>, u8>) = "option keys", keys([(None, 1), (Some(2), 2)]);
    TupleKeys(BTreeMap<(u8, char), u8>) = "tuple keys", keys([((1, 'x'), 1), ((2, 'y'), 2)]);
    ListKeys(BTreeMap<Vec<u8>, u8>) = "list keys", keys([(vec![1], 1), (vec![], 2)]);
    StructKeys(BTreeMap<Point, u8>) = "struct keys", keys([(Point { x: 1, y: 2 }, 1)]);
    NewtypeKeys(BTreeMap<Id, u8>) = "newtype keys", keys([(Id(1), 1), (Id(20), 2)]);
    VariantKeys(BTreeMap<Colour, u8>) = "variant keys", keys([(Colour::Red, 1)]);
    IpKeys(BTreeMap<IpAddr, u8>) = "ip keys", keys([(IpAddr::from([10, 0, 0, 7]), 1)]);
    UuidKeys(BTreeMap<uuid::Uuid, u8>) = "uuid keys", keys([(uuid::Uuid::from_u128(5), 1)]);
    DateKeys(BTreeMap<time::Date, u8>) = "date keys", keys([(time::Date::MIN, 1)]);
    Nested(BTreeMap<u8, BTreeMap<i8, u8>>) = "nested maps", keys([(1, keys([(-1, 2)]))]);
    Duration(std::time::Duration) = "duration", std::time::Duration::new(3, 4);
    SystemTime(std::time::SystemTime) = "system time", later();
    Range(std::ops::Range<u8>) = "range", 1..4;
    RangeInclusive(std::ops::RangeInclusive<u8>) = "inclusive range", 1..=4;
    Bound(std::ops::Bound<u8>) = "bound", std::ops::Bound::Unbounded;
    Path(std::path::PathBuf) = "path", "/tmp/ü".into();
    OsString(std::ffi::OsString) = "os string", "x".into();
    CString(std::ffi::CString) = "c string", c"bytes".into();
    Ip(IpAddr) = "ip", IpAddr::from([10, 0, 0, 7]);
    Ipv4(std::net::Ipv4Addr) = "ipv4", std::net::Ipv4Addr::LOCALHOST;
    Ipv6(std::net::Ipv6Addr) = "ipv6", std::net::Ipv6Addr::LOCALHOST;
    Socket(std::net::SocketAddr) = "socket", (IpAddr::from([10, 0, 0, 7]), 80).into();
    NonZero(std::num::NonZeroU32) = "non-zero", std::num::NonZeroU32::MIN;
    Wrapping(std::num::Wrapping<u8>) = "wrapping", std::num::Wrapping(5);
    Saturating(std::num::Saturating<u8>) = "saturating", std::num::Saturating(5);
    Reverse(std::cmp::Reverse<u8>) = "reverse", std::cmp::Reverse(5);
    Celled(Cell<u8>) = "cell", Cell::new(5);
    Url(url::Url) = "url", "https://example.org/?a=b".parse().expect("a URL");
    Uuid(uuid::Uuid) = "uuid", uuid::Uuid::from_u128(0x1234);
    SimpleUuid(uuid::fmt::Simple) = "simple uuid", uuid::Uuid::from_u128(0x1234).simple();
    Id24(ObjectId) = "object id", ObjectId([1, 0xab]);
    DateTime(time::OffsetDateTime) = "date and time", at();
    OffsetTime(time::OffsetDateTime) = "time of a zone", at().to_offset(zone());
    LocalTime(time::PrimitiveDateTime) = "local time", local();
    Date(time::Date) = "date", time::Date::MIN;
    Time(time::Time) = "time", at().time();
    Zone(time::UtcOffset) = "offset", zone();
    Span(time::Duration) = "time span", time::Duration::new(-3, -5);
    Weekday(time::Weekday) = "weekday", time::Weekday::Friday;
    Month(time::Month) = "month", time::Month::May;
    Json(serde_json::Value) = "json",
        serde_json::json!({"a": [1, -2, 0.5, null, "x", {"b": {}}], "c": u64::MAX});
    Recursive(Tree) = "recursive", tree();
    OneField(Newtype<Newtype<IpAddr>>) = "newtypes", Newtype(Newtype(IpAddr::from([1, 2, 3, 4])));
    Seen(Transparent<BTreeMap<u8, u8>>) = "transparent", Transparent { inner: keys([(1, 2)]) };
    Deep(Internal<Flattened<Untagged<IpAddr>>>) = "buffers in buffers", deep();
    Rest(Extra) = "flattened map", Extra::new();
    NumberRest(NumberExtra) = "flattened number keys", NumberExtra::new();
    Skipped(Sparse) = "skipped fields", Sparse { kept: Some(1), skipped: None };
    Other(Open) = "other variants", Open::Known(3);
}

fn positions(check: &mut Matrix, kind: &str, value: &Any) {
    let v = || value.clone();
    let mut at = Position { check, kind };
    at.at("alone", &v());
    at.at("list", &vec![v(), v()]);
    at.at("some", &Some(v()));
    at.at("some of some", &Some(Some(v())));
    at.at("tuple", &(v(), 1u8));
    at.at("map", &BTreeMap::from([("a".to_owned(), v())]));
    at.at("newtype", &Newtype(v()));
    at.at("transparent", &Transparent { inner: v() });
    at.at("field", &Field { inner: v() });
    let rest = Field { inner: v() };
    at.at("flattened", &Flattened { own: 1, rest });
    at.at("internally tagged", &Internal::Struct { inner: v() });
    let field = Field { inner: v() };
    at.at("internally tagged newtype", &Internal::Newtype(field));
    at.at("adjacently tagged", &Adjacent::Struct { inner: v() });
    at.at("adjacently tagged tuple", &Adjacent::Tuple(1, v()));
    at.at("untagged", &Untagged::Struct { inner: v() });
    at.at("untagged newtype", &Bare::Newtype(v()));
    at.at("list of untagged", &vec![Untagged::Struct { inner: v() }]);
    at.at("struct variant", &External::Struct { inner: v() });
    let variants = vec![External::Unit, External::Newtype(v())];
    at.at("list of variants", &variants);
    let inner = External::Newtype(v());
    let rest = Field { inner };
    at.at("flattened variant", &Flattened { own: 1, rest });
}

struct Position<'c> {
    check: &'c mut Matrix,
    kind: &'c str,
}

impl Position<'_> {
    fn at<T: Kind>(&mut self, position: &str, value: &T) {
        let kind = format!("{} / {position}", self.kind);
        self.check.check(&kind, value);
        self.check.check_both_bounds(&kind, value);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Kind")]
struct Whole<T: Kind> {
    #[serde(default = "absent")]
    value: Option<T>,
}

fn absent<T>() -> Option<T> {
    None
}

/// Writes each value in each way, and reads it in the next request.
pub(crate) struct Matrix {
    world: World,
    written: usize,
    refused: Vec<String>,
    wrong: Vec<String>,
    /// Records as the first version of this library wrote them.
    older: bool,
}

impl Matrix {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            written: 0,
            refused: Vec::new(),
            wrong: Vec::new(),
            older: false,
        }
    }

    /// The same for values in the compact form, which the first records of this library have.
    pub(crate) fn older(world: World) -> Self {
        Self {
            older: true,
            ..Self::new(world)
        }
    }

    /// Looks at all kinds in all positions. `may_refuse` answers for each refusal whether the
    /// format has no place for that.
    pub(crate) fn run(mut self, least: usize, may_refuse: impl Fn(&str) -> bool) {
        alone(&mut self);
        everywhere(&mut self);
        let refused = self.refused.iter().filter(|kind| !may_refuse(kind));
        self.wrong
            .extend(refused.map(|kind| format!("{kind}: refused")));
        let wrong = self.wrong.len();
        assert!(wrong == 0, "{wrong} are wrong:\n{}", self.wrong.join("\n"));
        assert!(self.written >= least, "only {} were written", self.written);
    }

    /// Writes in a new session. Returns its token.
    fn write(
        &mut self,
        kind: &str,
        write: &mut dyn FnMut(&mut Session<'_>) -> Result<(), Error>,
    ) -> Option<String> {
        self.world.take_calls();
        let mut written = Ok(());
        let commit = self.world.begin(None, |session| {
            session.insert("other", 1).expect("a number");
            written = write(session);
        });
        let outcome = match self.world.run(commit) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.wrong.push(format!("{kind}, commit: {error}"));
                return None;
            }
        };
        match written {
            Err(Error::Encode { .. } | Error::Unrepresentable { .. }) => {
                self.refused.push(kind.into());
            }
            Err(error) => self.wrong.push(format!("{kind}: {error}")),
            Ok(()) => {
                self.written += 1;
                return issued(&outcome);
            }
        }
        None
    }

    fn read(
        &mut self,
        token: &str,
        read: &mut dyn FnMut(&mut Session<'_>) -> Result<bool, Error>,
        kind: &str,
    ) {
        match self.world.see(token, |session| read(session)) {
            Ok(true) => {}
            Ok(false) => self.wrong.push(format!("{kind}: another value")),
            Err(error) => self.wrong.push(format!("{kind}: {error}")),
        }
    }

    /// Records of the first version are read alone and mixed with all others.
    fn check_older<T: Kind>(&mut self, kind: &str, value: &T) {
        let Ok(written) = ciborium::Value::serialized(value) else {
            return;
        };
        if !written.deserialized::<T>().is_ok_and(|read| read == *value) {
            return;
        }
        let kind = format!("{kind} (older)");
        let token = self.write(&kind, &mut |session| session.insert("value", &written));
        let token = token.expect("ciborium's values can be kept");
        let mut read = |session: &mut Session<'_>| {
            let whole = session.typed::<Whole<T>>()?;
            let is_read = |read: Option<T>| read.as_ref() == Some(value);
            Ok((written.is_null() || is_read(whole.value)) && is_read(session.get("value")?))
        };
        self.read(&token, &mut read, &kind);
    }

    /// By `insert`, which only sees how the type is written.
    fn check<T: Kind>(&mut self, kind: &str, value: &T) {
        if self.older {
            return self.check_older(kind, value);
        }
        let kind = format!("{kind} (insert)");
        let token = self.write(&kind, &mut |session| session.insert("value", value.clone()));
        if let Some(token) = token {
            let mut read = |session: &mut Session<'_>| is_kept(session, value);
            self.read(&token, &mut read, &kind);
        }
    }

    /// By `update` and as a field of a typed session, which know how it is read too.
    fn check_both_bounds<T: Kind>(&mut self, kind: &str, value: &T) {
        if self.older {
            return;
        }
        let updated = format!("{kind} (update)");
        let token = self.write(&updated, &mut |session| {
            let new = value.clone();
            let new = session.update("value", move |_: Option<T>| new.clone())?;
            drop(new);
            Ok(())
        });
        if let Some(token) = token {
            let mut read = |session: &mut Session<'_>| is_kept(session, value);
            self.read(&token, &mut read, &updated);
        }
        // A field that is a null is the `None` of the field.
        let is_null = serde_json::to_value(value).is_ok_and(|value| value.is_null());
        let is_null = is_null && !kind.contains("f64");
        let typed = format!("{kind} (typed)");
        let token = self.write(&typed, &mut |session| {
            session.update_typed(|whole: &mut Whole<T>| {
                whole.value = Some(value.clone()).filter(|_| !is_null);
            })
        });
        if let Some(token) = token {
            let mut read = |session: &mut Session<'_>| {
                let whole = session.typed::<Whole<T>>()?;
                session.update_typed(|whole: &mut Whole<T>| whole.value = whole.value.clone())?;
                let kept = is_null || whole.value.as_ref() == Some(value);
                Ok(kept && !session.is_modified())
            };
            self.read(&token, &mut read, &typed);
        }
    }
}

/// Whether the value is read back, and an equal one is no change, in whatever order its maps and
/// sets iterate (R73).
fn is_kept<T: Kind>(session: &mut Session<'_>, value: &T) -> Result<bool, Error> {
    let Some(read) = session.get::<T>("value")?.filter(|read| read == value) else {
        return Ok(false);
    };
    match session.insert("value", read) {
        // Only `update` accepts some types.
        Ok(()) | Err(Error::Encode { .. } | Error::Unrepresentable { .. }) => {}
        Err(error) => return Err(error),
    }
    let same = value.clone();
    session.update("value", move |_: Option<T>| same.clone())?;
    Ok(!session.is_modified())
}

/// Returns whether serde cannot read this. Its buffers hold no 128-bit integers, a flattened map
/// has no such keys, and to `insert` a transparent struct looks untagged.
pub(crate) fn is_beyond_serde(kind: &str) -> bool {
    let buffered = [
        "untagged",
        "internally tagged",
        "flattened",
        "transparent (insert)",
    ];
    kind.contains("wide") && buffered.iter().any(|buffered| kind.contains(buffered))
}
