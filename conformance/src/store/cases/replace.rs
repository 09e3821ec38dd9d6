use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom_store::{Replaced, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, absent, creates, found, is, key, replaces, seed};
use crate::store::race::{POLLS, in_parallel, overtake};

checks! { Context:
    "store/replace-writes-over-what-was-loaded" => over_the_loaded_record, ["R53"],
        "cloakroom_store::Store::replace",
        "a replace of the loaded record writes the new one";
    "store/replace-knows-a-stale-record" => stale, ["R53", "I3"],
        "cloakroom_store::Store, \"Compare and swap\"; lost updates in tower-sessions (#35 to #37, #91)",
        "a replace of a record that was replaced since returns `Changed`, and writes nothing";
    "store/replace-knows-a-recreated-record" => recreated, ["R53", "I4"],
        "cloakroom_store::Store, \"a version that no two writes share\" (the ABA problem)",
        "a record that was deleted and created again with other bytes is another record, however often it was written";
    "store/replace-of-equal-bytes-is-consistent" => equal_bytes, ["R53"],
        "cloakroom_store::Store, \"its bytes, a digest of them, or a version\"",
        "a record created again with equal bytes may count as the same or as another; the outcome matches the effect";
    "store/replace-gone-writes-nothing" => gone, ["R20", "I4"],
        "CVE-2025-46336 (rack-session restored deleted sessions); OWASP ASVS 5.0, 7.4.1",
        "a replace without a record creates none: a signed-out session stays signed out";
    "store/replace-of-expired-is-gone" => expired, ["R14"],
        "cloakroom_store::Store, \"Expired is absent\"; CVE-2024-35220",
        "an expired record is not replaced";
    "store/replace-in-one-step" => one_step, ["R55", "I9"], "cloakroom_store::Store, \"Atomic\"",
        "value and expiry change in one step: a reader never sees the one without the other";
    "store/replace-hides-nothing" => hides_nothing, ["R55", "R92"],
        "cloakroom_store::Store, \"Atomic\"; bindfs, sshfs and others, where a rename over a file is two steps",
        "loads and lists at the same time as many replaces always find the record";
}

async fn over_the_loaded_record(context: Context) -> Result<(), Stop> {
    let (store, name, mut old) = context.seeded("replace", "0").await?;
    for round in 1..=5 {
        // Longer, shorter, and with another expiry each time.
        let bytes = vec![b'0' + round; usize::from(round % 3) * 100];
        let new = Write::new(bytes, context.later(60 * u64::from(round)), None);
        replaces(&store, &name, &old, &new).await?;
        is(&store, &name, &new, "the new record").await?;
        old = found(&store, &name, "the new record").await?;
    }
    Ok(())
}

async fn stale(context: Context) -> Result<(), Stop> {
    let (store, name, first) = context.seeded("stale", "first").await?;
    let second = context.write("second");
    store.replace(&name, &first, &second).await?;
    // Of the same length as what is there, so that a comparison of lengths is not enough.
    let third = Write::new("thirds", context.later(60), None);
    let answer = store.replace(&name, &first, &third).await?;
    same("replacing from a stale load", answer, Replaced::Changed)?;
    is(&store, &name, &second, "the record after a refused replace").await
}

async fn recreated(context: Context) -> Result<(), Stop> {
    let (store, name, first) = context.seeded("recreated", "first").await?;
    store.delete(&name, &first).await?;
    let again = context.write("again");
    seed(&store, &name, &again).await?;
    let answer = store.replace(&name, &first, &context.write("late")).await?;
    same("replacing a recreated record", answer, Replaced::Changed)?;
    is(&store, &name, &again, "the record that was created again").await
}

async fn equal_bytes(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("equal");
    let write = context.write("equal");
    let first = seed(&store, &name, &write).await?;
    store.delete(&name, &first).await?;
    creates(&store, &name, &write).await?;
    let late = context.write("late");
    match store.replace(&name, &first, &late).await? {
        Replaced::Stored => is(&store, &name, &late, "the record after `Stored`").await,
        Replaced::Changed => is(&store, &name, &write, "the record after `Changed`").await,
        Replaced::Gone => fail("the record is there, but the answer was `Gone`"),
    }
}

async fn gone(context: Context) -> Result<(), Stop> {
    let (store, name, first) = context.seeded("gone", "first").await?;
    store.delete(&name, &first).await?;
    let answer = store.replace(&name, &first, &context.write("late")).await?;
    same("replacing a deleted record", answer, Replaced::Gone)?;
    absent(&store, &name, "the deleted record").await?;
    let never = key("never");
    let answer = store
        .replace(&never, &first, &context.write("late"))
        .await?;
    same("replacing a record that never was", answer, Replaced::Gone)?;
    absent(&store, &never, "a record that never was").await
}

async fn expired(context: Context) -> Result<(), Stop> {
    let (store, name, old) = context.expired().await?;
    let answer = store.replace(&name, &old, &context.write("late")).await?;
    same("replacing an expired record", answer, Replaced::Gone)?;
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
        same("replacing as loaded", replaced?, Replaced::Stored)?;
        match seen? {
            None => return fail("while it is replaced the record is missing"),
            Some(stored) => ensure(
                matches(&stored),
                "a reader saw the value of one write with the expiry of another",
            )?,
        }
        old = found(&writer, &name, "the new record").await?;
        ensure(matches(&old), "value and expiry are of two writes")?;
        if !in_flight && polls > 2 {
            break;
        }
    }
    Ok(())
}

async fn hides_nothing(context: Context) -> Result<(), Stop> {
    const READERS: usize = 4;
    const REPLACES: usize = 100;
    const SUBJECT: &str = "ada";
    let pair = context.pair().await?;
    let lists = context.has(Ability::Directory);
    let write = match lists {
        true => context.write_for("0", SUBJECT),
        false => context.write("0"),
    };
    let old = seed(&pair[0], &key("replaced"), &write).await?;
    let is_done = Arc::new(AtomicBool::new(false));
    let workers = (0..=READERS).map(|worker| {
        let (store, is_done) = (pair[worker.min(1)].clone(), Arc::clone(&is_done));
        let (mut old, mut write) = (old.clone(), write.clone());
        async move {
            if worker == 0 {
                let _done = SetOnDrop(is_done);
                for count in 1..=REPLACES {
                    write.bytes = count.to_string().into();
                    let replaced = store.replace(&key("replaced"), &old, &write).await?;
                    same("replacing the record", replaced, Replaced::Stored)?;
                    old = found(&store, &key("replaced"), "the new record").await?;
                }
                return Ok(());
            }
            while !is_done.load(Ordering::Relaxed) {
                if store.load(&key("replaced")).await?.is_none() {
                    return fail("a load found nothing while the record was replaced");
                }
                if lists && store.list(SUBJECT).await?.len() != 1 {
                    return fail("a list lacked the record while it was replaced");
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    });
    in_parallel(workers).await.into_iter().collect()
}

/// Readers end when the writer does, in whatever way.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
