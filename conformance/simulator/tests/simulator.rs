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

// R15, R62: schedules that once showed a change that was dropped, and was there all the same. The answer to a save is lost, a rotation
// takes over what it saved, and the retired record is gone before the save is looked for: evicted, or expired by a clock that was set back.
#[test]
fn what_was_found_once_is_not_found_again() {
    for schedule in [
        "seed=1 grace=0 +7:c0:n0:jar:of-ada 7 7 7> +8:c0:n0:jar:short +9:c0:n0:jar:ada 8 8 8!lost 9 n0@-45 9 9 9 @29 8",
        "seed=1 grace=1 +0:c1:n0:jar:flash 0 0 0> +4:c1:n0:jar:a= +5:c1:n0:jar:rotate 5 4 4 5 5 4!lost 5 5 5 5 5 0% 4",
    ] {
        if let Err(wrong) = Simulator::new().replay(&schedule.parse().unwrap()) {
            panic!("{wrong:?}: --trace '{schedule}'");
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
