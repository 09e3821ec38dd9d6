//! Requests of one session at the same time. "Loaded" means: the handler has read a value, so the
//! session is there.

use serde_json::{Value, json};

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::case::{Stop, checks, ensure, same};
use crate::endpoint::client::{Context, Gate, Got, Visitor, does};

checks! { Context:
    "http/two-tabs" => two_tabs, ["I3"], invariant 3,
        "two requests that change different values at the same time both survive";
    "http/slow-read-erases-nothing" => slow_read, ["I2", "I3"], invariant 2,
        "a slow request that only reads does not undo another one's changes";
    "http/increments-add-up" => increments, ["R53", "I3"], invariant 3,
        "eight increments at the same time add eight";
    "http/two-servers-increments" => two_servers_increments, ["R61", "R53"], invariant 3,
        "eight increments at the same time through two servers on one store add eight";
    "http/write-during-rotation-is-kept" => write_during_rotation, ["I3", "R07"],
        "cloakroom_core::Session::rotate",
        "a write that is saved while a rotation is under way is in the new session";
    "http/write-during-sign-in-is-harmless" => write_during_sign_in, ["I6", "R06"], invariant 6,
        "a write that a sign-in overtakes leaves the client signed in, whichever response arrives last";
    "http/sign-out-beats-write" => sign_out_beats_write, ["R20", "I4"], "CVE-2025-46336",
        "a write in flight does not bring a signed-out session back, under any cookie";
    "http/sign-out-beats-read" => sign_out_beats_read, ["R20", "I4"], "CVE-2025-46336",
        "a read in flight does not bring a signed-out session back";
    "http/sign-out-beats-rotation" => sign_out_beats_rotation, ["R20", "I4", "I7"],
        "CVE-2025-46336",
        "a rotation in flight does not save a signed-out session under another cookie";
    "http/sign-out-elsewhere-counts" => sign_out_elsewhere, ["R61", "R20"], "OWASP ASVS 5.0, 7.4.1",
        "after a sign-out on one server, another that knew the session refuses it and does not bring it back";
    "http/double-click-on-sign-in" => double_sign_in, ["R06", "I7"],
        "cloakroom_core::Session::sign_in",
        "two sign-ins at the same time with the same cookie both succeed";
}

/// Returns the result of a request that loaded the session before the other one ran, and was
/// answered after it.
async fn overtaken(visitor: &mut Visitor, slow: Vec<Op>, quick: Vec<Op>) -> Result<[Got; 2], Stop> {
    let mut gate = Gate::new().await?;
    let mut ops = vec![get("a"), gate.wait()?];
    ops.extend(slow);
    let mut slow = visitor.start(ops);
    slow.comes_to(&mut gate, 1).await?;
    let quick = visitor.clone().send(quick).await?.ok()?;
    gate.open();
    let slow = slow.answer().await?;
    Ok([slow, quick])
}

async fn two_tabs(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 0)]).await?;
    let (one, other) = (vec![insert("one", 1)], vec![insert("other", 2)]);
    let [slow, _] = overtaken(&mut visitor, one, other).await?;
    slow.ok()?;
    let ops = [get("a"), get("one"), get("other")];
    does(&mut visitor, ops, json!([0, 1, 2])).await
}

async fn slow_read(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 0)]).await?;
    let [slow, _] = overtaken(
        &mut visitor,
        vec![get("a")],
        vec![insert("a", 1), insert("b", 2)],
    )
    .await?;
    slow.ok()?;
    let ops = [get("a"), get("b")];
    does(&mut visitor, ops, json!([1, 2])).await
}

const MANY: usize = 8;

async fn all_at_once(visitors: &[Visitor]) -> Result<(), Stop> {
    let mut gate = Gate::new().await?;
    let mut all = Vec::new();
    for visitor in visitors.iter().cycle().take(MANY) {
        all.push(visitor.start([get("n"), gate.wait()?, increment("n")]));
    }
    all[0].comes_to(&mut gate, MANY).await?;
    gate.open();
    for one in all {
        one.answer().await?.ok()?;
    }
    Ok(())
}

async fn increments(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("n", 0)]).await?;
    all_at_once(&[visitor.clone()]).await?;
    same("the counter", visitor.value("n").await?, json!(MANY))
}

async fn two_servers_increments(context: Context) -> Result<(), Stop> {
    context.needs_two_servers()?;
    let mut visitor = context.visitor_with(vec![insert("n", 0)]).await?;
    all_at_once(&[visitor.clone(), visitor.elsewhere()]).await?;
    same("the counter", visitor.value("n").await?, json!(MANY))
}

async fn write_during_rotation(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let [rotated, _] = overtaken(&mut visitor, vec![Op::Rotate], vec![insert("b", 2)]).await?;
    let mut visitor = visitor.after(&rotated.ok()?);
    let ops = [get("a"), get("b")];
    does(&mut visitor, ops, json!([1, 2])).await
}

async fn write_during_sign_in(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let [written, signed_in] =
        overtaken(&mut visitor, vec![insert("b", 2)], vec![sign_in("ada")]).await?;
    // The answer to the write comes last, so the browser follows its cookie.
    let mut visitor = visitor.after(&signed_in).after(&written);
    does(&mut visitor, [Op::Subject], json!(["ada"])).await
}

async fn sign_out_beats_write(context: Context) -> Result<(), Stop> {
    sign_out_beats(context, vec![insert("b", 2)]).await
}

async fn sign_out_beats_read(context: Context) -> Result<(), Stop> {
    sign_out_beats(context, vec![get("a")]).await
}

async fn sign_out_beats_rotation(context: Context) -> Result<(), Stop> {
    sign_out_beats(context, vec![Op::Rotate]).await
}

async fn sign_out_beats(context: Context, slow: Vec<Op>) -> Result<(), Stop> {
    let mut visitor = signed_in(&context).await?;
    let [slow, out] = overtaken(&mut visitor, slow, vec![Op::SignOut]).await?;
    // An error is an honest answer here. The client's cookie must lead nowhere afterwards.
    if let Err(Stop::DoesNotApply(why)) = slow.results() {
        return Err(Stop::DoesNotApply(why));
    }
    ended(visitor.clone()).await?;
    ended(visitor.after(&slow)).await?;
    ended(visitor.after(&out).after(&slow)).await
}

async fn signed_in(context: &Context) -> Result<Visitor, Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    // Some servers drop the data at sign-in: another case.
    visitor.send([insert("a", 1)]).await?.ok()?;
    Ok(visitor)
}

async fn ended(mut visitor: Visitor) -> Result<(), Stop> {
    let results = visitor.send([get("a"), Op::Subject]).await?.results()?;
    let holds = results == [Value::Null, Value::Null];
    ensure(holds, "the signed-out session is back")
}

async fn sign_out_elsewhere(context: Context) -> Result<(), Stop> {
    context.needs_two_servers()?;
    let visitor = signed_in(&context).await?;
    let mut there = visitor.elsewhere();
    does(&mut there, [Op::Subject], json!(["ada"])).await?;
    visitor.clone().send([Op::SignOut]).await?.ok()?;
    ended(there).await?;
    ended(visitor).await
}

async fn double_sign_in(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let [slow, quick] = overtaken(&mut visitor, vec![sign_in("ada")], vec![sign_in("ada")]).await?;
    for got in [quick, slow.ok()?] {
        same(
            "whom the session belongs to after a double click",
            visitor.after(&got).subject().await?,
            json!("ada"),
        )?;
    }
    Ok(())
}
