//! Writes that happened, and whose answer was lost.

use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, reached, sees};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/lost-reply-counts-once" => counts_once, ["R62"],
        "cloakroom_store::Store, \"An error means unknown\"",
        "an increment that was saved without an answer is counted once";
    "adapter/lost-reply-among-others" => among_others, ["R62", "R53"],
        "cloakroom_store::Store, \"An error means unknown\"",
        "an increment that was saved without an answer is counted once, even if others write before the reload";
    "adapter/lost-reply-at-create" => at_create, ["R62"],
        "cloakroom_store::Store, \"An error means unknown\"",
        "a creation without an answer leaves one session, and the client has its token";
    "adapter/lost-reply-at-rotation" => at_rotation, ["R62", "R07", "I7"], invariant 7,
        "a rotation or sign-in that loses any of its answers leaves one privileged session with the data, and the client has its token";
    "adapter/lost-reply-at-sign-out" => at_sign_out, ["R62", "I4"],
        "cloakroom_store::Store, \"An error means unknown\"",
        "a sign-out without an answer has signed out";
    "adapter/lost-reply-at-touch" => at_touch, ["R62", "R56"],
        "cloakroom_store::Store, \"An error means unknown\"",
        "a read whose touch lost its answer succeeds";
}

async fn counts_once(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([increment("n")]).await?;
    for n in 2..5 {
        world.control().on(Operation::Replace).lose_reply();
        visitor.send([increment("n")]).await?.quiet()?;
        same("the counter", visitor.value("n").await?, n.into())?;
    }
    // Twice in one request.
    world.control().on(Operation::Replace).lose_reply();
    world.control().on(Operation::Load).skip(1).fail();
    visitor.send([increment("n")]).await?.quiet()?;
    same("the counter", visitor.value("n").await?, 5.into())
}

async fn among_others(context: Context) -> Result<(), Stop> {
    for landed in [true, false] {
        let (world, mut visitor) = context.session([increment("n")]).await?;
        let gate = world.control().on(Operation::Replace).pause_after();
        let slow = visitor.start([increment("n")]);
        match landed {
            true => world.control().on(Operation::Replace).lose_reply(),
            false => world.control().on(Operation::Replace).fail(),
        }
        if landed {
            reached(&gate, "of the increment").await?;
            visitor.send([increment("n")]).await?.quiet()?;
            visitor.send([increment("n")]).await?.quiet()?;
        }
        gate.open();
        slow.answer().await?.quiet()?;
        let want = if landed { 4 } else { 2 };
        same("the counter", visitor.value("n").await?, want.into())?;
    }
    Ok(())
}

async fn at_create(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor();
    world.control().on(Operation::Create).lose_reply();
    visitor.send([increment("n")]).await?.ok()?;
    ensure(visitor.token.is_some(), "no token was issued")?;
    same("the counter", visitor.value("n").await?, 1.into())?;
    world.holds(1)
}

async fn at_rotation(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        for operation in [Operation::Load, Operation::Create, Operation::Replace] {
            let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
            let mut old = visitor.clone();
            world.control().on(operation).lose_reply();
            let got = visitor.send([rotation.clone(), increment("n")]).await?;
            got.ok()?;
            ensure(visitor.token != old.token, "no new token was issued")?;
            let subject = if rotation == Op::Rotate {
                json!(null)
            } else {
                json!("ada")
            };
            let got = visitor.send([get("cart"), get("n"), Op::Subject]).await?;
            got.quiet()?.are(json!(["tea", 1, subject]))?;
            sees(&mut old, [get("cart"), Op::Subject], json!(["tea", null])).await?;
            same(
                "the records: the new one and the retired one",
                world.records(),
                2,
            )?;
        }
    }
    Ok(())
}

async fn at_sign_out(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([sign_in("ada")]).await?;
    let mut old = visitor.clone();
    world.control().on(Operation::Delete).lose_reply();
    visitor.send([Op::SignOut]).await?.forgets()?;
    let known = old.is_known().await?;
    ensure(!known, "the session lives on after its sign-out")?;
    world.holds(0)
}

async fn at_touch(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    world.advance(1_000);
    world.control().on(Operation::Touch).lose_reply();
    sees(&mut visitor, [get("a")], json!([1])).await?;
    world.advance(1_799);
    ensure(visitor.is_known().await?, "the touch was not made")
}
