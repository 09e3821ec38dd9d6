use cloakroom_store::{UnixTime, Write};

use crate::case::{Stop, checks};
use crate::store::context::{Context, absent, creates, found, is, key, replaces, seed, touches};

checks! { Context:
    "store/expiry-to-the-second" => to_the_second, ["R12", "R14"],
        "cloakroom_store::Store, \"Expired is absent\"; OWASP ASVS 5.0, 7.3.1; CVE-2024-35220",
        "a record lives until the second before its expiry, and not at it";
    "store/expiry-as-last-written" => as_last_written, ["R12", "R26"],
        "cloakroom_store::Store, \"Expired is absent\"",
        "the last replace or touch sets a record's expiry, earlier or later than before";
    "store/expiry-in-the-past" => in_the_past, ["R15"], "cloakroom_store::Write::expires_at",
        "a record written with an expiry in the past is never seen";
    "store/expiry-after-400-days" => after_400_days, ["R57"],
        "Memcached protocol.txt, \"Expiration times\"",
        "a lifetime of more than 30 days is not taken for a moment in 1970";
    "store/expiry-at-the-end-of-time" => end_of_time, ["R15", "R57"],
        "cloakroom_store::UnixTime::MAX",
        "the last possible moment works as an expiry";
}

async fn to_the_second(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("ends");
    let write = Write::new("value", context.soon(), None);
    seed(&store, &name, &write).await?;
    if context.just_before(write.expires_at) {
        is(&store, &name, &write, "a record just before its expiry").await?;
    }
    context.reach(write.expires_at).await;
    absent(&store, &name, "a record at its expiry").await?;
    context.reach(context.later(1)).await;
    absent(&store, &name, "a record a second after its expiry").await
}

async fn as_last_written(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let (soon, far) = (context.soon(), context.later(7200));
    let replaced = |old, end| Write::new([old, &b"+"[..]].concat(), end, None);
    for (name, first, last) in [("later", soon, far), ("earlier", far, soon)] {
        let write = Write::new(name, first, None);
        let old = seed(&store, &key(&format!("{name}-replaced")), &write).await?;
        replaces(
            &store,
            &key(&format!("{name}-replaced")),
            &old,
            &replaced(name.as_bytes(), last),
        )
        .await?;
        seed(&store, &key(&format!("{name}-touched")), &write).await?;
        touches(&store, &key(&format!("{name}-touched")), last).await?;
    }
    context.reach(soon).await;
    for how in ["replaced", "touched"] {
        found(
            &store,
            &key(&format!("later-{how}")),
            &format!("a record {how} to live longer"),
        )
        .await?;
        absent(
            &store,
            &key(&format!("earlier-{how}")),
            &format!("a record {how} to end earlier"),
        )
        .await?;
    }
    Ok(())
}

async fn in_the_past(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let now = context.now();
    let moments = [
        ("1970", UnixTime::from_secs(0)),
        ("2001", UnixTime::from_secs(1_000_000_000)),
        ("a second ago", UnixTime::from_secs(now.as_secs() - 60)),
    ];
    for (index, (when, end)) in moments.into_iter().enumerate() {
        let ended = Write::new("ended", end, None);
        let name = key(&format!("created-{index}"));
        creates(&store, &name, &ended).await?;
        absent(&store, &name, &format!("a record that ended {when}")).await?;
        seed(&store, &name, &context.write("new")).await?;

        let name = key(&format!("replaced-{index}"));
        let old = seed(&store, &name, &context.write("old")).await?;
        replaces(&store, &name, &old, &ended).await?;
        absent(&store, &name, &format!("a record that ended {when}")).await?;

        let name = key(&format!("touched-{index}"));
        seed(&store, &name, &context.write("old")).await?;
        touches(&store, &name, end).await?;
        absent(&store, &name, &format!("a record that ended {when}")).await?;
    }
    Ok(())
}

async fn after_400_days(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    // 2,592,000 s is where Memcached begins to read a number of seconds as a date.
    for seconds in [2_591_999, 2_592_000, 2_592_001, 400 * 86_400] {
        let name = key(&format!("created-{seconds}"));
        let write = Write::new("value", context.later(seconds), None);
        seed(&store, &name, &write).await?;
        let name = key(&format!("touched-{seconds}"));
        seed(&store, &name, &context.write("value")).await?;
        store.touch(&name, write.expires_at).await?;
        is(&store, &name, &write, "the touched record").await?;
    }
    Ok(())
}

async fn end_of_time(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("forever");
    let forever = Write::new("value", UnixTime::MAX, None);
    let old = seed(&store, &name, &forever).await?;
    let next = Write::new("next", UnixTime::MAX, None);
    replaces(&store, &name, &old, &next).await?;
    is(&store, &name, &next, "the new record").await?;
    touches(&store, &name, UnixTime::MAX).await?;
    is(&store, &name, &next, "the touched record").await
}
