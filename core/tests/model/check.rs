//! What must hold in every state: the properties of the protocol's model, and some that only the real machine can have.

use cloakroom_core::Fate;

use super::tree::{Node, Op, Pending, Slot, Told, Tree};
use super::{Phase, Run, Scenario, State};

/// More answers than this to one request: it does not end.
const LONG: u32 = 48;

/// Notes a sign-out that has just been acknowledged.
pub(super) fn acknowledge(tree: &Tree, node: u32, state: &mut State) {
    let node = &tree.nodes[node as usize];
    if let (Op::SignOut, Pending::Done(fate, _), Some(seen)) =
        (node.request.op, &node.pending, node.seen)
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
    let signs_out = scenario.ops.contains(&Op::SignOut);
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
    if !signs_out && !contents().any(|(_, content)| !content.retired && content.base) {
        return Some("data is lost");
    }
    if !state.is_over() {
        return None;
    }

    let saved = |op: Op| {
        let runs = state.runs.iter().filter_map(nodes);
        runs.filter(|node| {
            node.request.op == op
                && node.request.token.is_some()
                && matches!(node.pending, Pending::Done(Fate::Saved, _))
        })
        .count() as u64
    };
    // Who never got the answer with the new token has lost the session after the grace: so in every design that rotates.
    let token_lost = rotates && (answer_lost || crashed);
    if !signs_out && !token_lost {
        if saved(Op::WriteA) > 0 && !live().any(|(_, content)| content.a)
            || saved(Op::WriteB) > 0 && !live().any(|(_, content)| content.b)
        {
            return Some("an acknowledged write is lost");
        }
        // Two sign-ins are two sessions, so each may have counted on.
        let (least, unknown) = (saved(Op::Count), if crashed { 1 } else { 0 });
        let within = |n: u64| least <= n && n <= least + unknown;
        if signs_in < 2 && !live().any(|(_, content)| within(content.n)) {
            return Some("a counter is not what was counted");
        }
    }
    let counted = scenario.ops.iter().filter(|op| **op == Op::Count).count() as u64;
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
            Some((_, content)) if content.session.signed_in || has(Op::Rotate) => {}
            _ => return Some("signed in, yet the browser holds something else"),
        }
    }
    if !signs_out && signs_in == 0 && !answer_lost && cookie().is_none() {
        return Some("the browser is left with a dead token");
    }
    let ended = |node: &Node| {
        node.request.op == Op::SignOut
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

/// What must hold of one request.
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
        if op == Op::OldRead && seen.signed_in != scenario.signed_in {
            return Some("the old token reached the new privilege");
        }
    }
    match &node.pending {
        Pending::Failed => Some("a request failed"),
        // A write whose answer was lost may have been in the session until it was signed out.
        Pending::Uncertain => (!tree.lost(run.node) || !scenario.ops.contains(&Op::SignOut))
            .then_some("a request is uncertain of what can be seen"),
        Pending::Load(_) => None,
        Pending::Done(fate, told) => match told {
            Told::Clear if op != Op::SignOut => Some("a cookie was cleared without a sign-out"),
            Told::Token(_) if op.writes() && node.seen.is_some() => {
                Some("a plain write issued a cookie")
            }
            Told::Token(_) if matches!(op, Op::Read | Op::OldRead | Op::SignOut) => {
                Some("a cookie was issued for nothing")
            }
            Told::Token(slot) => {
                let after_sign_out = op.signs_in() && run.after_any && *fate == Fate::Saved;
                let presented = |run: &Run| {
                    let node = tree.nodes.get(run.node as usize);
                    node.is_some_and(|node| {
                        node.request.op == Op::SignOut && node.request.token.is_some()
                    })
                };
                let old_data = |record| tree.content(record).base;
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
