//! Signing out, against everything that is under way.

use serde_json::json;

use super::token::UNKNOWN;
use crate::adapter::got::Got;
use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does, held};
use crate::case::{Stop, checks, ensure, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/sign-out-deletes" => deletes, ["R19", "I4"], "OWASP ASVS 5.0, 7.4.1",
        "a sign-out deletes the record, clears the cookie, and the token leads nowhere from then on";
    "adapter/sign-out-creates-nothing" => creates_nothing, ["R24"], "CVE-2015-5963",
        "a sign-out without a session creates nothing, and clears the cookie only if the client sent one";
    "adapter/sign-out-beats-write" => beats_write, ["R20", "I4"], "CVE-2025-46336",
        "a write in flight does not bring a signed-out session back, whichever of them the store sees first";
    "adapter/sign-out-beats-read" => beats_read, ["R20", "I4"], "CVE-2025-46336",
        "a read in flight does not bring a signed-out session back, though it may move the expiry before";
    "adapter/sign-out-beats-rotation" => beats_rotation, ["R20", "I4", "I7"],
        "cloakroom_core::Session::sign_out",
        "a rotation in flight does not save a signed-out session under another token, whichever comes first";
    "adapter/sign-in-outlives-sign-out" => sign_in_goes_on, ["R20", "I7"],
        "cloakroom_core::Session::sign_out",
        "a sign-in in flight succeeds when the old session is signed out, without the old data: it has credentials of its own";
    "adapter/double-click-on-sign-out" => double_click, ["R20"],
        "cloakroom_core::Session::sign_out",
        "two sign-outs at the same time both succeed";
    "adapter/sign-out-with-old-token" => with_old_token, ["R08", "R20"],
        "cloakroom_core::Session::sign_out",
        "within the grace, a sign-out with an old token ends the session under its newest token";
}

async fn deletes(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([sign_in("ada"), insert("a", 1)]).await?;
    let old = visitor.clone();
    let got = visitor.send([Op::SignOut, Op::IsNew, get("a")]).await?;
    let got = got.are(json!([null, true, null]))?;
    got.forgets()?;
    over(&world, [old]).await
}

async fn creates_nothing(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    world.visitor().send([Op::SignOut]).await?.quiet()?;
    world.called("a sign-out without a token", &[])?;
    let mut stranger = world.with_token(Some(UNKNOWN.to_owned()));
    stranger.send([Op::SignOut]).await?.forgets()?;
    world.called("a sign-out with a dead token", &["load: none"])?;
    world.holds(0)
}

async fn beats_write(context: Context) -> Result<(), Stop> {
    for write in [insert("a", 2), increment("n"), Op::Clear] {
        // The write has loaded the session, or is about to replace it; then the sign-out happens.
        for operation in [Operation::Load, Operation::Replace] {
            beats(&context, 0, operation, write.clone()).await?;
        }
        overtaken_by(&context, 0, write).await?;
    }
    Ok(())
}

async fn beats_read(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Load, Operation::Touch] {
        beats(&context, 600, operation, get("a")).await?;
    }
    overtaken_by(&context, 600, get("a")).await
}

async fn beats_rotation(context: Context) -> Result<(), Stop> {
    for operation in [Operation::Create, Operation::Replace] {
        beats(&context, 0, operation, Op::Rotate).await?;
    }
    let (world, visitor) = signed_in(&context).await?;
    let signing_out = held(&visitor, Operation::Delete, [Op::SignOut]).await?;
    let mut newer = visitor.clone();
    newer.send([Op::Rotate]).await?.ok()?;
    ensure(newer.token != visitor.token, "the rotation issued no token")?;
    signing_out.answer().await?.forgets()?;
    over(&world, [visitor, newer]).await
}

async fn sign_in_goes_on(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
    let mut old = visitor.clone();
    let got = overtaken(&visitor, Operation::Replace, sign_in("ada"), Op::SignOut).await?;
    visitor.obey(&got.ok()?);
    ensure(visitor.token != old.token, "the sign-in issued no token")?;
    does(&mut visitor, [Op::Subject, Op::Keys], json!(["ada", []])).await?;
    ensure(!old.is_known().await?, "the signed-out session lives on")?;
    world.holds(1)
}

async fn double_click(context: Context) -> Result<(), Stop> {
    overtaken_by(&context, 0, Op::SignOut).await
}

async fn with_old_token(context: Context) -> Result<(), Stop> {
    for rotations in 1..4 {
        let (world, oldest) = signed_in(&context).await?;
        let mut newest = oldest.clone();
        for _ in 0..rotations {
            newest.send([Op::Rotate]).await?.ok()?;
        }
        oldest.clone().send([Op::SignOut]).await?.forgets()?;
        // The records that the rotations retired stay until they expire, and lead nowhere.
        let left = world.records();
        ensure(left <= rotations, "a sign-out left the living record")?;
        dead([oldest, newest]).await?;
    }
    Ok(())
}

async fn signed_in(context: &Context) -> Result<(World, Visitor), Stop> {
    context.session([sign_in("ada"), insert("a", 1)]).await
}

/// Signs out while another request, so many seconds later, waits at its store call. That request
/// gets no directive.
async fn beats(
    context: &Context,
    later: u64,
    operation: Operation,
    request: Op,
) -> Result<(), Stop> {
    let (world, visitor) = signed_in(context).await?;
    world.advance(later);
    let got = overtaken(&visitor, operation, request, Op::SignOut).await?;
    got.quiet()?;
    over(&world, [visitor]).await
}

/// Makes another request, so many seconds later, while the sign-out is about to delete.
async fn overtaken_by(context: &Context, later: u64, request: Op) -> Result<(), Stop> {
    let (world, visitor) = signed_in(context).await?;
    world.advance(later);
    let got = overtaken(&visitor, Operation::Delete, Op::SignOut, request).await?;
    got.forgets()?;
    over(&world, [visitor]).await
}

/// Starts `first`; when it waits at this operation, `second` happens as a whole.
async fn overtaken(
    visitor: &Visitor,
    operation: Operation,
    first: Op,
    second: Op,
) -> Result<Got, Stop> {
    let first = held(visitor, operation, [first]).await?;
    visitor.clone().send([second]).await?.ok()?;
    first.answer().await
}

/// Fails unless nothing is left: no record, and no token that leads anywhere.
async fn over<const N: usize>(world: &World, tokens: [Visitor; N]) -> Result<(), Stop> {
    let left = world.records();
    same("the records that are left after a sign-out", left, 0)?;
    dead(tokens).await
}

async fn dead<const N: usize>(tokens: [Visitor; N]) -> Result<(), Stop> {
    for mut token in tokens {
        let known = token.is_known().await?;
        ensure(!known, "a token leads to a signed-out session")?;
    }
    Ok(())
}
