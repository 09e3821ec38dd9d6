use cloakroom_store::{Deleted, Key, Replaced, Stored, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::context::{Context, absent, deletes, found, is, key, replaces, seed};
use crate::store::handle::Handle;
use crate::store::race::{POLLS, all, overtake};

checks! { Context:
    "store/race-increments-all-count" => increments, ["R53", "I3"],
        "cloakroom_store::Store, \"Compare and swap\"; lost updates in tower-sessions (#35 to #37, #91) and flask-session#202",
        "n increments by load and replace through two handles add n";
    "store/race-replaces-have-one-winner" => one_replace, ["R53", "I3"],
        "cloakroom_store::Store, \"Atomic\"",
        "of several replaces of the same loaded record exactly one returns `Stored`, and its record is stored";
    "store/race-deletes-have-one-winner" => one_delete, ["R20"],
        "cloakroom_store::Store, \"Atomic\"",
        "of several deletes of the same loaded record exactly one returns `Deleted`";
    "store/race-replace-or-delete" => replace_or_delete, ["R20", "I4"],
        "CVE-2025-46336 (rack-session); OWASP ASVS 5.0, 7.4.1",
        "a replace and a delete of the same loaded record never both happen: a signed-out session stays signed out";
    "store/race-delete-overtakes-replace" => delete_overtakes, ["R20", "I4"],
        "CVE-2025-46336 (rack-session); OWASP ASVS 5.0, 7.4.1",
        "after `Deleted` nothing that was in flight brings the record back";
    "store/race-replace-overtakes-delete" => replace_overtakes, ["R53", "I3"],
        "cloakroom_store::Store, \"Compare and swap\"",
        "after `Stored` a delete in flight does not remove the newer record";
    "store/commits-are-seen-at-once" => seen_at_once, ["R61"],
        "cloakroom_store::Store, \"also against other processes\"; axum_session's stale caches after a logout on another node",
        "another handle sees a create, replace, touch or delete as soon as it returns";
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
                Ok(())
            }
        });
        all(parallel, workers).await?;
        let stored = found(&pair[0], &key(name), "the counter").await?;
        same(
            &format!("{WORKERS} workers times {rounds} increments"),
            number(&stored)?,
            WORKERS * rounds,
        )?;
    }
    Ok(())
}

/// Loads and replaces until no other writer came between. Each refusal means that another increment
/// counted, so there are at most as many as increments.
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
    for (round, parallel) in ROUNDS {
        let old = seed(&pair[0], &key(round), &context.write("old")).await?;
        let attempts = (0..PARTIES).map(|party| {
            let (store, old) = (pair[party % 2].clone(), old.clone());
            let write = context.write(format!("party {party}"));
            async move { Ok(store.replace(&key(round), &old, &write).await?) }
        });
        let answers = all(parallel, attempts).await?;
        let holds = !answers.contains(&Replaced::Gone);
        ensure(holds, "a replace of a living record was answered `Gone`")?;
        one_winner(&pair[0], &key(round), &answers, Replaced::Stored).await?;
    }
    Ok(())
}

/// A name, and whether the parties run in parallel.
pub(super) const ROUNDS: [(&str, bool); 2] = [("turns", false), ("parallel", true)];

/// Fails unless one of the parties got the answer `Stored`, and the record is its own.
pub(super) async fn one_winner<T: PartialEq>(
    store: &Handle,
    name: &Key,
    answers: &[T],
    stored: T,
) -> Result<(), Stop> {
    let parties = (0..answers.len()).filter(|party| answers[*party] == stored);
    let winners: Vec<_> = parties.collect();
    same("parties that got the answer `Stored`", winners.len(), 1)?;
    let record = found(store, name, "the winner's record").await?;
    ensure(
        record.bytes == format!("party {}", winners[0]).as_bytes(),
        "the record is another party's than that which was answered `Stored`",
    )
}

async fn one_delete(context: Context) -> Result<(), Stop> {
    const PARTIES: usize = 16;
    let pair = context.pair().await?;
    for (round, parallel) in ROUNDS {
        let old = seed(&pair[0], &key(round), &context.write("old")).await?;
        let attempts = (0..PARTIES).map(|party| {
            let (store, old) = (pair[party % 2].clone(), old.clone());
            async move { Ok(store.delete(&key(round), &old).await?) }
        });
        let answers = all(parallel, attempts).await?;
        let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
        same("deletes answered `Deleted`", count(Deleted::Deleted), 1)?;
        same("deletes answered `Changed`", count(Deleted::Changed), 0)?;
        absent(&pair[0], &key(round), "the deleted record").await?;
    }
    Ok(())
}

async fn replace_or_delete(context: Context) -> Result<(), Stop> {
    const STARTS: usize = 20;
    let pair = context.pair().await?;
    for round in 0..STARTS {
        let name = key(&format!("round-{round}"));
        let old = seed(&pair[0], &name, &context.write("old")).await?;
        // Five parties, which begin in another order each round.
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
        let outcomes = all(round % 4 >= 2, attempts).await?;
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
    replace_meets_delete(context, false).await
}

async fn replace_overtakes(context: Context) -> Result<(), Stop> {
    replace_meets_delete(context, true).await
}

/// One of a replace and a delete is in flight when the other runs.
async fn replace_meets_delete(context: Context, deletes_first: bool) -> Result<(), Stop> {
    let [first, second] = context.pair().await?;
    let (writer, deleter) = match deletes_first {
        true => (&second, &first),
        false => (&first, &second),
    };
    for polls in 0..POLLS {
        let name = key(&format!("overtaken-{polls}"));
        let old = seed(writer, &name, &context.write("old")).await?;
        let new = context.write("new");
        let (replace, delete) = (
            writer.replace(&name, &old, &new),
            deleter.delete(&name, &old),
        );
        let (replaced, deleted, in_flight) = if deletes_first {
            let (deleted, replaced, in_flight) = overtake(delete, polls, replace).await;
            (replaced, deleted, in_flight)
        } else {
            overtake(replace, polls, delete).await
        };
        match (replaced?, deleted?) {
            (Replaced::Stored, Deleted::Changed) => {
                is(&second, &name, &new, "the new record").await?;
            }
            (Replaced::Gone, Deleted::Deleted) => {
                absent(&second, &name, "a record deleted while it was replaced").await?;
            }
            answers => return fail(format!("replacing and deleting one record: {answers:?}")),
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
        is(there, &name, &first, "the other handle's new record").await?;
        let loaded = found(there, &name, "the record").await?;
        let second = context.write("second");
        replaces(here, &name, &loaded, &second).await?;
        is(there, &name, &second, "the other handle's replaced record").await?;
        let touched = Write::new("second", context.later(60), None);
        here.touch(&name, touched.expires_at).await?;
        is(there, &name, &touched, "the other handle's touched record").await?;
        let loaded = found(there, &name, "the record").await?;
        deletes(here, &name, &loaded).await?;
        absent(there, &name, "a record that the other handle deleted").await?;
    }
    Ok(())
}
