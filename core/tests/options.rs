//! Settings with which sessions live as those of other systems do.

mod support;

use std::time::Duration;

use cloakroom_core::{Config, ConfigBuilder, Directive, Error, Expiry, Fate, Lifetimes, Session};
use support::{World, clear, insert, is_new, issued, keeps, rotate, sign_in};

const DAY: u64 = 86_400;

fn world(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> World {
    let (idle, absolute) = (Duration::from_secs(30 * DAY), Lifetimes::UNLIMITED);
    let builder = support::builder().lifetimes(Lifetimes { idle, absolute });
    World::with(change(builder).build().expect("a good configuration"))
}

fn max_age(directive: &Directive) -> Option<u64> {
    match directive {
        Directive::Issue(issued) => issued.max_age.map(|age| age.as_secs()),
        other => panic!("{other:?}"),
    }
}

fn read(session: &mut Session<'_>) {
    assert!(!session.is_empty());
}

#[test]
fn a_session_may_end_with_the_browser_though_others_persist() {
    let mut world = world(|builder| builder.persistent(true).renew_cookie(true));
    let token = world.issue(None, |session| {
        session
            .set_expiry(Expiry::new().session_cookie())
            .expect("good");
        session.insert("a", 1).expect("a good value");
    });
    // R26: also after it was loaded and written again.
    world.request(Some(&token), insert("a", 2));
    let outcome = world.request(Some(&token), rotate);
    assert_eq!(max_age(&outcome.directive), None);
    let token = issued(&outcome).expect("a token");
    let outcome = world.request(Some(&token), |session| {
        session.set_expiry(None).expect("good");
    });
    assert_eq!(max_age(&outcome.directive), Some(30 * DAY));
    assert_eq!(issued(&outcome), Some(token));
}

#[test]
fn a_session_that_ends_with_the_browser_may_live_shorter() {
    let day = Duration::from_secs(DAY);
    let mut world = world(|builder| builder.idle_timeout_until_closed(day).renew_cookie(true));
    let short = world.issue(None, insert("a", 1));
    let long = world.issue(None, |session| {
        session
            .set_expiry(Expiry::new().persistent())
            .expect("good");
        session.insert("a", 1).expect("a good value");
    });
    world.later(DAY - 1);
    assert!(!world.see(&short, is_new) && !world.see(&long, is_new));
    world.later(1);
    assert!(world.see(&short, is_new) && !world.see(&long, is_new));
}

#[test]
fn a_cookie_is_renewed_with_its_record_and_only_then() {
    let mut world = world(|builder| builder.persistent(true).renew_cookie(true));
    let token = world.issue(None, insert("a", 1));
    keeps(&world.request(Some(&token), read), Fate::Unchanged);
    keeps(&world.request(Some(&token), insert("a", 2)), Fate::Saved);
    for handler in [read, |session: &mut Session<'_>| {
        session.insert("a", 3).expect("a good value");
    }] {
        let outcome = world.later(4 * DAY).request(Some(&token), handler);
        assert_eq!(max_age(&outcome.directive), Some(30 * DAY));
        assert_eq!(issued(&outcome).as_deref(), Some(&*token));
    }
    // Not by a retired token: it would overwrite the newer cookie.
    let newer = world.later(4 * DAY).issue(Some(&token), sign_in("ada"));
    keeps(&world.request(Some(&token), read), Fate::Unchanged);
    let late = world.begin(Some(&token), insert("a", 4));
    assert_eq!(world.run(late), Err(Error::Superseded));
    assert!(!world.see(&newer, is_new));
}

#[test]
fn a_renewal_that_meets_the_end_of_the_session_sends_nothing() {
    let mut world = world(|builder| builder.persistent(true).renew_cookie(true));
    for handler in [read, |session: &mut Session<'_>| {
        session.insert("a", 3).expect("a good value");
    }] {
        let token = world.issue(None, insert("a", 1));
        let commit = world.later(4 * DAY).begin(Some(&token), handler);
        let commit = match support::name(&commit) {
            "mint" => world.until(commit, "replace"),
            _ => commit,
        };
        world.request(Some(&token), support::sign_out);
        keeps(&world.run(commit).expect("no error"), Fate::Gone);
    }
}

#[test]
fn a_life_is_extended_as_often_as_configured() {
    let often = |builder: ConfigBuilder| builder.persistent(true).renew_cookie(true);
    let mut world = world(|builder| often(builder).touch_interval(Duration::ZERO));
    let token = world.issue(None, insert("a", 1));
    world.take_calls();
    // Within a second there is nothing to extend.
    keeps(&world.request(Some(&token), read), Fate::Unchanged);
    assert_eq!(world.take_calls(), ["load"]);
    for handler in [read, |session: &mut Session<'_>| {
        session.insert("a", 3).expect("a good value");
    }] {
        let outcome = world.later(1).request(Some(&token), handler);
        assert_eq!(issued(&outcome).as_deref(), Some(&*token));
        let key = world.key(&token);
        let end = world.records[&key].expires_at.as_secs();
        assert_eq!(end, world.now + 30 * DAY);
    }
    // A request that does not use its session does nothing.
    world.take_calls();
    let config = world.config.clone();
    let untouched = cloakroom_core::Exchange::open(&config, [token.as_bytes()], world.now());
    let commit = untouched.finish(world.later(1).now());
    keeps(&world.run(commit).expect("no error"), Fate::Unchanged);
    assert!(world.take_calls().is_empty());

    let day = Duration::from_secs(DAY);
    let mut world = self::world(|builder| builder.touch_interval(day));
    let token = world.issue(None, insert("a", 1));
    for (seconds, wanted) in [
        (DAY - 1, &["load"][..]),
        (1, &["load", "touch"]),
        (DAY - 1, &["load"]),
    ] {
        world.later(seconds).take_calls();
        world.request(Some(&token), read);
        assert_eq!(world.take_calls(), wanted);
    }
}

#[test]
fn a_session_with_a_shorter_life_than_the_configured_step_is_extended_all_the_same() {
    // R26
    let mut world = world(|builder| builder.touch_interval(Duration::from_secs(DAY)));
    let token = world.issue(None, |session| {
        session
            .set_expiry(Expiry::new().idle(Duration::from_secs(60)))
            .expect("good");
        session.insert("a", 1).expect("a good value");
    });
    for _ in 0..10 {
        world.later(30).request(Some(&token), read);
    }
    assert!(!world.see(&token, is_new));
    world.later(60);
    assert!(world.see(&token, is_new));
}

#[test]
fn a_renewal_never_gives_back_a_token_that_was_rotated_away_meanwhile() {
    // R06
    let mut world = world(|builder| builder.persistent(true).renew_cookie(true));
    for action in ["touch", "reload"] {
        let token = world.issue(None, insert("a", 1));
        let reading = world.later(4 * DAY).begin(Some(&token), read);
        let reading = world.until(reading, action);
        let newer = world.issue(Some(&token), sign_in("ada"));
        let outcome = world.run(reading).expect("no error");
        keeps(&outcome, Fate::Unchanged);
        assert!(outcome.superseded);
        assert!(!world.see(&newer, is_new));
        let outcome = world.request(Some(&newer), support::sign_out);
        assert_eq!(outcome.directive, Directive::Clear);
    }
}

#[test]
fn reading_extends_no_life_where_only_writes_do() {
    let mut world = world(|builder| builder.extend_on_read(false));
    let token = world.issue(None, insert("a", 1));
    world.take_calls();
    keeps(
        &world.later(29 * DAY).request(Some(&token), read),
        Fate::Unchanged,
    );
    assert_eq!(world.take_calls(), ["load"]);
    world.request(Some(&token), insert("a", 2));
    world.later(29 * DAY);
    assert!(!world.see(&token, is_new));
    world.later(DAY);
    assert!(world.see(&token, is_new));
}

#[test]
fn a_session_that_is_emptied_is_deleted() {
    let mut world = world(|builder| builder.delete_when_empty(true));
    let token = world.issue(None, insert("a", 1));
    let outcome = world.request(Some(&token), |session| assert!(session.remove("a")));
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Clear, Fate::Saved)
    );
    assert!(world.records.is_empty());

    // Also one that was rotated meanwhile, or that ended.
    let token = world.issue(None, insert("a", 1));
    let commit = world.begin(Some(&token), clear);
    let commit = world.until(commit, "delete");
    let newer = world.issue(Some(&token), rotate);
    let outcome = world.run(commit).expect("no error");
    assert_eq!(outcome.directive, Directive::Clear);
    assert!(world.see(&newer, is_new));
    let token = world.issue(None, insert("a", 1));
    let commit = world.begin(Some(&token), clear);
    let commit = world.until(commit, "delete");
    world.request(Some(&token), support::sign_out);
    let outcome = world.run(commit).expect("no error");
    assert_eq!(outcome.directive, Directive::Clear);

    // When the retired record is gone too, the session may live on under another token: the cookie
    // is left alone.
    let token = world.issue(None, insert("a", 1));
    let commit = world.begin(Some(&token), clear);
    let commit = world.until(commit, "delete");
    let newer = world.issue(Some(&token), rotate);
    world.later(61);
    assert_eq!(world.run(commit), Err(Error::GraceExpired));
    assert!(!world.see(&newer, is_new));
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    let refused = |builder: ConfigBuilder| builder.build().expect_err("refused").field();
    let seconds = Duration::from_secs;
    let builder = Config::builder;
    let too_long = builder().idle_timeout_until_closed(seconds(13 * 3_600));
    assert_eq!(refused(too_long), "idle_timeout_until_closed");
    let none = builder().idle_timeout_until_closed(Duration::ZERO);
    assert_eq!(refused(none), "idle_timeout_until_closed");
    let years = Lifetimes {
        idle: seconds(400 * DAY + 1),
        absolute: Lifetimes::UNLIMITED,
    };
    let persistent = || builder().lifetimes(years).persistent(true);
    assert_eq!(refused(persistent()), "absolute_timeout");
    assert_eq!(refused(persistent().renew_cookie(true)), "idle_timeout");
    let renewals = |passed| builder().touch_interval(passed);
    assert_eq!(refused(renewals(seconds(1_800))), "touch_interval");
    assert_eq!(
        refused(renewals(Duration::from_millis(1))),
        "touch_interval"
    );
    let config: Config =
        toml::from_str("idle_timeout_until_closed = 60\nrenew_cookie = true\ntouch_interval = 0")
            .expect("good settings");
    drop(config);
}
