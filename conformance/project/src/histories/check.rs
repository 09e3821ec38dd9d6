//! Checks what must hold of a history in every order of its events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use super::event::{Act, Came, Claimed, Event, Life, Seen};

/// How much a history shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    operations: usize,
    lives: usize,
    acknowledged: usize,
    unknown: usize,
    reads: usize,
    /// Acknowledged changes that were in flight when their token was rotated.
    crossed: usize,
    /// Values that a client has claimed.
    claimed: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            lives,
            acknowledged,
            unknown,
            reads,
            crossed,
            claimed,
        } = self;
        write!(
            f,
            "{operations} operations on {lives} sessions, {acknowledged} acknowledged, {crossed} of them over a rotation, {unknown} of unknown outcome, {reads} reads, {claimed} claims"
        )
    }
}

/// Checks each session's history. A read may be older than an acknowledged change for one lease,
/// and no longer. Without caches the lease is zero.
pub(super) fn check(history: &[Event], lease: Duration) -> Result<Summary, String> {
    let mut lives = BTreeMap::<Life, Vec<&Event>>::new();
    for event in history {
        lives.entry(event.life).or_default().push(event);
    }
    let mut summary = Summary {
        operations: history.len(),
        lives: lives.len(),
        ..Summary::default()
    };
    for (life, events) in lives {
        check_life(life, &events, lease).map_err(|wrong| format!("session {life}: {wrong}"))?;
        summary.crossed += crossed(&events);
        for event in events {
            match event.act {
                Act::Append(_, came)
                | Act::Set(_, came)
                | Act::Rotate(came)
                | Act::SignOut(came) => match came {
                    Came::Acknowledged => summary.acknowledged += 1,
                    Came::Unknown => summary.unknown += 1,
                    Came::Dropped | Came::Gone | Came::Superseded => {}
                },
                Act::Read(_) => summary.reads += 1,
                Act::Claim(_, claimed) => {
                    summary.claimed += usize::from(claimed == Claimed::Won);
                }
                Act::Nothing => {}
            }
        }
    }
    if summary.reads == 0 || summary.acknowledged == 0 {
        return Err("nothing was read, or nothing was acknowledged".to_owned());
    }
    Ok(summary)
}

fn check_life(life: Life, events: &[&Event], lease: Duration) -> Result<(), String> {
    signed_out(events, lease)?;
    gone(events)?;
    superseded(events)?;
    claims(events)?;
    let mut lists: Vec<&[u32]> = Vec::new();
    for event in events {
        if let Act::Read(Some(seen)) = &event.act {
            if seen.life != life {
                return Err(format!("another session is seen: {}", seen.life));
            }
            // It shows at least all that was acknowledged by then.
            let until = before(event, lease);
            list(events, event, seen, until)?;
            value(events, event, seen, until)?;
            tickets(events, event, seen, until)?;
            lists.push(&seen.list);
        }
    }
    // One order for all: each list goes on where a shorter one ends.
    lists.sort_by_key(|list| list.len());
    for pair in lists.windows(2) {
        if !pair[1].starts_with(pair[0]) {
            return Err("two reads show changes in different orders".to_owned());
        }
    }
    Ok(())
}

/// Returns the time a lease before an event. None if there is no such time.
fn before(event: &Event, lease: Duration) -> Option<Instant> {
    event.begin.checked_sub(lease)
}

/// Nothing of a session is read after its sign-out was acknowledged and the lease is over. Nothing
/// is changed after the acknowledgement. The session is there before anybody tried.
fn signed_out(events: &[&Event], lease: Duration) -> Result<(), String> {
    let sign_outs = || {
        events.iter().filter_map(|event| match event.act {
            Act::SignOut(came) => Some((*event, came)),
            _ => None,
        })
    };
    let acknowledged = sign_outs().filter(|(_, came)| *came == Came::Acknowledged);
    let end = acknowledged.map(|(event, _)| event.end).min();
    let first = sign_outs().map(|(event, _)| event.begin).min();
    for event in events {
        let sees = match &event.act {
            Act::Append(_, Came::Acknowledged)
            | Act::Set(_, Came::Acknowledged)
            | Act::Rotate(Came::Acknowledged)
            | Act::Claim(_, Claimed::Won) => Some(event.begin),
            Act::Read(Some(_)) => before(event, lease),
            Act::Read(None) => {
                if first.is_none_or(|first| event.end < first) {
                    return Err("the session is missing, and no client signed out".to_owned());
                }
                None
            }
            _ => None,
        };
        if end.is_some_and(|end| sees.is_some_and(|sees| end < sees)) {
            return Err("the session is there after an acknowledged sign-out".to_owned());
        }
    }
    Ok(())
}

/// Checks that changes are dropped as "session ended" only if a sign-out had begun by then.
fn gone(events: &[&Event]) -> Result<(), String> {
    let sign_outs = events.iter().filter_map(|event| match event.act {
        Act::SignOut(came) if came != Came::Dropped => Some(event.begin),
        _ => None,
    });
    let first = sign_outs.min();
    for event in events {
        if let Act::Append(_, came) | Act::Set(_, came) | Act::Rotate(came) = event.act
            && came == Came::Gone
            && first.is_none_or(|first| event.end < first)
        {
            let steps = steps(event);
            return Err(format!(
                "a change was dropped because the session had ended, and no client signed \
                 out{steps}"
            ));
        }
    }
    Ok(())
}

/// Checks that a plain rotation drops no change. Nobody signs in over a session here.
fn superseded(events: &[&Event]) -> Result<(), String> {
    for event in events {
        if let Act::Append(_, Came::Superseded) | Act::Set(_, Came::Superseded) = event.act {
            let steps = steps(event);
            return Err(format!("a plain rotation dropped a change{steps}"));
        }
    }
    Ok(())
}

/// Checks that each value has one claimer at most, and that it is there until a claim begins (R79).
fn claims(events: &[&Event]) -> Result<(), String> {
    let mut won = BTreeSet::new();
    let sign_outs = events
        .iter()
        .filter(|event| matches!(event.act, Act::SignOut(_)));
    let ended = sign_outs.map(|event| event.begin).min();
    for event in events {
        match event.act {
            Act::Claim(ticket, Claimed::Won) if !won.insert(ticket) => {
                let steps = steps(event);
                return Err(format!("ticket {ticket} was claimed twice{steps}"));
            }
            Act::Claim(ticket, Claimed::Nothing | Claimed::Lost)
                if !others_claim(events, event, ticket)
                    && (event.act == Act::Claim(ticket, Claimed::Nothing)
                        || ended.is_none_or(|ended| event.end < ended)) =>
            {
                let steps = steps(event);
                return Err(format!(
                    "a claim found no ticket {ticket}, and no other client has claimed it{steps}"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether another client may have taken the ticket before this event was over.
fn others_claim(events: &[&Event], event: &Event, ticket: usize) -> bool {
    events.iter().any(|other| {
        other.act.takes(ticket) && !std::ptr::eq(*other, event) && other.begin <= event.end
    })
}

/// A claimed ticket is not seen any more, and every other one is.
fn tickets(
    events: &[&Event],
    read: &Event,
    seen: &Seen,
    until: Option<Instant>,
) -> Result<(), String> {
    for event in events {
        if let Act::Claim(ticket, Claimed::Won) = event.act
            && until.is_some_and(|until| event.end < until)
            && !seen.taken.contains(&ticket)
        {
            let steps = steps(event);
            return Err(format!("ticket {ticket} was claimed, and is there{steps}"));
        }
    }
    let mut taken = seen.taken.iter();
    match taken.find(|ticket| !others_claim(events, read, **ticket)) {
        None => Ok(()),
        Some(ticket) => Err(format!(
            "ticket {ticket} is gone, and no client has claimed it"
        )),
    }
}

/// Counts the acknowledged changes that were in flight when their token was rotated.
fn crossed(events: &[&Event]) -> usize {
    let rotations = || {
        events
            .iter()
            .filter(|event| matches!(event.act, Act::Rotate(Came::Acknowledged)))
    };
    let changes = events.iter().filter(|event| {
        matches!(
            event.act,
            Act::Append(_, Came::Acknowledged) | Act::Set(_, Came::Acknowledged)
        )
    });
    changes
        .filter(|change| {
            rotations().any(|rotation| {
                let same = rotation.turn == change.turn;
                same && change.begin < rotation.end && rotation.begin < change.end
            })
        })
        .count()
}

/// Lists the event's store calls, for debugging a failure.
fn steps(event: &Event) -> String {
    let steps: Vec<_> = event.steps.iter().map(ToString::to_string).collect();
    match steps.is_empty() {
        true => String::new(),
        false => format!(" ({})", steps.join("; ")),
    }
}

/// Whether it is certain that a change did not happen.
fn dropped(came: Came) -> bool {
    matches!(came, Came::Dropped | Came::Gone | Came::Superseded)
}

fn list(
    events: &[&Event],
    read: &Event,
    seen: &Seen,
    until: Option<Instant>,
) -> Result<(), String> {
    let there: BTreeSet<u32> = seen.list.iter().copied().collect();
    if there.len() != seen.list.len() {
        return Err("a change is there twice".to_owned());
    }
    if seen.count as usize != seen.list.len() {
        let (count, list) = (seen.count, seen.list.len());
        return Err(format!("counted to {count}, and {list} in the list"));
    }
    // Also with a token that was rotated away: within the grace it reads the session as it is.
    let mut known = 0;
    for event in events {
        let Act::Append(number, came) = event.act else {
            continue;
        };
        match (came, there.contains(&number)) {
            (came, true) if dropped(came) => {
                let steps = steps(event);
                return Err(format!("change {number} was dropped, and is there{steps}"));
            }
            (Came::Acknowledged, false) if until.is_some_and(|until| event.end < until) => {
                return Err(format!("change {number} was acknowledged, and is missing"));
            }
            (_, true) if read.end < event.begin => {
                return Err(format!("change {number} is there before it was made"));
            }
            (_, true) => known += 1,
            (_, false) => {}
        }
    }
    match known == there.len() {
        true => Ok(()),
        false => Err("a change is there that no client made on this session".to_owned()),
    }
}

/// The common value is that of a write which no later one had replaced.
fn value(
    events: &[&Event],
    read: &Event,
    seen: &Seen,
    until: Option<Instant>,
) -> Result<(), String> {
    let sets = || {
        events.iter().filter_map(|event| match event.act {
            Act::Set(number, came) => Some((*event, number, came)),
            _ => None,
        })
    };
    let acknowledged = || {
        let acknowledged = sets().filter(|(_, _, came)| *came == Came::Acknowledged);
        acknowledged.filter(move |(event, _, _)| until.is_some_and(|until| event.end < until))
    };
    let Some(value) = seen.value else {
        return match acknowledged().next() {
            None => Ok(()),
            Some((_, number, _)) => Err(format!(
                "value {number} was acknowledged, and none is there"
            )),
        };
    };
    let Some((write, _, came)) = sets().find(|(_, number, _)| *number == value) else {
        return Err("a value is there that no client wrote on this session".to_owned());
    };
    if dropped(came) || read.end < write.begin {
        let steps = steps(write);
        return Err(format!(
            "value {value} is there, and was dropped, or not yet written{steps}"
        ));
    }
    match acknowledged().find(|(later, _, _)| write.end < later.begin) {
        None => Ok(()),
        Some((_, number, _)) => Err(format!(
            "value {value} is read, after {number} was acknowledged"
        )),
    }
}

#[cfg(test)]
mod tests;
