//! How often the store is asked.

use serde_json::json;

use crate::adapter::script::{Op, get, increment, insert, sign_in};
use crate::adapter::world::{Context, sees};
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/anonymous-read-is-free" => anonymous_read, ["R25", "I2"], "CVE-2015-5143",
        "reading the session of a visitor without a token makes no store call and sends no cookie";
    "adapter/read-is-one-load" => read, ["I2", "R56"], invariant 2,
        "a request that only reads costs one load, writes nothing and sends no cookie";
    "adapter/counter-is-two-calls" => counter, ["I3"], "cloakroom_core::Exchange::finish",
        "a request that changes a session costs one load and one replace, and sends no cookie";
    "adapter/create-is-one-call" => create, ["I9"], "cloakroom_core::Exchange::finish",
        "the first value of a visitor costs one create, and issues a token";
    "adapter/rotate-is-three-calls" => rotate, ["R06"], "cloakroom_core::Exchange::finish",
        "a rotation and a sign-in cost a load, a create and a replace";
    "adapter/sign-out-is-two-calls" => sign_out, ["R19"], "cloakroom_core::Exchange::finish",
        "a sign-out costs one load and one delete";
    "adapter/same-value-is-no-write" => same_value, ["R56"], invariant 2,
        "setting a value to what it already is writes nothing";
    "adapter/touch-is-rare" => touch, ["R56"], "cloakroom_core::Exchange::finish",
        "reading moves the expiry only after a tenth of the idle timeout, and then once";
}

async fn anonymous_read(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let ops = [
        get("a"),
        Op::Contains("a".into()),
        Op::Len,
        Op::IsEmpty,
        Op::Keys,
        Op::IsNew,
        Op::Subject,
    ];
    let got = world.visitor().send(ops).await?.quiet()?;
    got.are(json!([null, false, 0, true, [], true, null]))?;
    // A request that changes nothing creates nothing.
    let idle = [
        Op::Remove("a".into()),
        Op::Take("a".into()),
        Op::Clear,
        Op::Rotate,
        Op::Flashed("a".into()),
    ];
    world.visitor().send(idle).await?.quiet()?;
    world.holds(0)?;
    world.called("an anonymous read", &[])
}

async fn read(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let ops = [
        get("a"),
        Op::Contains("a".into()),
        Op::Len,
        Op::IsEmpty,
        Op::Keys,
        Op::IsNew,
        Op::IsModified,
    ];
    let want = json!([1, true, 1, false, ["a"], false, false]);
    sees(&mut visitor, ops, want).await?;
    world.called("a read", &["load: found"])
}

async fn counter(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([increment("n")]).await?;
    sees(&mut visitor, [increment("n")], json!([2])).await?;
    world.called("a counter", &["load: found", "replace: Stored"])
}

async fn create(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor();
    visitor.send([insert("a", 1)]).await?.ok()?;
    ensure(visitor.token.is_some(), "no token was issued")?;
    world.called("a creation", &["create: Stored"])
}

async fn rotate(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let three = ["load: found", "create: Stored", "replace: Stored"];
    visitor.send([Op::Rotate]).await?.ok()?;
    world.called("a rotation", &three)?;
    visitor.send([sign_in("ada")]).await?.ok()?;
    world.called("a sign-in", &three)
}

async fn sign_out(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([sign_in("ada")]).await?;
    visitor.send([Op::SignOut]).await?.ok()?;
    world.called("a sign-out", &["load: found", "delete: Deleted"])
}

async fn same_value(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    visitor
        .send([insert("a", 1), Op::Remove("b".into())])
        .await?
        .quiet()?;
    world.called("setting a value to what it is", &["load: found"])
}

async fn touch(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for (later, want) in [
        (179, &["load: found"][..]),
        (1, &["load: found", "touch: Extended"]),
        (0, &["load: found"]),
    ] {
        world.advance(later);
        visitor.value("a").await?;
        world.called(&format!("a read {later} s later"), want)?;
    }
    Ok(())
}
