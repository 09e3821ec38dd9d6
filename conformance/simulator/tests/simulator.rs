//! The simulator holds its own promises: it finds nothing where nothing is wrong, tells what it found so that it can be played
//! again, and leaves out what is not needed.

use cloakroom_simulator::{Bytes, Ground, Habit, Mutant, Simulator, Trace, Violation, shorten};

/// The first schedule that shows what is wrong.
fn find(ground: Ground, within: u64) -> Violation {
    let mut simulator = Simulator::new();
    (0..within)
        .find_map(|seed| simulator.play(Ground { seed, ..ground }).err())
        .unwrap_or_else(|| panic!("not found: {ground:?}"))
}

// R06, R07, R08, R20, R53, R62: see the module `done` for what is checked. `cargo conformance simulate` plays more.
#[test]
fn two_thousand_schedules_break_no_promise() {
    let mut simulator = Simulator::new();
    for seed in 0..2_000 {
        let ground = Ground {
            seed,
            ..Ground::default()
        };
        if let Err(violation) = simulator.play(ground) {
            panic!("{}: --trace '{}'", violation.wrong, violation.trace);
        }
    }
}

#[test]
fn a_store_that_replaces_whatever_is_there_is_found() {
    let habit = Habit::ReplacesWhateverIsThere;
    find(
        Ground {
            habit,
            ..Ground::default()
        },
        2_000,
    );
}

#[test]
fn a_driver_that_takes_a_lost_reply_for_a_conflict_is_found() {
    let mutant = Mutant::LostReplaceIsConflict;
    find(
        Ground {
            mutant,
            ..Ground::default()
        },
        5_000,
    );
}

#[test]
fn what_was_found_can_be_played_again_from_its_seed_and_from_its_trace() {
    let habit = Habit::DeletesWhateverIsThere;
    let ground = Ground {
        habit,
        ..Ground::default()
    };
    let found = find(ground, 5_000);
    let mut simulator = Simulator::new();
    let again = simulator.play(Ground {
        seed: found.trace.ground.seed,
        ..ground
    });
    assert_eq!(again.unwrap_err().trace, found.trace);
    let text = found.trace.to_string();
    let read: Trace = text.parse().unwrap();
    assert_eq!(read, found.trace);
    assert_eq!(simulator.replay(&read), Err(found.wrong));
}

#[test]
fn what_was_found_is_told_without_what_is_not_needed() {
    let habit = Habit::DeletesWhateverIsThere;
    let ground = Ground {
        habit,
        ..Ground::default()
    };
    let found = find(ground, 5_000);
    let mut simulator = Simulator::new();
    let short = shorten(&mut simulator, &found.trace, found.wrong);
    assert!(short.steps.len() < found.trace.steps.len());
    for n in 0..short.steps.len() {
        let mut fewer = short.clone();
        fewer.steps.remove(n);
        assert_ne!(
            simulator.replay(&fewer),
            Err(found.wrong),
            "step {n} of {short} is not needed"
        );
    }
    let (story, result) = simulator.story(&short);
    assert_eq!(result, Err(found.wrong));
    assert!(
        story.iter().any(|line| line.contains("deletes record")),
        "{story:?}"
    );
}

#[test]
fn any_bytes_are_a_schedule() {
    let mut simulator = Simulator::new();
    for length in 0..200_u8 {
        let bytes: Vec<_> = (0..length).map(|n| n.wrapping_mul(length)).collect();
        let drawn = simulator.draw(Ground::default(), &mut Bytes(&bytes));
        assert!(drawn.is_ok(), "{bytes:?}");
    }
}

// R15: the promise of the page on architecture, with the schedule that once showed where it ends: a save whose answer is lost, a sign-in
// that takes over what it saved, and a clock that is set back between the two.
#[test]
fn clocks_that_differ_by_a_quarter_of_a_minute_mislead_nobody() {
    let mut simulator = Simulator::new();
    for seconds in -15..=15 {
        for wait in [0, 14, 15, 29, 30, 31, 44, 45, 46, 59, 60, 61, 75, 76] {
            let schedule = format!(
                "seed=1 grace=0 +7:c0:n0:jar:of-ada 7 7 7> +8:c0:n0:jar:short +9:c0:n0:jar:ada \
                 8 8 8!lost 9 n0@{seconds} 9 9 9 @{wait} 8"
            );
            if let Err(wrong) = simulator.replay(&schedule.parse().unwrap()) {
                panic!("{wrong:?}: --trace '{schedule}'");
            }
        }
    }
}

#[test]
fn a_trace_with_a_word_that_means_nothing_is_an_error_that_names_it() {
    for word in [
        "5!lat",
        "+5:c9:n0:jar:count",
        "+1:c0:n0:jar:cuont",
        "x",
        "n0@",
        "64",
    ] {
        let error = format!("seed=1 grace=0 0 {word}").parse::<Trace>();
        assert!(error.unwrap_err().to_string().contains(word), "{word}");
    }
}
