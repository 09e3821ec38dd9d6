//! How long sessions live, on stores that help and on one that never expires anything.

use crate::adapter::script::{Op, get, insert};
use crate::adapter::world::{Context, Visitor, World, does};
use crate::case::{Stop, checks, ensure};
use cloakroom_store::UnixTime;

checks! { Context:
    "adapter/idle-timeout" => idle, ["R12"], "OWASP ASVS 5.0, 7.3.1",
        "an unused session lives until one second before its idle timeout, and not longer";
    "adapter/absolute-timeout" => absolute, ["R13"], "OWASP ASVS 5.0, 7.3.2",
        "neither activity nor rotation keeps a session beyond its absolute timeout";
    "adapter/expired-record-is-refused" => refused, ["R14", "I5"], "CVE-2024-35220",
        "an expired record that a store still returns is no session, and is not adopted";
    "adapter/clock-jumps" => jumps, ["R15", "I12"], invariant 12,
        "a clock that jumps ahead, back or to an extreme makes no request fail, and adds nothing to a session's life";
}

async fn idle(context: Context) -> Result<(), Stop> {
    for world in both(&context).await? {
        for (later, known) in [(1_799, true), (1_800, false), (1_801, false)] {
            let mut visitor = world.visitor_with([insert("a", 1)]).await?;
            world.advance(later);
            is(
                &mut visitor,
                known,
                &format!("{later} s after its last use"),
            )
            .await?;
        }
        // Each use counts, reading too.
        let mut visitor = world.visitor_with([insert("a", 1)]).await?;
        for _ in 0..4 {
            world.advance(1_799);
            is(&mut visitor, true, "1799 s after it was read").await?;
        }
    }
    Ok(())
}

async fn absolute(context: Context) -> Result<(), Stop> {
    for use_it in [Op::IsNew, Op::Rotate, insert("b", 1)] {
        for world in both(&context).await? {
            let mut visitor = world.visitor_with([insert("a", 1)]).await?;
            for _ in 0..25 {
                world.advance(1_700);
                visitor.send([use_it.clone()]).await?.ok()?;
            }
            world.advance(43_199 - 25 * 1_700);
            is(&mut visitor, true, "one second before its absolute timeout").await?;
            world.advance(1);
            is(&mut visitor, false, "at its absolute timeout").await?;
        }
    }
    Ok(())
}

async fn refused(context: Context) -> Result<(), Stop> {
    let world = context.world_that_keeps_all(|builder| builder).await?;
    let mut visitor = world.visitor_with([insert("a", 1)]).await?;
    let old = visitor.clone();
    world.advance(1_800);
    let got = visitor.send([get("a"), Op::IsNew]).await?;
    got.quiet()?.are(serde_json::json!([null, true]))?;
    visitor.send([insert("b", 1)]).await?.ok()?;
    let holds = visitor.token != old.token;
    ensure(holds, "the token of an expired session was adopted")?;
    does(&mut visitor, [Op::Keys], serde_json::json!([["b"]])).await
}

async fn jumps(context: Context) -> Result<(), Stop> {
    for world in both(&context).await? {
        let start = world.clock.now();
        let at = |seconds: u64| UnixTime::from_secs(start.as_secs() + seconds);
        let mut visitor = world.visitor_with([insert("a", 1)]).await?;
        // The clock jumps ahead within the session's life, the session is used, and the clock jumps
        // back. The next use takes the gain back.
        world.clock.set(at(1_500));
        is(&mut visitor, true, "after 1500 s").await?;
        world.clock.set(start);
        is(&mut visitor, true, "when the clock is back").await?;
        world.clock.set(at(1_800));
        is(
            &mut visitor,
            false,
            "its idle timeout after the clock was back",
        )
        .await?;
        for extreme in [
            UnixTime::from_secs(0),
            UnixTime::MAX,
            UnixTime::from_secs(1),
        ] {
            world.clock.set(extreme);
            for ops in [
                vec![get("a")],
                vec![insert("b", 1)],
                vec![Op::Rotate],
                vec![Op::SignOut],
            ] {
                visitor.clone().send(ops).await?.ok()?;
            }
            world.visitor().send([insert("a", 1)]).await?.ok()?;
        }
    }
    Ok(())
}

async fn both(context: &Context) -> Result<[World; 2], Stop> {
    Ok([
        context.world().await?,
        context.world_that_keeps_all(|builder| builder).await?,
    ])
}

async fn is(visitor: &mut Visitor, known: bool, when: &str) -> Result<(), Stop> {
    let what = if known { "missing" } else { "still there" };
    let holds = visitor.is_known().await? == known;
    ensure(holds, format!("the session is {what} {when}"))
}
