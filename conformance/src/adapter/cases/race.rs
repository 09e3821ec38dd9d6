//! Requests of one session at the same time.

use serde_json::json;

use crate::adapter::TokenNotice;
use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does, held, reached};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::{Gate, Operation};

checks! { Context:
    "adapter/two-tabs" => two_tabs, ["I3"], invariant 3,
        "two requests that change different values at the same time both survive, whichever the store sees first";
    "adapter/last-writer-wins" => last_writer, ["I3"], "cloakroom_core::Session",
        "of two requests that set the same value the last one saved wins, and nothing else is lost";
    "adapter/increments-add-up" => increments, ["R53", "I3"], invariant 3,
        "n increments at the same time add n";
    "adapter/overtaken-increment" => overtaken, ["R53", "I3"], invariant 3,
        "an increment that others overtake, again and again, is counted once";
    "adapter/rotation-keeps-what-is-in-flight" => rotation_keeps, ["R78", "I3"],
        "cloakroom_core::Session::rotate",
        "a rotation keeps the changes of requests in flight, and those of the old token within the grace; only the rotation sends a cookie";
    "adapter/two-servers" => two_servers, ["R61"], "OWASP ASVS 5.0, 7.4.1",
        "one server sees another's commits, and refuses a session that the other signed out";
    "adapter/two-servers-increments" => two_servers_increments, ["R61", "R53"], invariant 3,
        "n increments through two servers on one store add n";
}

async fn two_tabs(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Load, Operation::Replace] {
        let (_, mut visitor) = context.session([insert("a", 0), insert("gone", 1)]).await?;
        let tab = held(
            &visitor,
            operation,
            [insert("one", 1), Op::Remove("gone".into())],
        )
        .await?;
        visitor.send([insert("other", 2)]).await?.quiet()?;
        tab.answer().await?.quiet()?;
        let got = visitor.send([Op::Keys, get("one"), get("other")]).await?;
        got.are(json!([["a", "one", "other"], 1, 2]))?;
    }
    Ok(())
}

async fn last_writer(context: Context) -> Result<(), Stop> {
    let (_, mut visitor) = context.session([insert("a", 0)]).await?;
    let slow = held(&visitor, Operation::Replace, [insert("a", "slow")]).await?;
    visitor
        .send([insert("a", "quick"), insert("b", "quick")])
        .await?
        .quiet()?;
    slow.answer().await?.quiet()?;
    does(&mut visitor, [get("a"), get("b")], json!(["slow", "quick"])).await
}

const MANY: usize = 24;

async fn increments(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 0)]).await?;
    all_at_once(&world, &[visitor.clone()]).await?;
    same("the counter", visitor.value("n").await?, MANY.into())
}

/// Many increments, of which each has loaded the session before any is saved.
async fn all_at_once(world: &World, visitors: &[Visitor]) -> Result<(), Stop> {
    let load = |n| world.control().on(Operation::Load).skip(n).pause_after();
    let gates: Vec<_> = (0..MANY).map(load).collect();
    let visitors = visitors.iter().cycle().take(MANY);
    let all: Vec<_> = visitors
        .map(|visitor| visitor.start([increment("n")]))
        .collect();
    for gate in &gates {
        reached(gate, "of an increment").await?;
    }
    gates.into_iter().for_each(Gate::open);
    for one in all {
        one.answer().await?.quiet()?;
    }
    Ok(())
}

async fn overtaken(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([increment("n")]).await?;
    let mut gate = world.control().on(Operation::Replace).pause_before();
    let slow = visitor.start([increment("n")]);
    for _ in 0..5 {
        reached(&gate, "of the slow increment").await?;
        visitor.send([increment("n")]).await?.quiet()?;
        let next = world.control().on(Operation::Replace).pause_before();
        gate.open();
        gate = next;
    }
    reached(&gate, "of the slow increment").await?;
    gate.open();
    slow.answer().await?.quiet()?;
    same("the counter", visitor.value("n").await?, 7.into())
}

async fn rotation_keeps(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Load, Operation::Replace] {
        let (world, mut visitor) = context.session([increment("n")]).await?;
        let mut old = visitor.clone();
        let gate = |n| match operation {
            Operation::Load => world.control().on(operation).skip(n).pause_after(),
            _ => world.control().on(operation).skip(n).pause_before(),
        };
        let gates: Vec<_> = (0..3).map(gate).collect();
        let late: Vec<_> = (0..3).map(|_| visitor.start([increment("n")])).collect();
        for gate in &gates {
            reached(gate, "of an increment").await?;
        }
        // Rotated twice, with changes on the way.
        for _ in 0..2 {
            let got = visitor.send([Op::Rotate, increment("n")]).await?.ok()?;
            let issued = matches!(got.told, TokenNotice::Keep(_));
            ensure(issued, "the rotation issued no token")?;
        }
        gates.into_iter().for_each(Gate::open);
        for one in late {
            one.answer().await?.quiet()?;
        }
        // The old token stands for the session until the grace is over.
        old.send([increment("n")]).await?.quiet()?;
        old.send([increment("n"), Op::Rotate]).await?.quiet()?;
        same("the counter", visitor.value("n").await?, 8.into())?;
        does(&mut old, [get("n")], json!([8])).await?;
        world.advance(30);
        ensure(!old.is_known().await?, "the old token outlives the grace")?;
    }
    Ok(())
}

async fn two_servers(context: Context) -> Result<(), Stop> {
    let here = context.world().await?;
    let there = here.another().await?;
    let mut visitor = here.visitor_with([insert("a", 1)]).await?;
    let got = visitor.at(&there).send([get("a"), insert("b", 2)]).await?;
    got.quiet()?.are(json!([1, null]))?;
    does(&mut visitor, [get("b"), sign_in("ada")], json!([2, null])).await?;
    does(&mut visitor.at(&there), [Op::Subject], json!(["ada"])).await?;
    let mut elsewhere = visitor.at(&there);
    visitor.send([Op::SignOut]).await?.ok()?;
    let known = elsewhere.is_known().await?;
    ensure(!known, "the other server still knows a signed-out session")?;
    elsewhere.send([insert("a", 1)]).await?.ok()?;
    let holds = elsewhere.token != visitor.token;
    ensure(holds, "the other server adopted a signed-out token")
}

async fn two_servers_increments(context: Context) -> Result<(), Stop> {
    let here = context.world().await?;
    let there = here.another().await?;
    let mut visitor = here.visitor_with([insert("a", 0)]).await?;
    all_at_once(&here, &[visitor.clone(), visitor.at(&there)]).await?;
    same("the counter", visitor.value("n").await?, MANY.into())
}
