//! A record as the whole dict of a Flask session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::{Contents, Error, Format};

use crate::{FormatError, Serializer, Value};

/// The entry that holds whether the session is permanent. In Flask: `session.permanent`.
pub const PERMANENT: &str = "_permanent";
/// The entry for what this library keeps of a session beyond its values, where it needs to:
/// unpadded base64url. Flask code carries it along untouched.
pub const MARKS: &str = "_cloakroom";

/// The place for entries whose keys cannot be names of a session: not a text, empty, too long, or
/// like this one.
const OTHERS: &str = "\u{2}";
const MAX_NAME: usize = 255;

/// The dict in one of the formats.
pub(crate) struct Dict {
    pub(crate) serializer: Serializer,
}

impl Format for Dict {
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
        let Value::Dict(entries) = self.serializer.loads_any(stored).map_err(unreadable)? else {
            return Err(Error::Corrupt);
        };
        let (mut contents, mut others) = (Contents::default(), Vec::new());
        contents.persistent = Some(false);
        for (key, value) in entries {
            match (key, value) {
                (Value::Str(name), value) if name == PERMANENT => {
                    contents.persistent = Some(is_true(&value));
                }
                (Value::Str(name), Value::Str(marks)) if name == MARKS => {
                    let marks = URL_SAFE_NO_PAD.decode(marks);
                    contents.head = Some(marks.map_err(|_| Error::Corrupt)?);
                }
                (Value::Str(name), _) if name == MARKS => return Err(Error::Corrupt),
                (Value::Str(name), value) if is_name(&name) => {
                    contents.values.insert(name, value.to_cbor());
                }
                other => others.push(other),
            }
        }
        if !others.is_empty() {
            let others = Value::Dict(others).to_cbor();
            contents.values.insert(OTHERS.into(), others);
        }
        Ok(contents)
    }

    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
        let mut entries = Vec::with_capacity(contents.values.len() + 2);
        if contents.persistent == Some(true) {
            entries.push((PERMANENT.into(), Value::Bool(true)));
        }
        for (name, value) in &contents.values {
            let value = Value::from_cbor(value).map_err(|error| unwritable(name, &error))?;
            match value {
                Value::Dict(others) if name == OTHERS => entries.extend(others),
                value => entries.push((name.as_str().into(), value)),
            }
        }
        if let Some(marks) = &contents.head {
            entries.push((MARKS.into(), URL_SAFE_NO_PAD.encode(marks).into()));
        }
        self.serializer
            .dumps(&Value::Dict(entries))
            .map_err(|error| unwritable("(the whole session)", &error))
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        if name == PERMANENT || name == MARKS {
            return Err(Error::ReservedName { name: name.into() });
        }
        Value::from_cbor(value)
            .and_then(|value| {
                self.serializer
                    .dumps(&Value::Dict(vec![(name.into(), value)]))
            })
            .map_err(|error| unwritable(name, &error))?;
        Ok(())
    }
}

/// Flash values of this library begin with U+0001.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with(OTHERS)
}

/// Returns whether Python treats this as true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::None => false,
        Value::Bool(value) => *value,
        Value::Int(value) => *value != 0,
        Value::Float(value) => *value != 0.0,
        Value::Str(text) => !text.is_empty(),
        _ => true,
    }
}

fn unreadable(error: FormatError) -> Error {
    match error {
        FormatError::Refused { what } => Error::Refused { what },
        FormatError::Unsupported { what } => Error::Refused { what: what.into() },
        _ => Error::Corrupt,
    }
}

fn unwritable(name: &str, error: &FormatError) -> Error {
    let what = match error {
        FormatError::Unsupported { what } => what,
        FormatError::TooDeep => "containers nested that deeply",
        FormatError::TooLarge => "a value of that size",
        FormatError::Malformed | FormatError::Refused { .. } => "such a value",
    };
    Error::Unrepresentable {
        name: name.into(),
        what,
    }
}
