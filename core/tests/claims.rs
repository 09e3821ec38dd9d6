//! R79: of any number of concurrent claims of one value exactly one succeeds, through faults.

mod support;

use cloakroom_core::{Commit, Error, Fate, Outcome};
use support::{World, count, insert, issued, rotate, sign_in, sign_out};

/// Another request's actions between the claims.
const OTHERS: [&str; 5] = ["nothing", "count", "rotate", "sign in", "sign out"];

/// A claim until it is over.
enum Claiming {
    Under(Option<Commit>),
    Over(Result<Outcome, Error>),
}

fn begin(world: &mut World, token: &str) -> Claiming {
    let exchange = world.open(Some(token));
    let commit = exchange.claim("state", world.now()).expect("loaded");
    Claiming::Under(Some(commit.expect("there is a value")))
}

impl Claiming {
    /// One action: well, or with a lost answer of a write that happened or did not.
    fn step(&mut self, world: &mut World, how: usize) {
        let Self::Under(commit) = self else { return };
        let commit = commit.take().expect("not over");
        let writes = matches!(support::name(&commit), "replace");
        let next = match how {
            1 if writes => world.lose(commit, true),
            2 if writes => world.lose(commit, false),
            _ => world.step(commit),
        };
        *self = match next {
            Ok(Commit::Done(outcome)) => Self::Over(Ok(outcome)),
            Ok(commit) => Self::Under(Some(commit)),
            Err(error) => Self::Over(Err(error)),
        };
    }

    fn end(mut self, world: &mut World) -> Result<Outcome, Error> {
        loop {
            match self {
                Self::Over(result) => return result,
                Self::Under(_) => self.step(world, 0),
            }
        }
    }
}

/// Plays two claims by this schedule. Each digit is the claim that goes on, and how.
fn play(other: &str, schedule: usize, digits: u32) {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.insert("state", 7).expect("good");
        session.insert("n", 0).expect("good");
    });
    let mut claims = [begin(&mut world, &token), begin(&mut world, &token)];
    let (mut rest, mut newest) = (schedule, token.clone());
    for digit in 0..digits {
        let (who, how) = (rest % 2, rest / 2 % 3);
        rest /= 6;
        claims[who].step(&mut world, how);
        if digit == 1 {
            let outcome = match other {
                "count" => world.request(Some(&token), count),
                "rotate" => world.request(Some(&token), rotate),
                "sign in" => world.request(Some(&token), sign_in("ada")),
                "sign out" => world.request(Some(&token), sign_out),
                _ => continue,
            };
            newest = issued(&outcome).unwrap_or(newest);
        }
    }
    let results = claims.map(|claim| claim.end(&mut world));
    let text = format!("{other}, schedule {schedule}: {results:?}");
    let got = |result: &&Result<Outcome, Error>| matches!(result, Ok(outcome) if outcome.claimed.is_some());
    let winners: Vec<_> = results.iter().filter(got).collect();
    let unknown = results.contains(&Err(Error::UnknownOutcome));
    assert!(winners.len() <= 1, "twice: {text}");
    for winner in &winners {
        let outcome = winner.as_ref().expect("one that got it");
        assert_eq!(outcome.fate, Fate::Saved, "{text}");
        let claimed = outcome.claimed.as_ref().expect("one that got it");
        assert_eq!(claimed.get::<u8>(), Ok(Some(7)), "{text}");
    }
    // A claimed value is in no record, and an unclaimed one is still in its record.
    let left = world.see(&newest, |session| session.contains("state"));
    assert!(
        !left || winners.is_empty(),
        "claimed, and still there: {text}"
    );
    if winners.is_empty() && !unknown && !left {
        assert_eq!(other, "sign out", "nobody got it: {text}");
    }
    let known = |result: &Result<Outcome, Error>| match result {
        Ok(_) => true,
        Err(Error::Superseded) => other == "sign in",
        Err(Error::UnknownOutcome) => other == "sign out" || other == "sign in",
        Err(_) => false,
    };
    assert!(results.iter().all(known), "{text}");
}

// R79
#[test]
fn of_two_claims_one_gets_the_value_whatever_other_requests_do() {
    for other in OTHERS {
        for schedule in 0..6_usize.pow(4) {
            play(other, schedule, 4);
        }
    }
}

// R79
#[test]
fn of_many_claims_at_once_one_gets_the_value() {
    let mut world = World::new();
    let token = world.issue(None, insert("state", 7));
    let claims: Vec<_> = (0..50).map(|_| begin(&mut world, &token)).collect();
    let got = claims.into_iter().filter_map(|claim| {
        let outcome = claim.end(&mut world).expect("no error");
        outcome.claimed
    });
    assert_eq!(got.count(), 1);
}

#[test]
fn a_claim_takes_nothing_else_and_the_exchange_goes_on_without_the_value() {
    for beside in ["nothing", "rotate", "sign out"] {
        let mut world = World::new();
        let token = world.issue(None, insert("state", 7));
        let mut exchange = world.open(Some(&token));
        exchange
            .session()
            .expect("loaded")
            .insert("own", 1)
            .expect("good");
        let commit = exchange
            .claim("state", world.now())
            .expect("loaded")
            .expect("there");
        let claimed = world.run(commit).expect("no error").claimed.expect("alone");
        assert_eq!(world.number(&token, "own"), None, "not yet saved");
        let newer = match beside {
            "rotate" => world.issue(Some(&token), rotate),
            "sign out" => {
                world.request(Some(&token), sign_out);
                token.clone()
            }
            _ => token.clone(),
        };
        let found = world.load(claimed.key());
        exchange.after_claim(&claimed, found);
        assert!(!exchange.session().expect("loaded").contains("state"));
        assert!(exchange.claim("state", world.now()).is_ok());
        let outcome = world.run(exchange.finish(world.now())).expect("no error");
        let ended = beside == "sign out";
        assert_eq!(outcome.fate, if ended { Fate::Gone } else { Fate::Saved });
        assert_eq!(world.number(&newer, "own"), (!ended).then_some(1));
        assert_eq!(world.number(&newer, "state"), None);
    }
}

// R79
#[test]
fn what_a_request_sets_under_the_claimed_name_is_kept_if_the_load_after_the_claim_fails() {
    let mut world = World::new();
    let token = world.issue(None, insert("state", 7));
    let mut exchange = world.open(Some(&token));
    let session = exchange.session();
    session.expect("loaded").insert("state", 8).expect("good");
    let commit = exchange.claim("state", world.now()).expect("loaded");
    let outcome = world.run(commit.expect("there")).expect("no error");
    let claimed = outcome.claimed.expect("alone");
    assert_eq!(claimed.get::<u8>(), Ok(Some(7)));
    exchange.after_claim(&claimed, None);
    let outcome = world.run(exchange.finish(world.now())).expect("no error");
    assert_eq!(outcome.fate, Fate::Saved);
    assert_eq!(world.number(&token, "state"), Some(8));
}

#[test]
fn a_claim_does_not_cross_a_sign_in() {
    let mut world = World::new();
    let token = world.issue(None, insert("state", 7));
    let newer = world.issue(Some(&token), sign_in("ada"));
    let exchange = world.open(Some(&token));
    let commit = exchange.claim("state", world.now()).expect("loaded");
    assert_eq!(
        world.run(commit.expect("it can be seen")),
        Err(Error::Superseded)
    );
    assert_eq!(world.number(&newer, "state"), Some(7));
}

#[test]
fn a_claim_of_the_last_value_keeps_the_session() {
    let config = support::builder().delete_when_empty(true).build();
    let mut world = World::with(config.expect("good"));
    let token = world.issue(None, insert("state", 7));
    let claim = begin(&mut world, &token);
    assert!(claim.end(&mut world).expect("no error").claimed.is_some());
    assert!(world.lives(&token));
}
