//! A session's identity: unknown tokens, sign-in and sign-out.

use serde_json::{Value, json};

use crate::adapter::script::{Op, get, insert, sign_in};
use crate::case::{Stop, checks, ensure, same};
use crate::endpoint::client::{Context, Cookies, does};

checks! { Context:
    "http/dead-token-is-not-adopted", ["R02", "I5"],
    "a write with the cookie of a session that has ended gets another cookie, and the old one leads nowhere",
    "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"" => dead_token;

    "http/forged-token-is-not-adopted", ["R02", "I5"],
    "a cookie with one letter changed is never adopted, and is not an error",
    "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"" => forged_token;

    "http/malformed-token-is-no-error", ["R03", "I5", "I12"],
    "a malformed token is not an error, leads nowhere, and a read with it leaves no cookie",
    "OWASP Session Management Cheat Sheet, \"Manage Session ID as Any Other User Input\"" => malformed;

    "http/sign-in-rotates", ["R06", "I7"],
    "a sign-in gives another token, and the old one does not reach the new privilege",
    "OWASP ASVS 5.0, 7.2.4" => sign_in_rotates;

    "http/sign-in-keeps-the-data", ["R06"],
    "a visitor's data survives the sign-in",
    "cloakroom_core::Session::sign_in" => sign_in_keeps;

    "http/rotation-keeps-the-data", ["R06", "R07"],
    "a rotation issues another token and keeps the data",
    "OWASP ASVS 5.0, 7.2.4" => rotation;

    "http/rotation-then-server-error", ["R65"],
    "a rotation whose response has the status 500 leaves the client with a working session",
    "cloakroom_conformance::adapter, invariant 10" => rotation_then_error;

    "http/sign-out-ends-the-session", ["R19", "I4"],
    "after a sign-out the old cookie leads nowhere, even for a write",
    "OWASP ASVS 5.0, 7.4.1" => sign_out;

    "http/sign-out-creates-nothing", ["R24"],
    "a stranger's sign-out leaves no cookie",
    "CVE-2015-5963" => sign_out_creates_nothing;

    "http/sign-out-then-insert", ["R66"],
    "values inserted after a sign-out in the same request go to a new session with a new token",
    "OWASP Session Management Cheat Sheet, \"Renew the Session ID After Any Privilege Level Change\"" => sign_out_then_insert;
}

async fn dead_token(context: Context) -> Result<(), Stop> {
    let visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    visitor.clone().send([Op::SignOut]).await?.ok()?;
    not_adopted(&context, visitor.cookies).await
}

async fn forged_token(context: Context) -> Result<(), Stop> {
    let mut cookies = context.visitor_with(vec![insert("a", 1)]).await?.cookies;
    for value in cookies.0.values_mut() {
        let at = value
            .char_indices()
            .filter(|(_, letter)| letter.is_ascii_alphanumeric())
            .map(|(at, _)| at)
            .nth(12);
        if let Some(at) = at {
            let other = if &value[at..=at] == "a" { "b" } else { "a" };
            value.replace_range(at..=at, other);
        }
    }
    not_adopted(&context, cookies).await
}

/// Two visitors with the same unknown token do not share a session.
async fn not_adopted(context: &Context, cookies: Cookies) -> Result<(), Stop> {
    let presenting = || {
        let mut visitor = context.visitor();
        visitor.cookies = cookies.clone();
        visitor
    };
    let mut victim = presenting();
    victim.send([insert("secret", 1)]).await?.ok()?;
    same(
        "what somebody else finds with a token that nobody issued",
        presenting().value("secret").await?,
        Value::Null,
    )?;
    same("the value", victim.value("secret").await?, json!(1))?;
    ensure(
        victim.cookies != cookies,
        "a write with a token that nobody issued got no other",
    )
}

async fn malformed(context: Context) -> Result<(), Stop> {
    let visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let names: Vec<_> = visitor.cookies.0.keys().cloned().collect();
    let long = "a".repeat(4_000);
    for token in [
        "",
        "x",
        "../../etc/passwd",
        "$ne",
        "{\"$ne\":null}",
        "' OR '1'='1",
        "*",
        "%00",
        "%0d%0aset-cookie:a=b",
        "\"\"",
        &long,
    ] {
        let pairs: Vec<_> = names.iter().map(|name| format!("{name}={token}")).collect();
        let got = visitor.with_line(pairs.join("; "), [get("a")]).await?;
        let got = got.are(json!([null]))?;
        let mut stranger = context.visitor();
        stranger.cookies = visitor.after(&got).cookies;
        ensure(
            stranger
                .cookies
                .0
                .iter()
                .all(|(name, value)| visitor.cookies.0.get(name) == Some(value)),
            "a read with a malformed token set a cookie",
        )?;
    }
    Ok(())
}

async fn sign_in_rotates(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let mut old = visitor.clone();
    visitor.send([sign_in("ada")]).await?.ok()?;
    ensure(visitor.cookies != old.cookies, "no other token was issued")?;
    does(&mut visitor, [Op::Subject], json!(["ada"])).await?;
    does(&mut old, [Op::Subject], json!([null])).await
}

async fn sign_in_keeps(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("cart", "tea")]).await?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    does(
        &mut visitor,
        [get("cart"), Op::Subject],
        json!(["tea", "ada"]),
    )
    .await
}

async fn rotation(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let old = visitor.cookies.clone();
    visitor.send([Op::Rotate]).await?.ok()?;
    ensure(visitor.cookies != old, "no other token was issued")?;
    same("the value", visitor.value("a").await?, json!(1))
}

async fn rotation_then_error(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let got = visitor.send([Op::Rotate, Op::Status(500)]).await?;
    ensure(
        got.status.is_some_and(|status| status == 500),
        "the script's status is not that of the response",
    )?;
    same("the value", visitor.value("a").await?, json!(1))
}

async fn sign_out(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    visitor.send([sign_in("ada"), insert("a", 1)]).await?.ok()?;
    let mut old = visitor.clone();
    visitor.send([Op::SignOut]).await?.ok()?;
    for visitor in [&mut visitor, &mut old] {
        does(visitor, [get("a"), Op::Subject], json!([null, null])).await?;
    }
    old.send([insert("b", 1)]).await?.ok()?;
    does(&mut old, [get("a")], json!([null])).await
}

async fn sign_out_creates_nothing(context: Context) -> Result<(), Stop> {
    let mut stranger = context.visitor();
    stranger.send([Op::SignOut]).await?.ok()?;
    same(
        "the cookies of a stranger who signed out",
        stranger.cookies.0.len(),
        0,
    )
}

async fn sign_out_then_insert(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let mut old = visitor.clone();
    visitor.send([Op::SignOut, insert("b", 2)]).await?.ok()?;
    does(&mut visitor, [get("a"), get("b")], json!([null, 2])).await?;
    ensure(visitor.cookies != old.cookies, "no other token was issued")?;
    does(&mut old, [get("a"), get("b")], json!([null, null])).await
}
