//! Timeouts, clocks and touches, each at t-1, t and t+1.

mod support;

use std::time::Duration;

use cloakroom_core::{Directive, Exchange, Expiry, Fate, Lifetimes, Session, Stored, UnixTime};
use support::{START, World, count, destroy, insert, issued, keeps, rotate, sign_in};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with(idle: u64, absolute: u64, grace: u64) -> World {
    let config = support::builder()
        .idle_timeout(seconds(idle))
        .absolute_timeout(seconds(absolute))
        .rotation_grace(seconds(grace));
    World::with(config.build().expect("a good configuration"))
}

/// Whether a session is alive for the machine, even if the store returns whatever it has.
fn alive(world: &World, token: &str, now: u64) -> bool {
    let now = UnixTime::from_secs(now);
    let mut exchange = Exchange::open(&world.config, [token.as_bytes()], now);
    while let Some(key) = exchange.wants_load().cloned() {
        let found = world.records.get(&key).cloned();
        exchange.handle_loaded(&key, found).expect("it can be read");
    }
    !exchange.session().expect("loaded").is_new()
}

fn check_end(world: &World, token: &str, end: u64) {
    for (now, expected) in [(end - 1, true), (end, false), (end + 1, false)] {
        assert_eq!(
            alive(world, token, now),
            expected,
            "{} s after the end",
            now as i64 - end as i64
        );
    }
}

// R12, R14: whatever the store returns.
#[test]
fn the_idle_timeout_is_enforced_by_the_machine() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    check_end(&world, &token, START + 600);
    world.later(500);
    keeps(&world.request(Some(&token), |_| {}), Fate::Unchanged);
    check_end(&world, &token, START + 1_100);
    world.later(500);
    keeps(&world.request(Some(&token), count), Fate::Saved);
    check_end(&world, &token, START + 1_600);
}

// R13, R14
#[test]
fn the_absolute_timeout_is_extended_neither_by_activity_nor_by_rotation() {
    let mut world = with(600, 1_000, 30);
    let mut token = world.issue(None, insert("n", 1));
    for _ in 0..3 {
        world.later(300);
        world.request(Some(&token), count);
        token = world.issue(Some(&token), rotate);
    }
    check_end(&world, &token, START + 1_000);
    // Even if the store kept it.
    let key = world.key(&token);
    world.records.get_mut(&key).expect("there").expires_at = UnixTime::MAX;
    check_end(&world, &token, START + 1_000);
}

#[test]
fn a_sign_in_restarts_the_absolute_timeout() {
    let mut world = with(600, 1_000, 30);
    let token = world.issue(None, insert("n", 1));
    world.later(500);
    let token = world.issue(Some(&token), sign_in("ada"));
    world.later(500);
    world.request(Some(&token), |_| {});
    check_end(&world, &token, START + 1_500);
}

// R14
#[test]
fn an_expired_record_is_neither_read_nor_written_even_in_the_middle_of_a_commit() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    world.later(590);
    let commit = world.begin(Some(&token), count);
    world.request(Some(&token), insert("other", 1));
    let key = world.key(&token);
    // The store does not know of the end.
    world.records.get_mut(&key).expect("there").expires_at = UnixTime::from_secs(START + 595);
    let cloakroom_core::Commit::Replace(replace) = world.until(commit, "replace") else {
        panic!("nothing is replaced");
    };
    let now = UnixTime::from_secs(START + 595);
    let Ok(cloakroom_core::Commit::Reload(reload)) =
        replace.then(cloakroom_core::Replaced::Changed, now)
    else {
        panic!("nothing is loaded again");
    };
    let found = world.records.get(&key).cloned();
    let Ok(cloakroom_core::Commit::Done(outcome)) = reload.then(found, now) else {
        panic!("it is not done");
    };
    assert_eq!(outcome.fate, Fate::Gone);
}

// R06, R08
#[test]
fn the_old_token_reads_for_the_grace_and_not_a_second_longer() {
    for grace in [1, 30, 3_600] {
        let mut world = with(6_000, 60_000, grace);
        let old = world.issue(None, insert("n", 1));
        let new = world.issue(Some(&old), sign_in("ada"));
        check_end(&world, &old, START + grace);
        assert!(alive(&world, &new, START + grace));
    }
}

// R08, R14: rule nofollow, for a successor that has expired and that the store still returns.
#[test]
fn rule_nofollow_the_old_token_does_not_outlive_the_new_one() {
    let mut world = with(600, 6_000, 3_600);
    let old = world.issue(None, insert("n", 1));
    let new = world.issue(Some(&old), rotate);
    for token in [&old, &new] {
        check_end(&world, token, START + 600);
    }
}

// R06
#[test]
fn with_a_grace_of_zero_the_old_token_is_dead_at_once() {
    let mut world = with(600, 6_000, 0);
    let old = world.issue(None, insert("secret", 1));
    world.issue(Some(&old), sign_in("ada"));
    assert!(!alive(&world, &old, START));
    let kept = &world.records[&world.key(&old)];
    assert!(!kept.bytes.windows(6).any(|part| part == b"secret"));
}

// R06: a request that began in an earlier second than the rotation also sees no session, never one
// without its data.
#[test]
fn with_a_grace_of_zero_a_request_that_was_under_way_sees_no_session() {
    let mut world = with(600, 6_000, 0);
    let old = world.issue(None, insert("secret", 1));
    let mut exchange = Exchange::open(&world.config, [old.as_bytes()], world.now());
    world.later(5).issue(Some(&old), sign_in("ada"));
    while let Some(key) = exchange.wants_load().cloned() {
        let found = world.load(&key);
        exchange.handle_loaded(&key, found).expect("it can be read");
    }
    assert!(exchange.session().expect("loaded").is_new());
}

// R15: no clock causes a panic or adds to a session's life.
#[test]
fn a_clock_that_jumps_to_an_extreme_neither_panics_nor_gives_life() {
    for (at, jump) in [
        (START, u64::MAX),
        (START, 0),
        (0, u64::MAX),
        (u64::MAX, 0),
        (UnixTime::MAX.as_secs(), START),
    ] {
        let mut world = with(600, 6_000, 30);
        world.now = UnixTime::from_secs(at).as_secs();
        let born = world.now;
        let token = world.issue(None, insert("n", 1));
        let handlers: [fn(&mut Session<'_>); 5] = [
            |_| {},
            count,
            rotate,
            |session| session.sign_in("ada").expect("good"),
            destroy,
        ];
        for handler in handlers {
            world.now = born;
            let commit = world.begin(Some(&token), handler);
            world.now = UnixTime::from_secs(jump).as_secs();
            let _ = world.run(commit);
            let _ = world.request(Some(&token), handler);
        }
        // Back where it was: the session has not outlived its absolute timeout.
        assert!(!alive(&world, &token, born.saturating_add(6_000)));
    }
}

// R15
#[test]
fn a_session_of_the_future_is_refused_beyond_the_skew() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    for (back, expected) in [
        (0, true),
        (59, true),
        (60, true),
        (61, false),
        (START, false),
    ] {
        assert_eq!(
            alive(&world, &token, START - back),
            expected,
            "{back} s back"
        );
    }
}

// R15
#[test]
fn a_clock_that_was_ahead_during_a_rotation_does_not_lengthen_the_grace() {
    let mut world = with(600, 6_000, 30);
    let old = world.issue(None, insert("n", 1));
    let commit = world.begin(Some(&old), rotate);
    let commit = world.until(commit, "replace");
    // The old record is retired by a node, or a clock, that is 500 s ahead.
    let ahead = UnixTime::from_secs(START + 500);
    let cloakroom_core::Commit::Replace(replace) = commit else {
        panic!("nothing is replaced");
    };
    let now = UnixTime::from_secs(START);
    let reload = replace
        .then(cloakroom_core::Replaced::Changed, ahead)
        .expect("again");
    let key = world.key(&old);
    let found = world.records.get(&key).cloned();
    let cloakroom_core::Commit::Reload(reload) = reload else {
        panic!("nothing is loaded again");
    };
    let commit = reload.then(found, ahead).expect("live");
    let cloakroom_core::Commit::Reload(reload) = commit else {
        panic!("nothing is loaded again");
    };
    let found = world.records.get(reload.key()).cloned();
    let cloakroom_core::Commit::Replace(rewrite) = reload.then(found, ahead).expect("there") else {
        panic!("nothing is written again");
    };
    let stored = Stored::new(rewrite.write().bytes.clone(), rewrite.write().expires_at, 9);
    world.records.insert(rewrite.key().clone(), stored);
    let retire = rewrite
        .then(cloakroom_core::Replaced::Stored, ahead)
        .expect("written");
    world.run(retire).expect("retired");
    assert_eq!(now, world.now());
    assert!(!alive(&world, &old, START), "its end is too far away");
    assert!(alive(&world, &old, START + 490));
    assert!(!alive(&world, &old, START + 530));
}

// R56: at most one touch in a tenth of the idle timeout; a read costs nothing else.
#[test]
fn a_read_is_touched_only_after_a_tenth_of_the_idle_timeout() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    let bytes = world.records[&world.key(&token)].bytes.clone();
    for (at, expected) in [
        (0, 1),
        (59, 1),
        (60, 2),
        (61, 1),
        (119, 1),
        (120, 2),
        (121, 1),
    ] {
        world.now = START + at;
        world.take_calls();
        keeps(
            &world.request(Some(&token), |session| assert!(!session.is_new())),
            Fate::Unchanged,
        );
        let calls = world.take_calls();
        assert_eq!(calls, ["load", "touch"][..expected], "at {at}");
    }
    assert_eq!(
        world.records[&world.key(&token)].bytes,
        bytes,
        "never rewritten"
    );
    // Where the absolute timeout is the nearer one, there is nothing to extend.
    world.now = START + 5_999;
    world
        .records
        .get_mut(&world.key(&token))
        .expect("there")
        .expires_at = UnixTime::from_secs(START + 6_000);
    world.take_calls();
    world.request(Some(&token), |_| {});
    assert_eq!(world.take_calls(), ["load"]);
}

#[test]
fn a_touch_shortens_an_expiry_from_a_clock_that_was_ahead() {
    let mut world = with(600, 60_000, 30);
    let token = world.issue(None, insert("n", 1));
    let key = world.key(&token);
    world.records.get_mut(&key).expect("there").expires_at = UnixTime::from_secs(START + 5_000);
    world.request(Some(&token), |_| {});
    assert_eq!(
        world.records[&key].expires_at,
        UnixTime::from_secs(START + 600)
    );
}

#[test]
fn a_touch_without_a_record_returns_gone() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    world.later(300);
    let commit = world.begin(Some(&token), |_| {});
    world.records.clear();
    keeps(&world.run(commit).expect("no error"), Fate::Gone);
}

// R26
#[test]
fn an_expiry_of_its_own_survives_later_requests_writes_rotations_and_sign_ins() {
    let own = Expiry::new().idle(seconds(5_000)).absolute(seconds(50_000));
    let mut world = with(600, 6_000, 30);
    let mut token = world.issue(None, |session| {
        session.set_expiry(own).expect("good");
        session.insert("n", 1).expect("good");
    });
    check_end(&world, &token, START + 5_000);
    let handlers: [fn(&mut Session<'_>); 4] = [
        |_| {},
        count,
        rotate,
        |session| session.sign_in("ada").expect("good"),
    ];
    for (n, handler) in handlers.into_iter().enumerate() {
        world.later(1_000);
        let outcome = world.request(Some(&token), handler);
        token = issued(&outcome).unwrap_or(token);
        let end = START + 5_000 + 1_000 * (n as u64 + 1);
        check_end(&world, &token, end);
        assert_eq!(
            world.see(&token, |session| session.expires_at().as_secs()),
            end
        );
    }
    world.request(Some(&token), |session| {
        session.set_expiry(None).expect("good");
    });
    check_end(&world, &token, world.now + 600);
}

// R26: a touch compares nothing. Its effect on a concurrent replace is exactly the one that the
// stores' contract permits.
#[test]
fn a_touch_that_arrives_after_a_new_expiry_holds_until_the_next_request() {
    for (idle, absolute, meanwhile) in [(5_000, 50_000, 700), (60, 50_000, 700), (60, 650, 650)] {
        let own = Expiry::new()
            .idle(seconds(idle))
            .absolute(seconds(absolute));
        let mut world = with(600, 6_000, 30);
        let token = world.issue(None, insert("n", 1));
        world.later(100);
        let touch = world.begin(Some(&token), |_| {});
        world.request(Some(&token), |session| {
            session.set_expiry(own).expect("good");
        });
        check_end(&world, &token, START + 100 + idle);
        keeps(&world.run(touch).expect("no error"), Fate::Unchanged);
        check_end(&world, &token, START + meanwhile);
        world.later(1);
        keeps(&world.request(Some(&token), |_| {}), Fate::Unchanged);
        check_end(&world, &token, START + 101 + idle);
    }
}

// The builder rejects the same.
#[test]
fn an_expiry_that_would_be_cut_short_is_refused() {
    let new = Expiry::new;
    let (day, month) = (seconds(86_400), seconds(30 * 86_400));
    let mut world = with(600, 43_200, 30);
    world.request(None, |session| {
        for (expiry, reason) in [
            (new().idle(month), "absolute timeout"),
            (new().idle(seconds(43_201)), "absolute timeout"),
            (new().idle(month).absolute(day), "absolute timeout"),
            (new().idle(month).persistent(), "absolute timeout"),
            (new().idle(seconds(0)), "whole seconds"),
            (new().absolute(seconds(0)), "whole seconds"),
            (new().idle(Duration::from_millis(1_500)), "whole seconds"),
            (new().absolute(Duration::from_millis(999)), "whole seconds"),
            (new().absolute(Duration::MAX), "whole seconds"),
            (
                new().absolute(seconds(u64::MAX)).persistent(),
                "34,560,000 seconds",
            ),
        ] {
            let error = session.set_expiry(expiry).unwrap_err();
            assert!(error.to_string().contains(reason), "{expiry:?}: {error}");
        }
        assert_eq!(session.expires_at(), UnixTime::from_secs(START + 600));
        for (expiry, idle) in [
            (new().idle(seconds(43_200)), 43_200),
            (new().idle(month).absolute(month), 30 * 86_400),
            (new().absolute(seconds(60)), 60),
            (new().absolute(seconds(u64::MAX)), 600),
            (new().idle(seconds(1)), 1),
        ] {
            assert_eq!(session.set_expiry(expiry), Ok(()), "{expiry:?}");
            let end = UnixTime::from_secs(START + idle);
            assert_eq!(session.expires_at(), end, "{expiry:?}");
        }
    });
    // A renewed cookie lives for the idle timeout.
    let forever = Lifetimes {
        idle: day,
        absolute: Lifetimes::UNLIMITED,
    };
    for (renew, good) in [(false, false), (true, true)] {
        let config = support::builder().lifetimes(forever).renew_cookie(renew);
        let mut world = World::with(config.build().expect("good"));
        world.request(None, |session| {
            assert_eq!(session.set_expiry(new().persistent()).is_ok(), good);
        });
    }
}

#[test]
fn an_expiry_as_configured_already_changes_nothing() {
    let mut world = World::new();
    let outcome = world.request(None, |session| session.set_expiry(None).expect("good"));
    keeps(&outcome, Fate::Unchanged);
    assert!(world.records.is_empty());
}

// R16
#[test]
fn the_presets_are_those_of_nist() {
    for (preset, idle, absolute) in [
        (Lifetimes::NIST_AAL1, 30 * 86_400, 30 * 86_400),
        (Lifetimes::NIST_AAL2, 3_600, 86_400),
        (Lifetimes::NIST_AAL3, 900, 43_200),
        (Lifetimes::default(), 1_800, 43_200),
    ] {
        assert_eq!(
            (preset.idle, preset.absolute),
            (seconds(idle), seconds(absolute))
        );
        let config = support::builder().lifetimes(preset).build();
        let mut world = World::with(config.expect("good"));
        let token = world.issue(None, insert("n", 1));
        check_end(&world, &token, START + idle);
        world
            .records
            .get_mut(&world.key(&token))
            .expect("there")
            .expires_at = UnixTime::MAX;
        check_end(&world, &token, START + absolute);
    }
}

// R17: the server's expiry is what counts; a cookie that outlives the browser is asked for.
#[test]
fn max_age_is_sent_only_if_asked_for_and_is_the_rest_of_the_absolute_timeout() {
    let age = |world: &mut World, token: Option<&str>, own: Option<Expiry>| {
        let outcome = world.request(token, |session| {
            session.set_expiry(own).expect("good");
            session.rotate();
            session.insert("n", 1).expect("good");
        });
        match outcome.directive {
            Directive::Issue(issued) => (
                issued.max_age.map(|age| age.as_secs()),
                issued.token.expose().to_owned(),
            ),
            other => panic!("{other:?}"),
        }
    };
    let mut world = with(600, 6_000, 30);
    assert_eq!(age(&mut world, None, None).0, None);
    let (first, token) = age(&mut world, None, Some(Expiry::new().persistent()));
    assert_eq!(first, Some(6_000));
    world.later(100);
    let own = Some(Expiry::new().persistent());
    assert_eq!(age(&mut world, Some(&token), own).0, Some(5_900));
    let long = Expiry::new().persistent().absolute(seconds(34_560_000));
    assert_eq!(age(&mut world, None, Some(long)).0, Some(34_560_000));
    let config = support::builder().persistent(true).build();
    let mut world = World::with(config.expect("good"));
    assert_eq!(age(&mut world, None, None).0, Some(43_200));
}

// R13, R14, R26
#[test]
fn a_session_ends_at_its_own_time_whatever_activity_there_is() {
    let mut world = with(600, 6_000, 30);
    let token = world.issue(None, insert("n", 1));
    let end = UnixTime::from_secs(START + 20_000);
    world.later(100);
    world.request(Some(&token), |session| {
        session.expire_at(end).expect("set");
    });
    world.later(15_000);
    keeps(&world.request(Some(&token), count), Fate::Saved);
    check_end(&world, &token, START + 20_000);
    // A rotation keeps the time. A sign-in in the same request comes first.
    let token = world.issue(Some(&token), rotate);
    check_end(&world, &token, START + 20_000);
    let token = world.issue(Some(&token), |session| {
        sign_in("ada")(session);
        session.expire_at(end).expect("set");
    });
    check_end(&world, &token, START + 20_000);
}

// R26
#[test]
fn an_end_of_its_own_leaves_the_cookies_max_age_as_it_was() {
    let mut world = with(600, 6_000, 30);
    let end = UnixTime::from_secs(START + 1_000);
    let outcome = world.request(None, |session| {
        session.set_expiry(Expiry::new().persistent()).expect("set");
        session.expire_at(end).expect("set");
    });
    let Directive::Issue(issued) = outcome.directive else {
        panic!("a token is issued")
    };
    assert_eq!(issued.max_age, Some(seconds(1_000)));
}
