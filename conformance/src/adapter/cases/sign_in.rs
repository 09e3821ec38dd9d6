//! Rotation and sign-in: the new token, the old one, and what happens if it is interrupted.

use std::time::Duration;

use cloakroom::ConfigBuilder;
use serde_json::json;

use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does, held, held_at, sees, soon};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/sign-in-rotates" => rotates, ["R06", "I7"], "OWASP ASVS 5.0, 7.2.4",
        "the new token has the data and the privilege; the old one reads the old data for the grace, and then nothing";
    "adapter/grace-of-zero" => grace_of_zero, ["R06"], "OWASP ASVS 5.0, 7.2.4",
        "with a grace of 0 the old token is dead at once";
    "adapter/grace-ends-with-sign-out" => grace_ends, ["R08"],
        "OWASP Session Management Cheat Sheet, \"Renew the Session ID After Any Privilege Level Change\"",
        "signing out the session, or a later one of its chain, ends the old token's grace at once";
    "adapter/grace-ends-with-the-session" => grace_ends_with_the_session, ["R08", "R12"],
        "cloakroom_core::Session::sign_in",
        "the old token's grace ends when the newer session expires";
    "adapter/no-write-crosses-a-sign-in" => refused, ["R78", "I6", "I7"],
        "cloakroom_core::Error::Superseded",
        "a plain write with a token from before a sign-in is refused, even if it was in flight, and sends no cookie";
    "adapter/superseded-write-is-dropped" => dropped, ["R78", "I6", "I7"],
        "cloakroom_core::ConfigBuilder::drop_superseded",
        "with `drop_superseded`, a write that a sign-in overtook is dropped, and its response goes out without a cookie";
    "adapter/write-before-rotation-is-kept" => write_kept, ["I3", "R07"],
        "cloakroom_core::Session::sign_in",
        "a write that lands while a rotation is under way is in the new session";
    "adapter/rotation-refused-at-each-call" => refused_anywhere, ["R07", "I7"], invariant 7,
        "a rotation or sign-in that fails at any store call fails visibly, loses no data, and the old token works on";
    "adapter/rotation-cut-at-each-call" => cut_anywhere, ["R07", "I7"], invariant 7,
        "a rotation or sign-in cut off after any store call leaves the data readable and no privilege on the old token";
    "adapter/double-click-on-sign-in" => double_click, ["R06", "I7"],
        "cloakroom_core::Session::sign_in",
        "two sign-ins at the same time with the same token both succeed, with two tokens and with the data";
    "adapter/two-rotations-one-wins" => two_rotations, ["R07", "R78", "I6"],
        "cloakroom_core::Session::sign_in",
        "of two rotations at once one issues a token and the other sends no cookie; the one session has the changes of both";
    "adapter/data-stays-with-its-subject" => subjects, ["R06"], "cloakroom_core::Session::sign_in",
        "signing in as another user drops the previous user's data; signing in again as the same user keeps it";
    "adapter/rotation-chains-are-followed" => chains, ["R08", "I12"],
        "cloakroom_core::Session::sign_in",
        "a token rotated away several times within the grace still reads, with a bounded number of loads";
}

async fn rotates(context: Context) -> Result<(), Stop> {
    let world = context.world_that_keeps_all(|builder| builder).await?;
    let (mut old, mut new) = signed_in(&world).await?;
    ensure(old.token != new.token, "the sign-in issued no new token")?;
    is_tea_of(&mut new, Some("ada")).await?;
    new.send([insert("secret", 1)]).await?.quiet()?;
    for (later, known) in [(0, true), (29, true), (1, false)] {
        world.advance(later);
        let cart = known.then_some("tea");
        let ops = [Op::Subject, get("cart"), get("secret")];
        sees(&mut old, ops, json!([null, cart, null])).await?;
    }
    does(&mut new, [Op::Subject], json!(["ada"])).await
}

async fn grace_of_zero(context: Context) -> Result<(), Stop> {
    let grace = |builder: ConfigBuilder| builder.rotation_grace(Duration::ZERO);
    for world in [
        context.world_with(grace).await?,
        context.world_that_keeps_all(grace).await?,
    ] {
        let (mut old, mut new) = signed_in(&world).await?;
        let known = old.is_known().await?;
        ensure(!known, "the old token is alive with a grace of 0")?;
        is_tea_of(&mut new, Some("ada")).await?;
    }
    Ok(())
}

async fn grace_ends(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (mut old, mut new) = signed_in(&world).await?;
    let mut between = new.clone();
    new.send([Op::Rotate]).await?.ok()?;
    let holds = old.is_known().await? && between.is_known().await?;
    ensure(holds, "an old token is dead within the grace")?;
    new.send([Op::SignOut]).await?.ok()?;
    for token in [&mut old, &mut between, &mut new] {
        does(token, [get("cart"), Op::IsNew], json!([null, true])).await?;
    }
    Ok(())
}

async fn grace_ends_with_the_session(context: Context) -> Result<(), Stop> {
    let world = context.world_that_keeps_all(|builder| builder).await?;
    let (mut old, mut new) = signed_in(&world).await?;
    new.send([Op::SetExpiry(10, 600, false)]).await?.quiet()?;
    for (later, known) in [(9, true), (1, false)] {
        world.advance(later);
        // The new token is not used: that would keep it alive.
        let holds = old.is_known().await? == known;
        ensure(holds, "the old token does not end with the newer session")?;
    }
    Ok(())
}

async fn refused(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (old, mut new) = signed_in(&world).await?;
    // With the token from before the sign-in …
    for ops in [
        vec![insert("cart", "late")],
        vec![Op::Clear],
        vec![insert("x", 1), Op::Rotate],
    ] {
        let got = old.clone().send(ops).await?;
        got.failed("a write with the token from before a sign-in")?;
    }
    // … and while the sign-in was on its way.
    let late = held(&new, Operation::Replace, [insert("cart", "later")]).await?;
    new.send([sign_in("ada")]).await?.ok()?;
    let got = late.answer().await?;
    got.failed("a write that a sign-in overtook")?;
    let got = new.send([get("cart"), Op::Subject, Op::Keys]).await?;
    got.quiet()?.are(json!(["tea", "ada", ["cart"]])).map(drop)
}

async fn dropped(context: Context) -> Result<(), Stop> {
    let world = context
        .world_with(|builder| builder.drop_superseded(true))
        .await?;
    let (mut old, new) = signed_in(&world).await?;
    for ops in [
        vec![insert("cart", "late")],
        vec![insert("x", 1), Op::Rotate],
    ] {
        old.send(ops).await?.quiet()?;
    }
    let late = held(&new, Operation::Replace, [insert("cart", "later")]).await?;
    let mut newest = new.clone();
    newest.send([sign_in("ada")]).await?.ok()?;
    late.answer().await?.quiet()?;
    let got = newest.send([get("cart"), Op::Subject, Op::Keys]).await?;
    got.quiet()?.are(json!(["tea", "ada", ["cart"]])).map(drop)
}

async fn write_kept(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        let (_, mut visitor) = context.session([insert("cart", "tea")]).await?;
        let mut tab = visitor.clone();
        let rotating = held(&visitor, Operation::Replace, [rotation]).await?;
        tab.send([insert("tab", 1)]).await?.quiet()?;
        visitor.obey(&rotating.answer().await?.ok()?);
        ensure(visitor.token != tab.token, "the rotation issued no token")?;
        does(&mut visitor, [get("cart"), get("tab")], json!(["tea", 1])).await?;
    }
    Ok(())
}

async fn refused_anywhere(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        for operation in [Operation::Load, Operation::Create, Operation::Replace] {
            let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
            world.control().on(operation).fail_permanently();
            let got = visitor.send([rotation.clone()]).await?;
            got.failed(&format!("a rotation whose {operation} failed"))?;
            is_tea_of(&mut visitor, None).await?;
            again(visitor, &rotation).await?;
        }
    }
    Ok(())
}

async fn cut_anywhere(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        for operation in [Operation::Load, Operation::Create, Operation::Replace] {
            let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
            let gate = world.control().on(operation).pause_after();
            let rotating = held_at(gate, &visitor, [rotation.clone()]).await?;
            world.control().outage(true);
            let got = rotating.answer().await?;
            world.control().outage(false);
            if operation == Operation::Replace {
                // That was the last one.
                visitor.obey(&got.ok()?);
                sees(&mut visitor, [get("cart")], json!(["tea"])).await?;
                continue;
            }
            got.failed(&format!("a rotation that ended behind its {operation}"))?;
            is_tea_of(&mut visitor, None).await?;
            again(visitor, &rotation).await?;
        }
    }
    Ok(())
}

/// The client that saw a failure tries again.
async fn again(mut visitor: Visitor, rotation: &Op) -> Result<(), Stop> {
    let mut old = visitor.clone();
    visitor.send([rotation.clone()]).await?.ok()?;
    let holds = old.token != visitor.token;
    ensure(holds, "the next attempt issued no token")?;
    let subject = (*rotation != Op::Rotate).then_some("ada");
    is_tea_of(&mut visitor, subject).await?;
    is_tea_of(&mut old, None).await
}

async fn double_click(context: Context) -> Result<(), Stop> {
    let (world, mut first) = context.session([insert("cart", "tea")]).await?;
    let mut second = first.clone();
    let clicked = held(&first, Operation::Replace, [sign_in("ada")]).await?;
    second.send([sign_in("ada")]).await?.ok()?;
    first.obey(&clicked.answer().await?.ok()?);
    let distinct = first.token != second.token;
    ensure(distinct, "both sign-ins have the same token")?;
    for visitor in [&mut first, &mut second] {
        is_tea_of(visitor, Some("ada")).await?;
    }
    // Without a token there is nothing to meet at.
    let (mut first, mut second) = (world.visitor(), world.visitor());
    let clicks = [&first, &second].map(|visitor| visitor.start([sign_in("bob")]));
    for (visitor, click) in [&mut first, &mut second].into_iter().zip(clicks) {
        visitor.obey(&click.answer().await?.ok()?);
        does(visitor, [Op::Subject], json!(["bob"])).await?;
    }
    Ok(())
}

async fn two_rotations(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([sign_in("ada")]).await?;
    let slow = held(
        &visitor,
        Operation::Replace,
        [Op::Rotate, insert("slow", 1)],
    )
    .await?;
    let mut old = visitor.clone();
    visitor.send([Op::Rotate]).await?.ok()?;
    let slower = soon("the slower rotation", slow.answer()).await??;
    slower.quiet()?;
    let got = visitor.send([Op::Subject, Op::Keys]).await?;
    got.quiet()?.are(json!(["ada", ["slow"]]))?;
    does(&mut old, [Op::Subject], json!(["ada"])).await?;
    // The winner's, and the retired one that leads to it.
    same("the records that are left", world.records(), 2)
}

async fn subjects(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (_, mut visitor) = signed_in(&world).await?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    let got = visitor.send([Op::Subject, get("cart")]).await?;
    got.are(json!(["ada", "tea"]))?;
    let ops = [sign_in("bob"), get("cart"), insert("own", 1)];
    does(&mut visitor, ops, json!([null, null, null])).await?;
    let got = visitor.send([Op::Subject, Op::Keys]).await?;
    got.are(json!(["bob", ["own"]])).map(drop)
}

async fn chains(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
    let mut oldest = visitor.clone();
    for _ in 0..8 {
        visitor.send([Op::Rotate]).await?.ok()?;
    }
    world.control().reset();
    sees(&mut oldest, [get("cart")], json!(["tea"])).await?;
    let loads = world.calls().len();
    same("the loads for a token rotated away eight times", loads, 9)
}

/// Fails unless the cart of this user, or of nobody, holds the tea.
async fn is_tea_of(visitor: &mut Visitor, subject: Option<&str>) -> Result<(), Stop> {
    sees(visitor, [get("cart"), Op::Subject], json!(["tea", subject])).await
}

/// Returns the same visitor before and after a sign-in as `ada`, with a value in the cart.
async fn signed_in(world: &World) -> Result<(Visitor, Visitor), Stop> {
    let old = world.visitor_with([insert("cart", "tea")]).await?;
    let mut new = old.clone();
    new.send([sign_in("ada")]).await?.ok()?;
    Ok((old, new))
}
