use cloakroom_store::{Deleted, Replaced};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::claims::Ability;
use crate::store::context::{Context, absent, found, is, key, seed};
use crate::store::race::in_parallel;

checks! { Context:
    "store/durable-over-reopening", ["R61"],
    "when all handles are dropped and the place is opened again, every commit is there, and no other record",
    "cloakroom_conformance::store::Claims::durable" => reopening;

    "store/durable-over-a-kill", ["R60", "R62"],
    "after SIGKILL what was answered is there, what was in flight is the old record or the new one, never a torn one, and every key is usable",
    "cloakroom_store::Store, \"Atomic\"; cloakroom_conformance::store::Claims::survives_kill" => kill;
}

async fn reopening(context: Context) -> Result<(), Stop> {
    context.require(Ability::Durable)?;
    let store = context.store().await?;
    let (kept, replaced) = (context.write_for("kept", "ada"), context.write("replaced"));
    seed(&store, &key("kept"), &kept).await?;
    let old = seed(&store, &key("replaced"), &context.write("old")).await?;
    store.replace(&key("replaced"), &old, &replaced).await?;
    let deleted = seed(&store, &key("deleted"), &context.write("deleted")).await?;
    store.delete(&key("deleted"), &deleted).await?;
    let loaded = found(&store, &key("kept"), "the record").await?;
    drop(store);

    let store = context.store().await?;
    is(&store, &key("kept"), &kept, "a record after reopening").await?;
    is(
        &store,
        &key("replaced"),
        &replaced,
        "a replaced record after reopening",
    )
    .await?;
    absent(&store, &key("deleted"), "a record deleted before reopening").await?;
    if context.has(Ability::Directory) {
        same(
            "records listed after reopening",
            store.list("ada").await?.len(),
            1,
        )?;
    }
    // What was loaded before is still what is there.
    let answer = store.replace(&key("kept"), &loaded, &replaced).await?;
    same(
        "replacing what was loaded before reopening",
        answer,
        Replaced::Stored,
    )?;
    let stale = store.delete(&key("replaced"), &old).await?;
    same(
        "deleting what was stale before reopening",
        stale,
        Deleted::Changed,
    )
}

/// A value long enough that writing it takes a while, and of which every part tells the round.
fn value(round: u8) -> Vec<u8> {
    vec![round; 64 * 1024]
}

async fn kill(context: Context) -> Result<(), Stop> {
    const KEYS: usize = 8;
    context.require(Ability::SurvivesKill)?;
    let most = context.max_value();
    let cut = |round| value(round)[..most.min(64 * 1024)].to_vec();
    for round in 0..=KEYS {
        let worker = context.worker(Ability::SurvivesKill).await?;
        let store = context.tolerant(worker.handle());
        let name = |index: usize| key(&format!("round-{round}-{index}"));
        let mut loaded = Vec::new();
        for index in 0..KEYS {
            loaded.push(seed(&store, &name(index), &context.write_for(cut(1), "ada")).await?);
        }
        // All at once; as many as the round says are waited for, the others are somewhere on their way when the kill comes.
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let replaces = loaded.iter().cloned().enumerate().map(|(index, old)| {
            let (store, name, answers) = (store.clone(), name(index), answers.clone());
            let write = context.write_for(cut(2), "bob");
            async move {
                if store.replace(&name, &old, &write).await.ok() == Some(Replaced::Stored) {
                    // The receiver is gone once the kill has come.
                    let _ = answers.send(index);
                }
            }
        });
        let replaces: Vec<_> = replaces.collect();
        let running = tokio::spawn(async move { in_parallel(replaces).await });
        let mut done = Vec::new();
        for _ in 0..round {
            match answered.recv().await {
                Some(index) => done.push(index),
                None => return fail("the other process did not answer"),
            }
        }
        worker.kill();
        // The answers that came before the end count too.
        running
            .await
            .map_err(|_| Stop::Failed("a task failed".to_owned()))?;
        drop(answers);
        while let Some(index) = answered.recv().await {
            done.push(index);
        }

        let worker = context.worker(Ability::SurvivesKill).await?;
        let store = context.tolerant(worker.handle());
        let mut moved = 0;
        for index in 0..KEYS {
            let stored = found(&store, &name(index), "a record after a kill").await?;
            let new = stored.bytes == cut(2);
            ensure(
                new || stored.bytes == cut(1),
                "a record after a kill is neither the old one nor the new one",
            )?;
            ensure(
                new || !done.contains(&index),
                "a replace was answered, and after a kill the old record is there",
            )?;
            moved += usize::from(new);
        }
        if context.has(Ability::Directory) {
            same(
                "the new subject's records after a kill",
                store.list("bob").await?.len(),
                moved,
            )?;
            same(
                "the old subject's records after a kill",
                store.list("ada").await?.len(),
                KEYS - moved,
            )?;
        }
        for index in 0..KEYS {
            let stored = found(&store, &name(index), "a record after a kill").await?;
            let deleted = store.delete(&name(index), &stored).await?;
            same("deleting a record after a kill", deleted, Deleted::Deleted)?;
            seed(&store, &name(index), &context.write("again")).await?;
        }
    }
    Ok(())
}
