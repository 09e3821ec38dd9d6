//! Tokens as a client presents them.

use cloakroom_core::{Config, Exchange, Key, KeyFormat, SigningKey, TokenFormat, UnixTime};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Presents the bytes as a token. An accepted token has one spelling, and leads to one key.
pub(crate) fn tokens(data: &[u8]) {
    let config = |format, keys, secret: Option<[u8; 32]>| {
        let builder = Config::builder().token_format(format).key_format(keys);
        let keys = secret.and_then(SigningKey::new);
        builder
            .signing_keys(keys)
            .build()
            .expect("a good configuration")
    };
    for (format, keys, secret) in [
        (TokenFormat::Random256, KeyFormat::Sha256, None),
        (TokenFormat::Random256, KeyFormat::Plain, None),
        (TokenFormat::Random256, KeyFormat::Sha256, Some([1; 32])),
        (TokenFormat::UuidV4, KeyFormat::Sha256, None),
        (TokenFormat::UuidV4, KeyFormat::Plain, Some([2; 32])),
    ] {
        one(&config(format, keys, secret), data, secret.is_some());
    }
}

fn key(config: &Config, data: &[u8]) -> Option<Key> {
    Exchange::open(config, [data], NOW).wants_load().cloned()
}

fn one(config: &Config, data: &[u8], signed: bool) {
    let Some(found) = key(config, data) else {
        return;
    };
    assert!(!signed, "a token was accepted that was never signed");
    assert!(
        Key::new(found.as_str()).is_some(),
        "a key that no store can keep"
    );
    // Another spelling is another token, or none.
    for at in 0..data.len() {
        for bit in 0..8 {
            let mut other = data.to_vec();
            other[at] ^= 1 << bit;
            assert_ne!(
                key(config, &other),
                Some(found.clone()),
                "byte {at}, bit {bit}"
            );
        }
    }
    for added in [&b"="[..], b" ", b"\0", b"A"] {
        let longer = [data, added].concat();
        assert_eq!(key(config, &longer), None);
        let longer = [added, data].concat();
        assert_eq!(key(config, &longer), None);
    }
    // Presented twice it is one token.
    let mut exchange = Exchange::open(config, [data, data], NOW);
    exchange
        .handle_loaded(&found, None)
        .expect("nothing was found");
    assert_eq!(exchange.wants_load(), None);
}
