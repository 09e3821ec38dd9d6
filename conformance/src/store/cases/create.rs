use cloakroom_store::{Created, Deleted, Write};

use crate::case::{Stop, checks, ensure, same};
use crate::store::context::{Context, found, is, key, seed};
use crate::store::race::{POLLS, in_parallel, in_turns, overtake};

checks! { Context:
    "store/create-never-overwrites", ["R05", "I9"],
    "create is create-if-absent: what is there stays as it was, its expiry too",
    "cloakroom_store::Store::create" => never_overwrites;

    "store/create-race-has-one-winner", ["R05", "I9"],
    "of several creates at the same time one is answered `Stored`, and the record is that one's",
    "cloakroom_store::Store::create" => one_winner;

    "store/create-after-delete", ["R20"],
    "a key whose record was deleted can be created again",
    "cloakroom_store::Store::create" => after_delete;

    "store/create-over-expired", ["R14"],
    "an expired record does not keep a create away, and nothing of it is left",
    "cloakroom_store::Store, \"Expired is absent\"" => over_expired;
}

async fn never_overwrites(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("taken");
    let first = context.write("first");
    seed(&store, &name, &first).await?;
    let second = Write::new("second", context.later(60), None);
    same(
        "creating where a record is",
        store.create(&name, &second).await?,
        Created::Taken,
    )?;
    is(&store, &name, &first, "the record that was there").await?;
    same(
        "creating the very same record again",
        store.create(&name, &first).await?,
        Created::Taken,
    )
}

async fn one_winner(context: Context) -> Result<(), Stop> {
    const PARTIES: usize = 32;
    let pair = context.pair().await?;
    let attempt = |round: &str, party: usize| {
        let (store, name) = (pair[party % 2].clone(), key(round));
        let write = context.write(format!("party {party}"));
        async move { store.create(&name, &write).await }
    };
    let turns = in_turns((0..PARTIES).map(|party| attempt("turns", party))).await;
    let parallel = in_parallel((0..PARTIES).map(|party| attempt("parallel", party))).await;
    for (round, answers) in [("turns", turns), ("parallel", parallel)] {
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let winners: Vec<_> = (0..PARTIES)
            .filter(|party| answers[*party] == Created::Stored)
            .collect();
        same(
            "creates of one key that were answered `Stored`",
            winners.len(),
            1,
        )?;
        let stored = found(&pair[0], &key(round), "the created record").await?;
        ensure(
            stored.bytes == format!("party {}", winners[0]).as_bytes(),
            "the record is another party's than that which was answered `Stored`",
        )?;
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
    let store = context.store().await?;
    let name = key("again");
    let first = seed(&store, &name, &context.write("first")).await?;
    same(
        "deleting the record as loaded",
        store.delete(&name, &first).await?,
        Deleted::Deleted,
    )?;
    seed(&store, &name, &context.write("second"))
        .await
        .map(drop)
}

async fn over_expired(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("expired");
    let end = context.soon();
    let old = seed(&store, &name, &Write::new("old", end, None)).await?;
    context.reach(end).await;
    let new = context.write("new");
    seed(&store, &name, &new).await?;
    same(
        "deleting the expired record after another was created",
        store.delete(&name, &old).await?,
        Deleted::Changed,
    )?;
    is(&store, &name, &new, "the new record").await
}
