//! What is tried for a request and does not answer it: routes that leave it to another one, and what stands before a handler and fails.

use serde_json::json;

use crate::adapter::Ability;
use crate::adapter::script::{Op, Script, get, increment, insert, sign_in};
use crate::adapter::world::Context;
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/another-route-answers", ["R64", "I10"],
    "what a route changed that left the request to another one is dropped; the other one begins with the session as it was",
    "cloakroom_conformance::adapter, invariant 10" => another_route;

    "adapter/another-route-wants-no-session", ["R64", "I10"],
    "what a route changed that left the request to one without a session is dropped, and tells the client nothing",
    "cloakroom_conformance::adapter, invariant 10" => without_session;

    "adapter/no-route-answers", ["R64", "I10"],
    "what a route changed that left the request to another one is dropped where there is none",
    "cloakroom_conformance::adapter, invariant 10" => no_route;

    "adapter/optional-guard-has-changed", ["I3", "I10"],
    "where a handler goes on though what stands before it failed, what that had changed is part of the request, and is saved with it",
    "cloakroom_conformance::adapter::Ability::Optional" => optional;
}

/// What the route does that leaves the request to another one.
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
        browser
            .get("/script", [get("a"), get("n"), Op::Keys, Op::Subject])
            .await?
            .quiet()?
            .are(json!([1, 1, ["a", "n"], null]))?;
    }
    Ok(())
}

async fn without_session(context: Context) -> Result<(), Stop> {
    context.require(Ability::Attempts)?;
    for now in given_up() {
        let world = context.world().await?;
        let browser = world.http()?.browser()?;
        // Who has no session gets none.
        let got = browser.get("/attempts/untouched", now.clone()).await?;
        got.quiet()?;
        world.holds(0)?;
        browser.get("/script", [insert("a", 1)]).await?;
        browser.get("/attempts/untouched", now).await?.quiet()?;
        browser
            .get("/script", [Op::Keys, get("a"), Op::Subject])
            .await?
            .quiet()?
            .are(json!([["a"], 1, null]))?;
        world.holds(1)?;
    }
    Ok(())
}

async fn no_route(context: Context) -> Result<(), Stop> {
    context.require(Ability::Attempts)?;
    for now in given_up() {
        let world = context.world().await?;
        let http = world.http()?;
        let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
        for cookies in [vec![], vec![http.pair(visitor.token()?)]] {
            let script = now.clone().into();
            let got = http.head("/attempts/nobody", &cookies, &script).await?;
            let head = got.head()?;
            head.is(404)?;
            ensure(
                head.all("set-cookie").is_empty(),
                "a response of nobody's has a cookie",
            )?;
        }
        visitor
            .send([Op::Keys, get("a"), Op::Subject])
            .await?
            .quiet()?
            .are(json!([["a"], 1, null]))?;
        world.holds(1)?;
    }
    Ok(())
}

async fn optional(context: Context) -> Result<(), Stop> {
    context.require(Ability::Optional)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    let script = Script {
        now: vec![increment("n"), insert("guard", 1)],
        then: vec![increment("n"), get("guard")],
    };
    let got = browser.get("/optional", script).await?;
    got.are(json!([2, 1]))?;
    browser
        .get("/script", [get("n"), get("guard")])
        .await?
        .quiet()?
        .are(json!([2, 1]))
        .map(drop)
}
