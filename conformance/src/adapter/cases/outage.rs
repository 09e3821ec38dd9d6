//! Stores that cannot be asked.

use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, does, fails, held, sees};
use crate::case::{Stop, checks};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/outage-at-load" => at_load, ["R54", "I8"], invariant 8,
        "a request whose session cannot be loaded fails visibly, sees no empty session and writes nothing; the data survives";
    "adapter/outage-at-commit" => at_commit, ["R54", "I8", "I10"], invariant 8,
        "a request whose changes cannot be saved fails visibly and sends no cookie; the old data survives";
    "adapter/outage-at-create" => at_create, ["R54", "I8"], invariant 8,
        "a request whose new session cannot be created fails visibly and issues no token";
    "adapter/outage-at-sign-out" => at_sign_out, ["R54", "I8"], invariant 8,
        "a sign-out that does not reach the store fails visibly, and the client keeps its token";
    "adapter/outage-spares-others" => spares_others, ["I1", "R54"], invariant 1,
        "a request without a token that only reads is unaffected by an outage";
}

async fn at_load(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
    for ops in [
        vec![get("cart")],
        vec![insert("cart", "x")],
        vec![increment("n")],
        vec![sign_in("ada")],
        vec![Op::SignOut],
    ] {
        world.control().outage(true);
        fails(&mut visitor, ops.clone(), "a request in an outage").await?;
        world.control().reset();
        world.control().on(Operation::Load).fail_permanently();
        fails(&mut visitor, ops, "a request whose load failed for good").await?;
        world.called("a request whose load failed for good", &["load: not done"])?;
        let got = visitor.send([get("cart"), Op::Len, Op::Subject]).await?;
        got.quiet()?.are(json!(["tea", 1, null]))?;
    }
    world.holds(1)
}

async fn at_commit(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
    for ops in [
        vec![insert("cart", "x")],
        vec![increment("n"), insert("cart", "y")],
        vec![Op::Clear],
    ] {
        world.control().on(Operation::Replace).fail_permanently();
        let got = visitor.send(ops.clone()).await?;
        got.failed("a request whose save failed for good")?;
        let saving = held(&visitor, Operation::Load, ops).await?;
        world.control().outage(true);
        let got = saving.answer().await?;
        got.failed("a request that could not save in an outage")?;
        world.control().reset();
        sees(&mut visitor, [get("cart"), Op::Len], json!(["tea", 1])).await?;
    }
    Ok(())
}

async fn at_create(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor();
    for ops in [vec![insert("a", 1)], vec![sign_in("ada")]] {
        world.control().outage(true);
        fails(&mut visitor, ops.clone(), "a creation in an outage").await?;
        world.control().reset();
        world.control().on(Operation::Create).fail_permanently();
        fails(&mut visitor, ops, "a creation that failed for good").await?;
    }
    world.holds(0)?;
    does(&mut visitor, [increment("n")], json!([1])).await
}

async fn at_sign_out(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([sign_in("ada")]).await?;
    world.control().on(Operation::Delete).fail_permanently();
    let got = visitor.send([Op::SignOut]).await?;
    got.failed("a sign-out whose delete failed for good")?;
    does(&mut visitor, [Op::Subject], json!(["ada"])).await?;
    visitor.send([Op::SignOut]).await?.ok()?;
    world.holds(0)
}

async fn spares_others(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    world.control().outage(true);
    world.visitor().send([Op::Keys]).await?.quiet()?;
    world.called("an anonymous read in an outage", &[])
}
