//! Tokens in a header: [`Carrier::Header`](cloakroom::Carrier).

use serde_json::json;

use super::token::UNKNOWN;
use crate::adapter::script::{Op, Script, get, header, increment, insert, sign_in};
use crate::adapter::world::{Context, World, sees};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/token-in-a-header" => in_a_header, ["R96"],
        "RFC 6750, section 2.1; cloakroom_core::Carrier",
        "a response header issues the token, replaces it at sign-in and clears it at sign-out, and a request with it has the session";
    "adapter/no-cookie-with-a-header" => no_cookie, ["R96", "R09"], "cloakroom_core::Carrier",
        "where the token is in a header, no cookie is set, and a token in a cookie, the URL or another header is ignored";
    "adapter/bearer-scheme" => bearer, ["R96", "R03"],
        "RFC 9110, section 11.1; RFC 6750, section 2.1",
        "in `Authorization` the scheme is Bearer in any case, and other schemes and malformed values are no session and no error";
    "adapter/several-header-lines" => several_lines, ["R96", "I11"], invariant 11,
        "of several lines of the header the token that lives counts, and of two distinct living ones none";
    "adapter/vary-on-the-header" => vary, ["R96", "R40"], "RFC 9110, section 12.5.5",
        "a response that depends on the session varies on the header, also where the session cannot be loaded or saved";
    "adapter/no-form-token-with-a-header" => no_form_token, ["R96", "R68"],
        "OWASP Cross-Site Request Forgery Prevention Cheat Sheet",
        "where the token is in a header, forms need no token: asking for one writes and issues nothing";
}

/// The scheme `Bearer`, and a header of the application's own.
const HEADERS: [&str; 2] = ["authorization", "x-session-token"];

async fn in_a_header(context: Context) -> Result<(), Stop> {
    for name in HEADERS {
        let world = context.world_with_header(name).await?;
        let mut visitor = world.visitor();
        visitor.send([get("a")]).await?.quiet()?;
        let got = visitor.send([insert("a", 1)]).await?.ok()?;
        let line = got.head()?.all(name);
        let want = world.http()?.pair(visitor.token()?);
        same("the header that issues the token", line, vec![want])?;
        let cache = got.head()?.members("cache-control");
        same("Cache-Control", cache, vec!["no-store".into()])?;
        sees(&mut visitor, [get("a"), increment("n")], json!([1, 1])).await?;
        let before = visitor.token()?.to_owned();
        visitor.send([sign_in("ada")]).await?.ok()?;
        let another = before != visitor.token()?;
        ensure(another, "a sign-in did not replace the token")?;
        sees(&mut visitor, [get("a"), Op::Subject], json!([1, "ada"])).await?;
        // The application's own line gives way.
        let ops = [header(name, "forged"), Op::Rotate];
        let got = visitor.send(ops).await?.ok()?;
        let want = world.http()?.pair(visitor.token()?);
        let line = got.head()?.all(name);
        same("the header after a rotation", line, vec![want])?;
        let last = visitor.token()?.to_owned();
        let got = visitor.send([Op::SignOut]).await?.ok()?;
        let line = got.head()?.all(name);
        same("the header that clears", line, vec![String::new()])?;
        got.forgets()?;
        let known = world.with_token(Some(last)).is_known().await?;
        let holds = !known;
        ensure(holds, "a token that was cleared still leads to its session")?;
    }
    Ok(())
}

async fn no_cookie(context: Context) -> Result<(), Stop> {
    for name in HEADERS {
        let world = context.world_with_header(name).await?;
        let mut visitor = world.visitor();
        for op in [insert("a", 1), Op::Rotate, sign_in("ada")] {
            let got = visitor.send([op]).await?.ok()?;
            let cookies = got.head()?.all("set-cookie");
            let holds = cookies.is_empty();
            ensure(holds, "a cookie, though the token is in a header")?;
        }
        let token = visitor.token()?.to_owned();
        let cookie = format!("{}={token}; session={token}", world.config.cookie_name());
        let other = HEADERS.map(|other| if other == name { "x-other" } else { other });
        let (bare, bearer) = (token.as_str(), format!("Bearer {token}"));
        world.control().reset();
        let elsewhere: [(String, &[(&str, &str)]); 4] = [
            ("/script".into(), &[("cookie", &cookie)]),
            ("/script".into(), &[(other[0], &bearer), (other[1], bare)]),
            ("/script".into(), &[("proxy-authorization", &bearer)]),
            (format!("/script?access_token={token}&token={token}"), &[]),
        ];
        for (path, headers) in elsewhere {
            let script = Script::from([Op::IsNew]);
            let got = world.http()?.send(&path, &[], headers, &script).await?;
            got.quiet()?.are(json!([true]))?;
        }
        world.called("requests without the header", &[])?;
    }
    Ok(())
}

async fn bearer(context: Context) -> Result<(), Stop> {
    let world = context.world_with_header("authorization").await?;
    let visitor = world.visitor_with([insert("a", 1)]).await?;
    let token = visitor.token()?;
    for scheme in ["Bearer ", "bearer ", "BEARER   "] {
        let got = with_line(&world, &format!("{scheme}{token}"), [get("a")]).await?;
        got.quiet()?.are(json!([1]))?;
    }
    world.control().reset();
    for line in [
        token.to_owned(),
        format!("Basic {token}"),
        format!("Bearer{token}"),
        format!("Bearer={token}"),
        format!("XBearer {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token},"),
        format!("Bearer {token} x"),
        format!("Bearer {token}="),
        format!("Token {token}"),
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        String::new(),
    ] {
        let got = with_line(&world, &line, [Op::IsNew]).await?;
        let cookies = got.head()?.all("set-cookie");
        let holds = cookies.is_empty();
        ensure(holds, "a header without a session set a cookie")?;
        got.quiet()?.are(json!([true]))?;
    }
    world.called("requests without a Bearer token", &[])
}

async fn several_lines(context: Context) -> Result<(), Stop> {
    for name in HEADERS {
        let world = context.world_with_header(name).await?;
        let one = world.visitor_with([insert("a", 1)]).await?;
        let other = world.visitor_with([insert("a", 2)]).await?;
        let (one, other) = (one.token()?, other.token()?);
        for (tokens, value) in [
            ([one, UNKNOWN], json!([1])),
            ([UNKNOWN, one], json!([1])),
            ([one, one], json!([1])),
            (["x", other], json!([2])),
            ([one, other], json!([null])),
        ] {
            let got = world.exchange(&tokens, &Script::from([get("a")])).await?;
            got.quiet()?.are(value)?;
        }
    }
    Ok(())
}

async fn vary(context: Context) -> Result<(), Stop> {
    for name in HEADERS {
        let world = context.world_with_header(name).await?;
        let mut visitor = world.visitor_with([insert("a", 1)]).await?;
        for op in [get("a"), insert("a", 2), Op::Rotate] {
            let said = header("vary", "accept, Accept-Language");
            let got = visitor.send([said, op]).await?.ok()?;
            let want = ["accept", "accept-language", name].map(String::from);
            same("Vary", got.head()?.members("vary"), want.to_vec())?;
        }
        world.control().outage(true);
        let failed = visitor.send([get("a")]).await?;
        failed.head()?.varies("a load that failed")?;
        let failed = world.visitor().send([insert("a", 1)]).await?;
        failed.head()?.varies("a creation that failed")?;
    }
    Ok(())
}

async fn no_form_token(context: Context) -> Result<(), Stop> {
    for name in HEADERS {
        let world = context.world_with_header(name).await?;
        let mut visitor = world.visitor();
        sees(&mut visitor, [Op::Csrf], json!([""])).await?;
        world.called("a request for a form", &[])?;
        let verify = Op::VerifyCsrf(String::new());
        let got = visitor.send([verify.clone(), insert("a", 1)]).await?;
        got.are(json!([true, null]))?;
        world.control().reset();
        sees(&mut visitor, [Op::Csrf, verify], json!(["", true])).await?;
        world.called("a request for a form in a session", &["load: found"])?;
    }
    Ok(())
}

async fn with_line<const N: usize>(
    world: &World,
    line: &str,
    ops: [Op; N],
) -> Result<crate::adapter::got::Got, Stop> {
    let lines = [line.to_owned()];
    world
        .http()?
        .send("/script", &lines, &[], &ops.into())
        .await
}
