//! Requests that a layer between the session's layer and the handler repeats: a retry, a hedge.

use serde_json::json;

use crate::adapter::script::{Op, Script, get, increment, insert, sign_in};
use crate::adapter::world::Context;
use crate::adapter::{Ability, http};
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/repeated-after-a-change" => after_a_change, ["R64", "I10"], invariant 10,
        "the changes of a failed attempt are not saved, and a repeated attempt of the request does not see them";
    "adapter/repeated-without-a-session" => without_a_session, ["R64", "I10"], invariant 10,
        "the changes of a failed attempt are not saved if the next attempt uses no session";
    "adapter/repeated-after-reading" => after_reading, ["R64"],
        "cloakroom_conformance::adapter::Ability::Repeats",
        "a request whose failed attempt only read its session can be repeated";
}

/// The failed attempt's script.
fn failed() -> [Vec<Op>; 4] {
    [
        vec![insert("a", 2), insert("b", 1), Op::Status(503)],
        vec![increment("a"), sign_in("eve"), Op::Status(503)],
        vec![Op::Rotate, insert("b", 1), Op::Status(503)],
        vec![Op::SignOut, Op::Status(503)],
    ]
}

async fn after_a_change(context: Context) -> Result<(), Stop> {
    repeated(context, "/repeated").await
}

async fn without_a_session(context: Context) -> Result<(), Stop> {
    repeated(context, "/repeated/untouched").await
}

async fn repeated(context: Context, path: &str) -> Result<(), Stop> {
    context.require(Ability::Repeats)?;
    for now in failed() {
        let world = context.world().await?;
        let browser = world.http()?.browser()?;
        let then = vec![Op::Keys, Op::Subject];
        let script = Script { now, then };
        for known in [false, true] {
            if known {
                browser.get("/script", [insert("a", 1)]).await?.ok()?;
            }
            let got = browser.send(path, script.clone()).await?;
            let keys = if known { json!(["a"]) } else { json!([]) };
            // Either the attempt begins with the session as it was, or the request fails.
            if got.failed.is_some() {
                got.failed("the second attempt")?;
            } else if path == "/repeated" {
                got.quiet()?.are(json!([keys, null]))?;
            } else {
                got.quiet()?;
            }
            world.holds(usize::from(known))?;
        }
        let got = browser.get("/script", [get("a"), Op::Keys, Op::Subject]);
        got.await?.quiet()?.are(json!([1, ["a"], null]))?;
    }
    Ok(())
}

async fn after_reading(context: Context) -> Result<(), Stop> {
    context.require(Ability::Repeats)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    browser.get("/script", [insert("n", 1)]).await?.ok()?;
    let script = Script::then([get("n"), Op::Status(503)], [increment("n")]);
    http::sees(&browser, "/repeated", script, json!([2])).await?;
    let saved = browser.get("/script", [get("n")]).await?.one()?;
    ensure(saved == 2, "the second attempt's change was lost")
}
