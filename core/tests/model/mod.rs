//! Every interleaving of a few requests of one browser, store action by store action, on the real
//! machine.

mod check;
mod player;
pub(crate) mod request;
mod tree;

use std::fmt::Write as _;

use cloakroom_core::{Config, UnixTime};
use rustc_hash::FxHashSet;

use request::{BEGIN, Input, NodeId, Op, Pending, RecordId, Request, Slot, Told};
use tree::Tree;

/// The faults, and how often each may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// A request ends between two store actions.
    pub(crate) crashes: u8,
    /// A store's answer to a write is lost: it was carried out, was not, or will be at some later
    /// time.
    pub(crate) replies: u8,
    /// The response does not reach the browser.
    pub(crate) answers: u8,
    /// All of these together.
    pub(crate) total: u8,
}

impl Faults {
    pub(crate) const NONE: Self = Self::new(0, 0, 0, 0);
    pub(crate) const ANY_ONE: Self = Self::new(1, 1, 1, 1);
    pub(crate) const EACH: Self = Self::new(1, 1, 1, 3);

    const fn new(crashes: u8, replies: u8, answers: u8, total: u8) -> Self {
        Self {
            crashes,
            replies,
            answers,
            total,
        }
    }

    fn crash(self) -> Option<Self> {
        let (crashes, total) = (self.crashes.checked_sub(1)?, self.total.checked_sub(1)?);
        Some(Self {
            crashes,
            total,
            ..self
        })
    }

    fn reply(self) -> Option<Self> {
        let (replies, total) = (self.replies.checked_sub(1)?, self.total.checked_sub(1)?);
        Some(Self {
            replies,
            total,
            ..self
        })
    }

    fn answer(self) -> Option<Self> {
        let (answers, total) = (self.answers.checked_sub(1)?, self.total.checked_sub(1)?);
        Some(Self {
            answers,
            total,
            ..self
        })
    }
}

/// The store's behaviour. All but the first are wrong, to show that the check detects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Contract,
    ReplacesWhateverIsThere,
    DeletesWhateverIsThere,
    ForgetsRetiredRecords,
    CreatesOverWhatIsThere,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) ops: Vec<Op>,
    /// Whether the session is a signed-in one when it begins.
    pub(crate) signed_in: bool,
    /// Whether the browser presents another session too, in a cookie of another scope that no
    /// answer replaces.
    pub(crate) two: bool,
    pub(crate) faults: Faults,
    pub(crate) habit: Habit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Waiting,
    Running,
    Ended,
    Crashed,
    /// Ended, and the browser does not know.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    phase: Phase,
    node: NodeId,
    /// It began after the first session was acknowledged to be signed out.
    after_first: bool,
    /// It began after a sign-out was acknowledged.
    after_any: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    store: Vec<(Slot, RecordId)>,
    runs: Vec<Run>,
    cookie: Option<Slot>,
    now: u64,
    first_ended: bool,
    any_ended: bool,
    faults: Faults,
    /// A write whose answer was lost and that may still happen.
    flight: Option<NodeId>,
}

impl State {
    fn get(&self, slot: Slot) -> Option<RecordId> {
        let found = self.store.iter().find(|(at, _)| *at == slot);
        found.map(|(_, record)| *record)
    }

    fn put(&mut self, slot: Slot, record: Option<RecordId>) {
        self.store.retain(|(at, _)| *at != slot);
        if let Some(record) = record {
            self.store.push((slot, record));
            self.store.sort_unstable();
        }
    }

    fn is_over(&self) -> bool {
        self.runs
            .iter()
            .all(|run| matches!(run.phase, Phase::Ended | Phase::Crashed | Phase::Lost))
    }
}

/// The findings.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) violations: Vec<String>,
}

pub(crate) struct Explorer {
    tree: Tree,
}

/// The actor of a step. `None`: the end of the grace, or a late write.
type Label = (Option<usize>, &'static str);

struct Trail {
    state: State,
    from: Option<usize>,
    label: Label,
}

impl Explorer {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            tree: Tree::new(config),
        }
    }

    pub(crate) fn explore(&mut self, scenario: &Scenario, found: &mut Found) {
        if self.tree.is_empty() {
            // Both are there from the beginning, so that one numbering serves all scenarios.
            self.tree.first(false);
            self.tree.first(true);
        }
        let (slot, record) = self.tree.first(scenario.signed_in);
        let second = scenario.two.then(|| self.tree.first(!scenario.signed_in));
        let waiting = Run {
            phase: Phase::Waiting,
            node: NodeId::MAX,
            after_first: false,
            after_any: false,
        };
        let first = State {
            store: [(slot, record)].into_iter().chain(second).collect(),
            runs: vec![waiting; scenario.ops.len()],
            cookie: Some(slot),
            now: BEGIN,
            first_ended: false,
            any_ended: false,
            faults: scenario.faults,
            flight: None,
        };
        // Most of the time goes into it.
        let mut seen = FxHashSet::from_iter([first.clone()]);
        let mut trail = vec![Trail {
            state: first,
            from: None,
            label: (None, "begins"),
        }];
        let mut next = 0;
        let mut moves = Vec::new();
        while next < trail.len() {
            let state = trail[next].state.clone();
            let wrong = match second {
                Some((second, _)) => check::two(&self.tree, scenario, second, &state),
                None => check::violation(&self.tree, scenario, slot, &state),
            };
            if let Some(wrong) = wrong {
                found.violations.push(told(scenario, wrong, &trail, next));
                break;
            }
            let second = second.map(|(second, _)| second);
            self.moves(scenario, (slot, second), &state, &mut moves);
            for (label, state) in moves.drain(..) {
                if seen.insert(state.clone()) {
                    trail.push(Trail {
                        state,
                        from: Some(next),
                        label,
                    });
                }
            }
            next += 1;
        }
        found.states += seen.len();
    }

    fn moves(
        &mut self,
        scenario: &Scenario,
        (first, second): (Slot, Option<Slot>),
        state: &State,
        moves: &mut Vec<(Label, State)>,
    ) {
        for at in 0..state.runs.len() {
            let run = state.runs[at];
            let mut to = |label, mut next: State, phase, node| {
                next.runs[at].phase = phase;
                next.runs[at].node = node;
                moves.push(((Some(at), label), next));
            };
            match run.phase {
                Phase::Waiting => {
                    let op = scenario.ops[at];
                    let node = self.tree.root(Request {
                        who: at as u8,
                        op,
                        token: if op.is_old() {
                            Some(first)
                        } else {
                            state.cookie
                        },
                        second,
                        now: state.now,
                    });
                    let mut next = state.clone();
                    next.runs[at].after_first = state.first_ended;
                    next.runs[at].after_any = state.any_ended;
                    to("starts", next, Phase::Running, node);
                }
                Phase::Running => {
                    let told = match self.tree.nodes[run.node as usize].pending {
                        Pending::Done(_, told) => Some(told),
                        Pending::Uncertain | Pending::Refused => Some(Told::Nothing),
                        _ => None,
                    };
                    if let Some(told) = told {
                        let mut next = state.clone();
                        next.cookie = match told {
                            // It is not the browser that kept the old token and writes with it.
                            _ if scenario.ops[at] == Op::OldCount => state.cookie,
                            Told::Nothing => state.cookie,
                            Told::Clear => None,
                            Told::Token(slot) => Some(slot),
                        };
                        to("answers", next, Phase::Ended, run.node);
                        if let Some(faults) = state.faults.answer() {
                            let mut next = state.clone();
                            next.faults = faults;
                            to("its answer is lost", next, Phase::Lost, run.node);
                        }
                        continue;
                    }
                    let mut next = state.clone();
                    let (label, input) = self.act(scenario.habit, run.node, &mut next);
                    let node = self.tree.child(run.node, input);
                    check::acknowledge(&self.tree, node, &mut next);
                    to(label, next, Phase::Running, node);
                    if let Some(faults) = state.faults.crash() {
                        let mut next = state.clone();
                        next.faults = faults;
                        to("crashes", next, Phase::Crashed, run.node);
                    }
                    let pending = &self.tree.nodes[run.node as usize].pending;
                    let (writes, creates) = (
                        !matches!(pending, Pending::Load(_)),
                        matches!(pending, Pending::Create(..)),
                    );
                    if let Some(faults) = state.faults.reply().filter(|_| writes) {
                        let mut next = state.clone();
                        next.faults = faults;
                        let node = self.tree.child(run.node, Input::Lost);
                        if creates {
                            let mut landed = next.clone();
                            self.act(scenario.habit, run.node, &mut landed);
                            to("creates, and the reply is lost", landed, run.phase, node);
                        } else {
                            next.flight = Some(run.node);
                        }
                        to("its write is lost, or late", next, run.phase, node);
                    }
                }
                Phase::Ended | Phase::Crashed | Phase::Lost => {}
            }
        }
        if let Some(node) = state.flight {
            let mut next = state.clone();
            next.flight = None;
            self.act(scenario.habit, node, &mut next);
            moves.push(((None, "the late write lands"), next));
        }
        let quiet = |run: &Run| run.phase != Phase::Running;
        if state.now == BEGIN && state.runs.iter().all(quiet) {
            let mut next = state.clone();
            next.now += 31;
            let now = UnixTime::from_secs(next.now);
            let tree = &self.tree;
            next.store
                .retain(|(_, record)| now < tree.stored(*record).expires_at);
            moves.push(((None, "the grace ends"), next));
        }
    }

    /// Performs a node's question on the store.
    fn act(&mut self, habit: Habit, node: NodeId, state: &mut State) -> (&'static str, Input) {
        let forgets = habit == Habit::ForgetsRetiredRecords;
        match self.tree.nodes[node as usize].pending.clone() {
            Pending::Load(slot) => ("loads", Input::Found(state.get(slot))),
            Pending::Create(slot, write) => {
                let free = state.get(slot).is_none() || habit == Habit::CreatesOverWhatIsThere;
                if free {
                    let record = self.tree.record(&write, 1, state.now);
                    state.put(slot, Some(record));
                }
                ("creates", Input::Created(free))
            }
            Pending::Replace(slot, old, write) => match state.get(slot) {
                Some(found) if found == old || habit == Habit::ReplacesWhateverIsThere => {
                    let version = self.tree.stored(found).version + 1;
                    let record = self.tree.record(&write, version, state.now);
                    let kept = !(forgets && self.tree.content(record).retired);
                    state.put(slot, kept.then_some(record));
                    ("replaces", Input::Replaced(Some(true)))
                }
                Some(_) => ("cannot replace", Input::Replaced(Some(false))),
                None => ("finds nothing to replace", Input::Replaced(None)),
            },
            Pending::Delete(slot, old) => match state.get(slot) {
                Some(found) if found == old || habit == Habit::DeletesWhateverIsThere => {
                    state.put(slot, None);
                    ("deletes", Input::Deleted(Some(true)))
                }
                Some(_) => ("cannot delete", Input::Deleted(Some(false))),
                None => ("finds nothing to delete", Input::Deleted(None)),
            },
            Pending::Done(..) | Pending::Uncertain | Pending::Refused | Pending::Failed => {
                panic!("nothing is asked")
            }
        }
    }
}

fn told(scenario: &Scenario, wrong: &str, trail: &[Trail], at: usize) -> String {
    let mut steps = Vec::new();
    let mut next = Some(at);
    while let Some(trail) = next.map(|at| &trail[at]) {
        steps.push(trail.label);
        next = trail.from;
    }
    steps.reverse();
    let mut text = format!(
        "{wrong}: {:?}, signed in: {}",
        scenario.ops, scenario.signed_in
    );
    for (who, what) in steps {
        let _ = match who.map(|at| (at, scenario.ops[at])) {
            Some((at, op)) => write!(text, "\n    {at} {op:?} {what}"),
            None => write!(text, "\n    {what}"),
        };
    }
    text
}
