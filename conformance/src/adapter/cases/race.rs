//! Requests of one session at the same time.

use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, reached};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::{Gate, Operation};

checks! { Context:
    "adapter/two-tabs", ["I3"],
    "two requests that change different values at the same time both survive, whichever the store sees first",
    "cloakroom_conformance::adapter, invariant 3" => two_tabs;

    "adapter/last-writer-wins", ["I3"],
    "of two requests that set the same value the one that is saved last wins, and nothing else is lost",
    "cloakroom_core::Session" => last_writer;

    "adapter/increments-add-up", ["R53", "I3"],
    "n increments at the same time add n",
    "cloakroom_conformance::adapter, invariant 3" => increments;

    "adapter/overtaken-increment", ["R53", "I3"],
    "an increment that others overtake, again and again, is counted once",
    "cloakroom_conformance::adapter, invariant 3" => overtaken;

    "adapter/two-servers", ["R61"],
    "what one server commits the other sees, and after a sign-out on one the other refuses",
    "OWASP ASVS 5.0, 7.4.1" => two_servers;

    "adapter/two-servers-increments", ["R61", "R53"],
    "n increments through two servers on one store add n",
    "cloakroom_conformance::adapter, invariant 3" => two_servers_increments;
}

async fn two_tabs(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Load, Operation::Replace] {
        let world = context.world().await?;
        let mut visitor = world
            .visitor_with(vec![insert("a", 0), insert("gone", 1)])
            .await?;
        let gate = match operation {
            Operation::Load => world.control().on(operation).pause_after(),
            _ => world.control().on(operation).pause_before(),
        };
        let tab = visitor.start([insert("one", 1), Op::Remove("gone".into())]);
        reached(&gate, "of the first tab").await?;
        visitor.send([insert("other", 2)]).await?.quiet()?;
        gate.open();
        tab.answer().await?.quiet()?;
        visitor
            .send([Op::Keys, get("one"), get("other")])
            .await?
            .are(json!([["a", "one", "other"], 1, 2]))?;
    }
    Ok(())
}

async fn last_writer(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 0)]).await?;
    let gate = world.control().on(Operation::Replace).pause_before();
    let slow = visitor.start([insert("a", "slow")]);
    reached(&gate, "of the slower request").await?;
    visitor
        .send([insert("a", "quick"), insert("b", "quick")])
        .await?
        .quiet()?;
    gate.open();
    slow.answer().await?.quiet()?;
    visitor
        .send([get("a"), get("b")])
        .await?
        .are(json!(["slow", "quick"]))
        .map(drop)
}

const MANY: usize = 24;

async fn increments(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 0)]).await?;
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
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![increment("n")]).await?;
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

async fn two_servers(context: Context) -> Result<(), Stop> {
    let here = context.world().await?;
    let there = here.another().await?;
    let mut visitor = here.visitor_with(vec![insert("a", 1)]).await?;
    visitor
        .at(&there)
        .send([get("a"), insert("b", 2)])
        .await?
        .quiet()?
        .are(json!([1, null]))?;
    visitor
        .send([get("b"), sign_in("ada")])
        .await?
        .are(json!([2, null]))?;
    same(
        "whom the session belongs to elsewhere",
        visitor.at(&there).subject().await?,
        "ada".into(),
    )?;
    let mut elsewhere = visitor.at(&there);
    visitor.send([Op::SignOut]).await?.ok()?;
    ensure(
        !elsewhere.is_known().await?,
        "the other server still knows a signed-out session",
    )?;
    elsewhere.send([insert("a", 1)]).await?.ok()?;
    ensure(
        elsewhere.token != visitor.token,
        "the other server adopted a signed-out token",
    )
}

async fn two_servers_increments(context: Context) -> Result<(), Stop> {
    let here = context.world().await?;
    let there = here.another().await?;
    let mut visitor = here.visitor_with(vec![insert("a", 0)]).await?;
    all_at_once(&here, &[visitor.clone(), visitor.at(&there)]).await?;
    same("the counter", visitor.value("n").await?, MANY.into())
}
