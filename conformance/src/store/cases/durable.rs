use cloakroom_store::{Deleted, Key, Replaced, Stored, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, absent, found, holds, is, key, replaces, seed};
use crate::store::handle::Handle;
use crate::store::race::in_parallel;

checks! { Context:
    "store/durable-over-reopening" => reopening, ["R61"],
        "cloakroom_conformance::store::Claims::durable",
        "after all handles are dropped and the place is reopened, it has every commit and no other record";
    "store/durable-over-a-kill" => kill, ["R60", "R62"],
        "cloakroom_store::Store, \"Atomic\"; cloakroom_conformance::store::Claims::survives_kill",
        "after SIGKILL, answered writes are there; one in flight left the old record or the whole new one, perhaps late, once; every key works";
}

async fn reopening(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Durable).await?;
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
    is(&store, &key("replaced"), &replaced, "the replaced record").await?;
    absent(&store, &key("deleted"), "a record deleted before reopening").await?;
    if context.has(Ability::Directory) {
        same(
            "records listed after reopening",
            store.list("ada").await?.len(),
            1,
        )?;
    }
    // The record is still the one that was loaded before.
    replaces(&store, &key("kept"), &loaded, &replaced).await?;
    let stale = store.delete(&key("replaced"), &old).await?;
    same("deleting from a stale load", stale, Deleted::Changed)
}

/// Returns a value long enough that writing it takes a while. Every part of it identifies it.
fn value(which: u8, length: usize) -> Vec<u8> {
    vec![which; length]
}

async fn kill(context: Context) -> Result<(), Stop> {
    const KEYS: usize = 8;
    context.require(Ability::SurvivesKill)?;
    let length = context.max_value().min(64 * 1024);
    for round in 0..=KEYS {
        let worker = context.worker(Ability::SurvivesKill).await?;
        let store = context.tolerant(worker.handle());
        let name = |index: usize| key(&format!("round-{round}-{index}"));
        let old = context.write_for(value(1, length), "ada");
        let new = context.write_for(value(2, length), "bob");
        let mut loaded = Vec::new();
        for index in 0..KEYS {
            loaded.push(seed(&store, &name(index), &old).await?);
        }
        // All at once. The round's number of them is awaited, and the others are on their way when
        // the kill comes.
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let replaces = loaded.iter().cloned().enumerate().map(|(index, old)| {
            let (store, name, answers) = (store.clone(), name(index), answers.clone());
            let new = new.clone();
            async move {
                if store.replace(&name, &old, &new).await.ok() == Some(Replaced::Stored) {
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
        let after = After {
            store: &store,
            old: &old,
            new: &new,
        };
        let mut records = Vec::new();
        for index in 0..KEYS {
            let record = after.load(name(index)).await?;
            ensure(
                record.moved || !done.contains(&index),
                "a replace was answered, and after a kill the old record is there",
            )?;
            records.push(record);
        }
        // In this order, so that a record that moves on in between is in both lists and not in
        // none.
        let lists = match context.has(Ability::Directory) {
            true => Some([store.list("ada").await?, store.list("bob").await?]),
            false => None,
        };
        for record in &records {
            let moves = after.delete(record).await?;
            if let Some([of_old, of_new]) = &lists {
                after.listed(record, moves, of_old, of_new)?;
            }
            seed(&store, &record.key, &context.write("again")).await?;
        }
    }
    Ok(())
}

/// Checks the record after a kill in the middle of replacing `old` by `new`. A server may finish
/// that later, so a record that is still `old` may become `new` a moment later. It changes once,
/// and to nothing else.
struct After<'a> {
    store: &'a Handle,
    old: &'a Write,
    new: &'a Write,
}

/// A record as it was first seen after a kill.
struct Record {
    key: Key,
    stored: Stored,
    /// It is the new one.
    moved: bool,
}

impl After<'_> {
    async fn load(&self, key: Key) -> Result<Record, Stop> {
        let stored = found(self.store, &key, "a record after a kill").await?;
        let moved = stored.bytes == self.new.bytes;
        ensure(
            moved || stored.bytes == self.old.bytes,
            "a record after a kill is neither the old one nor the new one",
        )?;
        let write = if moved { self.new } else { self.old };
        holds(self.store, &stored, write, "a record after a kill")?;
        Ok(Record { key, stored, moved })
    }

    /// Deletes the record as it was seen, or, if the write in flight came in between, the new one.
    /// Whether it was the new one.
    async fn delete(&self, record: &Record) -> Result<bool, Stop> {
        let mut moved = record.moved;
        let mut deleted = self.store.delete(&record.key, &record.stored).await?;
        if deleted == Deleted::Changed && !moved {
            let now = found(self.store, &record.key, "a record after a late write").await?;
            holds(self.store, &now, self.new, "a record after a late write")?;
            moved = true;
            deleted = self.store.delete(&record.key, &now).await?;
        }
        same("deleting a record after a kill", deleted, Deleted::Deleted)?;
        Ok(moved)
    }

    /// Checks that the record was listed for its subject at that time: `record` was the earlier
    /// one, and `moved` tells whether it is the new one by now.
    fn listed(
        &self,
        record: &Record,
        moved: bool,
        of_old: &[(Key, Stored)],
        of_new: &[(Key, Stored)],
    ) -> Result<(), Stop> {
        let of = |list: &[(Key, Stored)], write: &Write| {
            let entry = list.iter().find(|(key, _)| *key == record.key);
            match entry {
                Some((_, stored)) if stored.bytes != write.bytes => {
                    fail("after a kill a subject has a record that is another's")
                }
                entry => Ok(entry.is_some()),
            }
        };
        let (old, new) = (of(of_old, self.old)?, of(of_new, self.new)?);
        let right = match (record.moved, moved) {
            (true, _) => (old, new) == (false, true),
            (false, false) => (old, new) == (true, false),
            // It moved at some moment in between.
            (false, true) => old || new,
        };
        ensure(
            right,
            format!("after a kill a record is listed wrongly (old: {old}, new: {new})"),
        )
    }
}
