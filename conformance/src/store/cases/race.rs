use cloakroom_store::{Deleted, Replaced, Stored, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::context::{Context, absent, found, is, key, seed};
use crate::store::handle::Handle;
use crate::store::race::{POLLS, in_parallel, in_turns, overtake};

checks! { Context:
    "store/race-increments-all-count", ["R53", "I3"],
    "n increments by load and replace through two handles add n",
    "cloakroom_store::Store, \"Compare and swap\"; lost updates in tower-sessions (#35 to #37, #91) and flask-session#202" => increments;

    "store/race-replaces-have-one-winner", ["R53", "I3"],
    "of several replaces of the same loaded record one is answered `Stored`, and the record is that one's",
    "cloakroom_store::Store, \"Atomic\"" => one_replace;

    "store/race-deletes-have-one-winner", ["R20"],
    "of several deletes of the same loaded record one is answered `Deleted`",
    "cloakroom_store::Store, \"Atomic\"" => one_delete;

    "store/race-replace-or-delete", ["R20", "I4"],
    "a replace and a delete of the same loaded record never both happen: what was signed out does not come back",
    "CVE-2025-46336 (rack-session); OWASP ASVS 5.0, 7.4.1" => replace_or_delete;

    "store/race-delete-overtakes-replace", ["R20", "I4"],
    "after `Deleted` nothing that was in flight brings the record back",
    "CVE-2025-46336 (rack-session); OWASP ASVS 5.0, 7.4.1" => delete_overtakes;

    "store/race-replace-overtakes-delete", ["R53", "I3"],
    "after `Stored` a delete that was in flight does not remove what it did not load",
    "cloakroom_store::Store, \"Compare and swap\"" => replace_overtakes;

    "store/commits-are-seen-at-once", ["R61"],
    "what one handle was told is done, the other sees: a create, a replace, a touch and a delete",
    "cloakroom_store::Store, \"also against other processes\"; axum_session's stale caches after a logout on another node" => seen_at_once;
}

async fn increments(context: Context) -> Result<(), Stop> {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 50;
    let pair = context.pair().await?;
    for (name, parallel, rounds) in [("turns", false, 5), ("parallel", true, ROUNDS)] {
        let write = context.write("0");
        seed(&pair[0], &key(name), &write).await?;
        let workers = (0..WORKERS).map(|worker| {
            let (store, end) = (pair[worker % 2].clone(), write.expires_at);
            async move {
                for _ in 0..rounds {
                    increment(&store, name, WORKERS * rounds, end).await?;
                }
                Ok::<_, Stop>(())
            }
        });
        let outcomes = if parallel {
            in_parallel(workers).await
        } else {
            in_turns(workers).await
        };
        outcomes.into_iter().collect::<Result<(), Stop>>()?;
        let stored = found(&pair[0], &key(name), "the counter").await?;
        same(
            &format!("{WORKERS} workers times {rounds} increments"),
            number(&stored)?,
            WORKERS * rounds,
        )?;
    }
    Ok(())
}

/// Loads and replaces until nobody came between. Each refusal means that another's increment counted, so that there are at
/// most as many as there are increments.
async fn increment(
    store: &Handle,
    name: &str,
    most: usize,
    end: cloakroom_store::UnixTime,
) -> Result<(), Stop> {
    let name = key(name);
    for _ in 0..=most {
        let old = found(store, &name, "the counter").await?;
        let new = Write::new((number(&old)? + 1).to_string().into_bytes(), end, None);
        match store.replace(&name, &old, &new).await? {
            Replaced::Stored => return Ok(()),
            Replaced::Changed => {}
            Replaced::Gone => return fail("the counter is gone"),
        }
    }
    fail("replaces are refused though no other one succeeds")
}

fn number(stored: &Stored) -> Result<usize, Stop> {
    let text = std::str::from_utf8(&stored.bytes).ok();
    match text.and_then(|text| text.parse().ok()) {
        Some(number) => Ok(number),
        None => fail("the counter is not a number"),
    }
}

async fn one_replace(context: Context) -> Result<(), Stop> {
    const PARTIES: usize = 16;
    let pair = context.pair().await?;
    for round in ["turns", "parallel"] {
        let old = seed(&pair[0], &key(round), &context.write("old")).await?;
        let attempts = (0..PARTIES).map(|party| {
            let (store, old) = (pair[party % 2].clone(), old.clone());
            let write = context.write(format!("party {party}"));
            async move { store.replace(&key(round), &old, &write).await }
        });
        let answers = match round {
            "turns" => in_turns(attempts).await,
            _ => in_parallel(attempts).await,
        };
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure(
            !answers.contains(&Replaced::Gone),
            "a replace of a living record was answered `Gone`",
        )?;
        let winners: Vec<_> = (0..PARTIES)
            .filter(|party| answers[*party] == Replaced::Stored)
            .collect();
        same("replaces answered `Stored`", winners.len(), 1)?;
        let stored = found(&pair[0], &key(round), "the replaced record").await?;
        ensure(
            stored.bytes == format!("party {}", winners[0]).as_bytes(),
            "the record is another party's than that which was answered `Stored`",
        )?;
    }
    Ok(())
}

async fn one_delete(context: Context) -> Result<(), Stop> {
    const PARTIES: usize = 16;
    let pair = context.pair().await?;
    for round in ["turns", "parallel"] {
        let old = seed(&pair[0], &key(round), &context.write("old")).await?;
        let attempts = (0..PARTIES).map(|party| {
            let (store, old) = (pair[party % 2].clone(), old.clone());
            async move { store.delete(&key(round), &old).await }
        });
        let answers = match round {
            "turns" => in_turns(attempts).await,
            _ => in_parallel(attempts).await,
        };
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
        same("deletes answered `Deleted`", count(Deleted::Deleted), 1)?;
        same("deletes answered `Changed`", count(Deleted::Changed), 0)?;
        absent(&pair[0], &key(round), "the deleted record").await?;
    }
    Ok(())
}

async fn replace_or_delete(context: Context) -> Result<(), Stop> {
    const ROUNDS: usize = 20;
    let pair = context.pair().await?;
    for round in 0..ROUNDS {
        let name = key(&format!("round-{round}"));
        let old = seed(&pair[0], &name, &context.write("old")).await?;
        // Five parties: who begins changes from round to round.
        let attempts = (0..5).map(|party| {
            let (store, old, name) = (pair[party % 2].clone(), old.clone(), name.clone());
            let write = context.write(format!("party {party}"));
            async move {
                if (party + round) % 2 == 0 {
                    let answer = store.replace(&name, &old, &write).await?;
                    Ok((answer == Replaced::Stored).then_some(Some(write)))
                } else {
                    let answer = store.delete(&name, &old).await?;
                    Ok((answer == Deleted::Deleted).then_some(None))
                }
            }
        });
        // Both ways with each beginning.
        let outcomes = if round % 4 < 2 {
            in_turns(attempts).await
        } else {
            in_parallel(attempts).await
        };
        let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, Stop>>()?;
        let mut winners = outcomes.into_iter().flatten();
        match (winners.next(), winners.next()) {
            (Some(None), None) => absent(&pair[0], &name, "the deleted record").await?,
            (Some(Some(write)), None) => is(&pair[0], &name, &write, "the winner's record").await?,
            (None, _) => return fail("of replaces and deletes of one loaded record none happened"),
            _ => {
                return fail("of replaces and deletes of one loaded record more than one happened");
            }
        }
    }
    Ok(())
}

async fn delete_overtakes(context: Context) -> Result<(), Stop> {
    let [writer, deleter] = context.pair().await?;
    for polls in 0..POLLS {
        let name = key(&format!("overtaken-{polls}"));
        let old = seed(&writer, &name, &context.write("old")).await?;
        let new = context.write("new");
        let (replaced, deleted, in_flight) = overtake(
            writer.replace(&name, &old, &new),
            polls,
            deleter.delete(&name, &old),
        )
        .await;
        match (replaced?, deleted?) {
            (Replaced::Stored, Deleted::Changed) => {
                is(&deleter, &name, &new, "the new record").await?;
            }
            (Replaced::Gone, Deleted::Deleted) => {
                absent(&deleter, &name, "a record deleted while it was replaced").await?;
            }
            answers => {
                return fail(format!(
                    "a replace and a delete of one loaded record: {answers:?}"
                ));
            }
        }
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}

async fn replace_overtakes(context: Context) -> Result<(), Stop> {
    let [deleter, writer] = context.pair().await?;
    for polls in 0..POLLS {
        let name = key(&format!("overtaken-{polls}"));
        let old = seed(&writer, &name, &context.write("old")).await?;
        let new = context.write("new");
        let (deleted, replaced, in_flight) = overtake(
            deleter.delete(&name, &old),
            polls,
            writer.replace(&name, &old, &new),
        )
        .await;
        match (deleted?, replaced?) {
            (Deleted::Changed, Replaced::Stored) => {
                is(&writer, &name, &new, "the new record").await?;
            }
            (Deleted::Deleted, Replaced::Gone) => {
                absent(&writer, &name, "the deleted record").await?;
            }
            answers => {
                return fail(format!(
                    "a delete and a replace of one loaded record: {answers:?}"
                ));
            }
        }
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}

async fn seen_at_once(context: Context) -> Result<(), Stop> {
    let [one, other] = context.pair().await?;
    // Both directions, and with the reader's cache, if there is one, filled before.
    for (round, here, there) in [("here", &one, &other), ("there", &other, &one)] {
        let name = key(round);
        absent(there, &name, "a record that is not yet there").await?;
        let first = context.write("first");
        seed(here, &name, &first).await?;
        is(
            there,
            &name,
            &first,
            "a record that the other handle created",
        )
        .await?;
        let loaded = found(there, &name, "the record").await?;
        let second = context.write("second");
        let replaced = here.replace(&name, &loaded, &second).await?;
        same(
            "replacing what the other handle loaded",
            replaced,
            Replaced::Stored,
        )?;
        is(
            there,
            &name,
            &second,
            "a record that the other handle replaced",
        )
        .await?;
        let touched = Write::new("second", context.later(60), None);
        here.touch(&name, touched.expires_at).await?;
        is(
            there,
            &name,
            &touched,
            "a record that the other handle touched",
        )
        .await?;
        let loaded = found(there, &name, "the record").await?;
        let deleted = here.delete(&name, &loaded).await?;
        same(
            "deleting what the other handle loaded",
            deleted,
            Deleted::Deleted,
        )?;
        absent(there, &name, "a record that the other handle deleted").await?;
    }
    Ok(())
}
