//! Histories that hold, and the faults that the checks find in others.

use std::time::{Duration, Instant};

use super::*;

/// Events in tenths of seconds, on session 0.
fn history(events: &[(u64, u64, u32, Act)]) -> Vec<Event> {
    let zero = Instant::now();
    let at = |tenths| zero + Duration::from_millis(100 * tenths);
    let events = events.iter().cloned();
    events
        .map(|(begin, end, turn, act)| Event {
            life: 0,
            turn,
            act,
            begin: at(begin),
            end: at(end),
            steps: Vec::new(),
        })
        .collect()
}

fn append(number: u32) -> Act {
    Act::Append(number, Came::Acknowledged)
}

fn read(list: &[u32]) -> Act {
    Act::Read(Some(Seen {
        life: 0,
        list: list.to_vec(),
        count: list.len() as u32,
        value: None,
        taken: Vec::new(),
    }))
}

fn valued(value: u32) -> Act {
    Act::Read(Some(Seen {
        value: Some(value),
        ..Seen::default()
    }))
}

fn holds(events: &[(u64, u64, u32, Act)]) {
    holds_within(0, events);
}

fn finds(wrong: &str, events: &[(u64, u64, u32, Act)]) {
    finds_within(0, wrong, events);
}

/// With a lease of so many tenths of a second.
fn holds_within(tenths: u64, events: &[(u64, u64, u32, Act)]) {
    check(&history(events), lease(tenths)).expect("nothing is wrong");
}

fn finds_within(tenths: u64, wrong: &str, events: &[(u64, u64, u32, Act)]) {
    let error = check(&history(events), lease(tenths)).expect_err(wrong);
    assert!(error.contains(wrong), "{error}");
}

fn lease(tenths: u64) -> Duration {
    Duration::from_millis(100 * tenths)
}

#[test]
fn acknowledged_changes_must_be_there_and_concurrent_ones_may() {
    holds(&[(0, 1, 0, append(1)), (2, 3, 0, read(&[1]))]);
    for list in [&[][..], &[1]] {
        holds(&[(0, 3, 0, append(1)), (2, 4, 0, read(list))]);
    }
    finds("is missing", &[(0, 1, 0, append(1)), (2, 3, 0, read(&[]))]);
    finds(
        "before it was made",
        &[(0, 1, 0, read(&[1])), (2, 3, 0, append(1))],
    );
}

#[test]
fn a_change_of_unknown_outcome_is_there_once_or_not() {
    let unknown = Act::Append(2, Came::Unknown);
    for list in [&[1][..], &[1, 2], &[2, 1]] {
        holds(&[
            (0, 1, 0, append(1)),
            (0, 1, 0, unknown.clone()),
            (2, 3, 0, read(list)),
        ]);
    }
    let doubled = [
        (0, 1, 0, append(1)),
        (0, 1, 0, unknown),
        (2, 3, 0, read(&[1, 2, 2])),
    ];
    finds("twice", &doubled);
}

#[test]
fn a_dropped_change_is_not_there() {
    let dropped = Act::Append(2, Came::Dropped);
    finds(
        "was dropped",
        &[
            (0, 1, 0, append(1)),
            (0, 1, 0, dropped),
            (2, 3, 0, read(&[1, 2])),
        ],
    );
}

#[test]
fn a_change_whose_session_has_ended_was_never_there() {
    let gone = (1, 5, 0, Act::Append(2, Came::Gone));
    let out = |came| (3, 4, 0, Act::SignOut(came));
    let events = |seen, came| {
        [
            (0, 1, 0, append(1)),
            gone.clone(),
            (2, 3, 0, read(seen)),
            out(came),
        ]
    };
    holds(&events(&[1], Came::Acknowledged));
    holds(&events(&[1], Came::Unknown));
    finds("was dropped", &events(&[1, 2], Came::Acknowledged));
    // The sign-out found no session: it has ended nothing.
    finds("no client signed out", &events(&[1], Came::Dropped));
    let too_late = [
        (0, 1, 0, append(1)),
        (1, 2, 0, gone.3.clone()),
        out(Came::Acknowledged),
    ];
    finds(
        "no client signed out",
        &[&too_late[..], &[(0, 1, 0, read(&[]))]].concat(),
    );
}

#[test]
fn a_change_of_another_session_is_not_there() {
    finds(
        "no client made",
        &[(0, 1, 0, append(1)), (2, 3, 0, read(&[1, 7]))],
    );
}

// R79
#[test]
fn a_ticket_has_one_claimer_and_is_there_until_then() {
    let claim = |claimed| Act::Claim(3, claimed);
    let without = |taken: &[usize]| {
        Act::Read(Some(Seen {
            taken: taken.to_vec(),
            ..Seen::default()
        }))
    };
    let append = (0, 1, 0, append(1));
    let read = |begin, taken: &[usize]| {
        let Act::Read(Some(seen)) = without(taken) else {
            unreachable!("it is a read")
        };
        let seen = Seen {
            list: vec![1],
            count: 1,
            ..seen
        };
        (begin, begin + 1, 0, Act::Read(Some(seen)))
    };
    let won = (2, 4, 0, claim(Claimed::Won));
    let nothing = |begin| (begin, begin + 1, 0, claim(Claimed::Nothing));
    holds(&[append.clone(), won.clone(), nothing(3), read(6, &[3])]);
    let lost = (2, 3, 0, claim(Claimed::Lost));
    let out = (1, 5, 0, Act::SignOut(Came::Unknown));
    holds(&[append.clone(), lost.clone(), won.clone(), read(6, &[3])]);
    holds(&[append.clone(), lost.clone(), out, read(6, &[])]);
    finds("no other", &[append.clone(), lost, read(6, &[])]);
    for taken in [&[][..], &[3]] {
        holds(&[append.clone(), won.clone(), read(3, taken)]);
        let unknown = (2, 4, 0, claim(Claimed::Unknown));
        holds(&[append.clone(), unknown, read(6, taken)]);
    }
    finds("claimed twice", &[append.clone(), won.clone(), won.clone()]);
    finds("is there", &[append.clone(), won.clone(), read(6, &[])]);
    finds("is gone", &[append.clone(), won.clone(), read(0, &[3])]);
    finds("is gone", &[append.clone(), won.clone(), read(6, &[3, 4])]);
    finds("no other", &[append.clone(), nothing(0), won]);
    finds("no other", &[append, nothing(5)]);
}

// R78
#[test]
fn a_rotated_token_reads_the_session_as_it_is() {
    let rotate = Act::Rotate(Came::Acknowledged);
    let events = |list: &[u32]| {
        [
            (0, 1, 0, append(1)),
            (2, 3, 0, rotate.clone()),
            (4, 5, 1, append(2)),
            (6, 7, 0, read(list)),
        ]
    };
    holds(&events(&[1, 2]));
    finds("is missing", &events(&[1]));
}

// R78
#[test]
fn a_plain_rotation_drops_nothing_that_was_in_flight() {
    let rotate = (1, 4, 0, Act::Rotate(Came::Acknowledged));
    let events = |came, list: &[u32]| {
        [
            (0, 5, 0, append(1)),
            (0, 5, 0, Act::Append(2, came)),
            rotate.clone(),
            (6, 7, 1, read(list)),
        ]
    };
    holds(&events(Came::Acknowledged, &[2, 1]));
    finds("is missing", &events(Came::Acknowledged, &[1]));
    finds("rotation dropped", &events(Came::Superseded, &[1]));
    let history = history(&events(Came::Acknowledged, &[1, 2]));
    let summary = check(&history, lease(0));
    assert_eq!(summary.map(|summary| summary.crossed), Ok(2));
}

// R80
#[test]
fn a_read_may_be_a_lease_old_and_no_older() {
    let out = (1, 2, 0, Act::SignOut(Came::Acknowledged));
    let (one, two) = ((0, 1, 0, append(1)), (1, 2, 0, append(2)));
    let set = |number, at| (at, at + 1, 0, Act::Set(number, Came::Acknowledged));
    let won = (1, 2, 0, Act::Claim(3, Claimed::Won));
    for (lease, begin) in [(4, 6), (40, 30)] {
        let at = |act: &Act| (begin, begin + 1, 0, act.clone());
        holds_within(lease, &[one.clone(), out.clone(), at(&read(&[1]))]);
        holds_within(lease, &[one.clone(), two.clone(), at(&read(&[1]))]);
        holds_within(lease, &[set(1, 0), set(2, 2), at(&valued(1))]);
        holds_within(lease, &[one.clone(), won.clone(), at(&read(&[1]))]);
    }
    let at = |act: &Act| (8, 9, 0, act.clone());
    let late = |wrong, events: &[_]| finds_within(4, wrong, events);
    late("sign-out", &[one.clone(), out.clone(), at(&read(&[1]))]);
    late("is missing", &[one.clone(), two, at(&read(&[1]))]);
    late("is read, after", &[set(1, 0), set(2, 2), at(&valued(1))]);
    late("is there", &[one.clone(), won, at(&read(&[1]))]);
    // The lease is for reads alone.
    let change = (3, 4, 0, append(2));
    finds_within(4, "sign-out", &[one.clone(), out, change]);
    finds_within(4, "no client signed out", &[one, at(&Act::Read(None))]);
}

#[test]
fn nothing_is_seen_after_an_acknowledged_sign_out_and_everything_before() {
    let out = Act::SignOut(Came::Acknowledged);
    holds(&[
        (0, 1, 0, append(1)),
        (2, 3, 0, out.clone()),
        (4, 5, 0, Act::Read(None)),
    ]);
    finds(
        "after an acknowledged sign-out",
        &[
            (0, 1, 0, append(1)),
            (2, 3, 0, out.clone()),
            (4, 5, 0, read(&[1])),
        ],
    );
    finds(
        "after an acknowledged sign-out",
        &[(0, 1, 0, read(&[])), (2, 3, 0, out), (4, 5, 0, append(1))],
    );
    finds(
        "no client signed out",
        &[(0, 1, 0, append(1)), (4, 5, 0, Act::Read(None))],
    );
}

#[test]
fn a_value_is_the_last_one() {
    let set = |number| Act::Set(number, Came::Acknowledged);
    holds(&[(0, 1, 0, set(1)), (2, 3, 0, set(2)), (4, 5, 0, valued(2))]);
    holds(&[(0, 3, 0, set(1)), (2, 4, 0, set(2)), (5, 6, 0, valued(1))]);
    finds(
        "is read, after",
        &[(0, 1, 0, set(1)), (2, 3, 0, set(2)), (4, 5, 0, valued(1))],
    );
    finds("none is there", &[(0, 1, 0, set(1)), (4, 5, 0, read(&[]))]);
}

#[test]
fn all_reads_show_one_order() {
    finds(
        "different orders",
        &[
            (0, 1, 0, append(1)),
            (0, 1, 0, append(2)),
            (2, 3, 0, read(&[1, 2])),
            (2, 3, 0, read(&[2, 1])),
        ],
    );
}
