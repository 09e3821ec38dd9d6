//! Cookies and cache headers.

use serde_json::json;

use crate::adapter::script::{Op, get, header, insert};
use crate::case::{Stop, checks, ensure, same};
use crate::endpoint::client::{Context, removes};

checks! { Context:
    "http/untouched-is-untouched" => untouched, ["R43", "I1"], invariant 1,
        "a request whose handler does not use the session gets no Set-Cookie and no `Vary: Cookie`, with a cookie or without";
    "http/anonymous-read-sets-no-cookie" => anonymous_read, ["R25", "I2"], "CVE-2015-5143",
        "reading the session of a visitor without a cookie sets none";
    "http/no-needless-cookie" => needless, ["I6", "I2"], invariant 6,
        "reads and plain writes of an existing session set no cookie";
    "http/cookie-flags" => flags, ["R27", "R17"], "OWASP ASVS 5.0, 3.3.1 to 3.3.4",
        "the cookie is Secure, HttpOnly and SameSite, has a path and no domain";
    "http/cookie-ends-with-the-browser" => session_cookie, ["R17"],
        "OWASP Session Management Cheat Sheet, \"Expire and Max-Age Attributes\"",
        "the cookie has neither Max-Age nor Expires: the server decides how long a session lives";
    "http/removal-cookie" => removal, ["R19"], "RFC 10025, section 5.7; OWASP ASVS 5.0, 7.4.1",
        "a sign-out removes the cookie, with the path and flags of the one that set it";
    "http/cookie-on-every-status" => every_status, ["R33", "I6"], "RFC 10025, sections 3 and 5.3",
        "redirects and client errors save their changes and carry the cookie";
    "http/one-line-per-name" => one_line, ["R32"], "RFC 10025, sections 3 and 4.1.1",
        "there is one Set-Cookie line per name, and the application's other cookies keep theirs";
    "http/garbage-beside-the-cookie" => garbage, ["R38"],
        "RFC 10025, section 5.6: user agents keep more than section 4.1 allows",
        "other cookies, broken pairs and empty ones around the cookie do not hide it";
    "http/duplicates-in-any-order" => duplicates, ["R36"], "RFC 10025, section 4.2.2",
        "of two cookies of the same name, a living and a dead one, the result does not depend on the order";
    "http/vary-on-access" => vary, ["R40"], "CVE-2023-30861, CVE-2026-27205, CVE-2026-35192",
        "a response whose handler used the session has `Vary: Cookie`, even if the visitor has none";
    "http/vary-is-merged" => merged, ["R42"], "RFC 9110, section 12.5.5",
        "the application's Vary is kept beside `Cookie`";
    "http/no-store-with-a-cookie" => no_store, ["R41"],
        "RFC 9111, section 5.2.2.5; OWASP Session Management Cheat Sheet, \"Web Content Caching\"",
        "a response that sets the cookie has `Cache-Control: no-store`";
}

async fn untouched(context: Context) -> Result<(), Stop> {
    let known = context.visitor_with(vec![insert("a", 1)]).await?;
    for visitor in [known, context.visitor()] {
        let got = visitor.untouched().await?.ok()?;
        let got = got.quiet("an untouched request")?;
        let holds = !got.members("vary").contains(&"cookie".to_owned());
        ensure(holds, "an untouched response has `Vary: Cookie`")?;
    }
    Ok(())
}

async fn anonymous_read(context: Context) -> Result<(), Stop> {
    let got = context.visitor().send([get("a")]).await?;
    got.are(json!([null]))?.quiet("an anonymous read").map(drop)
}

async fn needless(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let got = visitor.send([get("a")]).await?;
    got.are(json!([1]))?.quiet("a read")?;
    let got = visitor.send([insert("a", 2)]).await?.ok()?;
    got.quiet("a plain write").map(drop)
}

/// Returns the Set-Cookie lines that keep something, and their attributes in lower case.
async fn attributes(context: &Context) -> Result<Vec<Vec<String>>, Stop> {
    let got = context.visitor().send([insert("a", 1)]).await?.ok()?;
    let mut lines = got.all("set-cookie");
    lines.retain(|line| !removes(line));
    ensure(!lines.is_empty(), "no cookie was set for a new session")?;
    Ok(lines.iter().map(|line| of_line(line)).collect())
}

fn of_line(line: &str) -> Vec<String> {
    let attributes = line.split(';').skip(1);
    attributes.map(|a| a.trim().to_ascii_lowercase()).collect()
}

async fn flags(context: Context) -> Result<(), Stop> {
    for got in attributes(&context).await? {
        for wanted in ["secure", "httponly", "path=", "samesite="] {
            let holds = got.iter().any(|attribute| attribute.starts_with(wanted));
            ensure(holds, format!("the cookie has no {wanted}"))?;
        }
        let holds = !got.iter().any(|attribute| attribute.starts_with("domain="));
        ensure(holds, "the cookie has a Domain that nobody asked for")?;
    }
    Ok(())
}

async fn session_cookie(context: Context) -> Result<(), Stop> {
    for got in attributes(&context).await? {
        ensure(
            !got.iter()
                .any(|a| a.starts_with("max-age=") || a.starts_with("expires=")),
            "the cookie outlives the browser",
        )?;
    }
    Ok(())
}

async fn removal(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor();
    let got = visitor.send([insert("a", 1)]).await?;
    let set = got.ok()?.all("set-cookie");
    let removed = visitor.send([Op::SignOut]).await?.ok()?.all("set-cookie");
    let kept: Vec<_> = set.iter().filter(|line| !removes(line)).collect();
    for line in kept {
        let name = line.split('=').next().unwrap_or_default();
        let removal = removed
            .iter()
            .find(|line| line.starts_with(&format!("{name}=")) && removes(line));
        let Some(removal) = removal else {
            return crate::case::fail("a sign-out does not remove the cookie");
        };
        let same_ones = |line: &str| {
            let mut all = of_line(line);
            all.retain(|a| !a.starts_with("max-age=") && !a.starts_with("expires="));
            all.sort();
            all
        };
        same(
            "the attributes of the cookie that removes",
            same_ones(removal),
            same_ones(line),
        )?;
    }
    Ok(())
}

async fn every_status(context: Context) -> Result<(), Stop> {
    for status in [201, 302, 303, 307, 400, 401, 404, 422] {
        let mut visitor = context.visitor();
        let ops = [
            insert("a", status),
            Op::Status(status),
            header("location", "/elsewhere"),
        ];
        let got = visitor.send(ops).await?;
        same(
            "the status",
            got.status.map(|status| status.as_u16()),
            Some(status),
        )?;
        same("the value", visitor.value("a").await?, json!(status))?;
    }
    Ok(())
}

async fn one_line(context: Context) -> Result<(), Stop> {
    let theme = "theme=dark; Path=/";
    let ops = [insert("a", 1), header("set-cookie", theme)];
    let mut visitor = context.visitor();
    let lines = visitor.send(ops).await?.ok()?.all("set-cookie");
    let holds = lines.contains(&theme.to_owned());
    ensure(holds, "the application's own cookie is lost")?;
    let mut names: Vec<_> = lines.iter().map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    same("the names on Set-Cookie lines", names.len(), count)?;
    same("the value", visitor.value("a").await?, json!(1))
}

async fn garbage(context: Context) -> Result<(), Stop> {
    let visitor = context.visitor_with(vec![insert("a", 7)]).await?;
    let line = visitor.cookies.line();
    for junk in [
        "a=b; c",
        "=",
        "; ;",
        "x=%%%; y=\"; z=\\",
        "=; =x; ;",
        "{}[]=()",
    ] {
        for line in [format!("{junk}; {line}"), format!("{line}; {junk}")] {
            visitor.with_line(line, [get("a")]).await?.are(json!([7]))?;
        }
    }
    Ok(())
}

async fn duplicates(context: Context) -> Result<(), Stop> {
    let dead = context.visitor_with(vec![insert("a", 1)]).await?;
    dead.clone().send([Op::SignOut]).await?.ok()?;
    let living = context.visitor_with(vec![insert("a", 2)]).await?;
    let (dead, living_line) = (dead.cookies.line(), living.cookies.line());
    let mut seen = Vec::new();
    for line in [
        format!("{dead}; {living_line}"),
        format!("{living_line}; {dead}"),
    ] {
        seen.push(living.with_line(line, [get("a")]).await?.results()?);
    }
    same("the value with the living cookie first", &seen[1], &seen[0])
}

async fn vary(context: Context) -> Result<(), Stop> {
    let known = context.visitor_with(vec![insert("a", 1)]).await?;
    for mut visitor in [known, context.visitor()] {
        let got = visitor.send([get("a")]).await?.ok()?;
        let members = got.members("vary");
        ensure(
            members
                .iter()
                .any(|member| member == "cookie" || member == "*"),
            "no `Vary: Cookie`",
        )?;
    }
    Ok(())
}

async fn merged(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let ops = [get("a"), header("vary", "Accept-Language")];
    let members = visitor.send(ops).await?.ok()?.members("vary");
    for wanted in ["accept-language", "cookie"] {
        let holds = members.iter().any(|member| member == wanted);
        ensure(holds, format!("Vary lacks {wanted}"))?;
    }
    Ok(())
}

async fn no_store(context: Context) -> Result<(), Stop> {
    let got = context.visitor().send([insert("a", 1)]).await?.ok()?;
    let members = got.members("cache-control");
    ensure(
        members.iter().any(|member| {
            member == "no-store" || member == "private" || member == "no-cache=\"set-cookie\""
        }),
        "a response with a new cookie may be stored by shared caches",
    )
}
