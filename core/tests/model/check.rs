//! The properties of every state: those of the protocol's model, and some of the real machine
//! alone.

use cloakroom_core::Fate;

use super::request::{BEGIN, Op, Pending, Slot, Told};
use super::tree::{Node, Tree};
use super::{Phase, Run, Scenario, State};

/// More answers than this to one request: it does not end.
const LONG: u32 = 48;

/// Notes a sign-out that has just been acknowledged.
pub(super) fn acknowledge(tree: &Tree, node: u32, state: &mut State) {
    let node = &tree.nodes[node as usize];
    if let (true, Pending::Done(fate, _), Some(seen)) =
        (node.request.op.signs_out(), &node.pending, node.seen)
    {
        state.any_ended |= *fate != Fate::Unchanged;
        state.first_ended |= *fate == Fate::Saved && seen.first;
    }
}

pub(super) fn violation(
    tree: &Tree,
    scenario: &Scenario,
    first: Slot,
    state: &State,
) -> Option<&'static str> {
    let nodes = |run: &Run| tree.nodes.get(run.node as usize);
    for (run, op) in state.runs.iter().zip(&scenario.ops) {
        let wrong = nodes(run).and_then(|node| one(tree, scenario, state, run, *op, node));
        if wrong.is_some() {
            return wrong;
        }
    }
    let signs_in = scenario.ops.iter().filter(|op| op.signs_in()).count();
    let rotates = signs_in > 0 || scenario.ops.contains(&Op::Rotate);
    let signs_out = scenario.ops.iter().any(|op| op.signs_out());
    let answer_lost = state.runs.iter().any(|run| run.phase == Phase::Lost);
    let crashed = state.runs.iter().any(|run| run.phase == Phase::Crashed);

    let contents = || {
        let all = state.store.iter();
        all.map(|(slot, record)| (*slot, tree.content(*record)))
    };
    let issued = |slot: Slot| {
        let told = |run: &Run| match nodes(run).map(|node| &node.pending) {
            Some(Pending::Done(_, Told::Token(token))) => {
                *token == slot && run.phase != Phase::Lost
            }
            _ => false,
        };
        slot == first || state.runs.iter().any(told)
    };
    let live = || contents().filter(|(slot, content)| !content.retired && issued(*slot));

    if state.first_ended && live().any(|(_, content)| content.session.first) {
        return Some("a signed-out session lives on");
    }
    if live().filter(|(_, content)| content.session.first).count() > 1 {
        return Some("two tokens reach one session");
    }
    // Only who presents what a sign-in issued ends the session that began with it.
    let ended_by_holder = state
        .runs
        .iter()
        .filter_map(nodes)
        .any(|node| node.request.op.signs_out() && node.seen.is_some_and(|seen| !seen.first));
    let began = |run: &Run| match nodes(run).map(|node| (node.request.op, &node.pending)) {
        Some((op, Pending::Done(Fate::Saved, Told::Token(slot)))) if op.signs_in() => Some(*slot),
        _ => None,
    };
    let gone = |slot: Slot| state.now == BEGIN && state.get(slot).is_none();
    if !ended_by_holder && state.runs.iter().filter_map(began).any(gone) {
        return Some("a token from before the sign-in ended the session after it");
    }
    if !signs_out && !contents().any(|(_, content)| !content.retired && content.base) {
        return Some("data is lost");
    }
    // R79. Two sign-ins with one token make two sessions, each with its own copy.
    let claimed = state.runs.iter().filter_map(nodes);
    let claimed = claimed.filter(|node| node.claimed).count();
    if claimed > signs_in.max(1) {
        return Some("a value was claimed twice");
    }
    if claimed > 0 && signs_in < 2 && live().any(|(_, content)| content.c) {
        return Some("a claimed value is still there");
    }
    if !state.is_over() {
        return None;
    }

    let saved = |op: Op| {
        let runs = state.runs.iter().filter_map(nodes);
        runs.filter(|node| {
            node.request.op == op
                && node.seen.is_some()
                && matches!(node.pending, Pending::Done(Fate::Saved, _))
        })
        .count() as u64
    };
    // A client without the response that carries the new token loses the session after the grace,
    // as in every design that rotates.
    let token_lost = rotates && (answer_lost || crashed);
    if !signs_out && !token_lost {
        if saved(Op::WriteA) > 0 && !live().any(|(_, content)| content.a)
            || saved(Op::WriteB) > 0 && !live().any(|(_, content)| content.b)
        {
            return Some("an acknowledged write is lost");
        }
        let unsure = |node: &Node| matches!(node.pending, Pending::Uncertain);
        let unsure = state.runs.iter().filter_map(nodes).any(unsure);
        if claimed == 0 && !crashed && !unsure && !live().any(|(_, content)| content.c) {
            return Some("a value is gone, and no request has claimed it");
        }
        // Two sign-ins are two sessions, so each may have counted on.
        let least = saved(Op::Count) + saved(Op::OldCount);
        let unknown = if crashed { 1 } else { 0 };
        let within = |n: u64| least <= n && n <= least + unknown;
        if signs_in < 2 && !live().any(|(_, content)| within(content.n)) {
            return Some("a counter is not what was counted");
        }
    }
    let counted = scenario.ops.iter().filter(|op| op.counts()).count() as u64;
    if contents().any(|(_, content)| content.n > counted) {
        return Some("a change was doubled");
    }
    if crashed {
        return None;
    }
    let cookie = || live().find(|(slot, _)| Some(*slot) == state.cookie);
    let has = |op: Op| scenario.ops.contains(&op);
    if has(Op::SignIn) && !signs_out && !has(Op::OldSignIn) && !answer_lost {
        let signed_in = |node: &Node| {
            node.request.op == Op::SignIn && matches!(node.pending, Pending::Done(Fate::Saved, _))
        };
        if !state.runs.iter().filter_map(nodes).any(signed_in) {
            return Some("no sign-in succeeded");
        }
        match cookie() {
            Some((_, content)) if content.session.signed_in => {}
            // The answer to a rotation that came first may arrive last.
            _ if has(Op::Rotate) => {}
            _ => return Some("signed in, yet the browser holds something else"),
        }
    }
    if !signs_out && signs_in == 0 && !answer_lost && cookie().is_none() {
        return Some("the browser is left with a dead token");
    }
    let ended = |node: &Node| {
        node.request.op.signs_out()
            && matches!(node.pending, Pending::Done(Fate::Saved | Fate::Gone, _))
    };
    if signs_in == 0
        && state.runs.iter().filter_map(nodes).any(ended)
        && live().any(|(_, content)| content.session.first)
    {
        return Some("sign-out acknowledged, yet the session lives");
    }
    None
}

/// The properties of a browser with two living sessions of one name.
pub(super) fn two(
    tree: &Tree,
    scenario: &Scenario,
    second: Slot,
    state: &State,
) -> Option<&'static str> {
    for (run, op) in state.runs.iter().zip(&scenario.ops) {
        let Some(node) = tree.nodes.get(run.node as usize) else {
            continue;
        };
        let issues = matches!(node.pending, Pending::Done(_, Told::Token(_)));
        let wrong = match &node.pending {
            Pending::Failed => Some("a request failed"),
            Pending::Uncertain if !tree.lost(run.node) => Some("a request is uncertain"),
            Pending::Done(_, Told::Clear) if !op.signs_out() => Some("a cookie was cleared"),
            Pending::Done(..) if issues && *op == Op::Read => Some("a read issued a cookie"),
            _ if node.depth > LONG => Some("a request does not end"),
            _ => None,
        };
        if wrong.is_some() {
            return wrong;
        }
        let ended = match node.pending {
            Pending::Done(Fate::Saved, Told::Token(_)) => op.signs_in(),
            Pending::Done(Fate::Saved | Fate::Gone, _) => op.signs_out(),
            _ => false,
        };
        let lives = |slot: Slot| {
            let record = state.get(slot).map(|record| tree.content(record));
            record.is_some_and(|content| !content.retired)
        };
        // A request that found one of them dead already may have trusted the other, and rotated it.
        let presented = node.request.token.into_iter().chain(node.request.second);
        if ended && node.seen.is_none() && presented.into_iter().any(lives) {
            return Some(
                "a session that was presented beside another outlives a sign-in or sign-out",
            );
        }
        if ended && op.signs_in() && lives(second) {
            return Some(
                "signed in, and the other cookie's session lives: the next visit is a stranger's",
            );
        }
    }
    None
}

/// The properties of one request.
fn one(
    tree: &Tree,
    scenario: &Scenario,
    state: &State,
    run: &Run,
    op: Op,
    node: &Node,
) -> Option<&'static str> {
    if node.depth > LONG {
        return Some("a request does not end");
    }
    if let Some(seen) = node.seen {
        if run.after_first && seen.first {
            return Some("read after an acknowledged sign-out");
        }
        if matches!(op, Op::OldRead | Op::OldCount) && seen.signed_in != scenario.signed_in {
            return Some("the old token reached the new privilege");
        }
    }
    match &node.pending {
        Pending::Failed => Some("a request failed"),
        // A write whose answer was lost may have been in the session until it was signed out.
        Pending::Uncertain => (!tree.lost(run.node)
            || !scenario.ops.iter().any(|op| op.signs_out()))
        .then_some("a request is uncertain of what can be seen"),
        // R78: changes that cross no sign-in are kept.
        Pending::Refused => (!scenario.ops.iter().any(|op| op.signs_in()))
            .then_some("a request is refused, and nobody signed in"),
        Pending::Load(_) => None,
        Pending::Done(Fate::Superseded, _) => Some("a change was dropped, and not refused"),
        Pending::Done(Fate::Unchanged, _) if op.counts() => {
            Some("a change was dropped, and the answer is a success")
        }
        Pending::Done(Fate::Gone, _)
            if (op.writes() || op.claims()) && !scenario.ops.iter().any(|op| op.signs_out()) =>
        {
            Some("a change was dropped, and nobody signed out")
        }
        // A claim has a value or none: another request took it, or the session has ended.
        Pending::Done(fate, _) if node.claimed != (op.claims() && *fate == Fate::Saved) => {
            Some("a claim has another fate than its value")
        }
        Pending::Done(fate, told) => match told {
            Told::Clear if !op.signs_out() => Some("a cookie was cleared without a sign-out"),
            Told::Token(_) if (op.writes() || op.claims()) && node.seen.is_some() => {
                Some("a plain write issued a cookie")
            }
            Told::Token(_) if matches!(op, Op::Read | Op::OldRead) || op.signs_out() => {
                Some("a cookie was issued for nothing")
            }
            Told::Token(slot) => {
                let after_sign_out = op.signs_in() && run.after_any && *fate == Fate::Saved;
                let presented = |run: &Run| {
                    let node = tree.nodes.get(run.node as usize);
                    node.is_some_and(|node| {
                        node.request.op.signs_out() && node.request.token.is_some()
                    })
                };
                // Of a retired record only the successor's data can be seen.
                let old_data = |record| {
                    let content = tree.content(record);
                    content.base && !content.retired
                };
                (after_sign_out
                    && state.runs.iter().any(presented)
                    && state.get(*slot).is_some_and(old_data))
                .then_some("data of a signed-out session is back under another token")
            }
            _ => None,
        },
        _ if matches!(op, Op::Read | Op::OldRead) => Some("a read wrote"),
        _ => None,
    }
}
