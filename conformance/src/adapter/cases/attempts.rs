//! Attempts that do not answer: routes that forward the request, and guards that fail.

use serde_json::json;

use crate::adapter::script::{Op, Script, get, increment, insert, sign_in};
use crate::adapter::world::Context;
use crate::adapter::{Ability, http};
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/another-route-answers" => another_route, ["R64", "I10"], invariant 10,
        "if a route forwards the request, its changes are dropped, and the next route starts with the original session";
    "adapter/another-route-wants-no-session" => without_session, ["R64", "I10"], invariant 10,
        "if a route forwards to one without a session, its changes are dropped and no cookie is sent";
    "adapter/no-route-answers" => no_route, ["R64", "I10"], invariant 10,
        "if a route forwards and no other answers, its changes are dropped";
    "adapter/optional-guard-has-changed" => optional, ["I3", "I10"],
        "cloakroom_conformance::adapter::Ability::Optional",
        "if a guard fails and the handler runs all the same, the guard's changes are saved with the handler's";
}

/// The script of a route that forwards the request.
fn given_up() -> [Vec<Op>; 4] {
    [
        vec![insert("a", 2), insert("b", 1)],
        vec![increment("a"), sign_in("eve")],
        vec![Op::Rotate],
        vec![Op::SignOut],
    ]
}

async fn another_route(context: Context) -> Result<(), Stop> {
    context.require(Ability::Attempts)?;
    for now in given_up() {
        let world = context.world().await?;
        let browser = world.http()?.browser()?;
        browser.get("/script", [insert("a", 1)]).await?;
        let then = vec![Op::Keys, Op::Subject, Op::IsModified, increment("n")];
        let got = browser.get("/attempts", Script { now, then }).await?;
        got.quiet()?.are(json!([["a"], null, false, 1]))?;
        let ops = [get("a"), get("n"), Op::Keys, Op::Subject];
        http::sees(&browser, "/script", ops, json!([1, 1, ["a", "n"], null])).await?;
    }
    Ok(())
}

async fn without_session(context: Context) -> Result<(), Stop> {
    context.require(Ability::Attempts)?;
    for now in given_up() {
        let world = context.world().await?;
        let browser = world.http()?.browser()?;
        // A client without a session gets none.
        let got = browser.get("/attempts/untouched", now.clone()).await?;
        got.quiet()?;
        world.holds(0)?;
        browser.get("/script", [insert("a", 1)]).await?;
        browser.get("/attempts/untouched", now).await?.quiet()?;
        let ops = [Op::Keys, get("a"), Op::Subject];
        http::sees(&browser, "/script", ops, json!([["a"], 1, null])).await?;
        world.holds(1)?;
    }
    Ok(())
}

async fn no_route(context: Context) -> Result<(), Stop> {
    context.require(Ability::Attempts)?;
    for now in given_up() {
        let world = context.world().await?;
        let http = world.http()?;
        let mut visitor = world.visitor_with([insert("a", 1)]).await?;
        for cookies in [vec![], vec![http.pair(visitor.token()?)]] {
            let script = now.clone().into();
            let got = http.head("/attempts/nobody", &cookies, &script).await?;
            let head = got.head()?;
            head.is(404)?;
            let holds = head.all(world.config.response_header().as_str()).is_empty();
            ensure(holds, "a response of nobody's issues a token")?;
        }
        let got = visitor.send([Op::Keys, get("a"), Op::Subject]).await?;
        got.quiet()?.are(json!([["a"], 1, null]))?;
        world.holds(1)?;
    }
    Ok(())
}

async fn optional(context: Context) -> Result<(), Stop> {
    context.require(Ability::Optional)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    let script = Script::then(
        [increment("n"), insert("guard", 1)],
        [increment("n"), get("guard")],
    );
    http::does(&browser, "/optional", script, json!([2, 1])).await?;
    http::sees(&browser, "/script", [get("n"), get("guard")], json!([2, 1])).await
}
