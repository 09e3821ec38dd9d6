use cloakroom_store::{Created, UnixTime, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, absent, creates, is, key, seed};
use crate::store::race::{POLLS, overtake};

checks! { Context:
    "store/sweep-removes-only-expired" => only_expired, ["R14"], "cloakroom_store::Sweep::sweep",
        "a sweep removes expired records, returns their number, and leaves living ones";
    "store/sweep-keeps-its-limit" => limit, ["R59"], "cloakroom_store::Sweep::sweep",
        "a sweep removes no more than its limit, and the next goes on where it ended";
    "store/sweep-spares-new-records" => spares_new, ["I9"],
        "cloakroom_store::Sweep::sweep; cloakroom_store::Store, \"Atomic\"",
        "a record created over an expired one, or extended in time, survives a sweep that is in flight";
}

/// Sweeps until nothing is left, and counts. A store that removes expired records by itself has
/// fewer to count.
async fn sweep_all(
    store: &crate::store::handle::Handle,
    limit: usize,
    most: usize,
) -> Result<usize, Stop> {
    let mut total = 0;
    for _ in 0..=most {
        let swept = store.sweep(limit).await?;
        let holds = swept <= limit;
        ensure(holds, format!("a sweep with limit {limit} removed {swept}"))?;
        total += swept;
        if swept < limit {
            return Ok(total);
        }
    }
    fail("sweeps go on removing though nothing is left")
}

async fn only_expired(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Sweep).await?;
    same("a sweep where nothing is", store.sweep(100).await?, 0)?;
    let end = context.soon();
    for index in 0..10 {
        let short = Write::new("short", end, None);
        seed(&store, &key(&format!("short-{index}")), &short).await?;
        let write = context.write("long");
        seed(&store, &key(&format!("long-{index}")), &write).await?;
    }
    let forever = Write::new("forever", UnixTime::MAX, None);
    seed(&store, &key("forever"), &forever).await?;
    seed(&store, &key("touched"), &Write::new("touched", end, None)).await?;
    let touched = Write::new("touched", context.later(3600), None);
    store.touch(&key("touched"), touched.expires_at).await?;
    if context.just_before(end) {
        let answer = store.sweep(100).await?;
        same("a sweep before anything expired", answer, 0)?;
    }
    context.reach(end).await;
    let answer = store.sweep(100).await?;
    same("a sweep after 10 of 22 records expired", answer, 10)?;
    same("a second sweep", store.sweep(100).await?, 0)?;
    for index in 0..10 {
        let name = key(&format!("short-{index}"));
        absent(&store, &name, "a swept record").await?;
        let name = key(&format!("long-{index}"));
        crate::store::context::found(&store, &name, "a living record after a sweep").await?;
    }
    is(&store, &key("forever"), &forever, "a record without an end").await?;
    is(&store, &key("touched"), &touched, "a touched record").await
}

async fn limit(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Sweep).await?;
    let end = context.soon();
    for index in 0..10 {
        let write = Write::new("short", end, None);
        seed(&store, &key(&format!("short-{index}")), &write).await?;
    }
    context.reach(end).await;
    same("a sweep with the limit 0", store.sweep(0).await?, 0)?;
    same("a sweep with the limit 3 of 10", store.sweep(3).await?, 3)?;
    // Activity between two sweeps: two keys are in use again, and one more record expires.
    for index in 0..10 {
        let name = key(&format!("new-{index}"));
        seed(&store, &name, &context.write("new")).await?;
    }
    let over = Write::new("over", end, None);
    creates(&store, &key("over"), &over).await?;
    let rest = sweep_all(&store, 3, 20).await?;
    // A store may also remove what has expired while it writes, and need not keep what is over when
    // it is written.
    ensure(
        rest <= 8,
        format!("of 8 records that were left to sweep {rest} were counted"),
    )?;
    for index in 0..10 {
        let name = key(&format!("new-{index}"));
        crate::store::context::found(&store, &name, "a living record after a sweep").await?;
    }
    Ok(())
}

async fn spares_new(context: Context) -> Result<(), Stop> {
    let [sweeper, writer] = context.pair_with(Ability::Sweep).await?;
    for polls in 0..POLLS {
        let name = key(&format!("again-{polls}"));
        let over = Write::new(
            "over",
            UnixTime::from_secs(context.now().as_secs() - 60),
            None,
        );
        writer.create(&name, &over).await?;
        let new = context.write("new");
        let (swept, created, in_flight) =
            overtake(sweeper.sweep(100), polls, writer.create(&name, &new)).await;
        swept?;
        same("a create that met a sweep", created?, Created::Stored)?;
        is(&writer, &name, &new, "a record created during a sweep").await?;
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}
