//! Sessions that a Flask application and this library share.

mod both;
#[path = "../../tests/support/mod.rs"]
mod support;

use both::{Both, DAYS, LIFETIME, SID, alice, dict};
use cloakroom_core::{Commit, Directive, Error, Expiry, Fate, UnixTime};
use cloakroom_flask::{MARKS, PERMANENT, Serializer, SessionType, Settings, Value};
use support::{clear, insert, issued, keeps, sign_in};

const SIGNED: &str = "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11.-g8TBAMdU3oMu2PgY5AUGdM4-U0";

#[test]
fn rust_reads_flasks_records() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    both.world.see(SID, |session| {
        assert_eq!(session.get::<u64>("user_id").unwrap(), Some(42));
        assert_eq!(
            session.get::<String>("name").unwrap().as_deref(),
            Some("Zoë")
        );
        // `permanent` is the session's expiry, not one of its values.
        assert_eq!(session.keys().collect::<Vec<_>>(), ["name", "user_id"]);
        assert_eq!((session.is_new(), session.subject()), (false, None));
    });
}

#[test]
fn flask_reads_exactly_rusts_values() {
    let mut both = Both::new();
    let outcome = both.world.request(None, insert("user_id", 42));
    let sid = issued(&outcome).unwrap();
    assert_eq!(sid.len(), 43);
    let wanted = dict([(PERMANENT, true.into()), ("user_id", 42.into())]);
    assert_eq!(both.flask_reads(&sid).unwrap(), wanted);
}

#[test]
fn rust_changes_one_key_and_flasks_others_survive_with_their_types() {
    let odd = dict([
        ("tuple", Value::Tuple(vec![1.into(), "a".into()])),
        (
            "when",
            Value::DateTime("2023-11-14T22:13:20.5".parse().unwrap()),
        ),
        (
            "big",
            "18446744073709551616"
                .parse::<cloakroom_flask::Integer>()
                .unwrap()
                .into(),
        ),
        ("set", Value::Set(vec!["a".into()])),
        ("raw", Value::Bytes(vec![0, 255])),
        ("uuid", Value::Uuid([7; 16])),
        ("html", Value::Markup("<b>".into())),
        ("", "no name".into()),
        ("\u{2}", "one of ours".into()),
    ]);
    let Value::Dict(mut entries) = odd else {
        panic!()
    };
    entries.push((7.into(), "a number as the key".into()));
    entries.push(("n".repeat(300).as_str().into(), "a long name".into()));

    let mut both = Both::pickles();
    both.flask_writes(SID, &Value::Dict(entries.clone()));
    keeps(
        &both.world.request(Some(SID), insert("new", 1)),
        Fate::Saved,
    );
    let Value::Dict(mut after) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    after.retain(|(key, _)| *key != "new".into());
    assert_eq!(after.len(), entries.len());
    assert!(entries.iter().all(|entry| after.contains(entry)));
    // Hidden from Rust are those whose keys are no names; `clear` takes them along.
    both.world.see(SID, |session| {
        assert_eq!(session.len(), 8);
        let tuple: (u64, String) = session.get("tuple").unwrap().unwrap();
        assert_eq!(tuple, (1, "a".into()));
        assert!(session.get::<Value>("set").unwrap() == Some(Value::Set(vec!["a".into()])));
    });
    both.world.request(Some(SID), |session| {
        session.clear();
        session.insert("only", 1).unwrap();
    });
    assert_eq!(both.flask_reads(SID).unwrap(), dict([("only", 1.into())]));
}

#[test]
fn a_value_that_the_format_cannot_hold_fails_in_insert() {
    let mut both = Both::new();
    both.world.request(None, |session| {
        let tuple = Value::Tuple(vec![1.into()]);
        let refused = Err(Error::Unrepresentable {
            name: "cart".into(),
            what: "a `tuple`",
        });
        assert_eq!(session.insert("cart", &tuple), refused);
        assert!(session.flash("cart", &tuple).is_err());
        let updated = session.update("cart", move |_: Option<Value>| tuple.clone());
        assert_eq!(updated.map(drop), refused);
        for reserved in [PERMANENT, MARKS] {
            let name = reserved.into();
            assert_eq!(
                session.insert(reserved, true),
                Err(Error::ReservedName { name })
            );
        }
        assert!(session.insert("big", u128::MAX).is_err());
        assert!(!session.is_modified());
        session.insert("list", (1, "a")).unwrap();
    });
}

#[test]
fn an_unknown_sid_is_not_adopted() {
    // R02
    let mut both = Both::new();
    let outcome = both.world.request(Some(SID), insert("n", 1));
    assert_ne!(issued(&outcome).unwrap(), SID);
    assert!(both.flask_reads(SID).is_none());
}

#[test]
fn sids_of_every_version_are_recognised_in_one_spelling() {
    // R03, R04
    let wants = |both: &Both, sid: &str| {
        let config = &both.world.config;
        let exchange = cloakroom_core::Exchange::open(config, [sid.as_bytes()], UnixTime::MAX);
        exchange.wants_load().map(|key| key.as_str().to_owned())
    };
    let unsigned = Both::new();
    let random = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for sid in [SID, random] {
        assert_eq!(wants(&unsigned, sid), Some(format!("session:{sid}")));
    }
    for bad in [
        "",
        &SID.to_uppercase(),
        &SID.replace('-', ""),
        &SID.replace("-4c", "-1c"),
        SIGNED,
        &random.replace("Hh8", "Hh9"),
        &format!("{random}="),
        "../../../../etc/passwd",
        "a\r\nDELETE 1",
    ] {
        assert_eq!(wants(&unsigned, bad), None, "{bad}");
    }

    let mut settings = Settings::new(SessionType::Redis);
    settings.secret_key = Some("dev-secret-key-0123456789abcdef".to_owned().into());
    settings.session_use_signer = true;
    settings.session_id_length = 48;
    let mut signed = Both::with(&settings);
    assert_eq!(wants(&signed, SIGNED), Some(format!("session:{SID}")));
    for at in 0..SIGNED.len() {
        let mut tampered = SIGNED.to_owned().into_bytes();
        tampered[at] ^= 1;
        let tampered = String::from_utf8(tampered).unwrap();
        assert_eq!(wants(&signed, &tampered), None, "{tampered}");
    }
    assert_eq!(wants(&signed, SID), None);
    let minted = signed.world.issue(None, insert("n", 1));
    assert_eq!(minted.len(), 64 + 1 + 27);
    assert_eq!(signed.world.number(&minted, "n"), Some(1));
}

#[test]
fn an_emptied_session_is_deleted_and_its_cookie_cleared() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let outcome = both.world.request(Some(SID), clear);
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    assert!(both.flask_reads(SID).is_none());

    // Unless another request puts something in meanwhile.
    both.flask_writes(SID, &alice());
    let emptied = both.world.begin(Some(SID), |session| {
        session.remove("user_id");
        session.remove("name");
    });
    let emptied = both.world.until(emptied, "delete");
    both.world.request(Some(SID), insert("cart", 1));
    keeps(&both.world.run(emptied).unwrap(), Fate::Saved);
    let wanted = dict([(PERMANENT, true.into()), ("cart", 1.into())]);
    assert_eq!(both.flask_reads(SID).unwrap(), wanted);

    // A lost answer is looked into.
    for landed in [true, false] {
        both.flask_writes(SID, &alice());
        let emptied = both.world.begin(Some(SID), clear);
        let emptied = both.world.until(emptied, "delete");
        let emptied = both.world.lose(emptied, landed).unwrap();
        assert_eq!(both.world.run(emptied).unwrap().directive, Directive::Clear);
        assert!(both.flask_reads(SID).is_none());
    }
}

#[test]
fn a_session_with_nothing_in_it_is_not_stored() {
    // R25
    let mut both = Both::new();
    both.world.take_calls();
    let outcome = both.world.request(None, |session| {
        session
            .set_expiry(Expiry::new().persistent())
            .expect("good");
        session.insert("a", 1).unwrap();
        session.remove("a");
    });
    keeps(&outcome, Fate::Unchanged);
    assert!(both.world.take_calls().is_empty());
    // A signed-in session is kept even without values.
    let sid = both.world.issue(None, sign_in("ada"));
    both.world.request(Some(&sid), insert("a", 1));
    keeps(&both.world.request(Some(&sid), clear), Fate::Saved);
    assert_eq!(
        both.world
            .see(&sid, |session| session.subject().map(String::from)),
        Some("ada".into())
    );
}

#[test]
fn permanent_sets_the_entry_and_the_cookies_age() {
    let max_age = |directive: &Directive| match directive {
        Directive::Issue(issued) => issued.max_age.map(|age| age.as_secs()),
        other => panic!("{other:?}"),
    };
    let mut settings = Settings::new(SessionType::Redis);
    let mut both = Both::with(&settings);
    let outcome = both.world.request(None, insert("n", 1));
    assert_eq!(max_age(&outcome.directive), Some(LIFETIME));

    // As `session.permanent = False` does.
    let sid = issued(&outcome).unwrap();
    let outcome = both.world.request(Some(&sid), |session| {
        session
            .set_expiry(Expiry::new().session_cookie())
            .expect("good");
    });
    assert_eq!(max_age(&outcome.directive), None);
    assert_eq!(issued(&outcome).unwrap(), sid);
    assert_eq!(both.flask_reads(&sid).unwrap(), dict([("n", 1.into())]));

    settings.session_permanent = false;
    let mut both = Both::with(&settings);
    let outcome = both.world.request(None, insert("n", 1));
    assert_eq!(max_age(&outcome.directive), None);
    let sid = issued(&outcome).unwrap();
    let outcome = both.world.request(Some(&sid), |session| {
        session
            .set_expiry(Expiry::new().persistent())
            .expect("good");
    });
    assert_eq!(max_age(&outcome.directive), Some(LIFETIME));
    let wanted = dict([(PERMANENT, true.into()), ("n", 1.into())]);
    assert_eq!(both.flask_reads(&sid).unwrap(), wanted);
}

#[test]
fn each_request_that_uses_a_permanent_session_renews_it_and_its_cookie() {
    let read = |session: &mut cloakroom_core::Session<'_>| assert_eq!(session.len(), 2);
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let end = |both: &Both| {
        let stored = both.world.records.values().next().unwrap();
        stored.expires_at.as_secs() - both.world.now
    };
    for handler in [read, |session: &mut cloakroom_core::Session<'_>| {
        session.insert("name", "Ada").unwrap();
    }] {
        let outcome = both.world.later(1).request(Some(SID), handler);
        let Directive::Issue(renewed) = outcome.directive else {
            panic!()
        };
        assert_eq!(renewed.token.expose(), SID);
        assert_eq!(renewed.max_age.unwrap().as_secs(), LIFETIME);
        assert_eq!(end(&both), LIFETIME);
    }

    // Switched off: only writing does.
    let mut settings = Settings::new(SessionType::Redis);
    settings.session_refresh_each_request = false;
    let mut both = Both::with(&settings);
    both.flask_writes(SID, &alice());
    both.world.later(4 * DAYS).take_calls();
    keeps(&both.world.request(Some(SID), read), Fate::Unchanged);
    assert_eq!(both.world.take_calls(), ["load"]);
    let outcome = both.world.request(Some(SID), insert("n", 1));
    assert_eq!(issued(&outcome).as_deref(), Some(SID));
    assert_eq!(end(&both), LIFETIME);
}

#[test]
fn a_session_that_is_not_permanent_is_renewed_in_the_store_alone() {
    let mut settings = Settings::new(SessionType::Redis);
    settings.session_permanent = false;
    let mut both = Both::with(&settings);
    both.flask_writes(SID, &dict([("user_id", 42.into())]));
    both.world.later(1).take_calls();
    let outcome = both
        .world
        .request(Some(SID), |session| assert!(!session.is_empty()));
    keeps(&outcome, Fate::Unchanged);
    assert_eq!(both.world.take_calls(), ["load", "touch"]);
}

#[test]
fn new_ids_are_uuids_where_that_is_asked_for() {
    let mut settings = Settings::new(SessionType::Redis);
    settings.session_id_uuid = true;
    settings.session_use_signer = true;
    settings.secret_key = Some("dev-secret-key-0123456789abcdef".to_owned().into());
    let mut both = Both::with(&settings);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let token = both.world.issue(None, insert("n", 1));
        let (sid, signature) = token.split_at(36);
        assert_eq!(signature.len(), 28);
        let fields: Vec<_> = sid.split('-').collect();
        assert_eq!(
            fields.iter().map(|field| field.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(fields[2].starts_with('4') && fields[3].starts_with(['8', '9', 'a', 'b']));
        assert!(seen.insert(sid.to_owned()));
        assert_eq!(both.world.number(&token, "n"), Some(1));
    }
}

#[test]
fn a_session_that_is_not_permanent_may_live_shorter() {
    let mut both = Both::with(&Settings::redis_snippet());
    let sid = both.world.issue(None, |session| {
        assert!(session.is_new());
        session.insert("n", 1).unwrap();
    });
    let key = both.world.key(&sid);
    let end = |both: &Both| both.world.records[&key].expires_at.as_secs() - both.world.now;
    assert_eq!(end(&both), DAYS);
    both.world.request(Some(&sid), |session| {
        session
            .set_expiry(Expiry::new().persistent())
            .expect("good");
    });
    assert_eq!(end(&both), LIFETIME);
}

#[test]
fn an_unreadable_record_is_an_error_and_stays() {
    // R52
    let mut both = Both::new();
    for (bytes, wanted) in [
        (
            &b"cos\nsystem\n(S'true'\ntR."[..],
            Error::Refused {
                what: "os.system".into(),
            },
        ),
        (b"\x93\x01\x02\x03", Error::Corrupt),
        (b"nonsense", Error::Corrupt),
        (b"", Error::Corrupt),
        (b"\x81\xaa_cloakroom\xa3AAA", Error::Corrupt),
        (b"\x81\xaa_cloakroom\x01", Error::Corrupt),
    ] {
        both.flask_writes_bytes(SID, bytes.to_vec());
        let key = both.world.key(SID);
        let answer = both.world.open_all([SID.as_bytes()]).map(drop);
        assert_eq!(answer, Err(wanted));
        assert_eq!(both.world.records[&key].bytes, bytes);
    }
}

#[test]
fn a_value_of_each_version_is_found_and_rewritten_in_the_configured_format() {
    for settings in [SessionType::Redis, SessionType::Filesystem].map(Settings::new) {
        for writer in [
            Serializer::Msgpack,
            Serializer::Json,
            Serializer::Pickle0,
            Serializer::Pickle2,
        ] {
            let mut both = Both::with(&settings);
            both.flask_writes_bytes(SID, writer.dumps(&alice()).unwrap());
            both.world.request(Some(SID), insert("n", 1));
            let key = both.world.key(SID);
            let bytes = both.world.records[&key].bytes.clone();
            let read = settings.serializer().loads(&bytes).unwrap();
            assert_eq!(read.get("name"), Some(&"Zoë".into()));
        }
    }
}

#[test]
fn nothing_shows_a_secret() {
    // R11
    let mut settings = Settings::new(SessionType::Redis);
    settings.secret_key = Some("the secret".to_owned().into());
    settings.session_use_signer = true;
    let shown = format!("{settings:?} {:?}", settings.config().unwrap());
    assert!(!shown.contains("secret"));
    assert!(matches!(
        Both::with(&settings).world.begin(None, insert("n", 1)),
        Commit::Mint(_)
    ));
}
