//! The end of all sessions, for this server at once and for others after a lease.

use std::time::Duration;

use cloakroom::ConfigBuilder;
use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does, fails, held, sees};
use crate::case::{Stop, checks, ensure};
use crate::instrumented::Operation;

/// In seconds.
const LEASE: u64 = 5;

checks! { Context:
    "adapter/end-all-ends-all" => ends_all, ["R83", "I4"],
        "OWASP ASVS 5.0, 7.4.5; cloakroom::Sessions::end_all",
        "after the end of all sessions their tokens are those of visitors without a session, and new sessions begin";
    "adapter/end-all-elsewhere" => elsewhere, ["R83", "R80"],
        "cloakroom::ConfigBuilder::end_all_within",
        "an end that another process acknowledged counts here from the lease on, and two ends are no less";
    "adapter/end-all-ends-sign-ins-in-flight" => in_flight, ["R83", "R80"],
        "OWASP ASVS 5.0, 7.4.5; cloakroom::Sessions::end_all",
        "a sign-in, a rotation, a creation and a save that were in flight leave no session behind";
    "adapter/end-all-costs-a-load-a-lease" => costs, ["R83", "I1"],
        "cloakroom::ConfigBuilder::end_all_within",
        "a server asks for the end once in a lease, and not at all for requests that use no session";
    "adapter/end-all-unconfirmed" => unconfirmed, ["R83", "I8"], invariant 8,
        "a request fails visibly if the store cannot confirm, a lease after it last did, that the sessions live";
    "adapter/end-all-needs-its-setting" => needs_its_setting, ["R83"],
        "cloakroom::Sessions::end_all",
        "without its setting the end of all sessions is refused, and nothing ends";
}

fn switched_on(builder: ConfigBuilder) -> ConfigBuilder {
    builder.end_all_within(Duration::from_secs(LEASE))
}

async fn ended<const N: usize>(tokens: [&Visitor; N]) -> Result<(), Stop> {
    for token in tokens {
        let known = token.clone().is_known().await?;
        ensure(!known, "a session goes on after the end of all")?;
    }
    Ok(())
}

async fn ends_all(context: Context) -> Result<(), Stop> {
    let world = context.world_with(switched_on).await?;
    let mut ada = world.visitor_with([sign_in("ada"), insert("a", 1)]).await?;
    let cart = world.visitor_with([insert("cart", "tea")]).await?;
    let rotated = ada.clone();
    ada.send([Op::Rotate]).await?.ok()?;
    does(&mut ada, [Op::Subject], json!(["ada"])).await?;
    world.end_all().await?;
    ended([&ada, &rotated, &cart]).await?;
    let mut old = ada.clone();
    sees(&mut old, [Op::Subject, Op::Keys], json!([null, []])).await?;
    old.clone().send([Op::SignOut]).await?.forgets()?;
    // The new session has a token and nothing of the old data.
    does(&mut ada, [sign_in("ada"), Op::Keys], json!([null, []])).await?;
    let holds = ada.token != old.token;
    ensure(holds, "a token from before the end is used again")?;
    does(&mut ada, [increment("n"), Op::Subject], json!([1, "ada"])).await?;
    ended([&old]).await?;
    world.end_all().await?;
    ended([&ada]).await
}

async fn elsewhere(context: Context) -> Result<(), Stop> {
    let world = context.world_with(switched_on).await?;
    for _ in 0..2 {
        let mut ada = world.visitor_with([sign_in("ada")]).await?;
        world.other_process().end_all().await.map_err(failed)?;
        world.advance(LEASE);
        ended([&ada]).await?;
        // Even the copy that another server keeps is none.
        ended([&ada.at(&world.another().await?)]).await?;
        does(
            &mut ada,
            [sign_in("ada"), Op::Subject],
            json!([null, "ada"]),
        )
        .await?;
        world.advance(LEASE);
        sees(&mut ada, [Op::Subject], json!(["ada"])).await?;
    }
    Ok(())
}

async fn in_flight(context: Context) -> Result<(), Stop> {
    for (operation, with, ops) in [
        (Operation::Create, true, sign_in("ada")),
        (Operation::Create, false, sign_in("ada")),
        (Operation::Create, false, insert("a", 1)),
        (Operation::Create, true, Op::Rotate),
        (Operation::Replace, true, sign_in("bob")),
        (Operation::Replace, true, Op::Rotate),
        (Operation::Replace, true, insert("a", 2)),
    ] {
        let world = context.world_with(switched_on).await?;
        let before = world.visitor_with([insert("cart", "tea")]).await?;
        let mut visitor = match with {
            true => before.clone(),
            false => world.visitor(),
        };
        let request = held(&visitor, operation, [ops]).await?;
        world.end_all().await?;
        let got = request.answer().await?.ok()?;
        visitor.obey(&got);
        ended([&before, &visitor]).await?;
    }
    Ok(())
}

async fn costs(context: Context) -> Result<(), Stop> {
    let world = context.world_with(switched_on).await?;
    let mut visitor = world.visitor_with([insert("a", 1)]).await?;
    sees(&mut visitor, [get("a")], json!([1])).await?;
    world.called("a read within a lease", &["load: found"])?;
    world.visitor().send([get("a")]).await?.quiet()?;
    world.called("an anonymous read within a lease", &[])?;
    world.advance(LEASE);
    sees(&mut visitor, [get("a")], json!([1])).await?;
    let once = ["load: found", "load: none"];
    world.called("the first read after a lease", &once)?;
    sees(&mut visitor, [get("a")], json!([1])).await?;
    world.called("the second read after a lease", &["load: found"])?;
    world.end_all().await?;
    world.called("an end of all sessions", &["load: none", "create: Stored"])?;
    world.end_all().await?;
    world.called("another end", &["load: found", "replace: Stored"])
}

async fn unconfirmed(context: Context) -> Result<(), Stop> {
    let world = context.world_with(switched_on).await?;
    let mut visitor = world.visitor_with([sign_in("ada"), insert("a", 1)]).await?;
    world
        .control()
        .on(Operation::Load)
        .skip(1)
        .fail_permanently();
    world.advance(LEASE);
    fails(
        &mut visitor,
        [insert("a", 2)],
        "a request whose epoch is unknown",
    )
    .await?;
    world.control().reset();
    let mut stranger = world.visitor();
    world.control().on(Operation::Load).fail_permanently();
    fails(
        &mut stranger,
        [sign_in("bob")],
        "a sign-in whose epoch is unknown",
    )
    .await?;
    world.control().reset();
    sees(&mut visitor, [get("a"), Op::Subject], json!([1, "ada"])).await
}

async fn needs_its_setting(context: Context) -> Result<(), Stop> {
    let (world, mut visitor): (World, _) = context.session([insert("a", 1)]).await?;
    let holds = world.other_process().end_all().await.is_err();
    ensure(holds, "an end is acknowledged that no server heeds")?;
    world.called("a refused end", &[])?;
    sees(&mut visitor, [get("a")], json!([1])).await
}

fn failed(error: cloakroom::Error) -> Stop {
    Stop::Failed(format!("an end of all sessions: {error}"))
}
