//! Sessions in an encrypted cookie.

#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_core::{Config, Directive, Error, Exchange, Expiry, Fate, Lifetimes, UnixTime};
use cloakroom_sealed::{Sealed, SealingKey};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{World, ada, clear, count, insert, is_new, issued, keeps, sign_in, sign_out};

fn key(byte: u8) -> SealingKey {
    SealingKey::new([byte; 32])
}

// A key with the quotes of its env file is none, and the error has the reason.
#[test]
fn a_sealing_key_in_quotes_is_refused() {
    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    assert!(KEY.parse::<SealingKey>().is_ok());
    for wrapped in [
        format!("\"{KEY}\""),
        format!("'{KEY}'"),
        format!("{KEY}\n"),
        format!(" {KEY}"),
    ] {
        let error = wrapped.parse::<SealingKey>().unwrap_err();
        assert!(error.to_string().contains("; remove"), "{error}");
        assert!(!error.to_string().contains(KEY), "the error has the key");
        assert!(SealingKey::from_base64(&wrapped).is_none());
    }
    let short = KEY[1..].parse::<SealingKey>().unwrap_err();
    assert!(short.to_string().contains("43 characters"), "{short}");
}

fn config(sealed: Sealed) -> Config {
    Config::builder().envelope(sealed).build().unwrap()
}

fn world() -> World {
    World::with(config(Sealed::new(key(1))))
}

/// The same world under another configuration.
fn under(world: &World, config: Config) -> World {
    let mut other = World::with(config);
    other.now = world.now;
    other
}

#[test]
fn a_session_lives_in_its_cookie_and_no_store_is_called() {
    let mut world = world();
    let first = world.issue(None, insert("a", 1));
    let second = world.issue(Some(&first), insert("b", 2));
    world.see(&second, |session| {
        assert_eq!(session.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(!session.is_new());
    });
    assert_eq!(
        world.see(&second, support::id),
        world.see(&first, support::id)
    );
    assert!(world.records.is_empty() && world.take_calls().is_empty());
}

#[test]
fn an_untouched_or_only_read_session_sends_nothing() {
    // R25, R43
    let mut world = world();
    let cookie = world.issue(None, insert("a", 1));
    let exchange = Exchange::open(&world.config, [cookie.as_bytes()], world.now());
    let outcome = world.run(exchange.finish(world.now())).unwrap();
    assert!(!outcome.accessed);
    keeps(&outcome, Fate::Unchanged);
    let outcome = world.request(Some(&cookie), |session| assert_eq!(session.len(), 1));
    assert!(outcome.accessed);
    keeps(&outcome, Fate::Unchanged);
    keeps(
        &world.request(None, |session| assert!(session.is_empty())),
        Fate::Unchanged,
    );
}

#[test]
fn each_flipped_bit_yields_an_empty_session() {
    // R45
    let mut world = world();
    let cookie = world.issue(None, ada);
    for bit in 0..cookie.len() * 8 {
        let mut bytes = cookie.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut exchange = world.open_all([&bytes[..]]).unwrap();
        assert!(exchange.session().unwrap().is_new(), "bit {bit}");
    }
    for len in 0..cookie.len() {
        assert!(world.see(&cookie[..len], is_new));
    }
    assert!(!world.see(&cookie, is_new));
}

#[test]
fn a_value_moved_to_another_cookie_fails() {
    // R46
    let mut world = world();
    let cookie = world.issue(None, ada);
    let other = Config::builder()
        .cookie_name("__Host-other")
        .envelope(Sealed::new(key(1)));
    let mut other = under(&world, other.build().unwrap());
    assert!(other.see(&cookie, is_new));
}

#[test]
fn the_expiry_is_inside() {
    // R47, R12: at t-1, t and t+1, whatever the cookie's own attributes say.
    let mut world = world();
    let cookie = world.issue(None, insert("a", 1));
    for (seconds, dead) in [(1_799, false), (1_800, true), (1_801, true)] {
        let mut later = under(&world, world.config.clone());
        assert_eq!(later.later(seconds).see(&cookie, is_new), dead);
    }
    // A later configuration with longer timeouts does not bring it back.
    let longer = Config::builder()
        .lifetimes(Lifetimes::NIST_AAL1)
        .envelope(Sealed::new(key(1)));
    let mut longer = under(&world, longer.build().unwrap());
    assert!(longer.later(1_800).see(&cookie, is_new));
}

#[test]
fn activity_extends_the_idle_timeout_and_not_the_absolute_one() {
    // R13
    let mut world = world();
    let mut cookie = world.issue(None, insert("a", 1));
    let read = |session: &mut cloakroom_core::Session<'_>| assert_eq!(session.len(), 1);
    keeps(
        &world.later(100).request(Some(&cookie), read),
        Fate::Unchanged,
    );
    for _ in 0..27 {
        cookie = world.later(1_500).issue(Some(&cookie), read);
    }
    let outcome = world.request(Some(&cookie), read);
    keeps(&outcome, Fate::Unchanged);
    assert!(world.later(12 * 3_600).see(&cookie, is_new));
}

#[test]
fn old_keys_only_open_and_the_newest_seals() {
    // R48
    let mut old = World::with(config(Sealed::new(key(1))));
    let cookie = old.issue(None, insert("a", 1));
    let mut both = under(&old, config(Sealed::new(key(2)).older_keys([key(1)])));
    let newer = both.issue(Some(&cookie), insert("b", 2));
    assert_eq!(both.number(&newer, "a"), Some(1));
    assert!(old.see(&newer, is_new));
    let mut new = under(&old, config(Sealed::new(key(2))));
    assert!(new.see(&cookie, is_new));
    assert_eq!(new.number(&newer, "b"), Some(2));
}

#[test]
fn a_cookie_of_another_key_is_an_error_when_built() {
    let cookie = World::with(config(Sealed::new(key(1)))).issue(None, insert("a", 1));
    let builds = |envelope, known: &str| {
        let builder = Config::builder().envelope(envelope);
        builder.known_token(known).build()
    };
    // Neither its age nor the end of its epoch counts.
    for envelope in [
        Sealed::new(key(1)),
        Sealed::new(key(1)).epoch(1),
        Sealed::new(key(2)).older_keys([key(1)]),
    ] {
        assert!(builds(envelope, &cookie).is_ok());
    }
    for at in 0..=cookie.len() {
        let error = builds(Sealed::new(key(2)), &cookie).unwrap_err();
        assert_eq!(error.field(), "known_token");
        assert!(builds(Sealed::new(key(1)), &cookie[..at]).is_err() || at == cookie.len());
    }
    let renamed = Config::builder()
        .cookie_name("__Host-other")
        .envelope(Sealed::new(key(1)));
    assert!(renamed.known_token(cookie).build().is_err());
}

#[test]
fn a_new_epoch_ends_all_sessions() {
    // R49
    let mut world = world();
    let cookie = world.issue(None, ada);
    let mut next = under(&world, config(Sealed::new(key(1)).epoch(1)));
    assert!(next.see(&cookie, is_new));
    // A node without the new key opens the cookies of a node that has it.
    let newer = next.issue(None, ada);
    assert!(!world.see(&newer, is_new));
}

#[test]
fn nonces_never_repeat() {
    // R50: the same session, sealed again and again.
    let mut world = world();
    let mut nonces = BTreeSet::new();
    let first = world.issue(None, insert("a", 1));
    for n in 0..10_000 {
        let cookie = world.issue(Some(&first), insert("b", n % 2));
        assert!(nonces.insert(cookie[..32].to_owned()));
    }
}

#[test]
fn a_session_that_does_not_fit_is_an_error_with_its_size() {
    // R31
    let mut world = world();
    let fits = world.issue(None, |session| {
        session.insert("a", "x".repeat(2_800)).unwrap();
    });
    assert!(fits.len() < 4_096);
    let commit = world.begin(Some(&fits), |session| {
        session.insert("b", "x".repeat(300)).unwrap();
    });
    let error = world.run(commit).unwrap_err();
    assert!(matches!(error, Error::CookieTooLarge { bytes } if bytes > 4_096));
    assert!(error.to_string().contains("keep sessions in a store"));
    assert_eq!(cloakroom_core::http::status_hint(&error), 413);
    assert!(!world.see(&fits, is_new));
}

#[test]
fn a_sign_in_issues_a_token_and_a_sign_out_clears_the_cookie() {
    let mut world = world();
    let cookie = world.issue(None, insert("cart", 1));
    let csrf = world.see(&cookie, |session| session.csrf_token([3; 32]));
    world.later(600);
    let ada = world.issue(Some(&cookie), sign_in("ada"));
    world.see(&ada, |session| {
        assert_eq!(session.subject(), Some("ada"));
        assert_eq!(session.authenticated_at(), Some(session.created_at()));
        assert_eq!(session.get::<u64>("cart").unwrap(), Some(1));
        // R68
        assert!(!session.verify_csrf(&csrf));
    });
    assert_ne!(
        world.see(&ada, support::id),
        world.see(&cookie, support::id)
    );
    // The data of a session that belongs to another subject is not carried over.
    let bob = world.issue(Some(&ada), sign_in("bob"));
    assert_eq!(world.number(&bob, "cart"), None);
    let outcome = world.request(Some(&bob), sign_out);
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    // R66: values set after the sign-out go to a new session.
    let outcome = world.request(Some(&bob), |session| {
        session.sign_out();
        session.insert("theme", "dark").unwrap();
    });
    let fresh = issued(&outcome).unwrap();
    world.see(&fresh, |session| {
        assert_eq!((session.subject(), session.len()), (None, 1));
    });
}

#[test]
fn a_sign_out_without_a_session_creates_nothing() {
    // R24
    let mut world = world();
    keeps(&world.request(None, sign_out), Fate::Unchanged);
    let outcome = world.request(Some("anything"), sign_out);
    assert_eq!(outcome.directive, Directive::Clear);
}

/// Returns the value `a` that a request with all of these cookies sees.
fn seen(world: &mut World, values: &[&str]) -> Option<u64> {
    let values = values.iter().map(|value| value.as_bytes());
    let mut exchange = world.open_all(values).unwrap();
    let seen = exchange.session().unwrap().get("a");
    seen.unwrap()
}

#[test]
fn of_two_sessions_the_newest_counts_whatever_their_order() {
    // R36, R76
    let mut world = world();
    let one = world.issue(None, insert("a", 1));
    let two = world.issue(Some(&one), insert("a", 2));
    let three = world.later(1).issue(None, insert("a", 3));
    for (values, newest) in [([&one, &two], 2), ([&two, &three], 3), ([&one, &three], 3)] {
        let [first, second] = values;
        assert_eq!(seen(&mut world, &[first, second]), Some(newest));
        assert_eq!(seen(&mut world, &[second, first]), Some(newest));
    }
    assert_eq!(seen(&mut world, &[&one, "garbage", &one]), Some(1));
    let long = "x".repeat(70_000);
    assert_eq!(seen(&mut world, &[&long, &one]), Some(1));
    // It counts when it has expired, too.
    let long = |session: &mut cloakroom_core::Session<'_>| {
        let day = Duration::from_secs(86_400);
        session
            .set_expiry(Expiry::new().idle(day).absolute(day))
            .unwrap();
        session.insert("a", 4).unwrap();
    };
    let four = world.issue(None, long);
    let five = world.issue(Some(&four), |session| {
        session.set_expiry(None).unwrap();
        session.insert("a", 5).unwrap();
    });
    world.later(1_799);
    assert_eq!(seen(&mut world, &[&four, &five]), Some(5));
    world.later(1);
    assert_eq!(seen(&mut world, &[&four, &five]), None);
    assert_eq!(seen(&mut world, &[&four]), Some(4));
}

fn present(
    world: &mut World,
    values: &[&str],
    handler: fn(&mut cloakroom_core::Session<'_>),
) -> Result<cloakroom_core::Outcome, Error> {
    let values = values.iter().map(|value| value.as_bytes());
    let mut exchange = world.open_all(values).unwrap();
    handler(&mut exchange.session().unwrap());
    let commit = exchange.finish(world.now());
    world.run(commit)
}

#[test]
fn a_sign_out_outranks_all_that_were_presented() {
    // R76
    let mut world = world();
    let (one, two) = (world.issue(None, ada), world.issue(None, ada));
    let outcome = present(&mut world, &[&one, &two], sign_out).unwrap();
    let Directive::Issue(out) = outcome.directive else {
        panic!("{:?}", outcome.directive)
    };
    // As long as what it outranks.
    assert_eq!(out.max_age, Some(Duration::from_secs(1_800)));
    let out = out.token.expose();
    for values in [[&*one, out], [out, &*two]] {
        let outcome = present(&mut world, &values, |session| {
            assert_eq!(session.subject(), None);
            assert!(session.is_empty());
        });
        keeps(&outcome.unwrap(), Fate::Unchanged);
    }
    // A single one is removed, and with Clear-Site-Data all are.
    let outcome = present(&mut world, &[&one], sign_out).unwrap();
    assert_eq!(outcome.directive, Directive::Clear);
    let clearing = Config::builder()
        .clear_site_data(true)
        .envelope(Sealed::new(key(1)));
    let mut clearing = under(&world, clearing.build().unwrap());
    let outcome = present(&mut clearing, &[&one, &two], sign_out).unwrap();
    assert_eq!(outcome.directive, Directive::Clear);
}

#[test]
fn more_than_sixteen_values_are_none_and_end_nothing() {
    // R94
    let mut world = world();
    let many: Vec<_> = (0..17).map(|_| world.issue(None, ada)).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(
        present(&mut world, &many, |session| assert!(session.is_new()))
            .unwrap()
            .fate,
        Fate::Unchanged
    );
    for handler in [sign_out as fn(&mut cloakroom_core::Session<'_>), ada] {
        let error = present(&mut world, &many, handler).unwrap_err();
        assert_eq!(error, Error::TooManyTokens { limit: 16 });
    }
    let outcome = present(&mut world, &many[1..], sign_out).unwrap();
    assert!(matches!(outcome.directive, Directive::Issue(_)));
}

#[test]
fn a_lifetime_of_its_own_survives() {
    // R26
    let mut world = world();
    let day = Duration::from_secs(86_400);
    let outcome = world.request(None, |session| {
        session
            .set_expiry(Expiry::new().idle(day).absolute(2 * day).persistent())
            .expect("good");
        session.insert("a", 1).unwrap();
    });
    let Directive::Issue(first) = outcome.directive else {
        panic!()
    };
    assert_eq!(first.max_age, Some(2 * day));
    world.later(86_399);
    let outcome = world.request(Some(first.token.expose()), insert("b", 1));
    let Directive::Issue(second) = outcome.directive else {
        panic!()
    };
    assert_eq!(second.max_age, Some(day + Duration::from_secs(1)));
}

/// The documented limits without a store: a copy outlives the sign-out, and the last response wins.
#[test]
fn a_cookies_limits() {
    let mut world = world();
    let cookie = world.issue(None, ada);
    world.request(Some(&cookie), sign_out);
    assert!(!world.see(&cookie, is_new));

    let first = world.issue(Some(&cookie), count);
    let second = world.issue(Some(&cookie), count);
    assert_eq!(
        (world.number(&first, "n"), world.number(&second, "n")),
        (Some(1), Some(1))
    );
}

#[test]
fn clearing_keeps_the_session_unless_configured_otherwise() {
    let mut world = world();
    let cookie = world.issue(None, insert("a", 1));
    assert!(issued(&world.request(Some(&cookie), clear)).is_some());
    let deleting = Config::builder()
        .delete_when_empty(true)
        .envelope(Sealed::new(key(1)));
    let mut deleting = under(&world, deleting.build().unwrap());
    assert_eq!(
        deleting.request(Some(&cookie), clear).directive,
        Directive::Clear
    );
}

#[test]
fn the_cookie_shows_nothing_and_neither_does_debug() {
    // R11
    let mut world = world();
    let cookie = world.issue(None, |session| session.insert("word", "plaintext").unwrap());
    assert!(!cookie.contains("plaintext"));
    let sealed = Sealed::new(SealingKey::new(*b"a key that must never be printed"));
    let shown = format!("{sealed:?} {:?}", config(sealed.clone()));
    assert!(!shown.contains("printed") && !shown.contains("97, 32"));
}

proptest! {
    // R39, R51
    #[test]
    fn any_bytes_are_an_empty_session(bytes in any::<Vec<u8>>()) {
        let config = config(Sealed::new(key(1)));
        let mut exchange = Exchange::open(&config, [&bytes[..]], UnixTime::from_secs(1));
        prop_assert!(exchange.session().unwrap().is_new());
    }
}
