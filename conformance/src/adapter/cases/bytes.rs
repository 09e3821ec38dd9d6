//! Malformed requests and upgraded connections, on raw sockets, HTTP/1.1.

use crate::adapter::Ability;
use crate::adapter::got::results;
use crate::adapter::raw::Raw;
use crate::adapter::script::{Op, Script, get, increment, insert, wait};
use crate::adapter::world::{Context, World, sees, soon};
use crate::case::{Stop, checks, ensure, fail, same};

use super::cycle::{AFTER_THE_HEAD, closed};

checks! { Context:
    "adapter/any-bytes" => any_bytes, ["R39", "R03", "I12"],
        "RFC 9110, section 5.5; cloakroom_conformance::adapter, invariant 12",
        "any bytes in a Cookie line get a response, create nothing, and the server goes on";
    "adapter/cookie-behind-any-bytes" => behind_any_bytes, ["R38", "R39"],
        "RFC 10025, section 5.6: user agents keep more than section 4.1 allows",
        "bytes outside of ASCII in other cookies do not hide the session's";
    "adapter/cookie-behind-dropped-bytes" => behind_dropped_bytes, ["R38", "R39", "I2"],
        "RFC 9110, section 5.5",
        "if the server drops a header line that is not UTF-8, the session in it stays as it is and no cookie is sent";
    "adapter/large-cookie-lines" => large, ["R38", "I12"], "RFC 10025, section 4.2.1",
        "64 KiB of other cookies are refused, or do not hide the session's; they cost no extra store call";
    "adapter/upgrade-commits-first" => upgrade, ["R69", "R63"],
        "RFC 6455, section 4.2.2; cloakroom_core::Error::Closed",
        "a handler's changes before a WebSocket are saved, with the cookie in the 101 response; afterwards the session is closed";
}

async fn any_bytes(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let name = world.config.cookie_name().as_bytes();
    for byte in 0..=u8::MAX {
        let line = [b"cookie: ", name, b"=", &[byte][..]].concat();
        answered(&world, &[&line]).await?;
    }
    // A token's length, and one byte that cannot be in a token.
    for byte in [0, 9, 10, 13, 0x7f, 0x80, 0xff, b'"', b',', b'\\'] {
        let mut token = [b'A'; 43];
        token[20] = byte;
        let line = [b"cookie: ", name, b"=", &token[..]].concat();
        answered(&world, &[&line]).await?;
    }
    let long = [b"cookie: ", name, &[b'='; 4096][..]].concat();
    for line in [
        &b"cookie:"[..],
        b"cookie: ",
        b"cookie",
        b"cookie : a=b",
        b"cookie: =",
        b"cookie: ;",
        b" cookie: folded",
        &long,
        b"cookie: ;;=;=;",
    ] {
        answered(&world, &[line]).await?;
    }
    answered(&world, &[&b"cookie: a=b"[..]; 60]).await?;
    world.holds(0)?;
    world.visitor().send([insert("a", 1)]).await?.ok().map(drop)
}

/// A request with these lines gets a 200 without a session, or a 4xx, or its connection is closed.
async fn answered(world: &World, lines: &[&[u8]]) -> Result<(), Stop> {
    let mut raw = Raw::connect(world.http()?.address).await?;
    raw.request("/script", lines, &Script::from([Op::IsNew]))
        .await?;
    match raw.head().await? {
        None => Ok(()),
        Some(head) if (400..500).contains(&head.status) => Ok(()),
        Some(head) if head.status == 200 => {
            let holds = raw.bytes(6).await? == b"[true]";
            ensure(holds, "bytes that nobody issued led to a session")?;
            let holds = head.all(world.config.response_header().as_str()).is_empty();
            ensure(holds, "a read with such bytes issued a token")
        }
        Some(head) => fail(format!(
            "a Cookie line made the server answer {}",
            head.status
        )),
    }
}

async fn behind_any_bytes(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context.session([insert("a", 7)]).await?;
    let pair = world.http()?.pair(visitor.token()?);
    let utf8 = "k\u{e4}se=\u{1f9c0}".as_bytes();
    let all = if context.lack(Ability::Bytes).is_ok() {
        &[utf8][..]
    } else {
        context.require(Ability::Bytes)?;
        &[utf8, NOT_UTF8[0], NOT_UTF8[1], NOT_UTF8[2]]
    };
    for line in all.iter().flat_map(|junk| beside(junk, &pair)) {
        let mut raw = Raw::connect(world.http()?.address).await?;
        raw.request("/script", &[&line], &Script::from([get("a")]))
            .await?;
        match raw.head().await? {
            // RFC 9110 leaves a server free to refuse these bytes in any field.
            Some(head) if head.status == 400 => {}
            Some(head) if head.status == 200 => {
                let holds = raw.bytes(3).await? == b"[7]";
                ensure(holds, "other cookies' bytes hide the session's")?;
            }
            _ => return fail("no answer to a Cookie line with bytes outside of ASCII"),
        }
    }
    Ok(())
}

async fn behind_dropped_bytes(context: Context) -> Result<(), Stop> {
    context.lack(Ability::Bytes)?;
    let (world, mut visitor) = context.session([insert("a", 7)]).await?;
    let pair = world.http()?.pair(visitor.token()?);
    for line in NOT_UTF8.iter().flat_map(|junk| beside(junk, &pair)) {
        let mut raw = Raw::connect(world.http()?.address).await?;
        let script = Script::from([get("a"), Op::SignOut]);
        raw.request("/script", &[&line], &script).await?;
        let Some(head) = raw.head().await? else {
            return fail("no answer to a Cookie line that is not UTF-8");
        };
        same("the status", head.status, 200)?;
        let holds = raw.bytes(11).await? == b"[null,null]";
        ensure(holds, "a session out of a line that is said to be dropped")?;
        let holds = head.all("set-cookie").is_empty();
        ensure(holds, "the cookie of an unseen session was changed")?;
    }
    world.called("requests whose Cookie lines were dropped", &[])?;
    sees(&mut visitor, [get("a")], serde_json::json!([7])).await
}

const NOT_UTF8: [&[u8]; 3] = [b"name=J\xf6rg", b"\xff\xfe", b"a=\x80; b=\t; c"];

/// Cookie lines of the session's cookie with this before and behind it.
fn beside(junk: &[u8], pair: &str) -> [Vec<u8>; 2] {
    let pair = pair.as_bytes();
    [[junk, b"; ", pair].concat(), [pair, b"; ", junk].concat()]
        .map(|line| [b"cookie: ", &line[..]].concat())
}

async fn large(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context.session([insert("a", 7)]).await?;
    let pair = world.http()?.pair(visitor.token()?);
    for filler in ["x=y; ", ";", "=", "__Host-session; ", "__Host-sessio=a; "] {
        let line = format!(
            "cookie: {}; {pair}",
            filler.repeat(64 * 1024 / filler.len())
        );
        let mut raw = Raw::connect(world.http()?.address).await?;
        raw.request("/script", &[line.as_bytes()], &Script::from([get("a")]))
            .await?;
        match raw.head().await? {
            Some(head) if head.status == 200 => {
                let holds = raw.bytes(3).await? == b"[7]";
                ensure(holds, "64 KiB of other cookies hide the session's")?;
                world.called("a request with 64 KiB of cookies", &["load: found"])?;
            }
            Some(head) if (400..500).contains(&head.status) => {}
            None => {}
            Some(head) => {
                return fail(format!(
                    "64 KiB of cookies made the server answer {}",
                    head.status
                ));
            }
        }
    }
    Ok(())
}

async fn upgrade(context: Context) -> Result<(), Stop> {
    context.require(Ability::Upgrade)?;
    let world = context.world().await?;
    let mut raw = Raw::connect(world.http()?.address).await?;
    let lines: [&[u8]; 4] = [
        b"connection: upgrade",
        b"upgrade: websocket",
        b"sec-websocket-version: 13",
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let then = vec![wait("late"), get("a"), insert("late", 1), Op::SignOut];
    raw.request(
        "/upgrade",
        &lines,
        &Script {
            now: vec![increment("a")],
            then,
        },
    )
    .await?;
    let Some(head) = raw.head().await? else {
        return fail("no answer to an upgrade");
    };
    same("the status", head.status, 101)?;
    world.called("an upgrade whose head is there", &["create: Stored"])?;
    let cookies = head.all(world.config.response_header().as_str());
    let cookie = cookies
        .first()
        .and_then(|line| line.split(';').next())
        .unwrap_or_default()
        .to_owned();
    let holds = !cookie.is_empty();
    ensure(holds, "no cookie in the head of the 101 response")?;
    world.stage.open("late");
    let message = soon("a message on the upgraded connection", message(&mut raw)).await??;
    closed(&results(&message)?, AFTER_THE_HEAD)?;
    let got = world
        .http()?
        .send("/script", &[cookie], &[], &[Op::Keys, get("a")].into())
        .await?;
    got.quiet()?.are(serde_json::json!([["a"], 1])).map(drop)
}

/// One unmasked, unfragmented text message (RFC 6455, section 5.2).
async fn message(raw: &mut Raw) -> Result<String, Stop> {
    let head = raw.bytes(2).await?;
    same("the first byte of a text message", head[0], 0x81)?;
    let length = match head[1] {
        126 => {
            let length = raw.bytes(2).await?;
            usize::from(u16::from_be_bytes([length[0], length[1]]))
        }
        length @ 0..126 => usize::from(length),
        _ => return fail("a message that is masked, or longer than any of the suite"),
    };
    Ok(String::from_utf8_lossy(&raw.bytes(length).await?).into_owned())
}
