//! The Set-Cookie line: its attributes, its company, and on which responses it is.

use std::time::Duration;

use cloakroom::SameSite;
use serde_json::json;

use crate::adapter::got::Got;
use crate::adapter::http::{attributes, only};
use crate::adapter::script::{Op, Script, get, header, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does, fails, sees};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/cookie-defaults" => defaults, ["R27", "R17"], "OWASP ASVS 5.0, 3.3.1 to 3.3.4",
        "by default the cookie is `__Host-session` with Path=/, Secure, HttpOnly and SameSite=Lax, without Domain, Max-Age and Expires";
    "adapter/cookie-as-configured" => configured, ["R27", "R17"], "RFC 10025, section 4.1.2",
        "name, path, domain, SameSite, Partitioned and Max-Age are as configured";
    "adapter/insecure-only-when-asked" => insecure, ["R34"], "OWASP ASVS 5.0, 3.3.1",
        "a cookie lacks Secure only if the configuration names it; behind a proxy that ends TLS it has Secure";
    "adapter/removal-cookie" => removal, ["R19"], "RFC 10025, section 5.7; OWASP ASVS 5.0, 7.4.1",
        "the removal cookie has the same name, path, domain and flags, and is expired";
    "adapter/one-line-per-name" => one_line, ["R32"], "RFC 10025, sections 3 and 4.1.1",
        "there is one Set-Cookie line for the session, and the application's other cookies keep their lines";
    "adapter/cookie-on-every-status" => every_status, ["R33", "I6"],
        "RFC 10025, sections 3 and 5.3",
        "redirects and client errors save their changes and carry the cookie";
    "adapter/server-error-saves-nothing" => server_error, ["R33", "I10"], invariant 10,
        "a 5xx response drops the changes and sends no cookie";
    "adapter/server-error-saves-if-configured" => server_error_saves, ["R33"],
        "cloakroom_core::ConfigBuilder::save_on_server_error",
        "with `save_on_server_error` a 5xx response saves the changes and sends the cookie";
    "adapter/rotate-then-server-error" => rotate_then_error, ["R65"], invariant 10,
        "a rotation or sign-in with a 5xx response leaves the client a working session";
    "adapter/no-needless-cookie" => needless, ["I6", "I2"], invariant 6,
        "reads, plain writes, touches and superseded writes send no cookie";
    "adapter/clear-site-data" => clear_site_data, ["R44"],
        "OWASP Session Management Cheat Sheet, \"Session Expiration\"",
        "a sign-out sends Clear-Site-Data if configured, and no other response does";
}

async fn defaults(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for ops in [[insert("a", 1)], [sign_in("ada")]] {
        let got = world.visitor().send(ops).await?.ok()?;
        let want = list(&["httponly", "path=/", "samesite=lax", "secure"]);
        same("the attributes", of(&got, "__Host-session")?, want)?;
    }
    Ok(())
}

/// The attributes of the only Set-Cookie line of this name.
fn of(got: &Got, name: &str) -> Result<Vec<String>, Stop> {
    Ok(attributes(&only(got.head()?.set_cookie(name))?))
}

async fn configured(context: Context) -> Result<(), Stop> {
    let world = context
        .world_with(|builder| {
            builder
                .cookie_name("__Secure-shop")
                .domain("shop.example")
                .same_site(SameSite::None)
                .partitioned(true)
                .persistent(true)
        })
        .await?;
    let mut visitor = world.visitor();
    let got = visitor.send([insert("a", 1)]).await?.ok()?;
    let want = [
        "domain=shop.example",
        "httponly",
        "max-age=43200",
        "partitioned",
        "path=/",
        "samesite=none",
        "secure",
    ];
    same("the attributes", of(&got, "__Secure-shop")?, list(&want))?;
    // The remainder of the absolute timeout.
    world.advance(1_000);
    let got = visitor.send([Op::Rotate]).await?.ok()?;
    let max_age = of(&got, "__Secure-shop")?.contains(&"max-age=42200".to_owned());
    ensure(max_age, "Max-Age is not the rest of the absolute timeout")?;
    // For one session only.
    let world = context
        .world_with(|builder| builder.absolute_timeout(Duration::from_secs(50_000)))
        .await?;
    let ops = [insert("a", 1), Op::SetExpiry(600, 6_000, true)];
    let got = world.visitor().send(ops).await?.ok()?;
    let max_age = of(&got, "__Host-session")?.contains(&"max-age=6000".to_owned());
    ensure(max_age, "a persistent session has no Max-Age")
}

async fn insecure(context: Context) -> Result<(), Stop> {
    let script = Script::from([insert("a", 1)]);
    for asked in [false, true] {
        let world = context
            .world_with(|builder| match asked {
                false => builder,
                true => builder.insecure_for_development(),
            })
            .await?;
        let name = world.config.cookie_name();
        for proto in ["http", "https"] {
            let forwarded = [("x-forwarded-proto", proto), ("forwarded", "proto=http")];
            let got = world.http()?.send("/script", &[], &forwarded, &script);
            let secure = of(&got.await?.ok()?, name)?.contains(&"secure".to_owned());
            same("whether the cookie is Secure", secure, !asked)?;
        }
    }
    Ok(())
}

async fn removal(context: Context) -> Result<(), Stop> {
    for shop in [false, true] {
        let world = context
            .world_with(|builder| match shop {
                false => builder,
                true => builder
                    .cookie_name("__Secure-shop")
                    .domain("shop.example")
                    .path("/shop")
                    .same_site(SameSite::Strict),
            })
            .await?;
        let name = world.config.cookie_name();
        let mut visitor = world.visitor();
        let set = visitor.send([sign_in("ada")]).await?.ok()?;
        let removed = visitor.send([Op::SignOut]).await?.ok()?;
        let line = only(removed.head()?.set_cookie(name))?;
        let mut got = attributes(&line);
        got.retain(|attribute| attribute != "max-age=0" && !attribute.starts_with("expires="));
        let want = of(&set, name)?;
        same(
            "the attributes of the cookie that removes, compared to those of the one that sets",
            got,
            want,
        )?;
        let holds = line.contains("Max-Age=0");
        ensure(holds, "the cookie that removes has no Max-Age=0")?;
        let holds = line.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        ensure(holds, "the cookie that removes has no date in the past")?;
    }
    Ok(())
}

async fn one_line(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let theme = "theme=dark; Path=/; Expires=Wed, 21 Oct 2099 07:28:00 GMT";
    let others = || [header("set-cookie", theme), header("set-cookie", "lang=de")];
    let mut visitor = world.visitor();
    let [a, b] = others();
    // The application's own attempt at the session's cookie gives way.
    let got = visitor
        .send([
            a,
            b,
            header("set-cookie", "__Host-session=forged"),
            insert("a", 1),
        ])
        .await?
        .ok()?;
    let lines = got.head()?.all("set-cookie");
    same("the Set-Cookie lines", lines.len(), 3)?;
    let holds = lines.contains(&theme.to_owned()) && lines.contains(&"lang=de".to_owned());
    ensure(holds, "the application's cookies are lost")?;
    let holds = visitor.value("a").await? == 1;
    ensure(holds, "the cookie that was issued leads nowhere")?;
    let [a, b] = others();
    let got = visitor.send([a, b, Op::SignOut]).await?.ok()?;
    let lines = got.head()?.all("set-cookie").len();
    same("the Set-Cookie lines of a sign-out", lines, 3)?;
    got.forgets().map(drop)
}

async fn every_status(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for status in [201, 204, 302, 303, 304, 307, 400, 401, 404, 422, 499] {
        let mut visitor = world.visitor();
        let got = with_status(&world, &mut visitor, insert("a", status), status).await?;
        got.head()?.is(status)?;
        let holds = visitor.token.is_some();
        ensure(holds, format!("no cookie with status {status}"))?;
        same("the value", visitor.value("a").await?, status.into())?;
        with_status(&world, &mut visitor, insert("a", "again"), status).await?;
        same("the value", visitor.value("a").await?, "again".into())?;
        let got = with_status(&world, &mut visitor, Op::SignOut, status).await?;
        got.forgets()?;
    }
    world.holds(0)
}

async fn server_error(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for status in [500, 502, 503, 599] {
        for op in [insert("a", 2), sign_in("ada"), Op::SignOut, Op::Clear] {
            let got = visitor.send([op, Op::Status(status)]).await?;
            got.head()?.is(status)?;
            got.failed("a response with a 5xx status")?;
        }
        let ops = [insert("a", 1), Op::Status(status)];
        fails(&mut world.visitor(), ops, "a creation with a 5xx status").await?;
    }
    world.holds(1)?;
    does(&mut visitor, [get("a"), Op::Subject], json!([1, null])).await
}

async fn server_error_saves(context: Context) -> Result<(), Stop> {
    let world = context
        .world_with(|builder| builder.save_on_server_error(true))
        .await?;
    let mut visitor = world.visitor();
    let got = visitor.send([insert("a", 1), Op::Status(500)]).await?;
    got.head()?.is(500)?;
    let holds = visitor.token.is_some();
    ensure(holds, "no cookie, though the changes are to be saved")?;
    visitor.send([insert("a", 2), Op::Status(503)]).await?;
    same("the value", visitor.value("a").await?, 2.into())
}

async fn rotate_then_error(context: Context) -> Result<(), Stop> {
    for save in [false, true] {
        let world = context
            .world_with(|builder| builder.save_on_server_error(save))
            .await?;
        for rotation in [Op::Rotate, sign_in("ada")] {
            let mut visitor = world.visitor_with([insert("cart", "tea")]).await?;
            visitor.send([rotation, Op::Status(500)]).await?;
            sees(&mut visitor, [get("cart"), increment()], json!(["tea", 1])).await?;
            does(&mut visitor, [get("n")], json!([1])).await?;
        }
    }
    Ok(())
}

fn increment() -> Op {
    crate::adapter::script::increment("n")
}

async fn needless(context: Context) -> Result<(), Stop> {
    let world = context
        .world_with(|builder| builder.persistent(true))
        .await?;
    let mut visitor = world.visitor_with([insert("a", 1)]).await?;
    for op in [
        get("a"),
        insert("a", 2),
        increment(),
        Op::Clear,
        Op::Csrf,
        Op::SetExpiry(600, 6_000, true),
    ] {
        world.advance(200);
        visitor.send([op]).await?.quiet()?;
    }
    let mut old = visitor.clone();
    visitor.send([Op::Rotate]).await?.ok()?;
    old.send([insert("a", 3)]).await?.quiet()?;
    Ok(())
}

async fn clear_site_data(context: Context) -> Result<(), Stop> {
    for configured in [false, true] {
        let world = context
            .world_with(|builder| builder.clear_site_data(configured))
            .await?;
        let mut visitor = world.visitor();
        for (op, wanted) in [
            (sign_in("ada"), false),
            (insert("a", 1), false),
            (Op::SignOut, configured),
        ] {
            let got = visitor.send([op]).await?.ok()?;
            same(
                "whether there is Clear-Site-Data",
                !got.head()?.all("clear-site-data").is_empty(),
                wanted,
            )?;
        }
    }
    Ok(())
}

/// A response with this status has no body of results where HTTP allows for none.
async fn with_status(
    world: &World,
    visitor: &mut Visitor,
    op: Op,
    status: u16,
) -> Result<Got, Stop> {
    let http = world.http()?;
    let cookies: Vec<_> = visitor.token.iter().map(|token| http.pair(token)).collect();
    let script = vec![op, Op::Status(status), header("location", "/elsewhere")].into();
    let got = http.head("/script", &cookies, &script).await?;
    visitor.obey(&got);
    Ok(got)
}

fn list(attributes: &[&str]) -> Vec<String> {
    attributes
        .iter()
        .map(|&attribute| attribute.to_owned())
        .collect()
}
