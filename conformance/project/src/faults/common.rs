//! Scenes for any server.

use std::time::{Duration, Instant};

use cloakroom_store::{
    Created, Deleted, Replaced, SharedStore, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use tokio::task::JoinSet;

use super::environment::{CONNECTIONS, Counter, Environment, TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest, idle, resets};
use crate::histories::{self, Trouble};
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::say;

pub(super) fn scenes<T: ServerUnderTest>() -> Vec<Scene<T>> {
    vec![
        Scene {
            id: "histories/lost-replies",
            requirement: histories::REQUIREMENT,
            own: false,
            run: |subject| Box::pin(history(subject)),
        },
        Scene {
            id: "faults/lost-replies",
            requirement: "R62, R53: 3 rounds of 8 workers times 200 increments with lost replies: \
                          acknowledged ones count once, unknown ones at most once",
            own: false,
            run: |subject| Box::pin(lost_replies(subject)),
        },
        Scene {
            id: "faults/cut-before-a-request",
            requirement: "R62: a connection that broke while idle costs each operation at most one \
                          transient error, and answers stay true",
            own: false,
            run: |subject| Box::pin(cut_before(subject)),
        },
        Scene {
            id: "faults/cut-in-a-large-value",
            requirement: "R62: a connection cut in the middle of a large value leaves the old \
                          record or the new one, perhaps a moment later",
            own: false,
            run: |subject| Box::pin(cut_within(subject)),
        },
        Scene {
            id: "faults/hang",
            requirement: "R54: if the server hangs, 200 operations end within the timeout on a \
                          bounded number of connections, and the store recovers",
            own: false,
            run: |subject| Box::pin(hang(subject)),
        },
        Scene {
            id: "faults/hang-and-pause",
            requirement: "R54: if the server hangs and the process is paused until 200 operations \
                          have timed out, they do not open a connection each",
            own: false,
            run: |subject| Box::pin(hang_and_pause(subject)),
        },
        Scene {
            id: "faults/stranded-connections",
            requirement: "R54: if the peer of every connection vanishes silently under load, \
                          operations end within the timeout, and later ones reach the server by \
                          new connections",
            own: false,
            run: |subject| Box::pin(stranded(subject)),
        },
        Scene {
            id: "faults/clients-that-break-off",
            requirement: "R91: 16 clients that abort 800 operations do not cost a connection each",
            own: false,
            run: |subject| Box::pin(break_off(subject)),
        },
        resets::scene(),
        idle::scene(),
        Scene {
            id: "faults/killed-server",
            requirement: "R61, R53: a server killed under load and restarted has every \
                          acknowledged increment and no deleted record, and the store recovers",
            own: true,
            run: |subject| Box::pin(killed(subject)),
        },
    ]
}

async fn history(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "history").await?;
    let nodes = vec![environment.store.clone(), environment.sound.clone()];
    let summary = histories::play(nodes, &Lossy(&environment.proxy)).await?;
    say(format_args!("        {summary}"));
    Ok(())
}

/// A way to the server on which answers are lost, and connections cut.
struct Lossy<'a>(&'a Proxy);

impl Trouble for Lossy<'_> {
    async fn make(&self) {
        tokio::time::sleep(Duration::from_millis(40)).await;
        self.0.set(Mode::LoseAnswers);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.0.set(Mode::Pass);
        tokio::time::sleep(Duration::from_millis(40)).await;
        self.0.cut().await;
    }

    fn end(&self) {
        self.0.set(Mode::Pass);
    }

    fn hits(&self) -> usize {
        self.0.lost()
    }
}

async fn lost_replies(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "lost").await?;
    let mut counter = Counter::new(&environment.sound).await?;
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&environment.store);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            environment.proxy.set(Mode::LoseAnswers);
            tokio::time::sleep(Duration::from_millis(10)).await;
            environment.proxy.set(Mode::Pass);
        }
        counter.end(round).await?;
    }
    if counter.failed() + environment.proxy.lost() == 0 {
        return Err("no answer was lost, so that nothing was tested".into());
    }
    counter.check(&environment.store).await
}

async fn killed(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let own = subject
        .own()
        .ok_or("a server that was given is not killed")?;
    let environment = Environment::open(subject, "killed").await?;
    let mut counter = Counter::new(&environment.sound).await?;
    let (ended, old) = (key("ended"), write("ended"));
    for _ in 0..Counter::ROUNDS {
        environment.sound.create(&ended, &old).await?;
        let stored = recovered(&environment.sound, "ended").await?;
        if environment.sound.delete(&ended, &stored).await? != Deleted::Deleted {
            return Err("a created record could not be deleted".into());
        }
        let round = counter.begin(&environment.store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        own.kill()?;
        // Its own processes may need a moment to notice.
        let mut tries = 0;
        while let Err(error) = own.start_again() {
            tries += 1;
            if tries > 20 {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        counter.end(round).await?;
        recovered(&environment.sound, "counter").await?;
        if environment.sound.load(&ended).await?.is_some() {
            return Err("a deleted record lives again".into());
        }
    }
    if counter.failed() == 0 {
        return Err("nothing failed, so that nothing was tested".into());
    }
    counter.check(&environment.store).await
}

async fn break_off(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "break_off").await?;
    environment.store.create(&key("a"), &write("a")).await?;
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let store = environment.store.clone();
        clients.spawn(async move {
            for turn in 0..50 {
                let patience = Duration::from_millis((client + turn) % 4);
                let _ = tokio::time::timeout(patience, store.load(&key("a"))).await;
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client?;
    }
    recovered(&environment.store, "a").await?;
    match environment.proxy.made() {
        made if made <= CONNECTIONS => Ok(()),
        made => Err(format!("{made} connections were made").into()),
    }
}

async fn hang(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "hang").await?;
    environment.store.create(&key("a"), &write("a")).await?;
    environment.proxy.set(Mode::Hang);
    let begin = Instant::now();
    all_give_up(operations(&environment.store)).await?;
    let took = begin.elapsed();
    if took > TIMEOUT + Duration::from_secs(1) {
        return Err(format!("it took {took:?}").into());
    }
    let connections = environment.proxy.peak();
    if connections > CONNECTIONS {
        return Err(format!("{connections} connections were open at the same time").into());
    }
    environment.proxy.set(Mode::Pass);
    recovered(&environment.store, "a").await.map(drop)
}

async fn hang_and_pause(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let proxy = Proxy::start(subject.address()).await?;
    // In a thread of its own, for all that the process is.
    let in_process = || -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build()?;
        runtime.block_on(async {
            let store = subject.open(proxy.address(), "hang_and_pause").await?;
            store.create(&key("a"), &write("a")).await?;
            proxy.set(Mode::Hang);
            let operations = operations(&store);
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Nothing of the process runs until it is too late for all of them at once.
            std::thread::sleep(TIMEOUT);
            all_give_up(operations).await?;
            proxy.set(Mode::Pass);
            recovered(&store, "a").await.map(drop)
        })
    };
    let outcome = std::thread::scope(|scope| scope.spawn(in_process).join());
    outcome.map_err(|_| "it panicked")??;
    let made = proxy.made();
    if made > CONNECTIONS {
        return Err(format!("{made} connections were made").into());
    }
    Ok(())
}

/// 200 of them, half of which write.
fn operations(store: &SharedStore) -> JoinSet<Result<(), StoreError>> {
    let mut operations = JoinSet::new();
    for index in 0..200 {
        let store = store.clone();
        operations.spawn(async move {
            match index % 2 {
                0 => store.load(&key("a")).await.map(drop),
                _ => store
                    .create(&key(&format!("new-{index}")), &write("new"))
                    .await
                    .map(drop),
            }
        });
    }
    operations
}

async fn all_give_up(mut operations: JoinSet<Result<(), StoreError>>) -> Result<(), Failure> {
    while let Some(outcome) = operations.join_next().await {
        match outcome? {
            Err(error) if error.is_transient() => {}
            other => return Err(format!("while the server hung: {other:?}").into()),
        }
    }
    Ok(())
}

async fn stranded(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    stranded_on(&Environment::open(subject, "stranded").await?, TIMEOUT).await
}

/// With a store whose operations take so long at most.
pub(super) async fn stranded_on(environment: &Environment, limit: Duration) -> Result<(), Failure> {
    const LOADS: usize = 40;
    environment.sound.create(&key("a"), &write("a")).await?;
    let at_once = async || {
        let mut loads = JoinSet::new();
        for _ in 0..LOADS {
            let store = environment.store.clone();
            loads.spawn(async move {
                let begin = Instant::now();
                (store.load(&key("a")).await, begin.elapsed())
            });
        }
        loads.join_all().await
    };
    for _ in 0..4 {
        // As many connections as there may be, all of them in use a moment ago.
        for _ in 0..3 {
            for (outcome, _) in at_once().await {
                outcome?.ok_or("the record is gone")?;
            }
        }
        // By then a returned connection has answered the pool's test. The next one will not be
        // answered.
        tokio::time::sleep(Duration::from_millis(100)).await;
        environment.proxy.set(Mode::Strand);
        // All operations share a connection, so its last answers may have been for all of them.
        // Then the next loads detect the fault.
        if failed(at_once().await, limit)? == 0 {
            failed(at_once().await, limit)?;
        }
        environment.proxy.set(Mode::Pass);
    }
    Ok(())
}

/// How many loads of a record that is there failed, as they may.
fn failed(
    loads: Vec<(Result<Option<Stored>, StoreError>, Duration)>,
    limit: Duration,
) -> Result<usize, Failure> {
    let mut failed = 0;
    for (outcome, took) in loads {
        match outcome {
            Ok(Some(_)) => {}
            Ok(None) => return Err("the record is gone".into()),
            Err(error) if error.is_transient() => failed += 1,
            Err(error) => return Err(error.into()),
        }
        if took > limit + Duration::from_secs(1) {
            return Err(format!("a load took {took:?}").into());
        }
    }
    Ok(failed)
}

async fn cut_before(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "cut_before").await?;
    let store = &environment.store;
    // Each operation on a connection that has just broken, and once more if it failed.
    async fn twice<T, F: Future<Output = Result<T, StoreError>>>(
        environment: &Environment,
        operation: impl Fn() -> F,
    ) -> Result<(T, bool), Failure> {
        // The connection is one that works.
        environment.store.load(&key("other")).await?;
        environment.proxy.cut().await;
        match operation().await {
            Ok(answer) => Ok((answer, false)),
            Err(error) if error.is_transient() => Ok((operation().await?, true)),
            Err(error) => Err(error.into()),
        }
    }
    let (name, first, second) = (key("a"), write("first"), write("second"));
    match twice(&environment, || store.create(&name, &first)).await? {
        (Created::Stored, _) | (Created::Taken, true) => {}
        other => return Err(format!("the create was answered {other:?}").into()),
    }
    let (old, _) = twice(&environment, || store.load(&name)).await?;
    let old = old.ok_or("the record is gone")?;
    match twice(&environment, || store.replace(&name, &old, &second)).await? {
        (Replaced::Stored, _) | (Replaced::Changed, true) => {}
        other => return Err(format!("the replace was answered {other:?}").into()),
    }
    let now = recovered(&environment.sound, "a").await?;
    if now.bytes != second.bytes {
        return Err("the replace did not happen".into());
    }
    let (touched, _) = twice(&environment, || store.touch(&name, UnixTime::MAX)).await?;
    if touched != Touched::Extended {
        return Err(format!("the touch was answered {touched:?}").into());
    }
    match twice(&environment, || store.delete(&name, &now)).await? {
        (Deleted::Deleted, _) | (Deleted::Gone, true) => {}
        other => return Err(format!("the delete was answered {other:?}").into()),
    }
    match environment.sound.load(&name).await? {
        None => Ok(()),
        Some(_) => Err("the delete did not happen".into()),
    }
}

async fn cut_within(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "cut_within").await?;
    let large = |byte: u8| Write::new(vec![byte; 8 << 20], UnixTime::MAX, None);
    environment.sound.create(&key("a"), &large(0)).await?;
    // Writes that may still happen (a server that has a request goes on with it), each with the
    // record that it would replace.
    let mut under_way: Vec<(u8, u8)> = Vec::new();
    for round in 1..=10 {
        let old = recovered(&environment.store, "a").await?;
        let before = old.bytes[0];
        under_way.retain(|(replaced, _)| *replaced == before);
        let store = environment.store.clone();
        let replace =
            tokio::spawn(async move { store.replace(&key("a"), &old, &large(round)).await });
        tokio::time::sleep(Duration::from_millis(2 * u64::from(round))).await;
        environment.proxy.set(Mode::Cut);
        let outcome = replace.await?;
        environment.proxy.set(Mode::Pass);
        let now = environment
            .sound
            .load(&key("a"))
            .await?
            .ok_or("the record is gone")?;
        let byte = now.bytes[0];
        if now.bytes.len() != 8 << 20 || now.bytes.iter().any(|other| *other != byte) {
            return Err("the record is torn".into());
        }
        let late = under_way.iter().any(|(_, late)| *late == byte);
        if ![before, round].contains(&byte) && !late {
            return Err("a record is there that is neither the old one nor a new one".into());
        }
        match outcome {
            Ok(Replaced::Stored) if byte != round => {
                return Err("an acknowledged record is not there".into());
            }
            Ok(Replaced::Stored) => {}
            // Operations under way came first.
            Ok(Replaced::Changed) if late => {}
            Ok(other) => return Err(format!("the replace was answered {other:?}").into()),
            Err(error) if error.is_transient() => under_way.push((before, round)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
