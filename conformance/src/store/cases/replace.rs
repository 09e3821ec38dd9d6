use cloakroom_store::{Created, Replaced, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::context::{Context, absent, is, key, seed};
use crate::store::race::{POLLS, overtake};

checks! { Context:
    "store/replace-writes-over-what-was-loaded", ["R53"],
    "a replace of the record that was loaded writes the new one",
    "cloakroom_store::Store::replace" => over_what_was_loaded;

    "store/replace-knows-a-stale-record", ["R53", "I3"],
    "a replace of a record that was replaced since is answered `Changed`, and writes nothing",
    "cloakroom_store::Store, \"Compare and swap\"; lost updates in tower-sessions (#35 to #37, #91)" => stale;

    "store/replace-knows-a-recreated-record", ["R53", "I4"],
    "a record that was deleted and created again with other bytes is another one, however often it has been written",
    "cloakroom_store::Store, \"a version that no two writes share\" (the ABA problem)" => recreated;

    "store/replace-of-equal-bytes-is-consistent", ["R53"],
    "a record created again with equal bytes may count as the same or as another; the answer says what was done",
    "cloakroom_store::Store, \"its bytes, a digest of them, or a version\"" => equal_bytes;

    "store/replace-gone-writes-nothing", ["R20", "I4"],
    "a replace where no record is does not make one: a session that was signed out stays so",
    "CVE-2025-46336 (rack-session restored deleted sessions); OWASP ASVS 5.0, 7.4.1" => gone;

    "store/replace-of-expired-is-gone", ["R14"],
    "an expired record is not replaced",
    "cloakroom_store::Store, \"Expired is absent\"; CVE-2024-35220" => expired;

    "store/replace-in-one-step", ["R55", "I9"],
    "value and expiry change in one step: a reader never sees the one without the other",
    "cloakroom_store::Store, \"Atomic\"" => one_step;
}

async fn over_what_was_loaded(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("replace");
    let mut old = seed(&store, &name, &context.write("0")).await?;
    for round in 1..=5 {
        // Longer, shorter, and with another expiry each time.
        let bytes = vec![b'0' + round; usize::from(round % 3) * 100];
        let new = Write::new(bytes, context.later(60 * u64::from(round)), None);
        same(
            "replacing the record as loaded",
            store.replace(&name, &old, &new).await?,
            Replaced::Stored,
        )?;
        is(&store, &name, &new, "the new record").await?;
        old = crate::store::context::found(&store, &name, "the new record").await?;
    }
    Ok(())
}

async fn stale(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("stale");
    let first = seed(&store, &name, &context.write("first")).await?;
    let second = context.write("second");
    store.replace(&name, &first, &second).await?;
    // Of the same length as what is there, so that a comparison of lengths is not enough.
    let third = Write::new("thirds", context.later(60), None);
    same(
        "replacing from a stale load",
        store.replace(&name, &first, &third).await?,
        Replaced::Changed,
    )?;
    is(&store, &name, &second, "the record after a refused replace").await
}

async fn recreated(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("recreated");
    let first = seed(&store, &name, &context.write("first")).await?;
    store.delete(&name, &first).await?;
    let again = context.write("again");
    seed(&store, &name, &again).await?;
    same(
        "replacing a record that was deleted and created again",
        store.replace(&name, &first, &context.write("late")).await?,
        Replaced::Changed,
    )?;
    is(&store, &name, &again, "the record that was created again").await
}

async fn equal_bytes(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("equal");
    let write = context.write("equal");
    let first = seed(&store, &name, &write).await?;
    store.delete(&name, &first).await?;
    same(
        "creating again",
        store.create(&name, &write).await?,
        Created::Stored,
    )?;
    let late = context.write("late");
    match store.replace(&name, &first, &late).await? {
        Replaced::Stored => is(&store, &name, &late, "the record after `Stored`").await,
        Replaced::Changed => is(&store, &name, &write, "the record after `Changed`").await,
        Replaced::Gone => fail("the record is there, but the answer was `Gone`"),
    }
}

async fn gone(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("gone");
    let first = seed(&store, &name, &context.write("first")).await?;
    store.delete(&name, &first).await?;
    same(
        "replacing a deleted record",
        store.replace(&name, &first, &context.write("late")).await?,
        Replaced::Gone,
    )?;
    absent(&store, &name, "the deleted record").await?;
    let never = key("never");
    same(
        "replacing a record that never was",
        store
            .replace(&never, &first, &context.write("late"))
            .await?,
        Replaced::Gone,
    )?;
    absent(&store, &never, "a record that never was").await
}

async fn expired(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("expired");
    let end = context.soon();
    let old = seed(&store, &name, &Write::new("old", end, None)).await?;
    context.reach(end).await;
    same(
        "replacing an expired record",
        store.replace(&name, &old, &context.write("late")).await?,
        Replaced::Gone,
    )?;
    absent(&store, &name, "the expired record").await
}

async fn one_step(context: Context) -> Result<(), Stop> {
    let [writer, reader] = context.pair().await?;
    let name = key("pairs");
    let pairs = [
        Write::new("short", context.later(600), None),
        Write::new("long", context.later(6000), None),
    ];
    let matches = |stored: &cloakroom_store::Stored| {
        pairs.iter().any(|pair| {
            pair.bytes == stored.bytes && reader.may_end(stored.expires_at, pair.expires_at)
        })
    };
    let mut old = seed(&writer, &name, &pairs[0]).await?;
    for polls in 0..POLLS {
        let next = &pairs[(polls + 1) % 2];
        let (replaced, seen, in_flight) =
            overtake(writer.replace(&name, &old, next), polls, reader.load(&name)).await;
        same(
            "replacing the record as loaded",
            replaced?,
            Replaced::Stored,
        )?;
        match seen? {
            None => return fail("while it is replaced the record is missing"),
            Some(stored) => ensure(
                matches(&stored),
                "a reader saw the value of one write with the expiry of another",
            )?,
        }
        old = crate::store::context::found(&writer, &name, "the new record").await?;
        ensure(matches(&old), "value and expiry are of two writes")?;
        if !in_flight && polls > 2 {
            break;
        }
    }
    Ok(())
}
