use std::collections::BTreeMap;

use cloakroom_store::{Cursor, Entry, Key, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, deletes, found, key, replaces, seed};
use crate::store::handle::Handle;

checks! { Context:
    "store/enumerate-has-every-record" => every, ["R85"], "cloakroom_store::Enumerate::enumerate",
        "an enumeration has each living record, as a load returns it, with its subject, for pages of any size";
    "store/enumerate-hides-expired" => hides_expired, ["R14"],
        "cloakroom_store::Store, \"Expired is absent\"",
        "an expired record is on no page";
    "store/enumerate-meets-writes" => meets_writes, ["R85"],
        "cloakroom_store::Enumerate::enumerate",
        "a record that lives all the time is on a page, whatever is written and deleted between the pages";
}

/// An enumeration, page by page.
struct Walk {
    limit: usize,
    after: Option<Cursor>,
    pages: usize,
    entries: BTreeMap<String, Entry>,
}

impl Walk {
    /// More pages than any enumeration of the suite has.
    const MOST: usize = 10_000;

    fn new(limit: usize) -> Self {
        Self {
            limit,
            after: None,
            pages: 0,
            entries: BTreeMap::new(),
        }
    }

    /// Returns the keys of the next page, or `None` after the last.
    async fn page(&mut self, store: &Handle) -> Result<Option<Vec<Key>>, Stop> {
        if self.pages > 0 && self.after.is_none() {
            return Ok(None);
        }
        ensure(self.pages < Self::MOST, "an enumeration does not end")?;
        self.pages += 1;
        let page = store.enumerate(self.after.as_ref(), self.limit).await?;
        self.after = page.next;
        let keys = page.records.iter().map(|entry| entry.key.clone()).collect();
        for entry in page.records {
            self.entries.insert(entry.key.as_str().to_owned(), entry);
        }
        Ok(Some(keys))
    }
}

async fn all(store: &Handle, limit: usize) -> Result<BTreeMap<String, Entry>, Stop> {
    let mut walk = Walk::new(limit);
    while walk.page(store).await?.is_some() {}
    Ok(walk.entries)
}

async fn every(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Enumerate).await?;
    let none = all(&store, 10).await?;
    same("the records of an empty store", none.len(), 0)?;
    for index in 0..25 {
        let name = format!("record-{index}");
        let write = match index % 3 {
            0 => context.write(name.as_str()),
            1 => context.write_for(name.as_str(), "ada"),
            _ => context.write_for(name.as_str(), "bob"),
        };
        seed(&store, &key(&name), &write).await?;
    }
    // The last write counts: its subject too.
    let old = found(&store, &key("record-1"), "the record").await?;
    let moved = context.write("moved");
    replaces(&store, &key("record-1"), &old, &moved).await?;
    for limit in [0, 1, 7, 25, 1000] {
        let entries = all(&store, limit).await?;
        same("the number of records", entries.len(), 25)?;
        for index in 0..25 {
            let name = key(&format!("record-{index}"));
            let Some(entry) = entries.get(name.as_str()) else {
                return fail("a living record is on no page");
            };
            let loaded = found(&store, &name, "an enumerated record").await?;
            let holds = entry.stored == loaded;
            ensure(holds, "a record is enumerated otherwise than it is loaded")?;
            let subject = match index % 3 {
                _ if index == 1 => None,
                0 => None,
                1 => Some("ada"),
                _ => Some("bob"),
            };
            same("the subject", entry.subject.as_deref(), subject)?;
        }
    }
    Ok(())
}

async fn hides_expired(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Enumerate).await?;
    let end = context.soon();
    for index in 0..5 {
        let short = Write::new("short", end, None);
        seed(&store, &key(&format!("short-{index}")), &short).await?;
        let name = key(&format!("long-{index}"));
        seed(&store, &name, &context.write("long")).await?;
    }
    context.reach(end).await;
    for limit in [1, 100] {
        let entries = all(&store, limit).await?;
        let living = (0..5).map(|index| key(&format!("long-{index}")).as_str().to_owned());
        let found: Vec<_> = entries.into_keys().collect();
        same("the records that live", found, living.collect())?;
    }
    Ok(())
}

async fn meets_writes(context: Context) -> Result<(), Stop> {
    let [reader, writer] = context.pair_with(Ability::Enumerate).await?;
    for index in 0..30 {
        let name = format!("record-{index}");
        seed(&writer, &key(&name), &context.write(name.as_str())).await?;
    }
    let (mut walk, mut deleted) = (Walk::new(3), 0);
    while let Some(keys) = walk.page(&reader).await? {
        let number = walk.pages;
        // Remove the records just returned, the one that the cursor stands at included.
        for gone in keys.iter().filter(|_| number % 2 == 0) {
            let old = found(&writer, gone, "an enumerated record").await?;
            deletes(&writer, gone, &old).await?;
            deleted += 1;
        }
        // New ones come, and one that is there is written again.
        if number < 10 {
            let name = key(&format!("new-{number}"));
            seed(&writer, &name, &context.write("new")).await?;
        }
        let name = key("record-17");
        if let Some(old) = writer.load(&name).await? {
            let again = context.write(format!("again-{number}"));
            writer.replace(&name, &old, &again).await?;
        }
    }
    ensure(deleted > 0, "no page had a record")?;
    for index in 0..30 {
        let name = key(&format!("record-{index}"));
        let holds = walk.entries.contains_key(name.as_str());
        ensure(holds, "a record that lived all the time is on no page")?;
    }
    Ok(())
}
