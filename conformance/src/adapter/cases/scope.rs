//! A cookie whose Path, Domain or Partitioned has changed between two deployments.

use cloakroom::{ConfigBuilder, CookieScope};
use serde_json::json;

use crate::adapter::got::Got;
use crate::adapter::http::{attributes, scope};
use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, World};
use crate::adapter::{TokenNotice, http};
use crate::case::{Stop, checks, ensure, fail, same};

checks! { Context:
    "adapter/former-scope-at-sign-in" => at_sign_in, ["R76", "R07"],
        "cloakroom_core::ConfigBuilder::former_scope; RFC 10025, section 5.7",
        "after a change of the cookie's Path, a sign-in, a rotation and a new session remove the old cookie, and the next request has the new one";
    "adapter/former-scope-at-sign-out" => at_sign_out, ["R76", "R19"],
        "cloakroom_core::ConfigBuilder::former_scope; RFC 10025, section 5.7",
        "after a change of the cookie's Path, a sign-out ends the session of the old cookie, at new and old servers";
    "adapter/former-scopes-each-have-a-line" => lines, ["R76", "R32"],
        "cloakroom_core::http::apply; RFC 10025, section 5.7",
        "each former Domain, Path and Partitioned has one Set-Cookie line, with the flags of the cookie, before the cookie's own";
    "adapter/newest-of-several-cookies" => newest, ["R76", "R36"], "cloakroom_core::Envelope",
        "of several sessions in cookies of one name the newest counts, in any order, and a sign-out outranks all of them";
}

fn old(builder: ConfigBuilder) -> ConfigBuilder {
    builder.cookie_name("__Secure-shop").path("/script")
}

fn new(builder: ConfigBuilder) -> ConfigBuilder {
    builder
        .cookie_name("__Secure-shop")
        .former_scope(CookieScope::new().path("/script"))
}

async fn deployments(context: &Context) -> Result<[World; 2], Stop> {
    let before = context.world_with(old).await?;
    let after = context.beside(&before, new).await?;
    Ok([before, after])
}

/// Fails unless the response removes the cookie of the former Path.
fn removes(got: &Got) -> Result<(), Stop> {
    let lines = got.head()?.set_cookie("__Secure-shop");
    let former = ["path=/script".to_owned()];
    let Some(line) = lines.iter().find(|line| scope(line) == former) else {
        return fail("the cookie of the former Path was not removed");
    };
    ensure(
        line.starts_with("__Secure-shop=;") && attributes(line).contains(&"max-age=0".to_owned()),
        "the cookie of the former Path was set again",
    )
}

async fn at_sign_in(context: Context) -> Result<(), Stop> {
    for (ops, subject) in [
        (vec![sign_in("bob")], json!("bob")),
        (vec![Op::Rotate], json!("ada")),
        (vec![Op::SignOut, insert("n", 1)], json!(null)),
    ] {
        let [before, after] = deployments(&context).await?;
        let browser = before.http()?.browser()?;
        browser.get("/script", [sign_in("ada")]).await?.ok()?;
        let changed = browser.at(after.http()?);
        let seen = changed.get("/script", [Op::Subject]).await?.one()?;
        same("the subject after the change", seen, json!("ada"))?;
        before.advance(1);
        removes(&changed.get("/script", ops).await?.ok()?)?;
        // The other deployment still runs.
        for browser in [&changed, &browser, &changed] {
            let seen = browser.get("/script", [Op::Subject]).await?.one()?;
            same("the subject on the next requests", seen, subject.clone())?;
        }
    }
    Ok(())
}

async fn at_sign_out(context: Context) -> Result<(), Stop> {
    let [before, after] = deployments(&context).await?;
    let browser = before.http()?.browser()?;
    let ops = [sign_in("ada"), insert("cart", 1)];
    browser.get("/script", ops).await?.ok()?;
    let changed = browser.at(after.http()?);
    before.advance(1);
    let got = changed.get("/script", [Op::SignOut]).await?.ok()?;
    removes(&got)?;
    same("what the client is told", &got.told, &TokenNotice::Forget)?;
    for browser in [&changed, &browser, &changed] {
        let seen = [Op::Subject, get("cart"), Op::IsNew];
        http::does(browser, "/script", seen, json!([null, null, true])).await?;
    }
    // With both cookies, as between two deployments that do not name the other's Path.
    let elsewhere = context.beside(&before, |builder| builder.cookie_name("__Secure-shop"));
    let elsewhere = elsewhere.await?;
    browser.get("/script", [sign_in("ada")]).await?.ok()?;
    before.advance(1);
    let there = browser.at(elsewhere.http()?);
    there.get("/script", [sign_in("bob")]).await?.ok()?;
    let seen = there.get("/script", [Op::Subject]).await?.one()?;
    same("the subject after a sign-in", seen, json!("bob"))?;
    before.advance(1);
    changed.get("/script", [Op::SignOut]).await?.ok()?;
    for browser in [&changed, &browser, &there] {
        let seen = browser.get("/script", [Op::Subject]).await?.one()?;
        same("the subject after the sign-out", seen, json!(null))?;
    }
    Ok(())
}

async fn lines(context: Context) -> Result<(), Stop> {
    let world = context.world_with(|builder| {
        let former = CookieScope::new;
        builder
            .cookie_name("__Secure-shop")
            .former_scope(former().domain("shop.example"))
            .former_scope(former().path("/script").partitioned(true))
    });
    let world = world.await?;
    let mut visitor = world.visitor();
    for (ops, told) in [
        (vec![insert("a", 1)], true),
        (vec![sign_in("ada")], true),
        (vec![Op::SignOut], false),
    ] {
        let got = visitor.send(ops).await?.ok()?;
        let lines = got.head()?.set_cookie("__Secure-shop");
        let scopes: Vec<_> = lines.iter().map(|line| scope(line)).collect();
        same(
            "the scopes of the Set-Cookie lines",
            json!(scopes),
            json!([
                ["domain=shop.example", "path=/"],
                ["partitioned", "path=/script"],
                ["path=/"]
            ]),
        )?;
        let keeps = matches!(got.told, TokenNotice::Keep(_));
        same("whether the client gets a cookie", keeps, told)?;
        for line in &lines {
            for flag in ["secure", "httponly", "samesite=lax"] {
                let holds = attributes(line).contains(&flag.to_owned());
                ensure(holds, format!("a Set-Cookie line without {flag}"))?;
            }
        }
    }
    Ok(())
}

async fn newest(context: Context) -> Result<(), Stop> {
    if context.base.stored {
        return Err(Stop::DoesNotApply("sessions are in a store".to_owned()));
    }
    let world = context.world().await?;
    let mut visitor = world.visitor();
    visitor.send([sign_in("ada"), insert("n", 1)]).await?.ok()?;
    let first = visitor.token()?.to_owned();
    world.advance(1);
    visitor.send([insert("n", 2)]).await?.ok()?;
    let second = visitor.token()?.to_owned();
    for tokens in [[&*first, &*second], [&*second, &*first]] {
        let got = world.exchange(&tokens, &[get("n")].into()).await?;
        same("the value of the newest", got.one()?, json!(2))?;
    }
    world.advance(1);
    let tokens = [&*first, &*second];
    let got = world.exchange(&tokens, &[Op::SignOut].into()).await?.ok()?;
    let TokenNotice::Keep(out) = got.told else {
        return fail("a sign-out with several cookies left the older ones in force");
    };
    for old in [&*first, &*second] {
        for tokens in [[old, &*out], [&*out, old]] {
            let seen = [Op::Subject, get("n")].into();
            let got = world.exchange(&tokens, &seen).await?;
            got.are(json!([null, null]))?;
        }
    }
    Ok(())
}
