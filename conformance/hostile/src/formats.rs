//! Flask's formats and signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::{Config, Error, Exchange, UnixTime};
use cloakroom_flask::{Serializer, SessionType, Settings, Signer, Value};
use std::io::Read as _;

const ALL: [Serializer; 5] = [
    Serializer::Msgpack,
    Serializer::Json,
    Serializer::TaggedJson,
    Serializer::Pickle0,
    Serializer::Pickle2,
];

/// Bytes in any of Flask's formats, the first of which chooses: a typed error, or a value that can
/// be written, and read again.
pub(crate) fn flask_formats(data: &[u8]) {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let format = ALL[usize::from(*first) % ALL.len()];
    let _ = format.loads_any(data);
    let Ok(value) = format.loads(data) else {
        return;
    };
    for format in ALL {
        again(format, &value);
    }
}

fn again(format: Serializer, value: &Value) {
    // A format refuses values that it cannot hold.
    let Ok(written) = format.dumps(value) else {
        return;
    };
    let read = match format.loads(&written) {
        Ok(read) => read,
        Err(error) => panic!("{format:?} cannot read what it wrote: {error}"),
    };
    // Compared as bytes, because NaN is not NaN.
    assert_eq!(
        format.dumps(&read).as_deref(),
        Ok(&written[..]),
        "{format:?}"
    );
}

/// Reads the bytes as a signed value, which is refused. A value signed with one of the keys is
/// accepted.
pub(crate) fn flask_signatures(data: &[u8]) {
    let signer = Signer::new("a secret that is not in any corpus, 7f3a", "salt");
    assert_eq!(signer.unsign(data), None, "a forged signature");
    assert_eq!(signer.unsign_at(data), None, "a forged signature");
    let text = String::from_utf8_lossy(data);
    let signed = signer.sign(&text);
    assert_eq!(signer.unsign(signed.as_bytes()), Some(text.as_bytes()));
    let timed = signer.sign_at(&text, 1_700_000_000);
    assert_eq!(
        signer.unsign_at(timed.as_bytes()),
        Some((text.as_bytes(), 1_700_000_000))
    );
    let other = Signer::new("another secret", "salt").with_fallback("a third one");
    assert_eq!(other.unsign(signed.as_bytes()), None);
    for at in [0, signed.len() / 2, signed.len() - 1] {
        let mut bent = signed.clone().into_bytes();
        bent[at] ^= 1;
        assert_eq!(signer.unsign(&bent), None, "a flipped bit at {at}");
    }
}

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a secret that is not in any corpus, 9b1c";

/// Reads the bytes as Flask's own session. As a cookie they are refused. Signed, plain or deflated,
/// they are a session that can be read and written, or a typed error.
pub(crate) fn flask_cookies(data: &[u8]) {
    let mut settings = Settings::new(SessionType::Cookie);
    settings.secret_key = Some(SECRET.to_owned().into());
    let config = settings.config().expect("good settings");
    assert!(read(&config, data).is_ok_and(|len| len.is_none()), "forged");

    let mut deflated = Vec::new();
    flate2::read::ZlibEncoder::new(data, flate2::Compression::fast())
        .read_to_end(&mut deflated)
        .expect("bytes can be deflated");
    let payloads = [
        URL_SAFE_NO_PAD.encode(data),
        format!(".{}", URL_SAFE_NO_PAD.encode(data)),
        format!(".{}", URL_SAFE_NO_PAD.encode(deflated)),
        String::from_utf8_lossy(data).into_owned(),
    ];
    let signer = Signer::new(SECRET, Signer::COOKIE_SESSION);
    let [plain, _, compressed, _] = payloads.map(|payload| {
        let found = read(&config, signer.sign_at(&payload, NOW).as_bytes());
        if let Err(error) = &found {
            assert!(matches!(error, Error::Corrupt), "{error}");
        }
        found.ok()
    });
    assert_eq!(plain, compressed, "deflated it is another session");
}

/// How many values the session in this cookie has.
fn read(config: &Config, cookie: &[u8]) -> Result<Option<usize>, Error> {
    let mut exchange = Exchange::open(config, [cookie], UnixTime::from_secs(NOW));
    assert_eq!(exchange.wants_load(), None, "a store call without a store");
    let session = exchange.session()?;
    let names: Vec<String> = session.keys().map(str::to_owned).collect();
    for name in &names {
        let _ = session.get::<String>(name);
        let _ = session.get::<Vec<u64>>(name);
    }
    Ok((!session.is_new()).then_some(names.len()))
}
