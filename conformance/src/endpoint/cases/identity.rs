//! A session's identity: unknown tokens, sign-in and sign-out.

use serde_json::{Value, json};

use crate::adapter::script::{Op, get, insert, sign_in};
use crate::case::{Stop, checks, ensure, same};
use crate::endpoint::client::{Context, Cookies, does};

checks! { Context:
    "http/dead-token-is-not-adopted" => dead_token, ["R02", "I5"],
        "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"",
        "a write with the cookie of a session that has ended gets another cookie, and the old one leads nowhere";
    "http/forged-token-is-not-adopted" => forged_token, ["R02", "I5"],
        "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"",
        "a cookie with one letter changed is never adopted, and is not an error";
    "http/malformed-token-is-no-error" => malformed, ["R03", "I5", "I12"],
        "OWASP Session Management Cheat Sheet, \"Manage Session ID as Any Other User Input\"",
        "a malformed token is not an error, leads nowhere, and a read with it leaves no cookie";
    "http/sign-in-rotates" => sign_in_rotates, ["R06", "I7"], "OWASP ASVS 5.0, 7.2.4",
        "a sign-in gives another token, and the old one does not reach the new privilege";
    "http/sign-in-keeps-the-data" => sign_in_keeps, ["R06"], "cloakroom_core::Session::sign_in",
        "a visitor's data survives the sign-in";
    "http/rotation-keeps-the-data" => rotation, ["R06", "R07"], "OWASP ASVS 5.0, 7.2.4",
        "a rotation issues another token and keeps the data";
    "http/rotation-then-server-error" => rotation_then_error, ["R65"], invariant 10,
        "a rotation whose response has the status 500 leaves the client with a working session";
    "http/sign-out-ends-the-session" => sign_out, ["R19", "I4"], "OWASP ASVS 5.0, 7.4.1",
        "after a sign-out the old cookie leads nowhere, even for a write";
    "http/sign-out-creates-nothing" => sign_out_creates_nothing, ["R24"], "CVE-2015-5963",
        "a stranger's sign-out leaves no cookie";
    "http/sign-out-then-insert" => sign_out_then_insert, ["R66"],
        "OWASP Session Management Cheat Sheet, \"Renew the Session ID After Any Privilege Level Change\"",
        "values inserted after a sign-out in the same request go to a new session with a new token";
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
    let holds = victim.cookies != cookies;
    ensure(holds, "a write with an unknown token got no new one")
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
    let holds = got.status.is_some_and(|status| status == 500);
    ensure(holds, "the script's status is not that of the response")?;
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
