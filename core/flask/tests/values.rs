//! A value of a shared session is read back as the same type, or refused when it is written (R70).

#[path = "../../tests/kinds/mod.rs"]
mod kinds;
#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_flask::{Serializer, SessionType, Settings};
use kinds::Matrix;
use support::World;

fn matrix(settings: &Settings) -> Matrix {
    Matrix::new(World::with(settings.config().expect("good settings")))
}

/// Values that none of Flask's formats can hold: nested options, keys that Python cannot hash, and
/// 128-bit integers in serde's buffers.
fn may_refuse(kind: &str) -> bool {
    let options = ["nothing in something", "deep nothing", "unit in something"];
    let options = [&options[..], &["null in something", "options"]].concat();
    let nested = kind.contains("/ some") && has(kind, &["unit", "nothing", "phantom"]);
    let keys = ["tuple keys", "list keys", "struct keys"];
    nested
        || has(kind, &options)
        || has(kind, &keys)
        || kinds::is_beyond_serde(kind)
        || kind.contains("wide") && kind.contains("adjacently tagged")
}

/// Keys that are no texts: JSON has none.
const NUMBER_KEYS: [&str; 10] = [
    "number keys",
    "small number keys",
    "wide keys",
    "bool keys",
    "option keys",
    "newtype keys",
    "nested maps",
    "transparent (",
    "transparent /",
    "flattened number keys",
];

fn has(kind: &str, words: &[&str]) -> bool {
    words.iter().any(|word| kind.starts_with(word))
}

#[test]
fn msgpack_r70() {
    // Integers end at 64 bits.
    matrix(&Settings::new(SessionType::Redis))
        .run(5_500, |kind| may_refuse(kind) || kind.contains("wide"));
}

#[test]
fn json_r70() {
    let mut settings = Settings::new(SessionType::Redis);
    settings.session_serialization_format = Some(Serializer::Json);
    let odd = ["bytes", "byte array", "c string", "infinite f64"];
    matrix(&settings).run(4_500, |kind| {
        may_refuse(kind) || has(kind, &NUMBER_KEYS) || has(kind, &odd)
    });
}

#[test]
fn pickles_r70() {
    matrix(&Settings::new(SessionType::Filesystem)).run(5_500, may_refuse);
}

#[test]
fn pickles_of_protocol_0_r70() {
    let mut settings = Settings::new(SessionType::Memcached);
    settings.session_serialization_format = Some(Serializer::Pickle0);
    matrix(&settings).run(5_500, may_refuse);
}

#[test]
fn flasks_own_cookie_r70() {
    let mut settings = Settings::new(SessionType::Cookie);
    settings.secret_key = Some("dev-secret-key-0123456789abcdef".into());
    matrix(&settings).run(4_500, |kind| may_refuse(kind) || has(kind, &NUMBER_KEYS));
}
