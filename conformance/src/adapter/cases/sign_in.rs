//! Rotation and sign-in: the new token, the old one, and what happens if it is interrupted.

use serde_json::{Value, json};

use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, reached, soon};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/sign-in-rotates", ["R06", "I7"],
    "after a sign-in the new token has the data and the privilege; the old one reads the old data for the grace, and is dead then",
    "OWASP ASVS 5.0, 7.2.4" => rotates;

    "adapter/grace-of-zero", ["R06"],
    "with a grace of 0 the old token is dead at once",
    "OWASP ASVS 5.0, 7.2.4" => grace_of_zero;

    "adapter/grace-ends-with-sign-out", ["R08"],
    "the old token's grace ends at once when the session is signed out, or a later one is",
    "OWASP Session Management Cheat Sheet, \"Renew the Session ID After Any Privilege Level Change\"" => grace_ends;

    "adapter/grace-ends-with-the-session", ["R08", "R12"],
    "the old token's grace ends when the newer session expires",
    "cloakroom_core::Session::sign_in" => grace_ends_with_the_session;

    "adapter/superseded-write-is-dropped", ["I6", "I7"],
    "a plain write with the old token is dropped and tells the client nothing, so that it cannot overwrite the newer cookie",
    "cloakroom_conformance::adapter, invariant 6" => superseded;

    "adapter/write-before-rotation-is-kept", ["I3", "R07"],
    "a write that lands while a rotation is under way is in the new session",
    "cloakroom_core::Session::sign_in" => write_kept;

    "adapter/rotation-refused-at-each-call", ["R07", "I7"],
    "a rotation or sign-in whose store calls fail, whichever comes first, fails visibly, keeps the old token working, and loses no data",
    "cloakroom_conformance::adapter, invariant 7" => refused_anywhere;

    "adapter/rotation-cut-at-each-call", ["R07", "I7"],
    "a rotation or sign-in that ends behind any of its store calls leaves the data readable and no privilege on the old token",
    "cloakroom_conformance::adapter, invariant 7" => cut_anywhere;

    "adapter/double-click-on-sign-in", ["R06", "I7"],
    "two sign-ins at the same time with the same token both succeed, with two tokens and with the data",
    "cloakroom_core::Session::sign_in" => double_click;

    "adapter/two-rotations-one-wins", ["R07", "I6"],
    "of two rotations at the same time one issues a token, the other tells the client nothing, and one session is left",
    "cloakroom_core::Session::sign_in" => two_rotations;

    "adapter/data-stays-with-its-subject", ["R06"],
    "signing in as somebody else does not hand over the data of the one before; signing in again as the same does",
    "cloakroom_core::Session::sign_in" => subjects;

    "adapter/rotation-chains-are-followed", ["R08", "I12"],
    "a token that was rotated away several times within the grace still reads, with a bounded number of loads",
    "cloakroom_core::Session::sign_in" => chains;
}

async fn rotates(context: Context) -> Result<(), Stop> {
    let world = context.world_that_keeps_all(|builder| builder).await?;
    let (mut old, mut new) = signed_in(&world).await?;
    ensure(old.token != new.token, "the sign-in issued no new token")?;
    new.send([Op::Subject, get("cart")])
        .await?
        .quiet()?
        .are(json!(["ada", "tea"]))?;
    new.send([insert("secret", 1)]).await?.quiet()?;
    for (later, known) in [(0, true), (29, true), (1, false)] {
        world.advance(later);
        let sees = if known {
            json!([null, "tea", null])
        } else {
            json!([null, null, null])
        };
        let got = old
            .send([Op::Subject, get("cart"), get("secret")])
            .await?
            .quiet()?;
        got.are(sees)?;
    }
    same(
        "whom the new token belongs to",
        new.subject().await?,
        "ada".into(),
    )
}

async fn grace_of_zero(context: Context) -> Result<(), Stop> {
    let zero = std::time::Duration::ZERO;
    for keeps_all in [false, true] {
        let world = match keeps_all {
            false => {
                context
                    .world_with(|builder| builder.rotation_grace(zero))
                    .await?
            }
            true => {
                context
                    .world_that_keeps_all(|builder| builder.rotation_grace(zero))
                    .await?
            }
        };
        let (mut old, mut new) = signed_in(&world).await?;
        ensure(
            !old.is_known().await?,
            "the old token is alive after a sign-in with a grace of 0",
        )?;
        new.send([Op::Subject, get("cart")])
            .await?
            .quiet()?
            .are(json!(["ada", "tea"]))?;
    }
    Ok(())
}

async fn grace_ends(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (mut old, mut new) = signed_in(&world).await?;
    let mut between = new.clone();
    new.send([Op::Rotate]).await?.ok()?;
    ensure(
        old.is_known().await? && between.is_known().await?,
        "an old token is dead within the grace",
    )?;
    new.send([Op::SignOut]).await?.ok()?;
    for token in [&mut old, &mut between, &mut new] {
        token
            .send([get("cart"), Op::IsNew])
            .await?
            .are(json!([null, true]))?;
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
        ensure(
            old.is_known().await? == known,
            "the old token does not end with the newer session",
        )?;
    }
    Ok(())
}

async fn superseded(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (mut old, new) = signed_in(&world).await?;
    // With the token rotated away before the request …
    for ops in [
        vec![insert("cart", "late")],
        vec![Op::Clear],
        vec![insert("x", 1), Op::Rotate],
    ] {
        old.send(ops).await?.quiet()?;
    }
    // … and while it was on its way.
    let gate = world.control().on(Operation::Replace).pause_before();
    let late = new.start([insert("cart", "later")]);
    reached(&gate, "the save").await?;
    let mut newest = new.clone();
    newest.send([Op::Rotate]).await?.ok()?;
    gate.open();
    late.answer().await?.quiet()?;
    ensure(newest.token != new.token, "the rotation issued no token")?;
    newest
        .send([get("cart"), Op::Subject, Op::Keys])
        .await?
        .quiet()?
        .are(json!(["tea", "ada", ["cart"]]))?;
    Ok(())
}

async fn write_kept(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        let world = context.world().await?;
        let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
        let mut tab = visitor.clone();
        let gate = world.control().on(Operation::Replace).pause_before();
        let rotating = visitor.start([rotation]);
        reached(&gate, "the retirement of the old record").await?;
        tab.send([insert("tab", 1)]).await?.quiet()?;
        gate.open();
        visitor.obey(&rotating.answer().await?.ok()?);
        ensure(visitor.token != tab.token, "the rotation issued no token")?;
        visitor
            .send([get("cart"), get("tab")])
            .await?
            .are(json!(["tea", 1]))?;
    }
    Ok(())
}

async fn refused_anywhere(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        for operation in [Operation::Load, Operation::Create, Operation::Replace] {
            let world = context.world().await?;
            let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
            world.control().on(operation).fail_permanently();
            let got = visitor.send([rotation.clone()]).await?;
            got.failed(&format!("a rotation whose {operation} failed"))?;
            visitor
                .send([get("cart"), Op::Subject])
                .await?
                .quiet()?
                .are(json!(["tea", null]))?;
            again(visitor, &rotation).await?;
        }
    }
    Ok(())
}

async fn cut_anywhere(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        for operation in [Operation::Load, Operation::Create, Operation::Replace] {
            let world = context.world().await?;
            let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
            let gate = world.control().on(operation).pause_after();
            let rotating = visitor.start([rotation.clone()]);
            reached(&gate, &operation.to_string()).await?;
            world.control().outage(true);
            gate.open();
            let got = rotating.answer().await?;
            world.control().outage(false);
            if operation == Operation::Replace {
                // That was the last one.
                visitor.obey(&got.ok()?);
                visitor
                    .send([get("cart")])
                    .await?
                    .quiet()?
                    .are(json!(["tea"]))?;
                continue;
            }
            got.failed(&format!("a rotation that ended behind its {operation}"))?;
            visitor
                .send([get("cart"), Op::Subject])
                .await?
                .quiet()?
                .are(json!(["tea", null]))?;
            again(visitor, &rotation).await?;
        }
    }
    Ok(())
}

/// The client that saw a failure tries again.
async fn again(mut visitor: Visitor, rotation: &Op) -> Result<(), Stop> {
    let mut old = visitor.clone();
    visitor.send([rotation.clone()]).await?.ok()?;
    ensure(
        old.token != visitor.token,
        "the second attempt issued no token",
    )?;
    let subject = if *rotation == Op::Rotate {
        Value::Null
    } else {
        "ada".into()
    };
    visitor
        .send([get("cart"), Op::Subject])
        .await?
        .quiet()?
        .are(json!(["tea", subject]))?;
    old.send([get("cart"), Op::Subject])
        .await?
        .quiet()?
        .are(json!(["tea", null]))
        .map(drop)
}

async fn double_click(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut first = world.visitor_with(vec![insert("cart", "tea")]).await?;
    let mut second = first.clone();
    let gate = world.control().on(Operation::Replace).pause_before();
    let clicked = first.start([sign_in("ada")]);
    reached(&gate, "the retirement of the old record").await?;
    second.send([sign_in("ada")]).await?.ok()?;
    gate.open();
    first.obey(&clicked.answer().await?.ok()?);
    ensure(
        first.token != second.token,
        "both sign-ins have the same token",
    )?;
    for visitor in [&mut first, &mut second] {
        visitor
            .send([Op::Subject, get("cart")])
            .await?
            .quiet()?
            .are(json!(["ada", "tea"]))?;
    }
    // Without a token there is nothing to meet at.
    let (mut first, mut second) = (world.visitor(), world.visitor());
    let (one, other) = (
        first.start([sign_in("bob")]),
        second.start([sign_in("bob")]),
    );
    first.obey(&one.answer().await?.ok()?);
    second.obey(&other.answer().await?.ok()?);
    for visitor in [&mut first, &mut second] {
        same(
            "the subject after a double click",
            visitor.subject().await?,
            "bob".into(),
        )?;
    }
    Ok(())
}

async fn two_rotations(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![sign_in("ada")]).await?;
    let gate = world.control().on(Operation::Replace).pause_before();
    let slow = visitor.start([Op::Rotate, insert("slow", 1)]);
    reached(&gate, "the retirement of the old record").await?;
    let mut old = visitor.clone();
    visitor.send([Op::Rotate]).await?.ok()?;
    gate.open();
    let slower = soon("the slower rotation", slow.answer()).await??;
    slower.quiet()?;
    visitor
        .send([Op::Subject, Op::Keys])
        .await?
        .quiet()?
        .are(json!(["ada", []]))?;
    same(
        "whom the old token belongs to",
        old.subject().await?,
        "ada".into(),
    )?;
    // The winner's, and the retired one that leads to it.
    same("the records that are left", world.records(), 2)
}

async fn subjects(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (_, mut visitor) = signed_in(&world).await?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    visitor
        .send([Op::Subject, get("cart")])
        .await?
        .are(json!(["ada", "tea"]))?;
    visitor
        .send([sign_in("bob"), get("cart"), insert("own", 1)])
        .await?
        .are(json!([null, null, null]))?;
    visitor
        .send([Op::Subject, Op::Keys])
        .await?
        .are(json!(["bob", ["own"]]))
        .map(drop)
}

async fn chains(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
    let mut oldest = visitor.clone();
    for _ in 0..8 {
        visitor.send([Op::Rotate]).await?.ok()?;
    }
    world.control().reset();
    oldest
        .send([get("cart")])
        .await?
        .quiet()?
        .are(json!(["tea"]))?;
    same(
        "the loads for a token that was rotated away eight times",
        world.calls().len(),
        9,
    )
}

/// The same visitor before and after a sign-in as `ada`, with a value in the cart.
async fn signed_in(world: &World) -> Result<(Visitor, Visitor), Stop> {
    let old = world.visitor_with(vec![insert("cart", "tea")]).await?;
    let mut new = old.clone();
    new.send([sign_in("ada")]).await?.ok()?;
    Ok((old, new))
}
