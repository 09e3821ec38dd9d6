//! Signing out, against everything that is under way.

use serde_json::json;

use super::token::UNKNOWN;
use crate::adapter::Told;
use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, reached};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::{Gate, Operation};

checks! { Context:
    "adapter/sign-out-deletes", ["R19", "I4"],
    "a sign-out deletes the record and tells the client to forget the token, which leads nowhere from then on",
    "OWASP ASVS 5.0, 7.4.1" => deletes;

    "adapter/sign-out-creates-nothing", ["R24"],
    "a sign-out without a session creates nothing; a dead token is to be forgotten, and who has none is told nothing",
    "CVE-2015-5963" => creates_nothing;

    "adapter/sign-out-beats-write", ["R20", "I4"],
    "a write in flight does not bring a signed-out session back, whichever of them the store sees first",
    "CVE-2025-46336" => beats_write;

    "adapter/sign-out-beats-read", ["R20", "I4"],
    "a read in flight does not bring a signed-out session back, though it may move the expiry, whichever comes first",
    "CVE-2025-46336" => beats_read;

    "adapter/sign-out-beats-rotation", ["R20", "I4", "I7"],
    "a rotation in flight does not save a signed-out session under another token, whichever comes first",
    "cloakroom_core::Session::destroy" => beats_rotation;

    "adapter/sign-in-outlives-sign-out", ["R20", "I7"],
    "a sign-in in flight has credentials of its own: it goes on when the old session is signed out, without the old data",
    "cloakroom_core::Session::destroy" => sign_in_goes_on;

    "adapter/double-click-on-sign-out", ["R20"],
    "two sign-outs at the same time both succeed",
    "cloakroom_core::Session::destroy" => double_click;

    "adapter/sign-out-with-old-token", ["R08", "R20"],
    "a sign-out with a token that was rotated away, within the grace, ends the session under its newest token",
    "cloakroom_core::Session::destroy" => with_old_token;
}

async fn deletes(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world
        .visitor_with(vec![sign_in("ada"), insert("a", 1)])
        .await?;
    let old = visitor.clone();
    let got = visitor
        .send([Op::SignOut, Op::IsNew, get("a")])
        .await?
        .are(json!([null, true, null]))?;
    same(
        "what the client was told to do with its token",
        got.told,
        Told::Forget,
    )?;
    over(&world, [old]).await
}

async fn creates_nothing(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    world.visitor().send([Op::SignOut]).await?.quiet()?;
    world.called("a sign-out without a token", &[])?;
    let mut stranger = world.with_token(Some(UNKNOWN.to_owned()));
    let got = stranger.send([Op::SignOut]).await?.ok()?;
    same(
        "what a dead token's client was told to do with it",
        got.told,
        Told::Forget,
    )?;
    world.called("a sign-out with a dead token", &["load: none"])?;
    world.holds(0)
}

async fn beats_write(context: Context) -> Result<(), Stop> {
    for write in [insert("a", 2), increment("n"), Op::Clear] {
        // The write has loaded the session, or is about to replace it; then the sign-out happens.
        for operation in [Operation::Load, Operation::Replace] {
            let (world, visitor) = visitor(&context).await?;
            let gate = match operation {
                Operation::Load => world.control().on(operation).pause_after(),
                _ => world.control().on(operation).pause_before(),
            };
            let got = overtaken(&gate, &visitor, write.clone(), Op::SignOut).await?;
            gate.open();
            got.answer().await?.quiet()?;
            over(&world, [visitor]).await?;
        }
        // The sign-out is about to delete; then the write happens.
        let (world, visitor) = visitor(&context).await?;
        let gate = world.control().on(Operation::Delete).pause_before();
        let got = overtaken(&gate, &visitor, Op::SignOut, write).await?;
        gate.open();
        same(
            "what the sign-out told the client to do",
            got.answer().await?.ok()?.told,
            Told::Forget,
        )?;
        over(&world, [visitor]).await?;
    }
    Ok(())
}

async fn beats_read(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Load, Operation::Touch] {
        let (world, visitor) = visitor(&context).await?;
        world.advance(600);
        let gate = match operation {
            Operation::Load => world.control().on(operation).pause_after(),
            _ => world.control().on(operation).pause_before(),
        };
        let got = overtaken(&gate, &visitor, get("a"), Op::SignOut).await?;
        gate.open();
        got.answer().await?.quiet()?;
        over(&world, [visitor]).await?;
    }
    let (world, visitor) = visitor(&context).await?;
    world.advance(600);
    let gate = world.control().on(Operation::Delete).pause_before();
    let got = overtaken(&gate, &visitor, Op::SignOut, get("a")).await?;
    gate.open();
    same(
        "what the sign-out told the client to do",
        got.answer().await?.ok()?.told,
        Told::Forget,
    )?;
    over(&world, [visitor]).await
}

async fn beats_rotation(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Create, Operation::Replace] {
        let (world, visitor) = visitor(&context).await?;
        let gate = world.control().on(operation).pause_before();
        let got = overtaken(&gate, &visitor, Op::Rotate, Op::SignOut).await?;
        gate.open();
        got.answer().await?.quiet()?;
        over(&world, [visitor]).await?;
    }
    let (world, visitor) = visitor(&context).await?;
    let gate = world.control().on(Operation::Delete).pause_before();
    let signing_out = visitor.start([Op::SignOut]);
    reached(&gate, "the delete").await?;
    let mut newer = visitor.clone();
    newer.send([Op::Rotate]).await?.ok()?;
    ensure(newer.token != visitor.token, "the rotation issued no token")?;
    gate.open();
    same(
        "what the sign-out told the client to do",
        signing_out.answer().await?.ok()?.told,
        Told::Forget,
    )?;
    over(&world, [visitor, newer]).await
}

async fn sign_in_goes_on(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("cart", "tea")]).await?;
    let mut old = visitor.clone();
    let gate = world.control().on(Operation::Replace).pause_before();
    let got = overtaken(&gate, &visitor, sign_in("ada"), Op::SignOut).await?;
    gate.open();
    visitor.obey(&got.answer().await?.ok()?);
    ensure(visitor.token != old.token, "the sign-in issued no token")?;
    visitor
        .send([Op::Subject, Op::Keys])
        .await?
        .are(json!(["ada", []]))?;
    ensure(!old.is_known().await?, "the signed-out session lives on")?;
    world.holds(1)
}

async fn double_click(context: Context) -> Result<(), Stop> {
    let (world, visitor) = visitor(&context).await?;
    let gate = world.control().on(Operation::Delete).pause_before();
    let got = overtaken(&gate, &visitor, Op::SignOut, Op::SignOut).await?;
    gate.open();
    same(
        "what the second sign-out told the client to do",
        got.answer().await?.ok()?.told,
        Told::Forget,
    )?;
    over(&world, [visitor]).await
}

async fn with_old_token(context: Context) -> Result<(), Stop> {
    for rotations in 1..4 {
        let (world, oldest) = visitor(&context).await?;
        let mut newest = oldest.clone();
        for _ in 0..rotations {
            newest.send([Op::Rotate]).await?.ok()?;
        }
        let got = oldest.clone().send([Op::SignOut]).await?.ok()?;
        same(
            "what the sign-out told the client to do",
            got.told,
            Told::Forget,
        )?;
        over(&world, [oldest, newest]).await?;
    }
    Ok(())
}

async fn visitor(context: &Context) -> Result<(World, Visitor), Stop> {
    let world = context.world().await?;
    let visitor = world
        .visitor_with(vec![sign_in("ada"), insert("a", 1)])
        .await?;
    Ok((world, visitor))
}

/// Starts `first`; when it stands at the gate, `second` happens as a whole.
async fn overtaken(
    gate: &Gate,
    visitor: &Visitor,
    first: Op,
    second: Op,
) -> Result<crate::adapter::world::Started, Stop> {
    let started = visitor.start([first]);
    reached(gate, "that of the request to be overtaken").await?;
    visitor.clone().send([second]).await?.ok()?;
    Ok(started)
}

/// Fails unless nothing is left: no record, and no token that leads anywhere.
async fn over<const N: usize>(world: &World, tokens: [Visitor; N]) -> Result<(), Stop> {
    same(
        "the records that are left after a sign-out",
        world.records(),
        0,
    )?;
    for mut token in tokens {
        ensure(
            !token.is_known().await?,
            "a token leads to a signed-out session",
        )?;
    }
    Ok(())
}
