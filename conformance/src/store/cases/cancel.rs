use std::future::Future;
use std::pin::pin;

use cloakroom_store::{Created, Key, Replaced, Stored, Write};

use crate::case::{Stop, checks, ensure, fail};
use crate::store::context::{Context, is, key, seed};
use crate::store::handle::Handle;
use crate::store::operation::Request;
use crate::store::race::{POLLS, poll_times};

checks! { Context:
    "store/cancel-create" => create, ["R64"], "cloakroom_store::Store, \"Cancel-safe\"",
        "a create that is dropped half way leaves no record or the whole one, and the key usable";
    "store/cancel-replace" => replace, ["R64"], "cloakroom_store::Store, \"Cancel-safe\"",
        "a replace that is dropped half way leaves the old record or the new one, and the key usable";
    "store/cancel-touch" => touch, ["R64"], "cloakroom_store::Store, \"Cancel-safe\"",
        "a touch that is dropped half way leaves the record's bytes, with the old expiry or the new one, and the key usable";
    "store/cancel-delete" => delete, ["R64"], "cloakroom_store::Store, \"Cancel-safe\"",
        "a delete that is dropped half way leaves the old record or none, and the key usable";
    "store/cancel-load" => load, ["R64"], "cloakroom_store::Store, \"Cancel-safe\"",
        "a load that is dropped half way leaves the record as it was, and the key usable";
}

async fn create(context: Context) -> Result<(), Stop> {
    let new = context.write("new");
    let request = |name, _| Some(Request::Create(name, new.clone()));
    half_way(&context, [None, Some(&new)], request).await
}

async fn replace(context: Context) -> Result<(), Stop> {
    let (old, new) = (context.write("old"), context.write("new value"));
    let request = |name, old: Option<_>| Some(Request::Replace(name, old?, new.clone()));
    half_way(&context, [Some(&old), Some(&new)], request).await
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
        // A touch compares nothing: one that was dropped, and arrives late, prolongs what was
        // written after it.
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
    let old = context.write("old");
    let request = |name, old: Option<_>| Some(Request::Delete(name, old?));
    half_way(&context, [Some(&old), None], request).await
}

async fn load(context: Context) -> Result<(), Stop> {
    let old = context.write("old");
    let request = |name, _| Some(Request::Load(name));
    half_way(&context, [Some(&old), Some(&old)], request).await
}

/// Drops a request after each number of polls. It is made of a key and the record there, if `old`
/// is one.
async fn half_way(
    context: &Context,
    [old, new]: [Option<&Write>; 2],
    request: impl Fn(Key, Option<Stored>) -> Option<Request>,
) -> Result<(), Stop> {
    let store = context.store().await?;
    for polls in 1..=POLLS {
        let name = key(&format!("dropped-{polls}"));
        let stored = match old {
            Some(old) => Some(seed(&store, &name, old).await?),
            None => None,
        };
        let Some(request) = request(name.clone(), stored) else {
            return fail("no record was there for a request that needs one");
        };
        let done = dropped_after(polls, store.perform(request)).await;
        usable(&store, context, &name, &[old, new]).await?;
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
    is(store, name, &next, "the record after a dropped operation").await
}

/// Fails unless the record is one of these and can be written. The dropped operation may still
/// happen meanwhile, on a server or another thread. So the first write may find the record changed,
/// but not the second, because one dropped operation changes it once.
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
