//! Cache headers.

use crate::adapter::script::{Op, Script, get, header, insert, sign_in};
use crate::adapter::world::{Context, World};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/untouched-is-untouched" => untouched, ["R43", "I1"], invariant 1,
        "a request whose handler does not use the session makes no store call and adds no header, whatever its cookie";
    "adapter/vary-on-access" => vary, ["R40"], "CVE-2023-30861, CVE-2026-27205, CVE-2026-35192",
        "a response whose handler used the session in any way has `Vary: Cookie`";
    "adapter/vary-on-failure" => vary_on_failure, ["R40", "I8"], "RFC 9110, section 12.5.5",
        "the response to a failed load or save has `Vary: Cookie`";
    "adapter/vary-is-merged" => merged, ["R42"], "RFC 9110, section 12.5.5",
        "the application's Vary is kept beside `Cookie`, which appears once, and `*` stays";
    "adapter/no-store-with-a-cookie" => no_store, ["R41"],
        "RFC 9111, section 5.2.2.5; OWASP Session Management Cheat Sheet, \"Web Content Caching\"",
        "a response that sets or removes the cookie has `Cache-Control: no-store`, beside the application's own directives";
    "adapter/private-without-a-cookie" => private_without_a_cookie, ["R95", "R41"],
        "RFC 9111, section 5.2.2.7",
        "a response that depends on a session and sets no cookie is `Cache-Control: private`, unless the application set another";
}

async fn untouched(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context.session([insert("a", 1)]).await?;
    world.advance(1_000);
    let http = world.http()?;
    let script = Script::from([header("cache-control", "public, max-age=60")]);
    let pair = http.pair(visitor.token()?);
    let mut bare = None;
    for cookies in [
        vec![],
        vec![pair.clone()],
        vec![http.pair("x")],
        vec![pair.clone(), http.pair(super::token::UNKNOWN)],
        vec!["a=b; c".to_owned()],
    ] {
        let got = http.send("/untouched", &cookies, &[], &script).await?;
        let got = got.ok()?;
        let head = got.head()?;
        for name in [
            world.config.response_header().as_str(),
            "vary",
            "clear-site-data",
        ] {
            let holds = head.all(name).is_empty();
            ensure(holds, format!("an untouched response has a {name} line"))?;
        }
        same(
            "Cache-Control",
            head.all("cache-control"),
            vec!["public, max-age=60".to_owned()],
        )?;
        let mut names: Vec<_> = head.headers.keys().map(ToString::to_string).collect();
        names.sort();
        same(
            "the names of the header lines",
            &names,
            bare.get_or_insert_with(|| names.clone()),
        )?;
    }
    world.called("untouched requests", &[])
}

async fn vary(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let contains = Op::Contains("a".into());
    let flashed = Op::Flashed("a".into());
    for op in [
        get("a"),
        contains,
        Op::Len,
        Op::IsEmpty,
        Op::Keys,
        Op::IsNew,
        Op::IsModified,
        Op::Subject,
        Op::Id,
        Op::ExpiresAt,
        flashed,
        Op::Csrf,
        insert("b", 1),
        Op::Rotate,
        sign_in("ada"),
        Op::SignOut,
    ] {
        for mut visitor in [
            world.visitor_with([insert("a", 1)]).await?,
            world.visitor(),
            world.with_token(Some("x".into())),
        ] {
            let got = visitor.send([op.clone()]).await?.ok()?;
            got.head()?.varies(&format!("{op:?}"))?;
        }
    }
    // A response that renews the session depends on it.
    let mut visitor = world.visitor_with([insert("a", 1)]).await?;
    world.advance(1_000);
    let got = visitor.send([get("a")]).await?;
    got.ok()?.head()?.varies("a touch")?;
    let got = visitor.send([insert("a", 2), Op::Status(500)]).await?;
    got.head()?.varies("changes that were dropped")
}

async fn vary_on_failure(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    world.control().outage(true);
    let got = visitor.send([get("a")]).await?;
    got.head()?.varies("a load that failed")?;
    let got = world.visitor().send([insert("a", 1)]).await?;
    got.head()?.varies("a creation that failed")
}

async fn merged(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for (lines, want) in [
        (vec!["accept-encoding"], vec!["accept-encoding", "cookie"]),
        (
            vec!["Accept-Encoding, Accept-Language"],
            vec!["accept-encoding", "accept-language", "cookie"],
        ),
        (vec!["Cookie"], vec!["cookie"]),
        (vec!["accept, COOKIE"], vec!["accept", "cookie"]),
        (vec!["accept", "cookie"], vec!["accept", "cookie"]),
        (vec!["*"], vec!["*"]),
    ] {
        let ops: Vec<_> = lines
            .iter()
            .map(|line| header("vary", line))
            .chain([get("a")])
            .collect();
        let got = world.visitor().send(ops).await?.ok()?;
        same(
            &format!("Vary, where the application said {lines:?}"),
            members(&got.head()?.members("vary")),
            want,
        )?;
    }
    Ok(())
}

async fn no_store(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for (said, want) in [
        (vec![], vec!["no-store"]),
        (vec!["no-store"], vec!["no-store"]),
        (vec!["private, No-Store"], vec!["private", "no-store"]),
        (
            vec!["private, max-age=0"],
            vec!["private", "max-age=0", "no-store"],
        ),
        (
            vec!["no-cache", "must-revalidate"],
            vec!["no-cache", "must-revalidate", "no-store"],
        ),
    ] {
        let mut visitor = world.visitor();
        for op in [insert("a", 1), Op::Rotate, sign_in("ada"), Op::SignOut] {
            let got = cache_control(&world, &mut visitor, &said, op).await?;
            same(
                &format!("Cache-Control, where the application said {said:?}"),
                members(&got),
                want.clone(),
            )?;
        }
    }
    Ok(())
}

async fn private_without_a_cookie(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for op in [get("a"), insert("a", 2)] {
        for (said, want) in [
            (vec![], vec!["private"]),
            (vec!["private"], vec!["private"]),
            (vec!["max-age=60"], vec!["max-age=60", "private"]),
            (vec!["public, max-age=60"], vec!["public", "max-age=60"]),
        ] {
            let got = cache_control(&world, &mut visitor, &said, op.clone()).await?;
            same("Cache-Control", members(&got), want)?;
        }
    }
    Ok(())
}

async fn cache_control(
    _: &World,
    visitor: &mut crate::adapter::world::Visitor,
    said: &[&str],
    op: Op,
) -> Result<Vec<String>, Stop> {
    let ops: Vec<_> = said
        .iter()
        .map(|line| header("cache-control", line))
        .chain([op])
        .collect();
    let got = visitor.send(ops).await?.ok()?;
    Ok(got.head()?.members("cache-control"))
}

fn members(members: &[String]) -> Vec<&str> {
    members.iter().map(String::as_str).collect()
}
