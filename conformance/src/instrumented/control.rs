use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Key, StoreError};

use super::Gate;
use super::gate::Barrier;

/// An operation of a store.
///
/// ```
/// use cloakroom_conformance::instrumented::Operation;
///
/// assert_eq!(Operation::Replace.to_string(), "replace");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::load`](cloakroom_store::Store::load)
    Load,
    /// [`Store::create`](cloakroom_store::Store::create)
    Create,
    /// [`Store::replace`](cloakroom_store::Store::replace)
    Replace,
    /// [`Store::touch`](cloakroom_store::Store::touch)
    Touch,
    /// [`Store::delete`](cloakroom_store::Store::delete)
    Delete,
    /// [`Directory::list`](cloakroom_store::Directory::list)
    List,
    /// [`Sweep::sweep`](cloakroom_store::Sweep::sweep)
    Sweep,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Sweep => "sweep",
        })
    }
}

/// One operation that was asked for. `Display` is `replace 0: Changed`.
///
/// ```
/// use cloakroom_conformance::instrumented::{Control, Operation};
///
/// fn writes(control: &Control) -> usize {
///     control
///         .log()
///         .iter()
///         .filter(|event| event.operation != Operation::Load)
///         .count()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The operation.
    pub operation: Operation,
    /// The key's number: 0 for the first key that this store ever got, 1 for the second other one.
    /// The key itself may hold a token. None for operations without a key.
    pub key: Option<usize>,
    /// The inner store's answer, in one word. `failed` for an error, `not done` if a plan prevented
    /// it, `pending` while it is under way. A dropped future's entry stays `pending`.
    pub answer: &'static str,
    /// Whether the inner store answered and the caller got an error.
    pub reply_lost: bool,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(key) = self.key {
            write!(f, " {key}")?;
        }
        write!(f, ": {}", self.answer)?;
        if self.reply_lost {
            f.write_str(", reply lost")?;
        }
        Ok(())
    }
}

/// Controls an [`Instrumented`](super::Instrumented) store and reads its log. Clones control the
/// same store.
///
/// ```
/// use cloakroom_conformance::instrumented::{Control, Operation};
///
/// fn the_next_write_fails(control: &Control) {
///     control.on(Operation::Replace).fail();
/// }
/// ```
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    keys: Vec<Key>,
    log: Vec<Event>,
    /// The number of events before the log was cleared, so that operations under way do not write
    /// to other entries.
    forgotten: usize,
    plans: Vec<Planned>,
    outage: bool,
}

impl State {
    fn event(&mut self, number: usize) -> Option<&mut Event> {
        let index = number.checked_sub(self.forgotten)?;
        self.log.get_mut(index)
    }
}

struct Planned {
    operation: Operation,
    skip: usize,
    act: Act,
}

enum Act {
    Fail { transient: bool },
    LoseReply,
    PauseBefore(Barrier),
    PauseAfter(Barrier),
}

impl Control {
    /// Plans what happens at the next operation of this kind. A plan is used once. Two plans of the
    /// same sort apply to two operations in turn, two of different sorts to the same operation.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.on(Operation::Create).fail();
    /// control.on(Operation::Create).skip(1).lose_reply();
    /// ```
    pub fn on(&self, operation: Operation) -> Plan<'_> {
        let (control, skip) = (self, 0);
        Plan {
            control,
            operation,
            skip,
        }
    }

    /// Begins or ends an outage, in which every operation fails with a transient error and nothing
    /// happens.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.outage(true);
    /// ```
    pub fn outage(&self, out: bool) {
        self.state().outage = out;
    }

    /// Returns every operation, in the order in which they began.
    ///
    /// ```
    /// use cloakroom_conformance::instrumented::Control;
    ///
    /// assert!(Control::default().log().is_empty());
    /// ```
    #[must_use]
    pub fn log(&self) -> Vec<Event> {
        self.state().log.clone()
    }

    /// Returns how many times this operation was called.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// assert_eq!(control.count(Operation::Load), 0);
    /// ```
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        let state = self.state();
        let events = state.log.iter();
        events.filter(|event| event.operation == operation).count()
    }

    /// Clears the log, the unused plans and the outage. Keys keep their numbers.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.reset();
    /// assert!(control.log().is_empty());
    /// ```
    pub fn reset(&self) {
        let mut state = self.state();
        state.forgotten += state.log.len();
        state.log.clear();
        state.plans.clear();
        state.outage = false;
    }

    pub(super) fn begin(&self, operation: Operation, key: Option<&Key>) -> Played {
        let mut state = self.state();
        let key = key.map(
            |key| match state.keys.iter().position(|known| known == key) {
                Some(number) => number,
                None => {
                    state.keys.push(key.clone());
                    state.keys.len() - 1
                }
            },
        );
        state.log.push(Event {
            operation,
            key,
            answer: "pending",
            reply_lost: false,
        });
        let mut played = Played {
            event: state.forgotten + state.log.len() - 1,
            fail: state.outage.then_some(true),
            lose_reply: false,
            before: None,
            after: None,
            control: self.clone(),
        };
        state.plans = std::mem::take(&mut state.plans)
            .into_iter()
            .filter_map(|plan| played.take(operation, plan))
            .collect();
        played
    }

    fn plan(&self, plan: Planned) {
        self.state().plans.push(plan);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// The operation that a plan applies to: see [`Control::on`].
///
/// ```
/// use cloakroom_conformance::instrumented::{Control, Operation};
///
/// let control = Control::default();
/// control.on(Operation::Touch).lose_reply();
/// ```
#[derive(Debug)]
#[must_use = "a plan without an act does nothing"]
pub struct Plan<'a> {
    control: &'a Control,
    operation: Operation,
    skip: usize,
}

impl Plan<'_> {
    /// Lets this many operations of the kind pass first.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// // The third load fails.
    /// control.on(Operation::Load).skip(2).fail();
    /// ```
    pub fn skip(self, operations: usize) -> Self {
        let skip = operations;
        Self { skip, ..self }
    }

    /// Returns a transient error without running the operation.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.on(Operation::Load).fail();
    /// ```
    pub fn fail(self) {
        self.act(Act::Fail { transient: true });
    }

    /// Returns a permanent error without running the operation.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.on(Operation::Create).fail_permanently();
    /// ```
    pub fn fail_permanently(self) {
        self.act(Act::Fail { transient: false });
    }

    /// Runs the operation, then returns a transient error.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// control.on(Operation::Replace).lose_reply();
    /// ```
    pub fn lose_reply(self) {
        self.act(Act::LoseReply);
    }

    /// Holds the operation at the gate before it runs.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// let gate = control.on(Operation::Delete).pause_before();
    /// gate.open();
    /// ```
    #[must_use = "a gate that is dropped is open"]
    pub fn pause_before(self) -> Gate {
        let (gate, barrier) = Gate::new();
        self.act(Act::PauseBefore(barrier));
        gate
    }

    /// Runs the operation, and holds its reply at the gate.
    ///
    /// ```
    /// # use cloakroom_conformance::instrumented::{Control, Operation};
    /// # let control = Control::default();
    /// let gate = control.on(Operation::Delete).pause_after();
    /// gate.open();
    /// ```
    #[must_use = "a gate that is dropped is open"]
    pub fn pause_after(self) -> Gate {
        let (gate, barrier) = Gate::new();
        self.act(Act::PauseAfter(barrier));
        gate
    }

    fn act(self, act: Act) {
        let (operation, skip) = (self.operation, self.skip);
        self.control.plan(Planned {
            operation,
            skip,
            act,
        });
    }
}

/// One operation under way, and its plans.
pub(super) struct Played {
    control: Control,
    event: usize,
    fail: Option<bool>,
    lose_reply: bool,
    before: Option<Barrier>,
    after: Option<Barrier>,
}

impl Played {
    /// Takes the act of a plan, or gives the plan back for another operation.
    fn take(&mut self, operation: Operation, mut plan: Planned) -> Option<Planned> {
        if plan.operation != operation {
            return Some(plan);
        }
        if plan.skip > 0 {
            plan.skip -= 1;
            return Some(plan);
        }
        match plan.act {
            Act::Fail { transient } if self.fail.is_none() => self.fail = Some(transient),
            Act::LoseReply if !self.lose_reply => self.lose_reply = true,
            Act::PauseBefore(barrier) if self.before.is_none() => self.before = Some(barrier),
            Act::PauseAfter(barrier) if self.after.is_none() => self.after = Some(barrier),
            act => return Some(Planned { act, ..plan }),
        }
        None
    }

    pub(super) async fn before(&mut self) -> Result<(), StoreError> {
        if let Some(barrier) = &mut self.before {
            barrier.pass().await;
        }
        let Some(transient) = self.fail else {
            return Ok(());
        };
        self.note("not done");
        Err(match transient {
            true => StoreError::transient("instrumented", "made to fail"),
            false => StoreError::permanent("instrumented", "made to fail"),
        })
    }

    pub(super) async fn after<T>(
        mut self,
        outcome: Result<T, StoreError>,
        name: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, StoreError> {
        self.note(outcome.as_ref().map_or("failed", name));
        if let Some(mut barrier) = self.after.take() {
            barrier.pass().await;
        }
        if !self.lose_reply {
            return outcome;
        }
        let mut state = self.control.state();
        if let Some(event) = state.event(self.event) {
            event.reply_lost = true;
        }
        Err(StoreError::transient(
            "instrumented",
            "made to lose the reply",
        ))
    }

    fn note(&self, answer: &'static str) {
        if let Some(event) = self.control.state().event(self.event) {
            event.answer = answer;
        }
    }
}
