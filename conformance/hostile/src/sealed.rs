//! Sessions in the cookie.

use cloakroom_core::{Commit, Config, Directive, Error, Exchange, UnixTime};
use cloakroom_sealed::{Sealed, SealingKey};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Opens the bytes as a sealed cookie, which yields no session. A cookie sealed with one of the
/// keys opens, and with any bit flipped it does not.
pub(crate) fn sealed_cookies(data: &[u8]) {
    let config = |name: &str| {
        let sealed = Sealed::new(SealingKey::new(*b"a key that is not in any corpus."));
        let builder = Config::builder().cookie_name(name).envelope(sealed);
        builder.build().expect("a good configuration")
    };
    let config = (config("__Host-session"), config("__Host-other"));
    assert_eq!(value(&config.0, data), None, "a forged cookie is a session");

    let mut exchange = Exchange::open(&config.0, [data], NOW);
    let text = String::from_utf8_lossy(data);
    let mut session = exchange.session().expect("nothing to load");
    session.insert("value", &*text).expect("a text");
    let mut entropy = [7; 64];
    entropy[..data.len().min(64)].copy_from_slice(&data[..data.len().min(64)]);
    let Commit::Mint(mint) = exchange.finish(NOW) else {
        panic!("nothing is sealed");
    };
    let outcome = match mint.with(entropy) {
        Ok(Commit::Done(outcome)) => outcome,
        Err(Error::TooLarge { .. } | Error::CookieTooLarge { .. }) => return,
        other => panic!("sealed by {other:?}"),
    };
    let Directive::Issue(issued) = outcome.directive else {
        panic!("nothing is issued");
    };
    let sealed = issued.token.expose().as_bytes();
    assert_eq!(value(&config.0, sealed).as_deref(), Some(&*text));
    assert_eq!(value(&config.1, sealed), None, "moved to another cookie");
    for at in [0, 1, sealed.len() / 2, sealed.len() - 1] {
        let mut bent = sealed.to_vec();
        bent[at] ^= 1;
        assert_eq!(value(&config.0, &bent), None, "a flipped bit at {at}");
    }
    assert_eq!(value(&config.0, &sealed[1..]), None);
    assert_eq!(value(&config.0, &sealed[..sealed.len() - 1]), None);
}

/// The value of the session in this cookie, if it is one.
fn value(config: &Config, cookie: &[u8]) -> Option<String> {
    let mut exchange = Exchange::open(config, [cookie], NOW);
    assert_eq!(exchange.wants_load(), None, "a store call without a store");
    let session = exchange.session().expect("nothing to load");
    session.get("value").expect("a text")
}
