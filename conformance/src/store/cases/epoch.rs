//! The one record by which all sessions are ended. It is replaced rarely, read often, and has to
//! stay.

use cloakroom_store::{Created, Key, Replaced, Stored, UnixTime, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, found, key};
use crate::store::handle::Handle;
use crate::store::race::all;

checks! { Context:
    "store/epoch-has-one-order" => one_order, ["R83", "R80"],
        "OWASP ASVS 5.0, 7.4.5; cloakroom::Sessions::end_all",
        "of several processes that end all sessions at once each one's end is seen by all, in one order";
    "store/epoch-stays" => stays, ["R83"], "OWASP ASVS 5.0, 7.4.5; cloakroom_core::Epoch::write",
        "the record of the end of all sessions outlives sweeps and other records, and belongs to nobody";
}

/// As far away as the expiry of the record.
const LIFE: u64 = 2 * 365 * 86_400;

fn number(stored: &Stored) -> Result<usize, Stop> {
    let text = std::str::from_utf8(&stored.bytes).ok();
    match text.and_then(|text| text.strip_prefix("epoch ")?.parse().ok()) {
        Some(number) => Ok(number),
        None => fail("the record has no number"),
    }
}

/// Ends all sessions: reads the number, and writes the next one. Returns it.
async fn end(store: &Handle, name: &Key, expiry: UnixTime, most: usize) -> Result<usize, Stop> {
    for _ in 0..=most {
        let old = store.load(name).await?;
        let next = old.as_ref().map_or(Ok(0), number)? + 1;
        let write = Write::new(format!("epoch {next}"), expiry, None);
        let done = match &old {
            None => store.create(name, &write).await? == Created::Stored,
            Some(old) => store.replace(name, old, &write).await? == Replaced::Stored,
        };
        if done {
            let seen = number(&found(store, name, "the epoch").await?)?;
            ensure(seen >= next, "an end that was acknowledged is not seen")?;
            return Ok(next);
        }
    }
    fail("ends are refused though no other one succeeds")
}

async fn one_order(context: Context) -> Result<(), Stop> {
    const ENDS: usize = 24;
    let pair = context.pair().await?;
    for (name, parallel) in [("turns:epoch", false), ("parallel:epoch", true)] {
        let name = key(name);
        let expiry = context.later(LIFE);
        let ends = (0..ENDS).map(|n| {
            let (here, there) = (pair[n % 2].clone(), pair[(n + 1) % 2].clone());
            let name = name.clone();
            async move {
                let ended = end(&here, &name, expiry, ENDS).await?;
                let seen = number(&found(&there, &name, "the epoch elsewhere").await?)?;
                ensure(seen >= ended, "an end is not seen by another process")?;
                Ok(ended)
            }
        });
        let mut numbers = all(parallel, ends).await?;
        numbers.sort_unstable();
        same("the numbers of the ends", numbers, (1..=ENDS).collect())?;
    }
    Ok(())
}

async fn stays(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("stays:epoch");
    end(&store, &name, context.later(LIFE), 1).await?;
    let soon = context.soon();
    for n in 0..20 {
        let write = Write::new("short", soon, None);
        store.create(&key(&format!("short-{n}")), &write).await?;
    }
    context.reach(soon).await;
    if context.has(Ability::Sweep) {
        store.sweep(1_000).await?;
    }
    let left = found(&store, &name, "the epoch after a sweep").await?;
    same("the number", number(&left)?, 1)?;
    let far = left.expires_at >= context.later(LIFE / 2);
    ensure(far, "the record expires sooner than it was written to")?;
    if context.has(Ability::Directory) {
        let listed = store.list("epoch").await?;
        ensure(listed.is_empty(), "a record without a subject is listed")?;
    }
    Ok(())
}
