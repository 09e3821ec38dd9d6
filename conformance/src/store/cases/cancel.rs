use std::future::Future;
use std::pin::pin;

use cloakroom_store::{Created, Key, Replaced, Stored, Write};

use crate::case::{Stop, checks, ensure, fail};
use crate::store::context::{Context, is, key, seed};
use crate::store::handle::Handle;
use crate::store::race::{POLLS, poll_times};

checks! { Context:
    "store/cancel-create", ["R64"],
    "a create that is dropped half way leaves no record or the whole one, and the key usable",
    "cloakroom_store::Store, \"Cancel-safe\"" => create;

    "store/cancel-replace", ["R64"],
    "a replace that is dropped half way leaves the old record or the new one, and the key usable",
    "cloakroom_store::Store, \"Cancel-safe\"" => replace;

    "store/cancel-touch", ["R64"],
    "a touch that is dropped half way leaves the record's bytes, with the old expiry or the new one, and the key usable",
    "cloakroom_store::Store, \"Cancel-safe\"" => touch;

    "store/cancel-delete", ["R64"],
    "a delete that is dropped half way leaves the old record or none, and the key usable",
    "cloakroom_store::Store, \"Cancel-safe\"" => delete;

    "store/cancel-load", ["R64"],
    "a load that is dropped half way leaves the record as it was, and the key usable",
    "cloakroom_store::Store, \"Cancel-safe\"" => load;
}

async fn create(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let new = context.write("new");
    for polls in 1..=POLLS {
        let name = key(&format!("created-{polls}"));
        let done = dropped_after(polls, store.create(&name, &new)).await;
        usable(&store, &context, &name, &[None, Some(&new)]).await?;
        if done {
            break;
        }
    }
    Ok(())
}

async fn replace(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let (old, new) = (context.write("old"), context.write("new value"));
    for polls in 1..=POLLS {
        let name = key(&format!("replaced-{polls}"));
        let stored = seed(&store, &name, &old).await?;
        let done = dropped_after(polls, store.replace(&name, &stored, &new)).await;
        usable(&store, &context, &name, &[Some(&old), Some(&new)]).await?;
        if done {
            break;
        }
    }
    Ok(())
}

async fn touch(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let old = context.write("old");
    let new = Write::new("old", context.later(7200), None);
    for polls in 1..=POLLS {
        let name = key(&format!("touched-{polls}"));
        seed(&store, &name, &old).await?;
        let done = dropped_after(polls, store.touch(&name, new.expires_at)).await;
        let possible = [Some(&old), Some(&new)];
        let next = written_after(&store, &context, &name, &possible).await?;
        // A touch compares nothing: one that was dropped, and arrives late, prolongs what was written after it.
        let late = Write::new(next.bytes.clone(), new.expires_at, None);
        let found = store.load(&name).await?;
        let known = is_one(&store, &found, &next) || (!done && is_one(&store, &found, &late));
        ensure(
            known,
            "after a dropped touch the record that was written is not there, or has another end",
        )?;
        if done {
            break;
        }
    }
    Ok(())
}

async fn delete(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let old = context.write("old");
    for polls in 1..=POLLS {
        let name = key(&format!("deleted-{polls}"));
        let stored = seed(&store, &name, &old).await?;
        let done = dropped_after(polls, store.delete(&name, &stored)).await;
        usable(&store, &context, &name, &[Some(&old), None]).await?;
        if done {
            break;
        }
    }
    Ok(())
}

async fn load(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let old = context.write("old");
    for polls in 1..=POLLS {
        let name = key(&format!("loaded-{polls}"));
        seed(&store, &name, &old).await?;
        let done = dropped_after(polls, store.load(&name)).await;
        usable(&store, &context, &name, &[Some(&old)]).await?;
        if done {
            break;
        }
    }
    Ok(())
}

/// Polls an operation so many times and drops it. Whether it was done by then.
async fn dropped_after(polls: usize, operation: impl Future) -> bool {
    poll_times(pin!(operation), polls).await.is_some()
}

async fn usable(
    store: &Handle,
    context: &Context,
    name: &Key,
    possible: &[Option<&Write>],
) -> Result<(), Stop> {
    let next = written_after(store, context, name, possible).await?;
    is(
        store,
        name,
        &next,
        "the record written after a dropped operation",
    )
    .await
}

/// Fails unless the record is one of these and can be written. What was dropped may still happen meanwhile (on a server, on
/// another thread), so that a first attempt to write may find the record changed, but not a second: only one operation was
/// dropped, and it changes the record once.
async fn written_after(
    store: &Handle,
    context: &Context,
    name: &Key,
    possible: &[Option<&Write>],
) -> Result<Write, Stop> {
    let next = context.write("written afterwards");
    for _ in 0..2 {
        let found = store.load(name).await?;
        let known = possible.iter().any(|write| match write {
            None => found.is_none(),
            Some(write) => is_one(store, &found, write),
        });
        ensure(
            known,
            "a dropped operation left a record that is neither the old one nor the new one",
        )?;
        let written = match found {
            None => store.create(name, &next).await? == Created::Stored,
            Some(stored) => store.replace(name, &stored, &next).await? == Replaced::Stored,
        };
        if written {
            return Ok(next);
        }
    }
    fail("after a dropped operation the record cannot be written any more")
}

fn is_one(store: &Handle, found: &Option<Stored>, write: &Write) -> bool {
    found.as_ref().is_some_and(|stored| {
        stored.bytes == write.bytes && store.may_end(stored.expires_at, write.expires_at)
    })
}
