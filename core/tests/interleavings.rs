//! Every interleaving of two and of three requests of one browser, at the granularity of store actions, driven through the real
//! machine: with crashes, lost replies, lost answers and the end of the grace.

mod model;

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
    let (mut explorer, mut found) = (Explorer::new(), Found::default());
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
