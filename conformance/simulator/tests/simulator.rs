//! Tests of the simulator: it finds nothing in a correct machine, its findings can be replayed, and
//! it shortens them.

use cloakroom_simulator::{
    Bytes, Environment, Habit, Mutant, Simulator, Trace, Violation, shorten,
};

/// The first schedule that shows what is wrong.
fn find(environment: Environment, within: u64) -> Violation {
    let mut simulator = Simulator::new();
    (0..within)
        .find_map(|seed| {
            simulator
                .play(Environment {
                    seed,
                    ..environment
                })
                .err()
        })
        .unwrap_or_else(|| panic!("not found: {environment:?}"))
}

// R06, R07, R08, R20, R53, R62: see the module `done` for what is checked. `cargo conformance
// simulate` plays more.
#[test]
fn two_thousand_schedules_break_no_promise() {
    let mut simulator = Simulator::new();
    for seed in 0..2_000 {
        let environment = Environment {
            seed,
            ..Environment::default()
        };
        if let Err(violation) = simulator.play(environment) {
            panic!("{}: --trace '{}'", violation.wrong, violation.trace);
        }
    }
}

#[test]
fn a_store_that_replaces_whatever_is_there_is_found() {
    let habit = Habit::ReplacesWhateverIsThere;
    find(
        Environment {
            habit,
            ..Environment::default()
        },
        2_000,
    );
}

#[test]
fn a_driver_that_takes_a_lost_reply_for_a_conflict_is_found() {
    let mutant = Mutant::LostReplaceIsConflict;
    find(
        Environment {
            mutant,
            ..Environment::default()
        },
        5_000,
    );
}

#[test]
fn a_finding_can_be_replayed_from_its_seed_and_its_trace() {
    let habit = Habit::DeletesWhateverIsThere;
    let environment = Environment {
        habit,
        ..Environment::default()
    };
    let found = find(environment, 5_000);
    let mut simulator = Simulator::new();
    let again = simulator.play(Environment {
        seed: found.trace.environment.seed,
        ..environment
    });
    assert_eq!(again.unwrap_err().trace, found.trace);
    let text = found.trace.to_string();
    let read: Trace = text.parse().unwrap();
    assert_eq!(read, found.trace);
    assert_eq!(simulator.replay(&read), Err(found.wrong));
}

#[test]
fn a_findings_story_lacks_needless_steps() {
    let habit = Habit::DeletesWhateverIsThere;
    let environment = Environment {
        habit,
        ..Environment::default()
    };
    let found = find(environment, 5_000);
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
        let drawn = simulator.draw(Environment::default(), &mut Bytes(&bytes));
        assert!(drawn.is_ok(), "{bytes:?}");
    }
}

// R15, R62: schedules that once reported a change as dropped although it was there. The answer to a
// save is lost, and a rotation takes over its change. The retired record is gone before the machine
// looks for the save: evicted, or expired by a clock that was set back.
#[test]
fn an_old_finding_is_not_found_again() {
    for schedule in [
        "seed=1 grace=0 +7:c0:n0:jar:of-ada 7 7 7> +8:c0:n0:jar:short +9:c0:n0:jar:ada 8 8 8!lost 9 n0@-45 9 9 9 @29 8",
        "seed=1 grace=1 +0:c1:n0:jar:flash 0 0 0> +4:c1:n0:jar:a= +5:c1:n0:jar:rotate 5 4 4 5 5 4!lost 5 5 5 5 5 0% 4",
        // A touch that hung ends a retired record early.
        "seed=962800392307 grace=1 +0:c0:n0:jar:c= 0 0 0> +3:c0:n0:jar:long 3 @299 +4:c0:n0:jar:flashed 3 +5:c0:n0:jar:rotate 4 4 3 @1800 5 +6:c0:n0:jar:short 5 6 5 5 6 4 6",
        // A message that was left while a claim was under way is read after it, and ends.
        "seed=979727257852 grace=2 limited +1:c1:n0:jar:flash 1 1 1> +9:c1:n0:jar:flash +10:c1:n0:jar:a.= 10 10 10 +11:c1:n0:jar:flashed,a!,flashed 11 9 9 9 51 51 51",
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
