//! The end of all sessions: records of an older epoch are as expired, whatever was in flight.

mod support;

use std::time::Duration;

use cloakroom_core::{
    Authentication, Config, ConfigError, Epoch, Error, Exchange, Fate, Key, KeyFormat, Session,
    Stored,
};
use support::{World, count, destroy, insert, keeps, rotate};

fn world() -> World {
    let config = Config::builder().end_all_within(Duration::from_secs(1));
    World::with(config.build().expect("a good configuration"))
}

fn epoch_key(world: &World) -> Key {
    world.config.epoch_key().expect("it is switched on").clone()
}

fn end_all(world: &mut World) {
    let key = epoch_key(world);
    let found = world.records.get(&key).cloned();
    let next = Epoch::read(found.as_ref()).and_then(|epoch| epoch.next(world.now()));
    let write = next.expect("a good record").write(world.now());
    let stored = Stored::new(write.bytes, write.expires_at, 1);
    world.records.insert(key, stored);
}

fn lives(world: &mut World, token: &str) -> bool {
    !world.open(Some(token)).session().expect("loaded").is_new()
}

// R83
#[test]
fn sessions_from_before_the_end_are_as_expired_and_later_ones_live() {
    let mut world = world();
    let old = world.issue(None, |session| session.sign_in("ada").expect("good"));
    assert!(lives(&mut world, &old));
    end_all(&mut world);
    assert!(!lives(&mut world, &old));
    // Its token is one of a visitor without a session.
    let new = world.issue(Some(&old), |session| {
        assert!(session.is_empty() && session.subject().is_none());
        session.sign_in("ada").expect("good");
    });
    assert_ne!(old, new);
    assert!(lives(&mut world, &new) && !lives(&mut world, &old));
    // A later save keeps the epoch.
    keeps(&world.request(Some(&new), count), Fate::Saved);
    let newest = world.issue(Some(&new), rotate);
    assert!(lives(&mut world, &newest));
    end_all(&mut world);
    assert!(!lives(&mut world, &newest) && !lives(&mut world, &new));
}

// R83: "whatever was in flight"
#[test]
fn what_was_in_flight_at_the_end_leaves_no_session() {
    let handlers: [fn(&mut Session<'_>); 5] = [
        count,
        rotate,
        |session| session.sign_in("ada").expect("good"),
        |session| session.sign_in("bob").expect("good"),
        destroy,
    ];
    for handler in handlers {
        for presented in [true, false] {
            // The end comes before each of the commit's steps.
            for at in 0..6 {
                let mut world = world();
                let token = world.issue(None, |session| session.sign_in("ada").expect("good"));
                let mut commit = world.begin(presented.then_some(&*token), handler);
                let mut steps = 0;
                let outcome = loop {
                    if steps == at {
                        end_all(&mut world);
                    }
                    steps += 1;
                    match commit {
                        cloakroom_core::Commit::Done(outcome) => break outcome,
                        next => commit = world.step(next).expect("no step fails"),
                    }
                };
                if steps <= at {
                    continue;
                }
                assert!(!lives(&mut world, &token), "{at}");
                if let cloakroom_core::Directive::Issue(issued) = outcome.directive {
                    assert!(!lives(&mut world, issued.token.expose()), "{at}");
                }
            }
        }
    }
}

// R83: of two sessions the one that has not ended is trusted, as if the other had expired.
#[test]
fn of_several_tokens_those_of_ended_sessions_do_not_count() {
    let mut world = world();
    let old = world.issue(None, insert("a", 1));
    end_all(&mut world);
    let (new, other) = (
        world.issue(None, insert("a", 2)),
        world.issue(None, insert("a", 3)),
    );
    let sees = |world: &mut World, tokens: &[&str]| {
        let tokens = tokens.iter().map(|token| token.as_bytes());
        let mut exchange = world.open_all(tokens).expect("readable");
        exchange
            .session()
            .expect("loaded")
            .get::<u64>("a")
            .expect("a number")
    };
    assert_eq!(sees(&mut world, &[&old, &new]), Some(2));
    assert_eq!(sees(&mut world, &[&new, &old]), Some(2));
    assert_eq!(sees(&mut world, &[&new, &other]), None, "two living ones");
    assert_eq!(sees(&mut world, &[&old]), None);
}

// R83: a process that has not noticed the end accepts what others wrote after it.
#[test]
fn a_record_proves_its_epoch() {
    let mut world = world();
    let old = world.issue(None, insert("a", 1));
    let key = epoch_key(&world);
    end_all(&mut world);
    let new = world.issue(None, insert("a", 2));
    let stale = |tokens: &[&str]| {
        let tokens = tokens.iter().map(|token| token.as_bytes());
        let mut exchange = Exchange::open(&world.config, tokens, world.now());
        while let Some(wanted) = exchange.wants_load().cloned() {
            let found = world.records.get(&wanted).filter(|_| wanted != key);
            exchange
                .handle_loaded(&wanted, found.cloned())
                .expect("readable");
        }
        exchange
            .session()
            .expect("loaded")
            .get::<u64>("a")
            .expect("a number")
    };
    assert_eq!(stale(&[&new]), Some(2));
    assert_eq!(stale(&[&old]), Some(1), "within the lease");
    assert_eq!(
        stale(&[&old, &new]),
        Some(2),
        "the newer one proves that the older one ended"
    );
}

// R83: records of applications without it stay as they were, byte by byte.
#[test]
fn without_an_end_records_have_their_first_version() {
    let (mut plain, mut ending) = (World::new(), world());
    let tokens = [&mut plain, &mut ending].map(|world| world.issue(None, insert("a", 1)));
    let bytes = |world: &World, token: &str| world.records[&world.key(token)].bytes.clone();
    assert_eq!(bytes(&plain, &tokens[0]), bytes(&ending, &tokens[1]));
    assert_eq!(bytes(&plain, &tokens[0])[..2], [0x89, 1]);
    end_all(&mut ending);
    let later = ending.issue(None, insert("a", 1));
    assert_eq!(bytes(&ending, &later)[..2], [0x8B, 2]);
}

// R83: nothing that a client presents leads to the epoch's record.
#[test]
fn no_token_reaches_the_epoch() {
    let mut world = world();
    end_all(&mut world);
    let key = epoch_key(&world);
    for token in ["epoch", "", "__Host-session:epoch", &"e".repeat(43)] {
        let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
        if let Some(wanted) = exchange
            .wants_load()
            .cloned()
            .filter(|wanted| *wanted != key)
        {
            exchange
                .handle_loaded(&wanted, None)
                .expect("nothing is there");
        }
        assert_eq!(exchange.wants_load(), Some(&key), "only as the epoch");
    }
    let exchange = Exchange::open_key(&world.config, key.clone(), world.now());
    assert_eq!(exchange.wants_load(), Some(&key), "only as the epoch");
}

#[test]
fn the_setting_has_its_range_and_its_place() {
    let built = |builder: cloakroom_core::ConfigBuilder| builder.build().map(drop);
    let with = |millis| Config::builder().end_all_within(Duration::from_millis(millis));
    let is_refused = |result: Result<(), ConfigError>| {
        result.is_err_and(|error| error.to_string().contains("end_all_within"))
    };
    for millis in [100, 1_000, 30_000] {
        assert!(built(with(millis)).is_ok());
    }
    for millis in [0, 99, 30_001] {
        assert!(is_refused(built(with(millis))), "{millis}");
    }
    assert!(built(with(1_000).key_format(KeyFormat::Plain)).is_ok());
    assert!(built(with(1_000).key_prefix("p".repeat(250 - 43))).is_ok());
    let config: Config = serde_json::from_str(r#"{"end_all_within": 2}"#).expect("seconds");
    assert_eq!(config.end_all_within(), Some(Duration::from_secs(2)));
}

// R84: exact to the second, and only for sessions with a subject.
#[test]
fn an_authentication_is_recent_for_less_than_its_age() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        let how = Authentication::new(2).method("pwd").method("otp");
        session.sign_in_with("ada", &how).expect("good");
    });
    let begin = world.now;
    let age = Duration::from_secs(300);
    for (later, recent) in [(0, true), (299, true), (300, false), (301, false)] {
        world.now = begin + later;
        let mut exchange = world.open(Some(&token));
        let session = exchange.session().expect("loaded");
        assert_eq!(session.authenticated_within(age), recent, "after {later} s");
        assert_eq!(session.authentication().map(|how| how.level()), Some(2));
    }
    // Two clocks: a time in the future is believed for a minute.
    for (earlier, recent) in [(60, true), (61, false)] {
        world.now = begin - earlier;
        let mut exchange = world.open(Some(&token));
        let session = exchange.session().expect("loaded");
        assert_eq!(
            session.authenticated_within(age),
            recent,
            "{earlier} s before"
        );
    }
    world.now = begin;
    let anonymous = world.issue(None, insert("a", 1));
    let mut exchange = world.open(Some(&anonymous));
    assert!(
        !exchange
            .session()
            .expect("loaded")
            .authenticated_within(age)
    );
}

// R84: a step-up and a plain write, one before the other at each step.
#[test]
fn a_step_up_and_a_plain_write_lose_neither_silently() {
    fn step_up(session: &mut Session<'_>) {
        let how = Authentication::new(2).method("otp");
        session.reauthenticate(&how).expect("signed in");
    }
    for at in 0..8 {
        let mut world = World::new();
        let old = world.issue(None, |session| session.sign_in("ada").expect("good"));
        world.later(100);
        let mut commit = world.begin(Some(&old), step_up);
        let mut write = Some(world.begin(Some(&old), insert("note", 7)));
        let (mut steps, mut written) = (0, None);
        let outcome = loop {
            if steps == at
                && let Some(write) = write.take()
            {
                written = Some(world.run(write));
            }
            steps += 1;
            match commit {
                cloakroom_core::Commit::Done(outcome) => break outcome,
                next => commit = world.step(next).expect("the step-up succeeds"),
            }
        };
        let written = match write {
            Some(write) => world.run(write),
            None => written.expect("it was made"),
        };
        let cloakroom_core::Directive::Issue(issued) = outcome.directive else {
            panic!("a step-up issues a token");
        };
        let mut exchange = world.open(Some(issued.token.expose()));
        let session = exchange.session().expect("loaded");
        assert_eq!(session.authentication().map(|how| how.level()), Some(2));
        assert!(session.authenticated_within(Duration::from_secs(1)));
        let note = session.get::<u64>("note").expect("a number");
        match written {
            Ok(_) => assert_eq!(note, Some(7), "{at}"),
            Err(Error::Superseded) => assert_eq!(note, None, "{at}: it was refused, visibly"),
            Err(error) => panic!("{at}: {error}"),
        }
        // The old token never has the new level.
        let mut exchange = world.open(Some(&old));
        let session = exchange.session().expect("loaded");
        assert_eq!(session.authentication(), None);
        assert!(!session.authenticated_within(Duration::from_secs(100)));
    }
}

// R84: kept by saves and rotations, replaced by a sign-in, gone with a sign-out.
#[test]
fn level_and_methods_are_kept_with_the_sign_in() {
    let level = |world: &mut World, token: &str| {
        let mut exchange = world.open(Some(token));
        let how = exchange.session().expect("loaded").authentication();
        how.map(|how| {
            (
                how.level(),
                how.methods().map(str::to_owned).collect::<Vec<_>>(),
            )
        })
    };
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session
            .sign_in_with("ada", &Authentication::new(1).method("pwd"))
            .expect("good");
        assert_eq!(session.authentication().map(|how| how.level()), Some(1));
    });
    let one = Some((1, vec!["pwd".to_owned()]));
    assert_eq!(level(&mut world, &token), one);
    keeps(&world.request(Some(&token), count), Fate::Saved);
    assert_eq!(level(&mut world, &token), one);
    let rotated = world.issue(Some(&token), rotate);
    assert_eq!(level(&mut world, &rotated), one);
    let plain = world.issue(Some(&rotated), |session| {
        session.sign_in("ada").expect("good");
    });
    assert_eq!(
        level(&mut world, &plain),
        None,
        "nothing is known of this sign-in"
    );
    let bad = [
        Authentication::new(1).method(""),
        Authentication::new(1).method("a".repeat(33)),
        Authentication::new(1).method("p w"),
        (0..9).fold(Authentication::new(1), |how, n| how.method(n.to_string())),
    ];
    for bad in bad {
        let mut exchange = world.open(None);
        let mut session = exchange.session().expect("loaded");
        assert_eq!(
            session.sign_in_with("ada", &bad),
            Err(Error::InvalidAuthentication)
        );
        assert!(!session.is_modified());
        assert_eq!(
            session.reauthenticate(&Authentication::new(1)),
            Err(Error::NotSignedIn)
        );
    }
}
