//! Unknown and malformed tokens.

use serde_json::json;

use crate::adapter::TokenNotice;
use crate::adapter::got::Got;
use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, World, does, sees};
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/unknown-token-is-not-adopted" => unknown, ["R02", "I5"],
        "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"",
        "a well-formed unknown token costs one load and creates nothing; a write or sign-in with it issues another token";
    "adapter/malformed-token-is-free" => malformed, ["R03", "I5", "I12"],
        "OWASP Session Management Cheat Sheet, \"Manage Session ID as Any Other User Input\"",
        "a malformed token makes no store call, is not an error and is never adopted";
    "adapter/one-spelling-per-token" => one_spelling, ["R04"], "RFC 4648, section 3.5",
        "padding, case, alphabet, trailing-bit and encoding variants of a token do not lead to its session";
    "adapter/collision-leaves-the-other" => collision, ["R05", "I9"], invariant 9,
        "a token that is already in use is replaced by a fresh one, and the other session stays as it was";
    "adapter/collisions-are-bounded" => bounded, ["R05", "I12"], invariant 12,
        "randomness that never changes fails the request visibly after a bounded number of attempts";
    "adapter/two-living-tokens" => two_living, ["I11", "R36"], invariant 11,
        "of two distinct living tokens neither is trusted, in any order; the same one twice is one";
    "adapter/one-living-among-dead-tokens" => among_dead, ["I12", "R36"], invariant 12,
        "of several tokens the living one counts, in any order, with a bounded number of loads";
}

/// Well-formed, and never issued.
pub(super) const UNKNOWN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

async fn unknown(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.with_token(Some(UNKNOWN.to_owned()));
    visitor.send([get("a"), Op::Keys]).await?.quiet()?;
    world.called("a read with an unknown token", &["load: none"])?;
    world.holds(0)?;
    for (ops, records) in [(vec![insert("a", 1)], 1), (vec![sign_in("ada")], 2)] {
        let got = visitor.clone().send(ops).await?.ok()?;
        issued_another(&got.told, UNKNOWN)?;
        world.called(
            "a write with an unknown token",
            &["load: none", "create: Stored"],
        )?;
        world.holds(records)?;
    }
    let known = visitor.is_known().await?;
    ensure(!known, "the unknown token leads to a session now")
}

async fn malformed(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for token in malformed_tokens() {
        let mut visitor = world.with_token(Some(token.clone()));
        sees(&mut visitor, [Op::Keys, Op::IsNew], json!([[], true])).await?;
        world.called("a read with a malformed token", &[])?;
        let got = visitor.send([insert("a", 1)]).await?.ok()?;
        issued_another(&got.told, &token)?;
        world.called("a write with a malformed token", &["create: Stored"])?;
    }
    Ok(())
}

fn malformed_tokens() -> Vec<String> {
    let mut tokens: Vec<String> = [
        "",
        "x",
        "../../etc/passwd",
        "$ne",
        "{\"$ne\":null}",
        "session:1",
        "null",
        "' OR '1'='1",
        "*",
        "%00",
        "%0d%0aset-cookie:a=b",
    ]
    .map(String::from)
    .into();
    tokens.push("a".repeat(8 * 1024));
    tokens.extend(
        [
            &UNKNOWN[1..],
            &format!("{UNKNOWN}A"),
            &format!("{}.", &UNKNOWN[1..]),
        ]
        .map(str::to_owned),
    );
    // Outside of the alphabet, at the beginning, in the middle and at the end.
    for (at, byte) in [(0, "+"), (20, "/"), (20, "="), (20, " "), (42, "=")] {
        let mut token = UNKNOWN.to_owned();
        token.replace_range(at..=at, byte);
        tokens.push(token);
    }
    tokens
}

fn issued_another(told: &TokenNotice, presented: &str) -> Result<(), Stop> {
    let TokenNotice::Keep(token) = told else {
        return crate::case::fail("no token was issued");
    };
    ensure(token != presented, "a token that nobody issued was adopted")
}

async fn one_spelling(context: Context) -> Result<(), Stop> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (world, visitor) = context.session([insert("a", 1)]).await?;
    let token = visitor.token()?.to_owned();
    let (body, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).unwrap_or_default();
    let mut variants = vec![
        format!("{token}="),
        format!("{token}=="),
        format!("\"{token}\""),
        format!("{token}%3D"),
        token.to_ascii_lowercase(),
        token.to_ascii_uppercase(),
        token.replace('-', "+").replace('_', "/"),
        format!("%{:02X}{}", token.as_bytes()[0], &token[1..]),
        body.to_owned(),
    ];
    // Decoders that ignore the rest of the last character treat these four alike.
    variants.extend(
        (1..4)
            .filter_map(|n| ALPHABET.get(at + n..=at + n))
            .map(|other| format!("{body}{other}")),
    );
    for variant in variants.into_iter().filter(|variant| *variant != token) {
        let mut other = world.with_token(Some(variant));
        let known = other.is_known().await?;
        ensure(!known, "another spelling of a token leads to its session")?;
    }
    let known = visitor.clone().is_known().await?;
    ensure(known, "the token itself leads nowhere")
}

async fn collision(context: Context) -> Result<(), Stop> {
    let (world, mut first) = context.session([insert("a", 1)]).await?;
    world.stage.entropy().repeat(1);
    let mut second = world.visitor();
    second.send([insert("a", 2)]).await?.ok()?;
    world.called(
        "a creation that collides",
        &["create: Taken", "create: Stored"],
    )?;
    distinct(&world, &mut first, &mut second).await?;
    world.stage.entropy().repeat(1);
    second.send([Op::Rotate]).await?.ok()?;
    distinct(&world, &mut first, &mut second).await
}

async fn distinct(
    world: &World,
    first: &mut crate::adapter::world::Visitor,
    second: &mut crate::adapter::world::Visitor,
) -> Result<(), Stop> {
    let holds = first.token()? != second.token()?;
    ensure(holds, "two visitors have the same token")?;
    does(first, [get("a")], json!([1])).await?;
    does(second, [get("a")], json!([2])).await?;
    world.control().reset();
    Ok(())
}

async fn bounded(context: Context) -> Result<(), Stop> {
    let (world, mut first) = context.session([insert("a", 1)]).await?;
    world.stage.entropy().repeat(usize::MAX);
    let got = world.visitor().send([insert("a", 2)]).await?;
    got.failed("a creation that always collides")?;
    let tries = world.calls().len();
    ensure(tries <= 32, format!("{tries} store calls for one creation"))?;
    world.stage.entropy().repeat(0);
    does(&mut first, [get("a")], json!([1])).await
}

async fn two_living(context: Context) -> Result<(), Stop> {
    let (world, one) = context.session([insert("a", 1)]).await?;
    let other = world.visitor_with([insert("a", 2)]).await?;
    let (one, other) = (one.token()?, other.token()?);
    for tokens in [[one, other], [other, one]] {
        let got = presented(&world, &tokens, [Op::IsNew, get("a"), Op::Subject]).await?;
        got.quiet()?.are(json!([true, null, null]))?;
    }
    let twice = presented(&world, &[one, one], [get("a")]).await?;
    twice.are(json!([1]))?;
    // Neither was harmed.
    for (token, value) in [(one, 1), (other, 2)] {
        let got = presented(&world, &[token], [get("a")]).await?;
        got.are(json!([value]))?;
    }
    Ok(())
}

async fn among_dead(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context.session([insert("a", 1)]).await?;
    let living = visitor.token()?;
    for tokens in [
        &[living, UNKNOWN][..],
        &[UNKNOWN, living],
        &["x", living, "x"],
        &[living, UNKNOWN, "x"],
    ] {
        let got = presented(&world, tokens, [get("a")]).await?;
        got.quiet()?.are(json!([1]))?;
    }
    // Sixty that are well-formed.
    world.control().reset();
    let many: Vec<_> = (0..60)
        .map(|n| format!("{n:02}{}", &UNKNOWN[2..]))
        .collect();
    let mut tokens: Vec<_> = many.iter().map(String::as_str).collect();
    tokens.push(living);
    presented(&world, &tokens, [Op::IsNew]).await?.ok()?;
    let loads = world.calls().len();
    ensure(loads <= 8, format!("{loads} loads for one message"))
}

async fn presented<const N: usize>(
    world: &World,
    tokens: &[&str],
    ops: [Op; N],
) -> Result<Got, Stop> {
    world.exchange(tokens, &ops.into()).await
}
