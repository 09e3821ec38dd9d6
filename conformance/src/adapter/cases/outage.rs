//! Stores that cannot be asked.

use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, reached};
use crate::case::{Stop, checks, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/outage-at-load", ["R54", "I8"],
    "a request whose session cannot be loaded fails visibly, reads no empty session, writes nothing, and the data is there afterwards",
    "cloakroom_conformance::adapter, invariant 8" => at_load;

    "adapter/outage-at-commit", ["R54", "I8", "I10"],
    "a request whose changes cannot be saved fails visibly and tells the client nothing, and the old data is there afterwards",
    "cloakroom_conformance::adapter, invariant 8" => at_commit;

    "adapter/outage-at-create", ["R54", "I8"],
    "a request whose new session cannot be created fails visibly and issues no token",
    "cloakroom_conformance::adapter, invariant 8" => at_create;

    "adapter/outage-at-sign-out", ["R54", "I8"],
    "a sign-out that the store did not see fails visibly, and the client keeps its token",
    "cloakroom_conformance::adapter, invariant 8" => at_sign_out;

    "adapter/outage-spares-others", ["I1", "R54"],
    "a request without a token does not notice an outage as long as it only reads",
    "cloakroom_conformance::adapter, invariant 1" => spares_others;
}

async fn at_load(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
    for ops in [
        vec![get("cart")],
        vec![insert("cart", "x")],
        vec![increment("n")],
        vec![sign_in("ada")],
        vec![Op::SignOut],
    ] {
        world.control().outage(true);
        visitor
            .send(ops.clone())
            .await?
            .failed("a request in an outage")?;
        world.control().reset();
        world.control().on(Operation::Load).fail_permanently();
        visitor
            .send(ops)
            .await?
            .failed("a request whose load failed for good")?;
        world.called("a request whose load failed for good", &["load: not done"])?;
        visitor
            .send([get("cart"), Op::Len, Op::Subject])
            .await?
            .quiet()?
            .are(json!(["tea", 1, null]))?;
    }
    world.holds(1)
}

async fn at_commit(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
    for ops in [
        vec![insert("cart", "x")],
        vec![increment("n"), insert("cart", "y")],
        vec![Op::Clear],
    ] {
        world.control().on(Operation::Replace).fail_permanently();
        visitor
            .send(ops.clone())
            .await?
            .failed("a request whose save failed for good")?;
        let gate = world.control().on(Operation::Load).pause_after();
        let saving = visitor.start(ops);
        reached(&gate, "the load").await?;
        world.control().outage(true);
        gate.open();
        saving
            .answer()
            .await?
            .failed("a request that could not save in an outage")?;
        world.control().reset();
        visitor
            .send([get("cart"), Op::Len])
            .await?
            .quiet()?
            .are(json!(["tea", 1]))?;
    }
    Ok(())
}

async fn at_create(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor();
    for ops in [vec![insert("a", 1)], vec![sign_in("ada")]] {
        world.control().outage(true);
        visitor
            .send(ops.clone())
            .await?
            .failed("a creation in an outage")?;
        world.control().reset();
        world.control().on(Operation::Create).fail_permanently();
        visitor
            .send(ops)
            .await?
            .failed("a creation that failed for good")?;
    }
    world.holds(0)?;
    visitor
        .send([increment("n")])
        .await?
        .are(json!([1]))
        .map(drop)
}

async fn at_sign_out(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![sign_in("ada")]).await?;
    world.control().on(Operation::Delete).fail_permanently();
    visitor
        .send([Op::SignOut])
        .await?
        .failed("a sign-out whose delete failed for good")?;
    same(
        "whom the session belongs to",
        visitor.subject().await?,
        "ada".into(),
    )?;
    visitor.send([Op::SignOut]).await?.ok()?;
    world.holds(0)
}

async fn spares_others(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    world.control().outage(true);
    world.visitor().send([Op::Keys]).await?.quiet()?;
    world.called("an anonymous read in an outage", &[])
}
