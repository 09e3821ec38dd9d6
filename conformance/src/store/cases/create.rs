use cloakroom_store::{Created, Deleted, Write};

use super::race::{self, ROUNDS};
use crate::case::{Stop, checks, same};
use crate::store::context::{Context, deletes, is, key, seed};
use crate::store::race::{POLLS, all, overtake};

checks! { Context:
    "store/create-never-overwrites" => never_overwrites, ["R05", "I9"],
        "cloakroom_store::Store::create",
        "create is create-if-absent: an existing record and its expiry stay as they were";
    "store/create-race-has-one-winner" => one_winner, ["R05", "I9"],
        "cloakroom_store::Store::create",
        "of several creates at once exactly one returns `Stored`, and its record is stored";
    "store/create-after-delete" => after_delete, ["R20"], "cloakroom_store::Store::create",
        "a key whose record was deleted can be created again";
    "store/create-over-expired" => over_expired, ["R14"],
        "cloakroom_store::Store, \"Expired is absent\"",
        "an expired record does not prevent a create, and nothing of it is left";
}

async fn never_overwrites(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("taken");
    let first = context.write("first");
    seed(&store, &name, &first).await?;
    let second = Write::new("second", context.later(60), None);
    let answer = store.create(&name, &second).await?;
    same("creating where a record is", answer, Created::Taken)?;
    is(&store, &name, &first, "the record that was there").await?;
    let answer = store.create(&name, &first).await?;
    same("creating the same record again", answer, Created::Taken)
}

async fn one_winner(context: Context) -> Result<(), Stop> {
    const PARTIES: usize = 32;
    let pair = context.pair().await?;
    for (round, parallel) in ROUNDS {
        let attempts = (0..PARTIES).map(|party| {
            let store = pair[party % 2].clone();
            let write = context.write(format!("party {party}"));
            async move { Ok(store.create(&key(round), &write).await?) }
        });
        let answers = all(parallel, attempts).await?;
        race::one_winner(&pair[0], &key(round), &answers, Created::Stored).await?;
    }
    for polls in 0..POLLS {
        let name = key(&format!("overtaken-{polls}"));
        let (one, other) = (context.write("one"), context.write("other"));
        let (first, second, in_flight) = overtake(
            pair[0].create(&name, &one),
            polls,
            pair[1].create(&name, &other),
        )
        .await;
        let winner = match (first?, second?) {
            (Created::Stored, Created::Taken) => &one,
            (Created::Taken, Created::Stored) => &other,
            answers => {
                return same(
                    "two creates of one key, both answers",
                    answers,
                    (Created::Stored, Created::Taken),
                );
            }
        };
        is(&pair[0], &name, winner, "the winner's record").await?;
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}

async fn after_delete(context: Context) -> Result<(), Stop> {
    let (store, name, first) = context.seeded("again", "first").await?;
    deletes(&store, &name, &first).await?;
    seed(&store, &name, &context.write("second"))
        .await
        .map(drop)
}

async fn over_expired(context: Context) -> Result<(), Stop> {
    let (store, name, old) = context.expired().await?;
    let new = context.write("new");
    seed(&store, &name, &new).await?;
    let answer = store.delete(&name, &old).await?;
    same("deleting the expired record", answer, Deleted::Changed)?;
    is(&store, &name, &new, "the new record").await
}
