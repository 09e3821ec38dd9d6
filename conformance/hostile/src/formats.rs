//! Flask's formats and signatures.

use cloakroom_flask::{Serializer, Signer, Value};

const ALL: [Serializer; 5] = [
    Serializer::Msgpack,
    Serializer::Json,
    Serializer::TaggedJson,
    Serializer::Pickle0,
    Serializer::Pickle2,
];

/// Bytes in any of Flask's formats, the first of which chooses: a typed error, or a value that can be written, and read again.
pub fn flask_formats(data: &[u8]) {
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
    // What a format cannot keep it refuses.
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

/// Bytes as a signed value: what was not signed with one of the keys is refused, what was is not.
pub fn flask_signatures(data: &[u8]) {
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
