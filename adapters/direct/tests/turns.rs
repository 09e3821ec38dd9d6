//! Many requests at one session: each is made real, and not many attempts are in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::{Directive, Fate, Sessions, Store};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};
use tokio::task::{JoinSet, yield_now};

const REQUESTS: usize = 64;

/// Counts the attempts to replace, and lets others go first before each operation, as a server far
/// away does.
#[derive(Clone, Default)]
struct Far {
    inner: MemoryStore,
    replaces: Arc<AtomicUsize>,
}

impl Far {
    async fn reach(&self) -> &MemoryStore {
        for _ in 0..3 {
            yield_now().await;
        }
        &self.inner
    }
}

impl Store for Far {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reach().await.load(key).await
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
        self.replaces.fetch_add(1, Ordering::Relaxed);
        self.reach().await.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.reach().await.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.reach().await.delete(key, old).await
    }
}

async fn token(sessions: &Sessions<Far>) -> String {
    let created = sessions.with(None, |session| session.insert("visits", 0));
    match created.await.unwrap().1.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token: {other:?}"),
    }
}

async fn visit(sessions: Sessions<Far>, token: Arc<str>) -> Fate {
    let visited = sessions
        .with(Some(&token), |session| {
            session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)
        })
        .await;
    visited.unwrap().1.fate
}

async fn visits(sessions: &Sessions<Far>, token: &str) -> u64 {
    let read = sessions.with(Some(token), |session| session.get("visits"));
    read.await.unwrap().0.unwrap()
}

// R53: no update is lost. Commits that lose a race queue up within the process, so that the next
// attempt seldom fails.
#[tokio::test]
async fn of_many_requests_at_one_session_each_needs_two_attempts_at_most() {
    let store = Far::default();
    let sessions = Sessions::new(store.clone());
    let token: Arc<str> = token(&sessions).await.into();
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        requests.spawn(visit(sessions.clone(), Arc::clone(&token)));
    }
    while let Some(fate) = requests.join_next().await {
        assert_eq!(fate.unwrap(), Fate::Saved);
    }
    assert_eq!(visits(&sessions, &token).await, REQUESTS as u64);
    let replaces = store.replaces.load(Ordering::Relaxed);
    assert!(replaces <= 2 * REQUESTS, "{replaces} attempts");
}

// R64: aborted requests block no other, even if they were waiting for their turn or had it.
#[tokio::test]
async fn a_cancelled_commit_leaves_its_turn_to_the_next() {
    for polls in 0..40 {
        let store = Far::default();
        let sessions = Sessions::new(store.clone());
        let token: Arc<str> = token(&sessions).await.into();
        let mut requests = JoinSet::new();
        for number in 0..16 {
            let request = visit(sessions.clone(), Arc::clone(&token));
            if number % 2 == 0 {
                requests.spawn(async move { Some(request.await) });
            } else {
                requests.spawn(async move {
                    let mut request = Box::pin(request);
                    for _ in 0..polls + number {
                        let mut done = None;
                        std::future::poll_fn(|context| {
                            if let std::task::Poll::Ready(fate) = request.as_mut().poll(context) {
                                done = Some(fate);
                            }
                            std::task::Poll::Ready(())
                        })
                        .await;
                        if done.is_some() {
                            return done;
                        }
                        yield_now().await;
                    }
                    None
                });
            }
        }
        let mut saved = 0;
        while let Some(fate) = requests.join_next().await {
            saved += u64::from(fate.unwrap() == Some(Fate::Saved));
        }
        // A write that was abandoned may have happened.
        let visits = visits(&sessions, &token).await;
        assert!(
            saved >= 8 && visits >= saved && visits <= 16,
            "{saved} of {visits}"
        );
    }
}
