//! Where a token is looked for, and where not.

use serde_json::json;

use super::token::UNKNOWN;
use crate::adapter::got::Got;
use crate::adapter::script::{Op, Script, get, insert};
use crate::adapter::world::{Context, World};
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/token-only-in-the-cookie" => only_in_the_cookie, ["R09"],
        "OWASP Session Management Cheat Sheet, \"Cookies\"",
        "a token in the URL, the body, another header or another cookie is ignored";
    "adapter/several-cookie-lines" => several_lines, ["R35"],
        "RFC 10025, section 4.2.1; RFC 9113, section 8.2.3",
        "several Cookie lines, as HTTP/2 clients send them, mean the same as one joined";
    "adapter/duplicate-cookies" => duplicates, ["R36"], "RFC 10025, section 4.2.2",
        "of several cookies of the same name the living one counts, in any order, with a bounded number of loads";
    "adapter/cookie-taken-as-it-is" => as_it_is, ["R37"], "RFC 10025, sections 4.1.1, 5.4 and 5.6",
        "cookie names are case-sensitive, nothing is percent-decoded, quotes are kept";
    "adapter/garbage-beside-the-cookie" => garbage, ["R38"],
        "RFC 10025, section 5.6: user agents keep more than section 4.1 allows",
        "other cookies, broken pairs and empty ones around the cookie do not hide it";
}

async fn only_in_the_cookie(context: Context) -> Result<(), Stop> {
    let (world, token) = known(&context).await?;
    let (http, script) = (world.http()?, Script::from([Op::IsNew]));
    let (pair, bearer) = (http.pair(&token), format!("Bearer {token}"));
    let other = format!("other={token}; session={token}");
    let in_path = format!("/script?session={token}&{pair}");
    let answers = [
        http.send(&in_path, &[], &[], &script).await?,
        http.post("/script", format!("{pair}&session={token}"), &script)
            .await?,
        http.send(
            "/script",
            &[],
            &[("authorization", &bearer), ("x-session", &token)],
            &script,
        )
        .await?,
        http.send(
            "/script",
            &[],
            &[("cookie2", &pair), ("set-cookie", &pair)],
            &script,
        )
        .await?,
        http.send("/script", &[other], &[], &script).await?,
    ];
    for got in answers {
        got.are(json!([true]))?;
    }
    world.called("requests without the cookie", &[])
}

async fn several_lines(context: Context) -> Result<(), Stop> {
    let (world, token) = known(&context).await?;
    let pair = world.http()?.pair(&token);
    for lines in [
        vec!["a=1", "b=2", &pair],
        vec![&pair, "a=1"],
        vec!["a=1; b=2", &format!("c=3; {pair}"), "d=4"],
        vec!["", &pair, ""],
    ] {
        let got = with_cookies(&world, &lines, [get("a")]).await?;
        got.are(json!([1]))?;
    }
    Ok(())
}

async fn duplicates(context: Context) -> Result<(), Stop> {
    let (world, token) = known(&context).await?;
    let http = world.http()?;
    let (living, unknown) = (http.pair(&token), http.pair(UNKNOWN));
    let malformed = http.pair("x");
    for lines in [
        vec![format!("{living}; {unknown}")],
        vec![format!("{unknown}; {living}")],
        vec![format!("{malformed}; {living}; {malformed}")],
        vec![unknown.clone(), living.clone()],
        vec![living.clone(), unknown.clone(), malformed.clone()],
    ] {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let got = with_cookies(&world, &lines, [get("a")]).await?;
        got.are(json!([1]))?;
    }
    // Sixty that are well-formed.
    world.control().reset();
    let many: Vec<_> = (0..60)
        .map(|n| http.pair(&format!("{n:02}{}", &UNKNOWN[2..])))
        .collect();
    let line = format!("{}; {living}", many.join("; "));
    with_cookies(&world, &[&line], [Op::IsNew]).await?.ok()?;
    let loads = world.calls().len();
    ensure(loads <= 8, format!("{loads} loads for one request"))
}

async fn as_it_is(context: Context) -> Result<(), Stop> {
    let (world, token) = known(&context).await?;
    let name = world.config.cookie_name().to_owned();
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for line in [
        format!("{}={token}", name.to_ascii_lowercase()),
        format!("{}={token}", name.to_ascii_uppercase()),
        format!("%5F%5FHost-session={token}"),
        format!("x{name}={token}"),
        format!("{name}x={token}"),
        format!("{name}=\"{token}\""),
        format!("{name}={encoded}"),
        name.clone(),
        format!("={name}={token}"),
    ] {
        let got = with_cookies(&world, &[&line], [Op::IsNew]).await?;
        got.quiet()?.are(json!([true]))?;
    }
    Ok(())
}

async fn garbage(context: Context) -> Result<(), Stop> {
    let (world, token) = known(&context).await?;
    let pair = world.http()?.pair(&token);
    for line in [
        format!(";;; ; {pair};;"),
        format!("=; ==; a; =b; {pair}; c=d=e"),
        format!("a=\"x; {pair}; y\""),
        format!("$Version=1; {pair}; $Path=/"),
        format!("{{}}=[]; a b c; {pair}"),
        format!("  {pair}  "),
        format!("{}{pair}", "a=b; ".repeat(400)),
    ] {
        let got = with_cookies(&world, &[&line], [get("a")]).await?;
        got.are(json!([1]))?;
    }
    world.holds(1)
}

/// Returns a world with a session in which `a` is 1, and its token.
async fn known(context: &Context) -> Result<(World, String), Stop> {
    let (world, visitor) = context.session([insert("a", 1)]).await?;
    let token = visitor.token()?.to_owned();
    Ok((world, token))
}

async fn with_cookies<const N: usize>(
    world: &World,
    lines: &[&str],
    ops: [Op; N],
) -> Result<Got, Stop> {
    let lines: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
    world
        .http()?
        .send("/script", &lines, &[], &ops.into())
        .await
}
