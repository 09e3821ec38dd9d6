//! A session's values as JSON, for libraries that keep them so.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use cloakroom_core::{Contents, Error};
use serde_json::{Map, Value};

/// The entry for what this library keeps of a session beyond its values, where it needs to. The
/// other library carries it along.
pub const MARKS: &str = "_cloakroom";

/// The place for entries whose names no session allows. Never a name in the record itself.
const OTHERS: &str = "\u{2}";
const MAX_NAME: usize = 255;

/// Translates the entries of a record.
///
/// # Errors
///
/// [`Error::Corrupt`] if the entry of this library is damaged.
///
/// ```
/// use cloakroom_beside::json;
///
/// let entries = serde_json::json!({ "cart": ["tea"] });
/// let contents = json::contents(entries.as_object().unwrap().clone())?;
/// assert!(contents.values.contains_key("cart"));
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub fn contents(entries: Map<String, Value>) -> Result<Contents, Error> {
    let (mut contents, mut others) = (Contents::default(), Map::new());
    for (name, value) in entries {
        if name == MARKS {
            let marks = value.as_str().ok_or(Error::Corrupt)?;
            let marks = URL_SAFE_NO_PAD.decode(marks);
            contents.head = Some(marks.map_err(|_| Error::Corrupt)?);
        } else if name.is_empty() || name.len() > MAX_NAME || name.starts_with(OTHERS) {
            others.insert(name, value);
        } else {
            contents.values.insert(name, to_cbor(&value)?);
        }
    }
    if !others.is_empty() {
        let others = to_cbor(&Value::Object(others))?;
        contents.values.insert(OTHERS.into(), others);
    }
    Ok(contents)
}

/// Translates a session into the entries of a record.
///
/// # Errors
///
/// [`Error::Unrepresentable`] for a value that JSON does not have.
///
/// ```
/// use cloakroom_beside::json;
/// use cloakroom_core::Contents;
///
/// let mut contents = Contents::default();
/// contents.values.insert("visits".into(), vec![3]); // 3 in CBOR
/// assert_eq!(json::entries(&contents)?["visits"], 3);
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub fn entries(contents: &Contents) -> Result<Map<String, Value>, Error> {
    let mut entries = Map::new();
    for (name, value) in &contents.values {
        match value_of(name, value)? {
            Value::Object(others) if name == OTHERS => entries.extend(others),
            value => drop(entries.insert(name.clone(), value)),
        }
    }
    if let Some(marks) = &contents.head {
        let marks = URL_SAFE_NO_PAD.encode(marks);
        entries.insert(MARKS.into(), marks.into());
    }
    Ok(entries)
}

/// Checks whether JSON has this value: for [`Format::check`](cloakroom_core::Format::check).
///
/// # Errors
///
/// [`Error::Unrepresentable`] for bytes, integers beyond 64 bits, numbers that are not finite, and
/// maps whose keys are not texts. [`Error::ReservedName`] for [`MARKS`].
///
/// ```
/// use cloakroom_beside::json;
///
/// assert!(json::check("visits", &[3]).is_ok());
/// assert!(json::check("bytes", &[0x41, 0]).is_err());
/// ```
pub fn check(name: &str, value: &[u8]) -> Result<(), Error> {
    if name == MARKS {
        return Err(Error::ReservedName { name: name.into() });
    }
    value_of(name, value).map(drop)
}

/// Reads entries each of which is a text of JSON, as actix-session and axum_session keep them.
///
/// # Errors
///
/// [`Error::Corrupt`] if one is no text, or none of JSON.
///
/// ```
/// use cloakroom_beside::json;
///
/// let texts = serde_json::json!({ "cart": r#"["tea"]"# });
/// let entries = json::from_texts(texts.as_object().unwrap().clone())?;
/// assert_eq!(entries["cart"][0], "tea");
/// # Ok::<(), cloakroom_core::Error>(())
/// ```
pub fn from_texts(texts: Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let read = |(name, text): (String, Value)| {
        let text = text.as_str().ok_or(Error::Corrupt)?;
        let value = serde_json::from_str(text).map_err(|_| Error::Corrupt)?;
        Ok((name, value))
    };
    texts.into_iter().map(read).collect()
}

/// Writes each entry as a text of JSON.
///
/// ```
/// use cloakroom_beside::json;
///
/// let entries = serde_json::json!({ "cart": ["tea"] });
/// let texts = json::to_texts(entries.as_object().unwrap().clone());
/// assert_eq!(texts["cart"], r#"["tea"]"#);
/// ```
#[must_use]
pub fn to_texts(entries: Map<String, Value>) -> Map<String, Value> {
    let write = |(name, value): (String, Value)| (name, Value::String(value.to_string()));
    entries.into_iter().map(write).collect()
}

fn to_cbor(value: &Value) -> Result<Vec<u8>, Error> {
    let mut cbor = Vec::new();
    ciborium::into_writer(value, &mut cbor).map_err(|_| Error::Corrupt)?;
    Ok(cbor)
}

fn value_of(name: &str, cbor: &[u8]) -> Result<Value, Error> {
    let unrepresentable = |what| Error::Unrepresentable {
        name: name.into(),
        what,
    };
    let value: Cbor = ciborium::from_reader(cbor)
        .map_err(|_| unrepresentable("containers nested that deeply"))?;
    to_json(value, MAX_DEPTH).map_err(unrepresentable)
}

/// serde_json reads 127 levels, and a record is one around the values.
const MAX_DEPTH: usize = 120;

fn to_json(value: Cbor, depth: usize) -> Result<Value, &'static str> {
    let depth = depth
        .checked_sub(1)
        .ok_or("containers nested that deeply")?;
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(bool) => bool.into(),
        Cbor::Text(text) => text.into(),
        Cbor::Integer(integer) => {
            let integer = i128::from(integer);
            match (u64::try_from(integer), i64::try_from(integer)) {
                (Ok(integer), _) => integer.into(),
                (_, Ok(integer)) => integer.into(),
                _ => return Err("an integer beyond 64 bits"),
            }
        }
        Cbor::Float(float) => match serde_json::Number::from_f64(float) {
            Some(number) => Value::Number(number),
            None => return Err("a number that is not finite"),
        },
        Cbor::Array(items) => {
            let items = items.into_iter().map(|item| to_json(item, depth));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Cbor::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let Cbor::Text(key) = key else {
                    return Err("a map whose keys are not texts");
                };
                object.insert(key, to_json(value, depth)?);
            }
            Value::Object(object)
        }
        Cbor::Bytes(_) => return Err("bytes"),
        _ => return Err("such a value"),
    })
}
