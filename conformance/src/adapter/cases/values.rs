//! A handler's changes, as the next request sees them.

use serde_json::{Value, json};

use crate::adapter::TokenNotice;
use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, does, fails, sees};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/values-come-back" => come_back, ["I10"], "cloakroom_core::Session",
        "the client's next request finds the values, and no other client does";
    "adapter/flash-lives-for-one-request" => flash, ["I10"], "cloakroom_core::Session",
        "the next request that reads a flash value gets it, and no later one does";
    "adapter/csrf-token-is-bound" => csrf, ["R68"], "OWASP ASVS 5.0, 3.5.1",
        "a CSRF token works from the request that creates the session, in no other session, and not after a sign-in";
    "adapter/form-for-strangers-creates-no-record" => form_for_strangers, ["R68", "R25", "R02"],
        "OWASP CSRF Prevention Cheat Sheet, \"Login forms\"",
        "a form for a stranger is bound to the visitor's cookie, creates no record, and can sign in";
    "adapter/sign-in-time-is-kept" => sign_in_time, ["R22"], "OWASP ASVS 5.0, 7.5.1",
        "the time of the sign-in is kept through later writes and rotations";
    "adapter/sign-out-then-insert" => sign_out_then_insert, ["R66"],
        "OWASP Session Management Cheat Sheet, \"Renew the Session ID\"",
        "values inserted after a sign-out in the same request go to a new session with a new token";
    "adapter/own-expiry-survives" => own_expiry, ["R26"], "cloakroom_core::Session::set_expiry",
        "an expiry set on one session survives later requests, writes and rotations";
    "adapter/handler-error-changes-nothing" => handler_error, ["R64", "I10"], invariant 10,
        "a handler that fails leaves the session as it was";
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
    let want = json!([cart, ["b", "cart", "gone", "n"], true, 1, true]);
    sees(&mut visitor, ops, want).await?;
    let got = visitor.send([Op::Keys, increment("n")]).await?;
    got.quiet()?.are(json!([["cart", "n"], 2]))?;
    does(&mut world.visitor(), [Op::Keys], json!([[]])).await?;
    let got = visitor.send([Op::Clear, insert("last", 1)]).await?;
    got.quiet()?;
    let got = visitor.send([Op::Keys, Op::Len, Op::IsNew]).await?;
    got.quiet()?.are(json!([["last"], 1, false]))?;
    visitor.send([Op::Clear]).await?.quiet()?;
    sees(&mut visitor, [Op::IsEmpty, Op::IsNew], json!([true, false])).await?;
    world.holds(1)
}

async fn flash(context: Context) -> Result<(), Stop> {
    let (_, mut visitor) = context
        .session([Op::Flash("note".into(), "saved".into())])
        .await?;
    let look = || [Op::Flashed("note".into()), Op::Keys];
    does(&mut visitor, [Op::Len], json!([0])).await?;
    does(&mut visitor, look(), json!(["saved", []])).await?;
    does(&mut visitor, look(), json!([null, []])).await?;
    Ok(())
}

fn verify(form: &Value) -> Op {
    Op::VerifyCsrf(form.as_str().unwrap_or_default().to_owned())
}

async fn csrf(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let (mut visitor, mut other) = (world.visitor(), world.visitor());
    let mut got = visitor.send([insert("a", 1), Op::Csrf]).await?.ok()?;
    let token = got.results.pop().unwrap_or_default();
    does(&mut visitor, [verify(&token)], json!([true])).await?;
    let another = visitor.send([Op::Csrf]).await?.one()?;
    does(&mut visitor, [verify(&another)], json!([true])).await?;
    does(&mut visitor, [verify(&json!("forged"))], json!([false])).await?;
    other.send([Op::Csrf]).await?.ok()?;
    does(&mut other, [verify(&token)], json!([false])).await?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    does(&mut visitor, [verify(&token)], json!([false])).await?;
    let renewed = visitor.send([Op::Csrf]).await?.one()?;
    does(&mut visitor, [verify(&renewed)], json!([true])).await?;
    Ok(())
}

/// How many strangers ask for the page with the form.
const FLOOD: usize = 20;

async fn form_for_strangers(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut other = Value::Null;
    for _ in 0..FLOOD {
        let mut bot = world.visitor();
        other = bot.send([Op::Csrf]).await?.one()?;
    }
    world.called("requests for a page with a form", &[])?;
    world.holds(0)?;

    let mut visitor = world.visitor();
    let form = visitor.send([Op::Csrf]).await?.one()?;
    ensure(visitor.token.is_some(), "the form came without a cookie")?;
    let shown = visitor.token.clone();
    does(&mut visitor, [verify(&other)], json!([false])).await?;
    let mut without = world.visitor();
    does(&mut without, [verify(&form)], json!([false])).await?;
    world.holds(0)?;

    // The form is sent, and signs the visitor in.
    let ops = [verify(&form), sign_in("ada"), verify(&form)];
    does(&mut visitor, ops, json!([true, null, false])).await?;
    let holds = visitor.token != shown;
    ensure(holds, "the cookie of the form became the session")?;
    let got = visitor.send([Op::Subject, verify(&form)]).await?;
    got.are(json!(["ada", false]))?;
    world.holds(1)
}

async fn sign_in_time(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    does(&mut visitor, [Op::AuthenticatedAt], json!([null])).await?;
    world.advance(60);
    let at = world.clock.now().as_secs();
    visitor.send([sign_in("ada")]).await?.ok()?;
    world.advance(60);
    visitor.send([insert("a", 2)]).await?.ok()?;
    visitor.send([Op::Rotate]).await?.ok()?;
    let got = visitor.send([Op::AuthenticatedAt, Op::Subject]).await?;
    got.are(json!([at, "ada"]))?;
    Ok(())
}

async fn sign_out_then_insert(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let mut old = visitor.clone();
    let got = visitor
        .send([Op::Destroy, get("a"), insert("b", 2)])
        .await?;
    got.are(json!([null, null, null]))?;
    let holds = visitor.token.is_some() && visitor.token != old.token;
    ensure(holds, "no new token was issued")?;
    does(&mut visitor, [Op::Keys], json!([["b"]])).await?;
    ensure(!old.is_known().await?, "the destroyed session lives on")?;
    world.holds(1)
}

async fn own_expiry(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context
        .session([insert("a", 1), Op::SetExpiry(7_200, 86_400, false)])
        .await?;
    world.advance(3_600);
    visitor.send([insert("b", 1)]).await?.quiet()?;
    world.advance(3_600);
    visitor.send([Op::Rotate]).await?.ok()?;
    world.advance(7_199);
    let holds = visitor.is_known().await?;
    ensure(holds, "the session ended before its own expiry")?;
    world.advance(7_200);
    let holds = !visitor.is_known().await?;
    ensure(holds, "the session lives beyond its own expiry")
}

async fn handler_error(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for ops in [
        vec![insert("a", 2), Op::Fail],
        vec![sign_in("ada"), Op::Fail],
        vec![Op::Rotate, Op::Fail],
        vec![Op::SignOut, Op::Fail],
        vec![Op::Clear, Op::SetExpiry(1, 1, false), Op::Fail],
    ] {
        fails(&mut visitor, ops, "a handler's error").await?;
        does(&mut visitor, [get("a"), Op::Subject], json!([1, null])).await?;
    }
    let mut newcomer = world.visitor();
    let got = newcomer.send([insert("a", 1), Op::Fail]).await?;
    same(
        "what a failed request tells the client to do",
        got.told,
        TokenNotice::Nothing,
    )?;
    world.holds(1)
}
