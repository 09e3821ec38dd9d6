//! Sealed values: what a store holds of them, and what a token opens.

mod opened;
mod sealing;
mod support;

use std::collections::BTreeSet;

use cloakroom_core::{
    Commit, Config, ConfigBuilder, Error, Exchange, Fate, Key, KeyFormat, Limits, Session, Stored,
};
use opened::{Opened, open, secret};
use sealing::{VALUE, holds, plant, planted, sealing, stored, world};
use support::{World, count, insert, issued, keeps, rotate, sign_in};

/// The record as one that holds its key reads it.
fn opened(world: &World, token: &str) -> Opened {
    let key = world.key(token);
    open(&stored(world, token).bytes, &secret(token, &key)).expect("the token opens its record")
}

// R89
#[test]
fn a_sealed_record_holds_no_value_and_its_token_opens_it() {
    let mut world = world();
    let token = world.issue(None, |session| {
        plant(session);
        session.flash("notice", VALUE).expect("a good value");
        session.sign_in("ada").expect("a good subject");
    });
    let record = stored(&world, &token).bytes;
    for text in [VALUE, "planted", "notice", &token] {
        assert!(!holds(&record, text.as_bytes()), "{text}");
    }
    assert!(holds(&record, b"ada"));
    let read = |session: &mut Session<'_>| {
        let planted = planted(session)?;
        Ok::<_, Error>((planted, session.flashed::<String>("notice")?))
    };
    let both = (Some(VALUE.to_owned()), Some(VALUE.to_owned()));
    assert_eq!(world.see(&token, read), Ok(both));
}

// R89
#[test]
fn the_cipher_and_its_key_are_those_of_the_documentation() {
    // `opened` has its own HKDF and reads the layout by itself.
    let mut world = world();
    let token = world.issue(None, plant);
    let opened = opened(&world, &token);
    assert_eq!(opened.names(), ["planted"]);
    assert_eq!(opened.seed.len(), 16);
    assert!(!holds(&stored(&world, &token).bytes, &opened.seed));
}

// R89
#[test]
fn every_damaged_byte_is_an_error_and_never_another_value() {
    let config = sealing().public_values(["device"]).build();
    let mut world = World::with(config.expect("good"));
    let first = world.issue(None, |session| {
        plant(session);
        session.insert("device", "laptop").expect("a good value");
        session.sign_in("ada").expect("a good subject");
        let expiry = cloakroom_core::Expiry::new().persistent();
        session.set_expiry(expiry).expect("a good expiry");
    });
    // A second writer, so that the head has more than one mark.
    world.request(Some(&first), count);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    for token in [first, second, third] {
        let (key, record) = (world.key(&token), stored(&world, &token));
        for at in 0..record.bytes.len() {
            for bit in 0..8 {
                let mut bytes = record.bytes.to_vec();
                bytes[at] ^= 1 << bit;
                let damaged = Stored::new(bytes, record.expires_at, record.version);
                let token = [token.as_bytes()];
                let mut exchange = Exchange::open(&world.config, token, world.now());
                let loaded = exchange.handle_loaded(&key, Some(damaged));
                assert!(
                    matches!(loaded, Err(Error::Corrupt | Error::NewerRecord { .. })),
                    "byte {at}, bit {bit}: {loaded:?}"
                );
                assert!(exchange.session().is_err());
            }
        }
        for len in 0..record.bytes.len() {
            let cut = Stored::new(record.bytes.slice(..len), record.expires_at, 1);
            let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
            assert_eq!(exchange.handle_loaded(&key, Some(cut)), Err(Error::Corrupt));
        }
    }
}

// R89
#[test]
fn a_head_fits_no_other_values_and_a_record_no_other_key() {
    let mut world = world();
    let token = world.issue(None, plant);
    let older = stored(&world, &token).bytes;
    world.request(Some(&token), sign_in_as_nobody);
    let newer = stored(&world, &token).bytes;
    let other = world.issue(None, plant);
    let text = |record: &[u8]| record.len() - opened::text(record).len();
    let (older_text, newer_text) = (text(&older), text(&newer));
    let moved = [&newer[..newer_text], &older[older_text..]].concat();
    for (token, bytes) in [(&token, moved), (&other, older.to_vec())] {
        let key = world.key(token);
        let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
        let loaded = Stored::new(bytes, stored(&world, token).expires_at, 1);
        assert_eq!(
            exchange.handle_loaded(&key, Some(loaded)),
            Err(Error::Corrupt)
        );
    }
}

fn sign_in_as_nobody(session: &mut Session<'_>) {
    session
        .set_subject(Some("a guest"))
        .expect("a good subject");
}

// R78, R89
#[test]
fn the_old_token_opens_what_a_rotation_made_of_its_session() {
    let mut world = world();
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), rotate);
    world.request(Some(&third), insert("later", 1));
    for token in [&first, &second, &third] {
        assert_eq!(world.see(token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(world.number(token, "later"), Some(1));
    }
    keeps(&world.request(Some(&first), insert("late", 2)), Fate::Saved);
    assert_eq!(world.number(&third, "late"), Some(2));
    world.later(31);
    assert!(world.see(&first, |session| session.is_new()));
    assert_eq!(world.number(&third, "late"), Some(2));
}

// R78, R89
#[test]
fn a_change_in_flight_reaches_the_successor_also_without_a_grace() {
    for grace in [0, 30] {
        let config = sealing().rotation_grace(std::time::Duration::from_secs(grace));
        let mut world = World::with(config.build().expect("good"));
        let first = world.issue(None, plant);
        let flight = world.begin(Some(&first), count);
        let flight = world.until(flight, "replace");
        let second = world.issue(Some(&first), rotate);
        let third = world.issue(Some(&second), rotate);
        keeps(&world.run(flight).expect("it follows"), Fate::Saved);
        assert_eq!(world.number(&third, "n"), Some(1));
        assert_eq!(world.see(&third, planted), Ok(Some(VALUE.to_owned())));
    }
}

// R89
#[test]
fn a_retired_record_has_its_successors_key_only_after_a_plain_rotation() {
    let mut world = world();
    let first = world.issue(None, plant);
    let second = world.issue(Some(&first), rotate);
    let third = world.issue(Some(&second), sign_in("ada"));
    world.request(Some(&third), insert("private", 1));
    let carried = opened(&world, &first).value("\u{3}successor");
    assert_eq!(carried, Some(secret(&second, &world.key(&second)).to_vec()));
    assert_eq!(opened(&world, &second).names(), ["planted"]);
    // Neither old key opens what the sign-in made.
    for token in [&first, &second] {
        let old = secret(token, &world.key(token));
        assert!(open(&stored(&world, &third).bytes, &old).is_none());
        assert_eq!(world.see(token, planted), Ok(Some(VALUE.to_owned())));
        assert_eq!(world.number(token, "private"), None);
    }
}

// R89
#[test]
fn no_nonce_is_used_twice() {
    let mut world = world();
    let mut seen = BTreeSet::new();
    let mut token = world.issue(None, plant);
    let mut look = |world: &World| {
        for record in world.records.values() {
            seen.insert((opened::nonce(&record.bytes), record.bytes.to_vec()));
        }
    };
    for round in 0..20 {
        // Two requests that meet, a rotation that is rewritten, and an answer that is lost.
        let first = world.begin(Some(&token), insert("a", round));
        let first = world.until(first, "replace");
        world.request(Some(&token), insert("b", round));
        look(&world);
        keeps(&world.run(first).expect("it is replayed"), Fate::Saved);
        look(&world);
        let rotation = world.begin(Some(&token), rotate);
        let rotation = world.until(rotation, "replace");
        look(&world);
        world.request(Some(&token), insert("c", round));
        look(&world);
        let rotation = world.step(rotation).expect("it has changed");
        let rotation = world.until(rotation, "replace");
        look(&world);
        let rotation = world.lose(rotation, true).expect("it is looked for");
        look(&world);
        token = issued(&world.run(rotation).expect("it is found")).expect("a token");
        look(&world);
    }
    let records = seen.len();
    let nonces: BTreeSet<_> = seen.into_iter().map(|(nonce, _)| nonce).collect();
    assert!(records > 100, "{records}");
    assert_eq!(nonces.len(), records);
}

// R89
#[test]
fn claims_and_saves_in_the_handler_open_what_they_wrote() {
    let mut world = world();
    let token = world.issue(None, insert("state", 7));
    let mut exchange = world.open(Some(&token));
    let claim = exchange
        .claim("state", world.now())
        .expect("loaded")
        .expect("a value");
    // It follows a rotation on its way.
    let claim = world.until(claim, "replace");
    let second = world.issue(Some(&token), rotate);
    let outcome = world.run(claim).expect("it wins");
    let claimed = outcome.claimed.expect("the value");
    assert_eq!(claimed.get(), Ok(Some(7)));
    let found = world.load(claimed.key());
    exchange.after_claim(&claimed, found);
    let mut session = exchange.session().expect("loaded");
    assert!(!session.contains("state") && !session.is_sealed());
    count(&mut session);
    let commit = exchange.finish(world.now());
    keeps(&world.run(commit).expect("it is saved"), Fate::Saved);
    assert_eq!(world.number(&second, "n"), Some(1));
}

// R89
#[test]
fn a_handler_that_goes_on_after_a_save_opens_what_it_saved() {
    let mut world = world();
    let token = world.issue(None, plant);
    let mut exchange = world.open(Some(&token));
    for change in [count, rotate, count] {
        change(&mut exchange.session().expect("loaded"));
        exchange.will_resume().expect("there is a store");
        let commit = exchange.finish(world.now());
        let outcome = world.run(commit).expect("it is saved");
        exchange = Exchange::resume(&world.config, &outcome, world.now());
        let key = exchange.wants_load().expect("the session").clone();
        let loaded = exchange.handle_loaded(&key, world.load(&key));
        loaded.expect("the values are opened");
        assert_eq!(
            planted(&mut exchange.session().expect("loaded")),
            Ok(Some(VALUE.to_owned()))
        );
    }
    assert_eq!(exchange.session().expect("loaded").get("n"), Ok(Some(2)));
}

// R89
#[test]
fn forms_stay_valid_across_rotations_and_no_record_shows_their_secret() {
    let mut world = world();
    let token = world.issue(None, plant);
    let form = world.see(&token, |session| session.csrf_token([7; 32]));
    let second = world.issue(Some(&token), rotate);
    assert!(world.see(&second, |session| session.verify_csrf(&form)));
    let seed = opened(&world, &second).seed;
    for record in world.records.values() {
        assert!(!holds(&record.bytes, &seed));
    }
}

// R89
#[test]
fn the_call_that_crosses_the_limit_of_a_sealed_record_fails() {
    let limits = Limits {
        record_bytes: 512,
        ..Limits::default()
    };
    let config = sealing().limits(limits).public_values(["b"]);
    let mut world = World::with(config.build().expect("good"));
    for len in 300..512 {
        let outcome = {
            let mut exchange = world.open(None);
            let mut session = exchange.session().expect("new");
            let text = "x".repeat(len);
            if session.insert("a", &text).is_err() {
                return assert!(len > 350, "{len}");
            }
            let commit = exchange.finish(world.now());
            world.run(commit)
        };
        assert!(outcome.is_ok(), "{len}: {outcome:?}");
        let longest = world
            .records
            .values()
            .map(|record| record.bytes.len())
            .max();
        assert!(longest <= Some(512));
    }
    panic!("there is no limit");
}

// R89
#[test]
fn what_sealing_cannot_work_with_is_refused_when_the_configuration_is_built() {
    let refused = |config: ConfigBuilder| config.build().expect_err("refused").to_string();
    assert!(refused(sealing().key_format(KeyFormat::Plain)).contains("seal_values"));
    assert!(refused(sealing().public_values([""])).contains("public_values"));
    let settings = "seal_values = true\npublic_values = [\"device\"]";
    let config: Config = toml::from_str(settings).expect("good settings");
    let mut world = World::with(config);
    let token = world.issue(None, plant);
    assert!(!holds(&stored(&world, &token).bytes, VALUE.as_bytes()));
}

// R89
#[test]
fn signed_tokens_and_uuids_seal_too() {
    let key = cloakroom_core::SigningKey::new([7; 32]).expect("long enough");
    let uuid = cloakroom_core::TokenFormat::UuidV4;
    for config in [sealing().signing_keys([key]), sealing().token_format(uuid)] {
        let mut world = World::with(config.build().expect("good"));
        let token = world.issue(None, plant);
        let second = world.issue(Some(&token), rotate);
        world.request(Some(&second), count);
        assert_eq!(world.see(&token, planted), Ok(Some(VALUE.to_owned())));
        assert!(!holds(&stored(&world, &second).bytes, VALUE.as_bytes()));
    }
}

// R89
#[test]
fn a_save_asks_for_secret_bytes() {
    let mut world = world();
    let token = world.issue(None, plant);
    let Commit::Mint(mint) = world.begin(Some(&token), count) else {
        panic!("it changes something")
    };
    assert!(mint.needs_secrets());
    assert_eq!(
        Key::new(world.key(&token).as_str()),
        Some(world.key(&token))
    );
}
