//! Values as Python's `repr` shows them, so that what both applications see can be compared.

use cloakroom_flask::Value;

/// Python's name of the type, and what it shows.
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
        other => format!("{other:?}"),
    }
}

fn list(items: &[Value]) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn float(number: f64) -> String {
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
