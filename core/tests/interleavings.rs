//! Every interleaving of two and of three requests of one browser, at the granularity of store actions, driven through the real
//! machine: with crashes, lost replies, lost answers and the end of the grace.

mod model;

use std::time::Duration;

use cloakroom_core::{Config, Contents, Error, Format, Lifetimes};

use model::tree::Op;
use model::{Explorer, Faults, Found, Habit, Scenario};

const ALL: [Op; 9] = [
    Op::WriteA,
    Op::WriteB,
    Op::Count,
    Op::Read,
    Op::SignIn,
    Op::Rotate,
    Op::SignOut,
    Op::OldRead,
    Op::OldSignIn,
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

// R07, R20, R62: those of three requests that end, rotate or count, with one fault of any kind anywhere.
#[test]
fn three_requests_keep_all_properties_with_any_one_fault() {
    holds(&HARD, 3, true, Faults::ANY_ONE, 1_400_000);
}

/// A line for each value, and one for what the machine keeps for itself, if it does.
struct Lines;

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
                "" => contents.marks = value,
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
        let lines = contents.marks.iter().map(|marks| ("", marks)).chain(values);
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
    let config = Config::builder().lifetimes(lifetimes).format(Lines).build();
    let config = config.expect("a good configuration");
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
    finds(
        habit,
        &ALL,
        "signed in, yet the browser holds something else",
    );
}
