//! Sealed values without the token, and before or after the setting was switched.

mod sealing;
mod support;

use cloakroom_core::{Error, Exchange, Fate, Session, Stored};
use sealing::{VALUE, holds, listed, plant, planted, sealing, stored};
use support::{World, count, insert, keeps, rotate};

// R39, R89: without a token nothing authenticates it.
#[test]
fn a_damaged_record_is_listed_without_a_panic() {
    let config = sealing().public_values(["device"]).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, |session| {
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let (key, record) = (world.key(&token), stored(&world, &token));
    let mut read = 0;
    for at in 0..record.bytes.len() {
        for bit in 0..8 {
            let mut bytes = record.bytes.to_vec();
            bytes[at] ^= 1 << bit;
            let damaged = Stored::new(bytes, record.expires_at, record.version);
            let mut exchange = Exchange::open_key(&world.config, key.clone(), world.now());
            if exchange.handle_loaded(&key, Some(damaged)).is_err() {
                continue;
            }
            let Ok(session) = exchange.session() else {
                continue;
            };
            read += 1;
            let _ = (session.keys().count(), session.get::<String>("device"));
            assert!(session.is_new() || session.get::<String>("planted") == Err(Error::Sealed));
        }
    }
    assert!(read > 100, "{read}");
}

// R89
#[test]
fn without_the_token_only_the_head_and_public_values_can_be_read() {
    let config = sealing().public_values(["device", "city"]);
    let mut world = World::with(config.build().expect("good"));
    let token = world.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let id = world.see(&token, |session| session.id());
    let mut exchange = listed(&world, &token);
    let session = exchange.session().expect("loaded");
    assert!(session.is_sealed());
    assert_eq!((session.subject(), session.id()), (Some("ada"), id));
    assert_eq!(session.get("device"), Ok(Some("laptop".to_owned())));
    assert_eq!(session.keys().collect::<Vec<_>>(), ["device"]);
    assert_eq!(session.get::<String>("city"), Ok(None));
    for name in ["planted", "unheard of"] {
        assert_eq!(session.get::<String>(name), Err(Error::Sealed));
    }
    assert!(
        session
            .typed::<std::collections::BTreeMap<String, String>>()
            .is_err()
    );
}

// R89
#[test]
fn without_the_token_nothing_is_changed_but_a_session_can_be_ended() {
    type Change = fn(&mut Session<'_>) -> Result<(), Error>;
    let changes: [(&str, Change); 14] = [
        ("insert", |session| session.insert("device", "phone")),
        ("remove", |session| {
            session.remove("planted");
            Ok(())
        }),
        ("remove what is public", |session| {
            session.remove("device");
            Ok(())
        }),
        ("take", |session| {
            session.take::<String>("planted").map(drop)
        }),
        ("reset", |session| {
            session.get_or_reset::<u8>("planted");
            Ok(())
        }),
        ("update", |session| {
            session
                .update("n", |n: Option<u8>| n.unwrap_or(0))
                .map(drop)
        }),
        ("clear", |session| {
            session.clear();
            Ok(())
        }),
        ("flash", |session| session.flash("notice", 1)),
        ("flashed", |session| {
            session.flashed::<u8>("notice").map(drop)
        }),
        ("bind", |session| session.set_binding("a key")),
        ("subject", |session| session.set_subject(Some("eve"))),
        ("expiry", |session| {
            session.set_expiry(cloakroom_core::Expiry::new().persistent())
        }),
        ("rotate", |session| {
            session.rotate();
            Ok(())
        }),
        ("sign in", |session| session.sign_in("eve")),
    ];
    let config = sealing().public_values(["device"]).build().expect("good");
    let mut unsealed = World::new();
    let plain = unsealed.issue(None, plant);
    unsealed.config = config.clone();
    let mut sealed = World::with(config);
    let token = sealed.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
    });
    for (what, change) in changes {
        let before = sealed.records.clone();
        let mut exchange = listed(&sealed, &token);
        let changed = change(&mut exchange.session().expect("loaded"));
        let commit = exchange.finish(sealed.now());
        let outcome = changed.and_then(|()| sealed.run(commit).map(drop));
        assert_eq!(outcome, Err(Error::Sealed), "{what}");
        assert!(sealed.records == before, "{what}");
        // Nor is a value written to a record that is only to be sealed.
        let mut exchange = listed(&unsealed, &plain);
        let mut session = exchange.session().expect("loaded");
        if change(&mut session).is_ok() && session.is_modified() {
            let commit = exchange.finish(unsealed.now());
            assert_eq!(unsealed.run(commit), Err(Error::Sealed), "{what}");
        }
        assert_eq!(
            unsealed.see(&plain, planted),
            Ok(Some(VALUE.to_owned())),
            "{what}"
        );
    }
    let mut exchange = listed(&sealed, &token);
    exchange.session().expect("loaded").sign_out();
    let commit = exchange.finish(sealed.now());
    assert_eq!(
        sealed.run(commit).map(|outcome| outcome.fate),
        Ok(Fate::Saved)
    );
    assert!(!sealed.lives(&token));
}

// R89
#[test]
fn a_change_by_key_that_meets_a_sealed_record_is_an_error() {
    let mut world = World::new();
    let token = world.issue(None, plant);
    let mut exchange = listed(&world, &token);
    exchange.in_background();
    count(&mut exchange.session().expect("loaded"));
    let commit = exchange.finish(world.now());
    let commit = world.until(commit, "replace");
    // The visitor's node seals meanwhile.
    let off = std::mem::replace(&mut world.config, sealing().build().expect("good"));
    world.request(Some(&token), insert("later", 1));
    world.config = off;
    assert_eq!(world.run(commit), Err(Error::Sealed));
    assert_eq!(world.number(&token, "later"), Some(1));
    assert_eq!(world.number(&token, "n"), None);
}

// R89
#[test]
fn switching_signs_nobody_out_and_the_next_save_follows_the_setting() {
    let mut world = World::new();
    let (off, on) = (world.config.clone(), sealing().build().expect("good"));
    let token = world.issue(None, |session| {
        plant(session);
        session.sign_in("ada").expect("a good subject");
    });
    let is_plain =
        |world: &World, token: &str| holds(&stored(world, token).bytes, VALUE.as_bytes());
    for (config, plain_after) in [(&on, false), (&off, true), (&on, false)] {
        let plain_before = is_plain(&world, &token);
        world.config = config.clone();
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(is_plain(&world, &token), plain_before);
        world.request(Some(&token), count);
        assert_eq!(is_plain(&world, &token), plain_after);
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
    }
    assert_eq!(world.number(&token, "n"), Some(3));
}

// R78, R89
#[test]
fn a_token_that_was_rotated_away_before_the_switch_reads_and_writes_on() {
    let mut world = World::new();
    let (off, on) = (world.config.clone(), sealing().build().expect("good"));
    for (before, after) in [(&off, &on), (&on, &off)] {
        world.config = before.clone();
        let first = world.issue(None, plant);
        let second = world.issue(Some(&first), rotate);
        world.config = after.clone();
        assert_eq!(world.see(&first, planted), Ok(Some(VALUE.to_owned())));
        keeps(&world.request(Some(&first), count), Fate::Saved);
        assert_eq!(world.number(&second, "n"), Some(1));
        world.request(Some(&second), count);
        assert_eq!(world.number(&second, "n"), Some(2));
    }
    // Once its owner has sealed it, the retired record lacks the key. That is an error, not a
    // session without values.
    world.config = off;
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    world.config = on;
    world.request(Some(&second), count);
    assert_eq!(world.see(&first, planted), Err(Error::Sealed));
    let mut exchange = world.open(Some(&first));
    exchange.session().expect("loaded").clear();
    let commit = exchange.finish(world.now());
    assert_eq!(world.run(commit), Err(Error::Sealed));
    assert_eq!(world.number(&second, "n"), Some(1));
}
