//! Flask's own session, in the cookie.

#[path = "../../tests/support/mod.rs"]
mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_core::{Directive, Error, Exchange, Expiry, Fate, UnixTime};
use cloakroom_flask::{Serializer, SessionType, Settings, Signer, Value};
use std::io::Write as _;
use support::{World, clear, insert, is_new, issued, keeps, sign_in, sign_out};

const SECRET: &str = "dev-secret-key-0123456789abcdef";
/// By Flask 3.1 at 1,700,000,000: `{"_permanent": True, "name": "Zoë", "user_id": 42}`.
const COOKIE: &str = "eyJfcGVybWFuZW50Ijp0cnVlLCJuYW1lIjoiWm9cdTAwZWIiLCJ1c2VyX2lkIjo0Mn0.ZVPxAA.UWe5K4bMjBX9G9SNoJW40j81Aik";
const DAYS: u64 = 86_400;
const LIFETIME: u64 = 31 * DAYS;

fn settings() -> Settings {
    let mut settings = Settings::new(SessionType::Cookie);
    settings.secret_key = Some(SECRET.to_owned().into());
    settings
}

fn world() -> World {
    World::with(settings().config().unwrap())
}

/// A cookie that Flask would make of this payload.
fn signed(payload: &[u8], at: u64) -> String {
    let signer = Signer::new(SECRET, Signer::COOKIE_SESSION);
    signer.sign_at(&URL_SAFE_NO_PAD.encode(payload), at)
}

/// Returns the dict that Flask would read.
fn flask_reads(cookie: &str) -> (Value, u64) {
    let signer = Signer::new(SECRET, Signer::COOKIE_SESSION);
    let (payload, at) = signer.unsign_at(cookie.as_bytes()).unwrap();
    let payload = match payload.strip_prefix(b".") {
        None => URL_SAFE_NO_PAD.decode(payload).unwrap(),
        Some(compressed) => {
            let compressed = URL_SAFE_NO_PAD.decode(compressed).unwrap();
            let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
            decoder.write_all(&compressed).unwrap();
            decoder.finish().unwrap()
        }
    };
    (Serializer::TaggedJson.loads(&payload).unwrap(), at)
}

#[test]
fn rust_reads_flasks_signed_cookie_and_calls_no_store() {
    let mut world = world();
    world.see(COOKIE, |session| {
        assert_eq!(session.get::<u64>("user_id").unwrap(), Some(42));
        assert_eq!(
            session.get::<String>("name").unwrap().as_deref(),
            Some("Zoë")
        );
        assert_eq!(session.len(), 2);
    });
    let cookie = world.issue(Some(COOKIE), insert("n", 1));
    assert_eq!(world.number(&cookie, "n"), Some(1));
    assert!(world.take_calls().is_empty());
}

#[test]
fn rust_writes_byte_for_byte_like_flask() {
    let mut world = world();
    let cookie = world.issue(Some(COOKIE), |session| {
        session.insert("user_id", 43).unwrap();
    });
    let back = world.issue(Some(&cookie), |session| {
        session.insert("user_id", 42).unwrap();
    });
    assert_eq!(back, COOKIE);
}

#[test]
fn each_flipped_bit_yields_an_empty_session() {
    // R45
    let mut world = world();
    for bit in 0..COOKIE.len() * 8 {
        let mut bytes = COOKIE.to_owned().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut exchange = world.open_all([&bytes[..]]).unwrap();
        assert!(exchange.session().unwrap().is_new(), "bit {bit}");
    }
    // A signature for another purpose, or by another key.
    for signer in [
        Signer::new(SECRET, Signer::FLASK_SESSION),
        Signer::new("other", Signer::COOKIE_SESSION),
    ] {
        assert!(world.see(&signer.sign_at("e30", support::START), is_new));
    }
}

#[test]
fn the_age_is_judged_as_flask_does() {
    // R47, R15
    for (seconds, dead) in [(0, false), (LIFETIME, false), (LIFETIME + 1, true)] {
        assert_eq!(world().later(seconds).see(COOKIE, is_new), dead);
    }
    let mut before = world();
    before.now -= 1;
    assert!(before.see(COOKIE, is_new));
    assert!(world().see(&signed(b"{\"a\":1}", u64::MAX), is_new));
}

#[test]
fn fallbacks_verify_and_the_key_signs() {
    // R48
    let mut settings = settings();
    settings.secret_key_fallbacks = vec![SECRET.to_owned().into()];
    settings.secret_key = Some("newer".to_owned().into());
    let mut newer = World::with(settings.config().unwrap());
    let cookie = newer.issue(Some(COOKIE), insert("n", 1));
    assert!(!newer.see(COOKIE, is_new) && !newer.see(&cookie, is_new));
    assert!(world().see(&cookie, is_new));
}

#[test]
fn every_type_survives_a_write_of_another_key() {
    let payload = br#"{"b":{" b":"Yf8="},"d":{" d":"Tue, 14 Nov 2023 22:13:20 GMT"},"di":{" di":{" t__":{" t":[1]}}},"f":NaN,"m":{" m":"<b>"},"t":{" t":[1,{" t":[]}]},"u":{" u":"80000000000000000000000000000005"}}"#;
    let mut world = world();
    let cookie = world.issue(Some(&signed(payload, support::START)), insert("z", 1));
    let (read, at) = flask_reads(&cookie);
    let Value::Dict(mut entries) = read else {
        panic!()
    };
    assert_eq!(entries.pop(), Some(("z".into(), 1.into())));
    let kept = Serializer::TaggedJson.dumps(&Value::Dict(entries)).unwrap();
    assert_eq!(kept, payload);
    assert_eq!(at, support::START);
}

#[test]
fn long_sessions_are_compressed_and_read_again() {
    let mut world = world();
    let long = "x".repeat(10_000);
    let cookie = world.issue(None, |session| session.insert("long", &long).unwrap());
    assert!(cookie.starts_with('.') && cookie.len() < 200);
    assert_eq!(flask_reads(&cookie).0.get("long"), Some(&Value::from(long)));
    assert!(world.see(&cookie, |session| session.contains("long")));
}

// R51
#[test]
fn a_bomb_is_not_inflated_beyond_a_cap() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..2_000 {
        encoder.write_all(&[b' '; 1_000]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 3_000);
    let signer = Signer::new(SECRET, Signer::COOKIE_SESSION);
    let bomb = signer.sign_at(
        &format!(".{}", URL_SAFE_NO_PAD.encode(bomb)),
        support::START,
    );
    let mut exchange = Exchange::open(
        world_config(),
        [bomb.as_bytes()],
        UnixTime::from_secs(support::START),
    );
    assert_eq!(exchange.session().map(drop), Err(Error::Corrupt));
}

fn world_config() -> &'static cloakroom_core::Config {
    static CONFIG: std::sync::OnceLock<cloakroom_core::Config> = std::sync::OnceLock::new();
    CONFIG.get_or_init(|| settings().config().unwrap())
}

// However old it is.
#[test]
fn a_cookie_of_another_secret_is_an_error_when_built() {
    let builds = |secret: &str, fallbacks: &[&str], cookie: &str| {
        let mut settings = settings();
        settings.secret_key = Some(secret.to_owned().into());
        let fallbacks = fallbacks.iter().map(|secret| (*secret).to_owned().into());
        settings.secret_key_fallbacks = fallbacks.collect();
        settings.builder().unwrap().known_token(cookie).build()
    };
    assert!(builds(SECRET, &[], COOKIE).is_ok());
    assert!(builds("another", &[SECRET], COOKIE).is_ok());
    assert!(builds(SECRET, &[], &signed(b"not json", 0)).is_ok());
    for secret in ["another", &SECRET[1..]] {
        let error = builds(secret, &["a third"], COOKIE).unwrap_err();
        assert_eq!(error.field(), "known_token");
        assert!(
            !error.to_string().contains(COOKIE),
            "the error has the cookie"
        );
    }
    assert!(builds(SECRET, &[], &COOKIE[1..]).is_err());
}

#[test]
fn a_genuine_unreadable_cookie_is_an_error() {
    // R52
    for payload in [&b"[]"[..], b"{", b"{\"a\":{\" t\":1}}", b"\x80\x02}."] {
        let cookie = signed(payload, support::START);
        let mut exchange = world().open_all([cookie.as_bytes()]).unwrap();
        assert_eq!(exchange.session().map(drop), Err(Error::Corrupt));
    }
}

#[test]
fn permanent_and_its_refresh() {
    let max_age = |directive: &Directive| match directive {
        Directive::Issue(issued) => issued.max_age.map(|age| age.as_secs()),
        other => panic!("{other:?}"),
    };
    let mut world = world();
    // Not permanent unless it is made so.
    let outcome = world.request(None, insert("n", 1));
    assert_eq!(max_age(&outcome.directive), None);
    let cookie = issued(&outcome).unwrap();
    let outcome = world.request(Some(&cookie), |session| {
        session
            .set_expiry(Expiry::new().persistent())
            .expect("good");
    });
    assert_eq!(max_age(&outcome.directive), Some(LIFETIME));
    assert_eq!(
        flask_reads(&issued(&outcome).unwrap()).0.get("_permanent"),
        Some(&true.into())
    );

    let read = |session: &mut cloakroom_core::Session<'_>| assert!(!session.is_empty());
    keeps(&world.request(Some(COOKIE), read), Fate::Unchanged);
    for seconds in [1, LIFETIME - 1] {
        let outcome = world.later(seconds).request(Some(COOKIE), read);
        assert_eq!(max_age(&outcome.directive), Some(LIFETIME));
        assert_eq!(flask_reads(&issued(&outcome).unwrap()).1, world.now);
    }

    let mut settings = settings();
    settings.session_refresh_each_request = false;
    let mut world = World::with(settings.config().unwrap());
    keeps(
        &world.later(4 * DAYS).request(Some(COOKIE), read),
        Fate::Unchanged,
    );
}

#[test]
fn a_session_that_is_not_permanent_is_not_renewed_by_reading_and_ends_by_its_age() {
    let read = |session: &mut cloakroom_core::Session<'_>| assert!(!session.is_empty());
    let mut world = world();
    let cookie = world.issue(None, insert("n", 1));
    for seconds in [1, LIFETIME - 1] {
        keeps(
            &world.later(seconds).request(Some(&cookie), read),
            Fate::Unchanged,
        );
    }
    // A write signs it again, still without an expiry for the browser.
    let outcome = world.request(Some(&cookie), insert("n", 2));
    let Directive::Issue(renewed) = outcome.directive else {
        panic!()
    };
    assert_eq!(renewed.max_age, None);
    assert_eq!(flask_reads(renewed.token.expose()).1, world.now);
    world.later(1);
    assert!(world.see(&cookie, is_new));
    assert!(!world.see(renewed.token.expose(), is_new));
}

#[test]
fn an_emptied_session_and_a_sign_out_clear_the_cookie() {
    let mut world = world();
    for end in [clear, sign_out] {
        let outcome = world.request(Some(COOKIE), end);
        assert_eq!(
            (outcome.directive, outcome.fate),
            (Directive::Clear, Fate::Saved)
        );
    }
    keeps(&world.request(None, clear), Fate::Unchanged);
}

#[test]
fn a_sign_in_is_kept_in_one_more_entry() {
    let mut world = world();
    let cookie = world.issue(Some(COOKIE), sign_in("ada"));
    assert_eq!(
        world.see(&cookie, |session| session.subject().map(String::from)),
        Some("ada".into())
    );
    let (session, _) = flask_reads(&cookie);
    assert_eq!(session.get("user_id"), Some(&42.into()));
    assert!(session.get("_cloakroom").is_some());
}

#[test]
fn a_session_that_does_not_fit_is_an_error() {
    // R31. Random digits, which zlib cannot make small.
    let mut world = world();
    let mut digits = String::new();
    let mut state = 1_u64;
    for _ in 0..8_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        digits.push(char::from(b'0' + (state >> 60) as u8));
    }
    let commit = world.begin(None, |session| session.insert("a", digits).unwrap());
    assert!(matches!(
        world.run(commit),
        Err(Error::CookieTooLarge { .. })
    ));
}

/// Else it would be an error at each request from then on.
#[test]
fn a_cookie_too_large_to_inflate_is_not_written() {
    let mut world = world();
    let write = |world: &mut World, len: usize| {
        let commit = world.begin(None, |session| {
            session.insert("a", "x".repeat(len)).unwrap();
        });
        world.run(commit)
    };
    let overhead = r#"{"a":""}"#.len();
    let most = write(&mut world, 65_536 - overhead).unwrap();
    world.see(&issued(&most).unwrap(), |session| {
        let found: Option<String> = session.get("a").unwrap();
        assert_eq!(found.unwrap().len(), 65_536 - overhead);
    });
    let error = write(&mut world, 65_536 - overhead + 1).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 65_536, .. }),
        "{error}"
    );
}

#[test]
fn without_a_key_or_a_type_a_session_is_empty_and_refuses_writes() {
    for (session_type, missing) in [
        (SessionType::Cookie, "SECRET_KEY"),
        (SessionType::Null, "SESSION_TYPE"),
    ] {
        let settings = Settings::new(session_type);
        let mut world = World::with(settings.config().unwrap());
        let unavailable = Err(Error::Unavailable { missing });
        let outcome = world.request(Some(COOKIE), |session| {
            assert!(session.is_new() && session.is_empty());
            assert_eq!(session.get::<u64>("user_id").unwrap(), None);
            assert_eq!(session.insert("a", 1), unavailable);
            assert_eq!(
                session.update("a", |_: Option<u64>| 1).map(drop),
                unavailable
            );
            assert_eq!(session.flash("a", 1), unavailable);
            assert_eq!(session.sign_in("ada"), unavailable);
            assert_eq!(session.set_subject(Some("ada")), unavailable);
            assert!(!session.remove("a"));
            session.clear();
        });
        keeps(&outcome, Fate::Unchanged);
        // An error that a call cannot detect comes at the end.
        let commit = world.begin(None, |session| {
            assert!(!session.csrf_token([1; 32]).is_empty());
        });
        assert_eq!(world.run(commit).map(drop), unavailable);
        let error = Error::Unavailable { missing }.to_string();
        assert!(error.contains(missing) && error.contains("not set"));
    }
}
