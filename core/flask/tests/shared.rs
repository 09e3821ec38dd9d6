//! Sessions that a Flask application and this library share: who sees what, and what holds beside a writer that overwrites
//! blindly.

#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_core::{Commit, Directive, Error, Expiry, Fate, Stored, UnixTime};
use cloakroom_flask::{MARKS, PERMANENT, Serializer, SessionType, Settings, Value};
use support::{World, clear, count, insert, is_new, issued, keeps, name, sign_in, sign_out};

const SID: &str = "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11";
const SIGNED: &str = "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11.-g8TBAMdU3oMu2PgY5AUGdM4-U0";
const DAYS: u64 = 86_400;
const LIFETIME: u64 = 31 * DAYS;

/// The Rust application and the store; `flask_*` is what a Flask application would do to the store.
struct Both {
    world: World,
    serializer: Serializer,
    writes: u64,
}

impl Both {
    fn new() -> Self {
        Self::with(&Settings::new(SessionType::Redis))
    }

    fn pickles() -> Self {
        Self::with(&Settings::new(SessionType::Filesystem))
    }

    fn with(settings: &Settings) -> Self {
        Self {
            world: World::with(settings.config().unwrap()),
            serializer: settings.serializer(),
            writes: 1 << 32,
        }
    }

    /// Reads the whole dict.
    fn flask_reads(&mut self, sid: &str) -> Option<Value> {
        let key = self.world.key(sid);
        let stored = self.world.load(&key)?;
        Some(self.serializer.loads_any(&stored.bytes).unwrap())
    }

    /// Overwrites the whole dict, whatever is there.
    fn flask_writes(&mut self, sid: &str, session: &Value) {
        let bytes = self.serializer.dumps(session).unwrap();
        self.flask_writes_bytes(sid, bytes);
    }

    fn flask_writes_bytes(&mut self, sid: &str, bytes: Vec<u8>) {
        self.writes += 1;
        let expires_at = UnixTime::from_secs(self.world.now + LIFETIME);
        let key = self.world.key(sid);
        self.world
            .records
            .insert(key, Stored::new(bytes, expires_at, self.writes));
    }
}

fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.map(|(name, value)| (name.into(), value)).into())
}

fn alice() -> Value {
    dict([
        (PERMANENT, true.into()),
        ("user_id", 42.into()),
        ("name", "Zoë".into()),
    ])
}

#[test]
fn rust_reads_what_flask_wrote() {
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
fn flask_reads_what_rust_wrote_and_nothing_else() {
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
fn what_the_format_cannot_keep_is_an_error_where_it_is_set() {
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
fn after_a_sign_in_flask_sees_the_subject_nowhere_but_keeps_it() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    let session = both.flask_reads(&sid).unwrap();
    assert_eq!(session.get("user_id"), Some(&42.into()));
    assert!(session.get(MARKS).is_some());

    // Flask changes something, and carries the marks along.
    let Value::Dict(mut entries) = session else {
        panic!()
    };
    entries.push(("theme".into(), "dark".into()));
    both.flask_writes(&sid, &Value::Dict(entries));
    both.world.see(&sid, |session| {
        assert_eq!(session.subject(), Some("ada"));
        assert!(session.authenticated_at().is_some());
        assert_eq!(
            session.get::<String>("theme").unwrap().as_deref(),
            Some("dark")
        );
    });

    // Flask clears the session and goes on with it: it belongs to nobody then.
    both.flask_writes(&sid, &dict([("theme", "light".into())]));
    both.world.see(&sid, |session| {
        assert_eq!(
            (session.subject(), session.authenticated_at()),
            (None, None)
        );
        assert!(!session.contains("user_id"));
    });
}

#[test]
fn a_retired_session_is_empty_for_flask_and_readable_for_rust_in_the_grace() {
    // R06
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    let Value::Dict(entries) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].0, MARKS.into());
    assert_eq!(both.world.number(SID, "user_id"), Some(42));
    keeps(
        &both.world.request(Some(SID), insert("n", 1)),
        Fate::Superseded,
    );
    both.world.later(31);
    assert!(both.world.see(SID, is_new));
    // Flask prolongs whatever it reads; that gives the old session no life in Rust.
    let again = both.flask_reads(&sid).unwrap();
    both.flask_writes(SID, &dict([(MARKS, again.get(MARKS).unwrap().clone())]));
    assert_eq!(both.world.number(&sid, "user_id"), Some(42));
}

#[test]
fn a_sign_out_is_seen_by_the_other_side() {
    // R61
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let outcome = both.world.request(Some(SID), sign_out);
    assert_eq!(outcome.directive, Directive::Clear);
    assert!(both.flask_reads(SID).is_none());

    both.flask_writes(SID, &alice());
    let key = both.world.key(SID);
    both.world.records.remove(&key);
    assert!(both.world.see(SID, is_new));
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
        session.set_expiry(Expiry::new().persistent());
        session.insert("a", 1).unwrap();
        session.remove("a");
    });
    keeps(&outcome, Fate::Unchanged);
    assert!(both.world.take_calls().is_empty());
    // A session of somebody is kept, though it has no values.
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
        session.set_expiry(Expiry::new().until_closed());
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
        session.set_expiry(Expiry::new().persistent());
    });
    assert_eq!(max_age(&outcome.directive), Some(LIFETIME));
    let wanted = dict([(PERMANENT, true.into()), ("n", 1.into())]);
    assert_eq!(both.flask_reads(&sid).unwrap(), wanted);
}

#[test]
fn a_permanent_cookie_is_renewed_with_its_record() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    both.world.take_calls();
    // Not each time: a tenth of the lifetime must have passed.
    keeps(
        &both
            .world
            .request(Some(SID), |session| assert_eq!(session.len(), 2)),
        Fate::Unchanged,
    );
    assert_eq!(both.world.take_calls(), ["load"]);
    both.world.later(4 * DAYS);
    let outcome = both
        .world
        .request(Some(SID), |session| assert_eq!(session.len(), 2));
    assert_eq!(both.world.take_calls(), ["load", "touch"]);
    assert_eq!(issued(&outcome).as_deref(), Some(SID));
    both.world.later(4 * DAYS);
    let outcome = both.world.request(Some(SID), insert("n", 1));
    assert_eq!(issued(&outcome).as_deref(), Some(SID));

    let mut settings = Settings::new(SessionType::Redis);
    settings.session_refresh_each_request = false;
    let mut both = Both::with(&settings);
    both.flask_writes(SID, &alice());
    both.world.later(4 * DAYS).take_calls();
    keeps(
        &both
            .world
            .request(Some(SID), |session| assert_eq!(session.len(), 2)),
        Fate::Unchanged,
    );
    assert_eq!(both.world.take_calls(), ["load"]);
    let outcome = both.world.request(Some(SID), insert("n", 1));
    assert_eq!(issued(&outcome).as_deref(), Some(SID));
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
        session.set_expiry(Expiry::new().persistent());
    });
    assert_eq!(end(&both), LIFETIME);
}

#[test]
fn what_cannot_be_read_is_an_error_and_left_as_it_is() {
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
fn a_lost_answer_neither_loses_nor_doubles() {
    // R62
    for landed in [true, false] {
        let mut both = Both::new();
        both.flask_writes(SID, &alice());
        for change in [insert("n", 1), insert("n", 1)] {
            let commit = both.world.begin(Some(SID), change);
            let commit = both.world.until(commit, "replace");
            let commit = both.world.lose(commit, landed).unwrap();
            keeps(&both.world.run(commit).unwrap(), Fate::Saved);
            both.flask_writes(SID, &alice());
        }
        // With an increment, the record remembers its writers.
        let commit = both.world.begin(Some(SID), count);
        let commit = both.world.until(commit, "replace");
        let commit = both.world.lose(commit, landed).unwrap();
        both.world.run(commit).unwrap();
        assert_eq!(both.world.number(SID, "n"), Some(1));

        let commit = both.world.begin(Some(SID), count);
        let commit = both.world.until(commit, "replace");
        let commit = both.world.lose(commit, landed).unwrap();
        both.world.request(Some(SID), count);
        both.world.run(commit).unwrap();
        assert_eq!(both.world.number(SID, "n"), Some(3));
    }
}

#[test]
fn a_lost_answer_is_settled_though_flask_overwrote_the_record() {
    // R62
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    // Flask had read before the increment, and takes it away. So it is made again.
    both.flask_writes(SID, &alice());
    keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    assert_eq!(both.world.number(SID, "n"), Some(1));

    // Flask had read after it, and carries its mark along. So it is there.
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    let Value::Dict(mut session) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    session.push(("theme".into(), "dark".into()));
    both.flask_writes(SID, &Value::Dict(session));
    keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    assert_eq!(both.world.number(SID, "n"), Some(2));
}

#[test]
fn an_outcome_that_cannot_be_known_is_not_claimed() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let commit = both.world.begin(Some(SID), count);
    let commit = both.world.until(commit, "replace");
    let commit = both.world.lose(commit, true).unwrap();
    // A record remembers its last eight writers.
    for _ in 0..8 {
        both.world.request(Some(SID), count);
    }
    assert_eq!(both.world.run(commit).map(drop), Err(Error::Uncertain));
}

/// Beside Flask: increments of Rust add up, whatever Rust requests are in flight, and a write of Flask in between is not lost
/// by them.
#[test]
fn beside_flask_rust_loses_nothing_that_flask_wrote() {
    // R53
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let first = both.world.begin(Some(SID), count);
    let first = both.world.until(first, "replace");
    let second = both.world.begin(Some(SID), count);
    let second = both.world.until(second, "replace");
    // A Flask request comes and goes.
    let Value::Dict(mut session) = both.flask_reads(SID).unwrap() else {
        panic!()
    };
    session.push(("cart".into(), "tea".into()));
    both.flask_writes(SID, &Value::Dict(session));
    for commit in [first, second] {
        assert_eq!(name(&commit), "replace");
        keeps(&both.world.run(commit).unwrap(), Fate::Saved);
    }
    both.world.see(SID, |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), Some(2));
        assert_eq!(
            session.get::<String>("cart").unwrap().as_deref(),
            Some("tea")
        );
        assert_eq!(session.get::<u64>("user_id").unwrap(), Some(42));
    });
}

/// Beside Flask: a Flask request that was under way writes what it had read, over whatever Rust did meanwhile. It loses Rust's
/// changes, and it brings back a session that Rust has signed out. That is Flask-Session's way of writing; nothing on
/// this side can prevent it.
#[test]
fn beside_flask_a_flask_request_in_flight_overwrites() {
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let read_before = both.flask_reads(SID).unwrap();

    both.world.request(Some(SID), insert("n", 1));
    both.flask_writes(SID, &read_before);
    assert_eq!(both.world.number(SID, "n"), None);

    both.world.request(Some(SID), sign_out);
    both.flask_writes(SID, &read_before);
    assert_eq!(both.world.number(SID, "user_id"), Some(42));

    // What still holds then: the privilege of a sign-in in Rust is under another token, out of reach of the old one.
    let sid = both.world.issue(Some(SID), sign_in("ada"));
    both.flask_writes(SID, &read_before);
    both.world
        .see(SID, |session| assert_eq!(session.subject(), None));
    both.world
        .see(&sid, |session| assert_eq!(session.subject(), Some("ada")));
    // And a sign-out of that one is not undone by a request with the old one.
    both.world.request(Some(&sid), sign_out);
    both.flask_writes(SID, &read_before);
    assert!(both.world.see(&sid, is_new));
}

#[test]
fn a_csrf_token_outlives_its_request() {
    // R68
    let mut both = Both::new();
    both.flask_writes(SID, &alice());
    let mut token = String::new();
    both.world
        .request(Some(SID), |session| token = session.csrf_token([5; 32]));
    assert!(both.world.see(SID, |session| session.verify_csrf(&token)));
    assert!(both.flask_reads(SID).unwrap().get(MARKS).is_some());
    both.world.see(SID, |session| {
        let other = session.csrf_token([9; 32]);
        assert!(other != token && session.verify_csrf(&other));
    });
    // The next time it needs no write.
    both.world.take_calls();
    both.world
        .request(Some(SID), |session| token = session.csrf_token([6; 32]));
    assert_eq!(both.world.take_calls(), ["load"]);
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
