//! The end of all sessions: what the store, other processes and pauses do to it. And what listings
//! and limits make of the sessions that ended.

use cloakroom::{
    Authentication, Config, Directive, Error, Key, LimitPolicy, ManualClock, Outcome, Sessions,
    Store, StoreError, UnixTime,
};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Directory, Replaced, Stored, Touched, Write};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(5);
const EPOCH: &str = "__Host-session:epoch";

/// The fate of a call for the epoch's record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Fine,
    /// It happens, and its answer is lost.
    Lost,
    /// It does not happen.
    Fails,
    /// The answer takes so many seconds, or the process is paused for so long.
    Slow(u64),
}

#[derive(Clone)]
struct Faulty {
    store: MemoryStore,
    clock: ManualClock,
    fates: Arc<Mutex<VecDeque<Fate>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Faulty {
    async fn call<T>(
        &self,
        name: &'static str,
        key: &Key,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if key.as_str() != EPOCH {
            return call.await;
        }
        self.calls.lock().unwrap().push(name);
        let fate = self.fates.lock().unwrap().pop_front();
        let failed = || StoreError::transient("faulty", "no answer");
        match fate.unwrap_or(Fate::Fine) {
            Fate::Fine => call.await,
            Fate::Lost => call.await.and(Err(failed())),
            Fate::Fails => Err(failed()),
            Fate::Slow(seconds) => {
                let answer = call.await;
                self.clock.advance(Duration::from_secs(seconds));
                answer
            }
        }
    }

    fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.fates.lock().unwrap() = fates.into_iter().collect();
        self.calls.lock().unwrap().clear();
    }

    fn called(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Store for Faulty {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.call("load", key, self.store.load(key)).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.call("create", key, self.store.create(key, write))
            .await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let call = self.store.replace(key, old, write);
        self.call("replace", key, call).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let call = self.store.touch(key, expires_at);
        self.call("touch", key, call).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.call("delete", key, self.store.delete(key, old)).await
    }
}

impl Directory for Faulty {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.store.list(subject).await
    }
}

fn store() -> Faulty {
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let store = MemoryStore::builder().clock(clock.reader()).build();
    Faulty {
        store,
        clock,
        fates: Arc::default(),
        calls: Arc::default(),
    }
}

/// The sessions of one process.
fn process(store: &Faulty) -> Sessions<Faulty> {
    let config = Config::builder().end_all_within(LEASE).build().unwrap();
    Sessions::new(store.clone())
        .with_config(config)
        .with_clock(store.clock.reader())
}

fn token(outcome: &Outcome) -> String {
    match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token was issued: {other:?}"),
    }
}

async fn sign_in(sessions: &Sessions<Faulty>) -> String {
    let signed_in = sessions.with(None, |session| session.sign_in("ada")).await;
    token(&signed_in.expect("the store is there").1)
}

async fn lives(sessions: &Sessions<Faulty>, token: &str) -> Result<bool, Error> {
    let read = sessions.with(Some(token), |session| Ok(!session.is_new()));
    Ok(read.await?.0)
}

// R83: a lost answer is found out, and an end that happened is acknowledged.
#[tokio::test]
async fn a_lost_answer_to_an_end_is_never_an_acknowledgement_without_effect() {
    use Fate::{Fails, Fine, Lost};
    for again in [false, true] {
        for fates in [
            vec![Fine, Lost],
            vec![Fine, Fails],
            vec![Fails, Fine, Lost],
            vec![Fine, Lost, Fails, Fine],
            vec![Fine, Fails, Fine, Lost],
            vec![Fine, Fails, Fine, Fails],
            vec![Fails, Fails],
        ] {
            let store = store();
            let (here, there) = (process(&store), process(&store));
            if again {
                here.end_all().await.expect("the store is there");
            }
            let token = sign_in(&here).await;
            store.next(fates.clone());
            there
                .end_all()
                .await
                .unwrap_or_else(|error| panic!("{fates:?}: {error}"));
            store.clock.advance(LEASE);
            assert!(!lives(&here, &token).await.unwrap(), "{fates:?}");
            assert!(!lives(&there, &token).await.unwrap(), "{fates:?}");
        }
    }
}

// R83, invariant 8
#[tokio::test]
async fn an_end_that_cannot_be_confirmed_is_an_error() {
    let store = store();
    let sessions = process(&store);
    let token = sign_in(&sessions).await;
    store.next([Fate::Fails; 8]);
    assert!(matches!(sessions.end_all().await, Err(Error::Store(_))));
    store.next([]);
    store.clock.advance(LEASE);
    assert!(lives(&sessions, &token).await.unwrap(), "nothing was ended");
}

// R80, R83: the lease counts from before the load was sent.
#[tokio::test]
async fn a_slow_answer_or_a_pause_makes_no_lease_longer() {
    let store = store();
    let (here, there) = (process(&store), process(&store));
    let token = sign_in(&here).await;
    there.end_all().await.unwrap();
    for (seconds, calls) in [(4, 1), (5, 2), (6, 2)] {
        let here = process(&store);
        store.next([Fate::Slow(seconds)]);
        assert!(!lives(&here, &token).await.unwrap());
        assert_eq!(store.called().len(), calls, "an answer after {seconds} s");
    }
    // Each answer is too late: the request fails, rather than to rely on one of them.
    store.next([Fate::Slow(5); 3]);
    let late = lives(&process(&store), &token).await;
    assert!(matches!(late, Err(Error::Store(_))), "{late:?}");
}

// R83, invariant 8: what is known lasts for the lease, and not longer.
#[tokio::test]
async fn without_the_store_sessions_are_refused_after_the_lease() {
    let store = store();
    let sessions = process(&store);
    let token = sign_in(&sessions).await;
    store.next([Fate::Fails; 100]);
    for _ in 0..4 {
        assert!(lives(&sessions, &token).await.unwrap());
        store.clock.advance(Duration::from_secs(1));
    }
    store.clock.advance(Duration::from_secs(1));
    assert!(lives(&sessions, &token).await.is_err());
}

// R83: a clock that is set back costs loads, and locks nobody out.
#[tokio::test]
async fn a_clock_that_is_set_back_ends_the_lease() {
    let (store, back) = (store(), Arc::new(AtomicU64::new(0)));
    let (clock, by) = (store.clock.clone(), Arc::clone(&back));
    let sessions = process(&store)
        .with_clock(move || UnixTime::from_secs(clock.now().as_secs() - by.load(Relaxed)));
    let token = sign_in(&sessions).await;
    back.store(50, Relaxed);
    store.next([]);
    assert!(lives(&sessions, &token).await.unwrap());
    assert!(lives(&sessions, &token).await.unwrap());
    assert_eq!(store.called(), ["load"]);
}

// R83: Memcached may evict the record.
#[tokio::test]
async fn a_process_that_knows_of_an_end_writes_its_lost_record_again() {
    let store = store();
    let here = process(&store);
    let token = sign_in(&here).await;
    here.end_all().await.unwrap();
    let key = Key::new(EPOCH).unwrap();
    let lost = store.store.load(&key).await.unwrap().unwrap();
    store.store.delete(&key, &lost).await.unwrap();
    store.clock.advance(LEASE);
    store.next([]);
    assert!(!lives(&here, &token).await.unwrap());
    assert_eq!(store.called(), ["load", "create"]);
    assert!(
        !lives(&process(&store), &token).await.unwrap(),
        "others learn of it again"
    );
    // Even if it is lost for good, the next end has a higher number than the one before.
    let newer = sign_in(&here).await;
    let written = store.store.load(&key).await.unwrap().unwrap();
    store.store.delete(&key, &written).await.unwrap();
    let other = process(&store);
    store.clock.advance(Duration::from_secs(1));
    other.end_all().await.unwrap();
    assert!(!lives(&other, &newer).await.unwrap());
}

// R83: the record outlives its own expiry while it is read.
#[tokio::test]
async fn the_record_of_an_end_is_kept_as_long_as_it_is_read() {
    let store = store();
    let sessions = process(&store);
    sessions.end_all().await.unwrap();
    for _ in 0..6 {
        store.clock.advance(Duration::from_secs(200 * 86_400));
        assert!(!lives(&sessions, "no token").await.unwrap());
    }
    let key = Key::new(EPOCH).unwrap();
    assert!(store.store.load(&key).await.unwrap().is_some());
}

// R83: something else under the record's key is an error, and is left alone.
#[tokio::test]
async fn what_is_no_epoch_is_never_overwritten() {
    for bytes in [
        &b""[..],
        b"1",
        b"\x82\x65epoch\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff",
    ] {
        let store = store();
        let sessions = process(&store);
        let token = sign_in(&sessions).await;
        let (key, end) = (Key::new(EPOCH).unwrap(), UnixTime::from_secs(2_000_000_000));
        let write = Write::new(bytes.to_vec(), end, None);
        store.store.create(&key, &write).await.unwrap();
        assert!(matches!(sessions.end_all().await, Err(Error::Session(_))));
        store.clock.advance(LEASE);
        assert!(lives(&sessions, &token).await.is_err());
        let left = store.store.load(&key).await.unwrap().unwrap();
        assert_eq!(&left.bytes[..], bytes);
    }
}

// R21, R83
#[tokio::test]
async fn ended_sessions_are_not_listed_counted_or_revoked() {
    let store = store();
    let sessions = process(&store).with_limit(1, LimitPolicy::Refuse);
    let first = sign_in(&sessions).await;
    assert!(lives(&sessions, &first).await.unwrap());
    assert!(
        sessions
            .with(None, |session| session.sign_in("ada"))
            .await
            .is_err()
    );
    sessions.end_all().await.unwrap();
    assert!(sessions.list("ada").await.unwrap().is_empty());
    assert_eq!(sessions.revoke_others("ada", None).await.unwrap(), 0);
    assert_eq!(
        sessions
            .update_each("ada", |session| session.insert("a", 1))
            .await
            .unwrap(),
        0
    );
    let second = sign_in(&sessions).await;
    assert_eq!(sessions.list("ada").await.unwrap().len(), 1);
    assert!(lives(&sessions, &second).await.unwrap());
}

// R21: sessions are revoked by what a listing shows of them.
#[tokio::test]
async fn sessions_are_revoked_by_a_predicate() {
    let store = store();
    let sessions = process(&store);
    let mut tokens = Vec::new();
    for level in [1, 2, 1] {
        let how = Authentication::new(level).method("pwd");
        let signed_in = sessions.with(None, |session| session.sign_in_with("ada", &how));
        tokens.push(token(&signed_in.await.unwrap().1));
    }
    let weak =
        |listed: &cloakroom::SessionInfo| listed.authentication().is_none_or(|how| how.level() < 2);
    assert_eq!(sessions.revoke_where("ada", weak).await.unwrap(), 2);
    assert_eq!(sessions.revoke_where("ada", weak).await.unwrap(), 0);
    for (token, lived) in tokens.iter().zip([false, true, false]) {
        assert_eq!(lives(&sessions, token).await.unwrap(), lived);
    }
}

// R83: without the setting nothing is ended, and the error names it.
#[tokio::test]
async fn an_end_without_its_setting_names_it() {
    let sessions = Sessions::new(MemoryStore::new());
    let error = sessions.end_all().await.unwrap_err();
    assert!(error.to_string().contains("end_all_within"), "{error}");
}
