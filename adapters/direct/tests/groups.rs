//! Many saves in one session at once: they are written together, each is counted once, and none
//! stops another.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cloakroom::{Directive, Error, Fate, Sessions, Store};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};
use futures_util::FutureExt as _;
use tokio::task::{JoinHandle, JoinSet, yield_now};

const GROUP: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It does not happen.
    Before,
    /// It happens, and the answer is lost.
    After,
    /// It is abandoned, and happens when others have gone on.
    Late,
}

/// Counts the calls, and lets others go first before each.
#[derive(Clone, Default)]
struct Far {
    inner: MemoryStore,
    reloads: Arc<AtomicUsize>,
    replaces: Arc<AtomicUsize>,
    /// One replace in this many fails.
    loss: Option<(usize, Loss)>,
    /// No commit loads.
    closed: Arc<AtomicBool>,
}

impl Far {
    async fn reach(&self) -> &MemoryStore {
        for _ in 0..3 {
            yield_now().await;
        }
        &self.inner
    }

    fn replaces(&self) -> usize {
        self.replaces.load(Ordering::Relaxed)
    }

    fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }
}

impl Store for Far {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reach().await.load(key).await
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        while self.closed.load(Ordering::Relaxed) {
            yield_now().await;
        }
        self.reach().await.load_fresh(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.reach().await.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let number = self.replaces.fetch_add(1, Ordering::Relaxed) + 1;
        // In no order that the retries could fall into.
        let drawn = number.wrapping_mul(0x9E37_79B9) >> 7;
        let loss = self.loss.filter(|(each, _)| drawn.is_multiple_of(*each));
        let inner = self.reach().await;
        match loss.map(|(_, loss)| loss) {
            None => return inner.replace(key, old, write).await,
            Some(Loss::Before) => {}
            Some(Loss::After) => {
                inner.replace(key, old, write).await?;
            }
            Some(Loss::Late) => {
                let (inner, key) = (inner.clone(), key.clone());
                let (old, write) = (old.clone(), write.clone());
                tokio::spawn(async move {
                    for _ in 0..number % 13 {
                        yield_now().await;
                    }
                    inner.replace(&key, &old, &write).await
                });
            }
        }
        Err(StoreError::transient("far", "timed out"))
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.reach().await.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.reach().await.delete(key, old).await
    }
}

async fn session(store: &Far) -> (Sessions<Far>, Arc<str>) {
    let sessions = Sessions::new(store.clone());
    let created = sessions.with(None, |session| session.insert("visits", 0));
    let token = match created.await.unwrap().1.directive {
        Directive::Issue(issued) => issued.token.expose().into(),
        other => panic!("no token: {other:?}"),
    };
    (sessions, token)
}

async fn visit(sessions: Sessions<Far>, token: Arc<str>) -> Result<Fate, Error> {
    let visited = sessions
        .with(Some(&token), |session| {
            session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)
        })
        .await;
    visited.map(|(_, outcome)| outcome.fate)
}

async fn visits(sessions: &Sessions<Far>, token: &str) -> u64 {
    let read = sessions.with(Some(token), |session| session.get("visits"));
    read.await.unwrap().0.unwrap()
}

async fn a_while() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// A commit that has its turn, and waits for the record.
async fn leader(store: &Far, sessions: &Sessions<Far>, token: &Arc<str>) -> JoinHandle<Fate> {
    store.close(true);
    let race = [(); 2].map(|()| {
        let request = visit(sessions.clone(), Arc::clone(token));
        tokio::spawn(async { request.await.unwrap() })
    });
    a_while().await;
    let [first, second] = race;
    let (done, waiting) = match first.is_finished() {
        true => (first, second),
        false => (second, first),
    };
    assert_eq!(done.await.unwrap(), Fate::Saved);
    assert!(!waiting.is_finished());
    waiting
}

// R53
#[tokio::test]
async fn saves_that_wait_share_a_load_and_a_write() {
    const CLIENTS: usize = 64;
    const EACH: usize = 20;
    let store = Far::default();
    let (sessions, token) = session(&store).await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (sessions, token) = (sessions.clone(), Arc::clone(&token));
        clients.spawn(async move {
            for _ in 0..EACH {
                let fate = visit(sessions.clone(), Arc::clone(&token)).await;
                assert_eq!(fate.unwrap(), Fate::Saved);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    assert_eq!(visits(&sessions, &token).await, (CLIENTS * EACH) as u64);
    // At first nobody is known to be at it, so each tries.
    let most = CLIENTS + CLIENTS * EACH / GROUP + CLIENTS * EACH / 50;
    let (replaces, reloads) = (store.replaces(), store.reloads.load(Ordering::Relaxed));
    assert!(replaces <= most, "{replaces} writes");
    assert!(reloads <= most - CLIENTS, "{reloads} loads");
}

// R53, R62
#[tokio::test]
async fn a_lost_answer_neither_loses_nor_doubles_a_change_of_a_group() {
    const CLIENTS: usize = 24;
    for loss in [Loss::Before, Loss::After, Loss::Late] {
        for each in 2..9 {
            let store = Far {
                loss: Some((each, loss)),
                ..Far::default()
            };
            let (sessions, token) = session(&store).await;
            let mut requests = JoinSet::new();
            for _ in 0..CLIENTS {
                let (sessions, token) = (sessions.clone(), Arc::clone(&token));
                requests.spawn(async move {
                    let (mut saved, mut failed) = (0, 0);
                    for _ in 0..4 {
                        match visit(sessions.clone(), Arc::clone(&token)).await {
                            Ok(Fate::Saved) => saved += 1,
                            Ok(other) => panic!("{other:?}"),
                            Err(_) => failed += 1,
                        }
                    }
                    (saved, failed)
                });
            }
            let (mut saved, mut failed) = (0, 0);
            while let Some(done) = requests.join_next().await {
                let (some, others) = done.unwrap();
                (saved, failed) = (saved + some, failed + others);
            }
            a_while().await;
            let visits = visits(&sessions, &token).await;
            let told = format!("{loss:?}, 1 in {each}: {saved} saved, {failed} failed, {visits}");
            // A failure says nothing about the change.
            assert!(visits >= saved && visits <= saved + failed, "{told}");
            if each > 5 {
                assert_eq!(failed, 0, "{told}");
            }
        }
    }
}

// R64
#[tokio::test]
async fn a_save_that_is_dropped_before_the_write_is_not_in_it() {
    let store = Far::default();
    let (sessions, token) = session(&store).await;
    let leader = leader(&store, &sessions, &token).await;
    let others: Vec<_> = (0..5)
        .map(|_| tokio::spawn(visit(sessions.clone(), Arc::clone(&token))))
        .collect();
    a_while().await;
    others[0].abort();
    others[3].abort();
    a_while().await;
    store.close(false);
    assert_eq!(leader.await.unwrap(), Fate::Saved);
    let mut saved = 0;
    for other in others {
        if let Ok(fate) = other.await {
            assert_eq!(fate.unwrap(), Fate::Saved);
            saved += 1;
        }
    }
    assert_eq!(saved, 3);
    assert_eq!(visits(&sessions, &token).await, 2 + 3);
    // The two at first, and the group.
    assert_eq!(store.replaces(), 3);
}

// R64
#[tokio::test]
async fn a_leader_that_is_dropped_strands_nobody() {
    // Before it loads, while it loads, while it writes, and afterwards.
    for polls in 0..12 {
        let store = Far::default();
        let (sessions, token) = session(&store).await;
        let leader = leader(&store, &sessions, &token).await;
        let others: Vec<_> = (0..20)
            .map(|_| tokio::spawn(visit(sessions.clone(), Arc::clone(&token))))
            .collect();
        a_while().await;
        store.close(false);
        for _ in 0..polls {
            yield_now().await;
        }
        leader.abort();
        for other in others {
            assert_eq!(other.await.unwrap().unwrap(), Fate::Saved);
        }
        let visits = visits(&sessions, &token).await;
        assert!((21..=22).contains(&visits), "{polls}: {visits}");
    }
}

#[tokio::test]
async fn a_save_that_fails_leaves_its_group() {
    let store = Far::default();
    let (sessions, token) = session(&store).await;
    let leader = leader(&store, &sessions, &token).await;
    let others: Vec<_> = (0..7)
        .map(|_| {
            let (sessions, token) = (sessions.clone(), Arc::clone(&token));
            tokio::spawn(async move {
                let done = sessions.with(Some(&token), |session| {
                    // Only five in all.
                    let next = |visits: Option<u64>| match visits.unwrap_or(0) {
                        visits @ 0..5 => Ok(visits + 1),
                        _ => Err("that is enough"),
                    };
                    session.try_update("visits", next)
                });
                done.await.map(|(_, outcome)| outcome.fate)
            })
        })
        .collect();
    a_while().await;
    store.close(false);
    assert_eq!(leader.await.unwrap(), Fate::Saved);
    let (mut saved, mut failed) = (0, 0);
    for other in others {
        match other.await.unwrap() {
            Ok(Fate::Saved) => saved += 1,
            Err(Error::Session(error)) => {
                assert!(
                    matches!(error, cloakroom::SessionError::UpdateFailed { .. }),
                    "{error}"
                );
                failed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((saved, failed), (3, 4));
    assert_eq!(visits(&sessions, &token).await, 5);
}

#[tokio::test]
async fn a_function_that_panics_fails_its_own_request_alone() {
    let store = Far::default();
    let (sessions, token) = session(&store).await;
    let leader = leader(&store, &sessions, &token).await;
    let panics = {
        let (sessions, token) = (sessions.clone(), Arc::clone(&token));
        tokio::spawn(async move {
            let request = sessions.with(Some(&token), |session| {
                let mut runs = 0;
                session.update("visits", move |visits: Option<u64>| {
                    runs += 1;
                    assert_eq!(runs, 1, "it runs again");
                    visits.unwrap_or(0) + 100
                })
            });
            AssertUnwindSafe(request).catch_unwind().await.is_err()
        })
    };
    let other = tokio::spawn(visit(sessions.clone(), Arc::clone(&token)));
    a_while().await;
    store.close(false);
    assert_eq!(leader.await.unwrap(), Fate::Saved);
    assert!(panics.await.unwrap());
    assert_eq!(other.await.unwrap().unwrap(), Fate::Saved);
    assert_eq!(visits(&sessions, &token).await, 3);
}

// A sign-out behind the saves is no part of a group, and ends the session after them.
#[tokio::test]
async fn another_commit_waits_for_its_own_turn() {
    let store = Far::default();
    let (sessions, token) = session(&store).await;
    let leader = leader(&store, &sessions, &token).await;
    let before = tokio::spawn(visit(sessions.clone(), Arc::clone(&token)));
    a_while().await;
    let rotated = {
        let (sessions, token) = (sessions.clone(), Arc::clone(&token));
        tokio::spawn(async move {
            let request = sessions.with(Some(&token), |session| {
                session.rotate();
                session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)
            });
            request.await.unwrap().1
        })
    };
    a_while().await;
    let after = tokio::spawn(visit(sessions.clone(), Arc::clone(&token)));
    store.close(false);
    assert_eq!(leader.await.unwrap(), Fate::Saved);
    assert_eq!(before.await.unwrap().unwrap(), Fate::Saved);
    assert_eq!(after.await.unwrap().unwrap(), Fate::Saved);
    let Directive::Issue(issued) = rotated.await.unwrap().directive else {
        panic!("no token");
    };
    assert_eq!(visits(&sessions, issued.token.expose()).await, 5);
}
