//! What a handler does with a session, and what the next one sees.

use serde_json::{Value, json};

use crate::adapter::Told;
use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::Context;
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/values-come-back", ["I10"],
    "what a request leaves in the session the next one finds, and nobody else",
    "cloakroom_core::Session" => come_back;

    "adapter/flash-lives-for-one-request", ["I10"],
    "a flash value is there for the next request that asks, and for that one only",
    "cloakroom_core::Session" => flash;

    "adapter/csrf-token-is-bound", ["R68"],
    "a CSRF token works from the request that creates the session on, in no other session, and not after a sign-in",
    "OWASP ASVS 5.0, 3.5.1" => csrf;

    "adapter/sign-in-time-is-kept", ["R22"],
    "the time of the sign-in is kept through later writes and rotations",
    "OWASP ASVS 5.0, 7.5.1" => sign_in_time;

    "adapter/destroy-then-insert", ["R66"],
    "what is inserted after a sign-out in the same request belongs to a new session with a new token",
    "OWASP Session Management Cheat Sheet, \"Renew the Session ID\"" => destroy_then_insert;

    "adapter/own-expiry-survives", ["R26"],
    "an expiry that was set on one session survives later requests, writes and rotations",
    "cloakroom_core::Session::set_expiry" => own_expiry;

    "adapter/handler-error-changes-nothing", ["R64", "I10"],
    "a handler that fails leaves the session as it was, whatever it did before",
    "cloakroom_conformance::adapter, invariant 10" => handler_error;
}

async fn come_back(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor();
    let cart = json!({ "tea": 2, "note": "black; no milk, \"hot\"" });
    let ops = [
        insert("cart", cart.clone()),
        insert("b", 1),
        insert("gone", true),
        increment("n"),
    ];
    visitor.send(ops).await?.ok()?;
    let ops = [
        get("cart"),
        Op::Keys,
        Op::Remove("gone".into()),
        Op::Take("b".into()),
        Op::IsModified,
    ];
    visitor.send(ops).await?.quiet()?.are(json!([
        cart,
        ["b", "cart", "gone", "n"],
        true,
        1,
        true
    ]))?;
    visitor
        .send([Op::Keys, increment("n")])
        .await?
        .quiet()?
        .are(json!([["cart", "n"], 2]))?;
    world.visitor().send([Op::Keys]).await?.are(json!([[]]))?;
    visitor
        .send([Op::Clear, insert("last", 1)])
        .await?
        .quiet()?;
    visitor
        .send([Op::Keys, Op::Len, Op::IsNew])
        .await?
        .quiet()?
        .are(json!([["last"], 1, false]))?;
    visitor.send([Op::Clear]).await?.quiet()?;
    visitor
        .send([Op::IsEmpty, Op::IsNew])
        .await?
        .quiet()?
        .are(json!([true, false]))?;
    world.holds(1)
}

async fn flash(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world
        .visitor_with(vec![Op::Flash("note".into(), "saved".into())])
        .await?;
    let look = || [Op::Flashed("note".into()), Op::Keys];
    visitor.send([Op::Len]).await?.are(json!([0]))?;
    visitor.send(look()).await?.are(json!(["saved", []]))?;
    visitor.send(look()).await?.are(json!([null, []]))?;
    Ok(())
}

async fn csrf(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (mut visitor, mut other) = (world.visitor(), world.visitor());
    let token = visitor.send([Op::Csrf]).await?.one()?;
    let verify = |token: &Value| {
        [Op::VerifyCsrf(
            token.as_str().unwrap_or_default().to_owned(),
        )]
    };
    ensure(
        visitor.token.is_some(),
        "asking for a CSRF token created no session",
    )?;
    visitor.send(verify(&token)).await?.are(json!([true]))?;
    let another = visitor.send([Op::Csrf]).await?.one()?;
    visitor.send(verify(&another)).await?.are(json!([true]))?;
    visitor
        .send(verify(&json!("forged")))
        .await?
        .are(json!([false]))?;
    other.send([Op::Csrf]).await?.ok()?;
    other.send(verify(&token)).await?.are(json!([false]))?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    visitor.send(verify(&token)).await?.are(json!([false]))?;
    let renewed = visitor.send([Op::Csrf]).await?.one()?;
    visitor.send(verify(&renewed)).await?.are(json!([true]))?;
    Ok(())
}

async fn sign_in_time(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    visitor
        .send([Op::AuthenticatedAt])
        .await?
        .are(json!([null]))?;
    world.advance(60);
    let at = world.clock.now().as_secs();
    visitor.send([sign_in("ada")]).await?.ok()?;
    world.advance(60);
    visitor.send([insert("a", 2)]).await?.ok()?;
    visitor.send([Op::Rotate]).await?.ok()?;
    visitor
        .send([Op::AuthenticatedAt, Op::Subject])
        .await?
        .are(json!([at, "ada"]))?;
    Ok(())
}

async fn destroy_then_insert(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    let mut old = visitor.clone();
    visitor
        .send([Op::Destroy, get("a"), insert("b", 2)])
        .await?
        .are(json!([null, null, null]))?;
    ensure(
        visitor.token.is_some() && visitor.token != old.token,
        "no new token was issued",
    )?;
    visitor.send([Op::Keys]).await?.are(json!([["b"]]))?;
    ensure(!old.is_known().await?, "the destroyed session lives on")?;
    world.holds(1)
}

async fn own_expiry(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world
        .visitor_with(vec![insert("a", 1), Op::SetExpiry(7_200, 86_400, false)])
        .await?;
    world.advance(3_600);
    visitor.send([insert("b", 1)]).await?.quiet()?;
    world.advance(3_600);
    visitor.send([Op::Rotate]).await?.ok()?;
    world.advance(7_199);
    ensure(
        visitor.is_known().await?,
        "the session ended before the expiry that was set on it",
    )?;
    world.advance(7_200);
    ensure(
        !visitor.is_known().await?,
        "the session lives beyond the expiry that was set on it",
    )
}

async fn handler_error(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    for ops in [
        vec![insert("a", 2), Op::Fail],
        vec![sign_in("ada"), Op::Fail],
        vec![Op::Rotate, Op::Fail],
        vec![Op::SignOut, Op::Fail],
        vec![Op::Clear, Op::SetExpiry(1, 1, false), Op::Fail],
    ] {
        visitor.send(ops).await?.failed("a handler's error")?;
        visitor
            .send([get("a"), Op::Subject])
            .await?
            .are(json!([1, null]))?;
    }
    let mut newcomer = world.visitor();
    let got = newcomer.send([insert("a", 1), Op::Fail]).await?;
    same(
        "what a failed request tells the client to do",
        got.told,
        Told::Nothing,
    )?;
    world.holds(1)
}
