//! The operations, and how one store would answer them.

use cloakroom_store::{
    Created, Deleted, Replaced, Store as _, StoreError, Stored, Touched, UnixTime, Write,
};

use super::halves::{Half, key};
use crate::Adopting;

/// An operation on the pair of stores. The texts are the bytes of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Load,
    Create(&'static str),
    Replace(&'static str, &'static str),
    /// Replaces it by a record that ends sooner, as a rotation does.
    Retire(&'static str),
    Touch,
    Delete(&'static str),
    Adopt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Found(Option<String>),
    Done,
    Changed,
    Gone,
}

fn write(bytes: &'static str) -> Write {
    Write::new(bytes, UnixTime::from_secs(1_000), None)
}

/// The bytes of a record that was rotated away, and its end.
pub(super) const RETIRED: &str = "retired";
pub(super) const SOON: u64 = 500;

fn stored(bytes: &'static str) -> Stored {
    Stored::new(bytes, UnixTime::from_secs(1_000), 1)
}

pub(super) async fn run(store: Adopting<Half, Half>, op: Op) -> Result<Said, StoreError> {
    let key = key();
    Ok(match op {
        Op::Load => Said::Found(store.load(&key).await?.map(|found| text(&found))),
        Op::Create(bytes) => match store.create(&key, &write(bytes)).await? {
            Created::Stored => Said::Done,
            Created::Taken => Said::Changed,
        },
        Op::Replace(old, new) => match store.replace(&key, &stored(old), &write(new)).await? {
            Replaced::Stored => Said::Done,
            Replaced::Changed => Said::Changed,
            Replaced::Gone => Said::Gone,
        },
        Op::Retire(old) => {
            let write = Write::new(RETIRED, UnixTime::from_secs(SOON), None);
            match store.replace(&key, &stored(old), &write).await? {
                Replaced::Stored => Said::Done,
                Replaced::Changed => Said::Changed,
                Replaced::Gone => Said::Gone,
            }
        }
        Op::Touch => match store.touch(&key, UnixTime::from_secs(2_000)).await? {
            Touched::Extended => Said::Done,
            Touched::Gone => Said::Gone,
        },
        Op::Delete(old) => match store.delete(&key, &stored(old)).await? {
            Deleted::Deleted => Said::Done,
            Deleted::Changed => Said::Changed,
            Deleted::Gone => Said::Gone,
        },
        Op::Adopt => match store.adopt(&key, None).await? {
            crate::Adopted::Gone => Said::Gone,
            _ => Said::Done,
        },
    })
}

fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(&stored.bytes).into_owned()
}

/// The answer of one store with this record, and its record afterwards. A signed-out key is never
/// created again: no client has its token, and the marker keeps it taken.
fn of_one_store(state: &Option<String>, ended: bool, op: Op) -> (Said, Option<String>) {
    let new = |bytes: &str| Some(bytes.to_owned());
    match (op, state) {
        (Op::Load, _) => (Said::Found(state.clone()), state.clone()),
        (Op::Create(bytes), None) if !ended => (Said::Done, new(bytes)),
        (Op::Create(_), _) => (Said::Changed, state.clone()),
        (_, None) => (Said::Gone, None),
        (Op::Touch | Op::Adopt, Some(_)) => (Said::Done, state.clone()),
        (Op::Replace(old, bytes), Some(at)) if at == old => (Said::Done, new(bytes)),
        (Op::Retire(old), Some(at)) if at == old => (Said::Done, new(RETIRED)),
        (Op::Delete(old), Some(at)) if at == old => (Said::Done, None),
        (Op::Replace(..) | Op::Retire(_) | Op::Delete(_), Some(_)) => {
            (Said::Changed, state.clone())
        }
    }
}

/// An operation, when it began and ended, and its answer. Without one it failed or was cut.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) op: Op,
    pub(super) began: usize,
    pub(super) ended: usize,
    pub(super) said: Option<Said>,
}

/// Returns whether one store could have given these answers in an order that respects time.
pub(super) fn possible(events: &[Event], state: &Option<String>, ended: bool) -> bool {
    // Those without an answer may never have happened.
    if events.iter().all(|event| event.said.is_none()) {
        return true;
    }
    (0..events.len()).any(|first| {
        let event = &events[first];
        let in_time = events.iter().all(|other| event.began <= other.ended);
        if !in_time {
            return false;
        }
        let mut rest = events.to_vec();
        rest.remove(first);
        let (said, after) = of_one_store(state, ended, event.op);
        let ends = ended || matches!(event.op, Op::Delete(_)) && said == Said::Done;
        event.said.as_ref().is_none_or(|answer| *answer == said) && possible(&rest, &after, ends)
    })
}
