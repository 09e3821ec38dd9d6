//! Every interleaving of two and of three requests of one browser, store action by store action,
//! through the real machine. It includes crashes, lost replies, lost answers and the end of the
//! grace.

mod model;

use std::time::Duration;

use cloakroom_core::{Config, Contents, Error, Format, Lifetimes};

use model::request::Op;
use model::{Explorer, Faults, Found, Habit, Scenario};

const ALL: [Op; 11] = [
    Op::WriteA,
    Op::WriteB,
    Op::Count,
    Op::Read,
    Op::SignIn,
    Op::Rotate,
    Op::SignOut,
    Op::OldRead,
    Op::OldSignIn,
    Op::OldCount,
    Op::OldSignOut,
];

/// A claim, and those that conflict with it.
const CLAIMS: [Op; 7] = [
    Op::Count,
    Op::SignIn,
    Op::Rotate,
    Op::SignOut,
    Op::OldSignIn,
    Op::Claim,
    Op::OldClaim,
];

/// Those that conflict in more ways than the others.
const HARD: [Op; 4] = [Op::Count, Op::SignIn, Op::Rotate, Op::SignOut];

/// All choices of `n` out of these, with repetition, without regard to order.
fn choices(ops: &[Op], n: usize) -> Vec<Vec<Op>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        for mut rest in choices(&ops[at..], n - 1) {
            rest.insert(0, *op);
            all.push(rest);
        }
    }
    all
}

fn explore(ops: &[Op], n: usize, signed_in: bool, faults: Faults, habit: Habit) -> Found {
    explore_with(Config::default(), ops, n, signed_in, faults, habit)
}

fn explore_with(
    config: Config,
    ops: &[Op],
    n: usize,
    signed_in: bool,
    faults: Faults,
    habit: Habit,
) -> Found {
    let (mut explorer, mut found) = (Explorer::new(config), Found::default());
    for ops in choices(ops, n) {
        // The two writes differ in nothing but the name.
        if ops.contains(&Op::WriteB) && !ops.contains(&Op::WriteA) {
            continue;
        }
        let scenario = Scenario {
            ops,
            signed_in,
            two: false,
            faults,
            habit,
        };
        explorer.explore(&scenario, &mut found);
    }
    found
}

fn holds(ops: &[Op], n: usize, signed_in: bool, faults: Faults, at_least: usize) {
    let found = explore(ops, n, signed_in, faults, Habit::Contract);
    judge(&found, at_least);
}

fn judge(found: &Found, at_least: usize) {
    assert!(
        found.violations.is_empty(),
        "{} of {} states: {}",
        found.violations.len(),
        found.states,
        found.violations.join("\n")
    );
    // Should the number of states drop, the check has lost something.
    assert!(found.states >= at_least, "only {} states", found.states);
}

fn finds(habit: Habit, ops: &[Op], wrong: &str) {
    let found = explore(ops, 2, true, Faults::NONE, habit);
    assert!(
        found.violations.iter().any(|text| text.starts_with(wrong)),
        "with {habit:?} only: {:?}",
        found.violations
    );
}

// R06, R07, R08, R20, R62
#[test]
fn two_requests_keep_all_properties_with_a_crash_a_lost_reply_and_a_lost_answer() {
    for signed_in in [false, true] {
        holds(&ALL, 2, signed_in, Faults::EACH, 100_000);
    }
}

// R06, R08, R20
#[test]
fn three_requests_keep_all_properties() {
    for signed_in in [false, true] {
        holds(&ALL, 3, signed_in, Faults::NONE, 260_000);
    }
}

// R07, R20, R62: those of three requests that end, rotate or count, with one fault of any kind
// anywhere.
#[test]
fn three_requests_keep_all_properties_with_any_one_fault() {
    holds(&HARD, 3, true, Faults::ANY_ONE, 1_250_000);
}

// R79
#[test]
fn one_request_claims_a_value_whatever_the_others_do() {
    for signed_in in [false, true] {
        holds(&CLAIMS, 2, signed_in, Faults::EACH, 20_000);
        holds(&CLAIMS, 3, signed_in, Faults::NONE, 30_000);
    }
    let ops = [Op::Claim, Op::SignIn, Op::Rotate];
    holds(&ops, 3, true, Faults::ANY_ONE, 200_000);
}

// R20, R75: two living sessions in two cookies of one name, and one fault of any kind anywhere.
#[test]
fn a_sign_in_or_sign_out_ends_every_session_that_was_presented() {
    let ops = [Op::Count, Op::Read, Op::SignIn, Op::Rotate, Op::SignOut];
    let (mut explorer, mut found) = (Explorer::new(Config::default()), Found::default());
    for signed_in in [false, true] {
        for ops in choices(&ops, 2) {
            let scenario = Scenario {
                ops,
                signed_in,
                two: true,
                faults: Faults::ANY_ONE,
                habit: Habit::Contract,
            };
            explorer.explore(&scenario, &mut found);
        }
    }
    judge(&found, 10_000);
}

/// A line for each value, and one for what the machine keeps for itself, if it does.
#[derive(Clone, Copy)]
enum Lines {
    OfValues,
    /// The other system names the user in one of its own.
    OfValuesAndSubject,
}

impl Format for Lines {
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        for line in std::str::from_utf8(stored)
            .map_err(|_| Error::Corrupt)?
            .lines()
        {
            let (name, digits) = line.split_once('=').ok_or(Error::Corrupt)?;
            let pairs = digits.as_bytes().chunks(2).map(std::str::from_utf8);
            let byte = |pair: Result<&str, _>| u8::from_str_radix(pair.ok()?, 16).ok();
            let value: Option<Vec<u8>> = pairs.map(byte).collect();
            match name {
                "" => contents.head = value,
                "@" => contents.subject = String::from_utf8(value.ok_or(Error::Corrupt)?).ok(),
                name => {
                    _ = contents
                        .values
                        .insert(name.into(), value.ok_or(Error::Corrupt)?);
                }
            }
        }
        Ok(contents)
    }

    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
        let values = contents.values.iter().map(|(name, value)| (&**name, value));
        let subject = match self {
            Self::OfValues => None,
            Self::OfValuesAndSubject => contents.subject.clone().map(String::into_bytes),
        };
        let lines = contents.head.iter().map(|marks| ("", marks)).chain(values);
        let lines = lines.chain(subject.iter().map(|subject| ("@", subject)));
        let digits = |value: &Vec<u8>| -> String {
            value.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let lines = lines.map(|(name, value)| format!("{name}={}\n", digits(value)));
        Ok(lines.collect::<String>().into_bytes())
    }

    fn check(&self, _name: &str, _value: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

// R06, R07, R08, R20, R62: in a format that keeps the machine's own part only where it is needed.
#[test]
fn two_requests_keep_all_properties_in_another_format_too() {
    let day = Duration::from_secs(86_400);
    let lifetimes = Lifetimes {
        idle: day,
        absolute: Lifetimes::UNLIMITED,
    };
    for lines in [Lines::OfValues, Lines::OfValuesAndSubject] {
        let config = Config::builder().lifetimes(lifetimes).format(lines).build();
        let config = config.expect("a good configuration");
        for signed_in in [false, true] {
            let faults = Faults::EACH;
            let found = explore_with(config.clone(), &ALL, 2, signed_in, faults, Habit::Contract);
            judge(&found, 100_000);
        }
    }
}

// R06, R07, R08, R20, R62, R89: the check reads records without a token, so the values are public
// too. Requests read what is sealed.
#[test]
fn two_requests_keep_all_properties_with_sealed_values_too() {
    let names = ["base", "a", "b", "c", "n"];
    let config = Config::builder().seal_values(true).public_values(names);
    let config = config.build().expect("a good configuration");
    for signed_in in [false, true] {
        let faults = Faults::EACH;
        let found = explore_with(config.clone(), &ALL, 2, signed_in, faults, Habit::Contract);
        judge(&found, 100_000);
    }
}

#[test]
fn the_check_finds_a_store_that_replaces_whatever_is_there() {
    let habit = Habit::ReplacesWhateverIsThere;
    finds(
        habit,
        &[Op::WriteA, Op::WriteB],
        "an acknowledged write is lost",
    );
    finds(habit, &[Op::Count], "a counter is not what was counted");
    finds(habit, &[Op::Claim], "a value was claimed twice");
}

#[test]
fn the_check_finds_a_store_that_deletes_whatever_is_there() {
    let habit = Habit::DeletesWhateverIsThere;
    finds(
        habit,
        &[Op::Rotate, Op::SignOut],
        "a signed-out session lives on",
    );
}

#[test]
fn the_check_finds_a_store_that_forgets_retired_records() {
    let habit = Habit::ForgetsRetiredRecords;
    finds(habit, &ALL, "a change was dropped, and nobody signed out");
}
