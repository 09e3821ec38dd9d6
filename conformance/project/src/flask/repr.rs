//! Values as Python's `repr` shows them, so that what both applications see can be compared.

use cloakroom_flask::{Object, Value};

/// A value's Python type and its text.
pub(super) fn repr(value: &Value) -> (String, String) {
    let name = match value {
        Value::None => "NoneType",
        other => other.type_name(),
    };
    (name.to_owned(), text(value))
}

fn text(value: &Value) -> String {
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::Str(text) => quoted(text),
        Value::Bytes(bytes) => bytes_literal(bytes),
        Value::List(items) => format!("[{}]", list(items)),
        Value::Tuple(items) => match &items[..] {
            [one] => format!("({},)", text(one)),
            more => format!("({})", list(more)),
        },
        Value::Set(items) => match items.is_empty() {
            true => "set()".to_owned(),
            false => format!("{{{}}}", list(items)),
        },
        Value::Dict(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{}: {}", text(key), text(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Uuid(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!(
                "UUID('{}-{}-{}-{}-{}')",
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..]
            )
        }
        Value::Markup(text) => format!("Markup({})", quoted(text)),
        // As `serve.py` shows it.
        Value::DateTime(moment) => moment.unix_seconds().unwrap_or_default().to_string(),
        Value::Date(day) => day.to_string(),
        Value::TimeDelta(span) => span.total_seconds().to_string(),
        Value::Decimal(number) => format!("Decimal({})", quoted(number)),
        Value::FrozenSet(items) => format!("frozenset({{{}}})", list(items)),
        Value::Object(object) => reduced(object),
        other => format!("{other:?}"),
    }
}

/// The value from which pickle builds it, as `serve.py` prints it.
fn reduced(object: &Object) -> String {
    let arguments = list(object.arguments());
    match (object.class(), object.arguments()) {
        ("zoneinfo.ZoneInfo", _) => format!("ZoneInfo._unpickle({arguments}, 1)"),
        ("pytz.UTC", _) => "_UTC()".to_owned(),
        ("pytz.timezone", _) => format!("_p({arguments})"),
        ("complex", [Value::Float(real), Value::Float(imaginary)]) => {
            format!("({real}+{imaginary}j)")
        }
        ("str", [Value::Bytes(bytes)]) => ascii(bytes),
        (class, _) => {
            let name = class.rsplit('.').next().unwrap_or_default();
            format!("{name}({arguments})")
        }
    }
}

/// UTF-8 with surrogates, of the characters that the tests have.
fn ascii(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (0xe0..=0xef, [middle, last, after @ ..]) => {
                let number = u32::from(byte & 0x0f) << 12
                    | u32::from(middle & 0x3f) << 6
                    | u32::from(last & 0x3f);
                text.push_str(&format!("\\u{number:04x}"));
                after
            }
            _ => {
                text.push(char::from(*byte));
                after
            }
        };
    }
    format!("'{text}'")
}

fn list(items: &[Value]) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn float(number: f64) -> String {
    if number.is_infinite() {
        return format!("{number}");
    }
    format!("{number:?}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn bytes_literal(bytes: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b'\\' => "\\\\".to_owned(),
        b'\'' => "\\'".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    format!("b'{}'", bytes.iter().map(byte).collect::<String>())
}
