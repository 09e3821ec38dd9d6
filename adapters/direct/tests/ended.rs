//! `Session::ended`, on a paused clock: time passes only when every task waits for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cloakroom::{
    Config, Directive, Ended, Ending, Error, Event, ManualClock, Operation, Session, SessionError,
    Sessions, Store, StoreError, adapter,
};
use cloakroom_memory::MemoryStore;
use cloakroom_sealed::{Sealed, SealingKey};
use cloakroom_store::{Created, Deleted, Key, Replaced, Stored, Touched, UnixTime, Write};
use tokio::time::{Instant, sleep};

const LEASE: Duration = Duration::from_secs(1);

/// Two processes on one store.
fn nodes() -> [Sessions<MemoryStore>; 2] {
    let store = MemoryStore::new();
    [(); 2].map(|()| Sessions::new(store.clone()))
}

async fn signed_in<S: Store>(sessions: &Sessions<S>) -> String {
    let done = sessions.with(None, |session| session.sign_in("ada")).await;
    token(done.unwrap().1.directive)
}

fn token(directive: Directive) -> String {
    match directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn opened<S: Store>(sessions: &Sessions<S>, token: &str) -> Session {
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await.unwrap();
    session
}

/// A connection, whose request is over.
async fn connected<S: Store>(sessions: &Sessions<S>, token: &str) -> Ending {
    let session = opened(sessions, token).await;
    let ending = session.ended();
    adapter::commit(&session, true).outcome().await.unwrap();
    ending
}

async fn sign_out<S: Store>(sessions: &Sessions<S>, token: &str) {
    let done = sessions.with(Some(token), |session| {
        session.sign_out();
        Ok(())
    });
    done.await.unwrap();
}

/// Returns whether it resolves now, after all other tasks have run.
async fn resolves(ending: &mut Ending) -> bool {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    poll_fn(|context| Poll::Ready(Pin::new(&mut *ending).poll(context).is_ready())).await
}

// R82.
#[tokio::test(start_paused = true)]
async fn a_sign_out_of_another_process_is_noticed_within_a_lease() {
    let [here, there] = nodes();
    for quarter in 0..12 {
        let token = signed_in(&here).await;
        let ending = tokio::spawn(connected(&here, &token).await);
        sleep(LEASE * quarter / 4).await;
        sign_out(&there, &token).await;
        let acknowledged = Instant::now();
        assert_eq!(ending.await.unwrap().unwrap(), Ended::Gone);
        assert!(acknowledged.elapsed() <= LEASE);
    }
}

#[tokio::test(start_paused = true)]
async fn ends_by_this_process_are_noticed_at_once_and_told_apart() {
    let [here, _] = nodes();
    let token = signed_in(&here).await;
    let (mut one, mut other) = (
        connected(&here, &token).await,
        connected(&here, &token).await,
    );
    assert!(!resolves(&mut one).await && !resolves(&mut other).await);
    let before = Instant::now();
    sign_out(&here, &token).await;
    assert_eq!(one.await.unwrap(), Ended::SignedOut);
    assert_eq!(other.await.unwrap(), Ended::SignedOut);

    let token = signed_in(&here).await;
    let mut ending = connected(&here, &token).await;
    assert!(!resolves(&mut ending).await);
    assert_eq!(here.revoke_others("ada", None).await.unwrap(), 1);
    assert_eq!(ending.await.unwrap(), Ended::Revoked);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_resolves_with_the_new_id_and_a_sign_in_without() {
    let [here, there] = nodes();
    let old = signed_in(&here).await;
    let ending = tokio::spawn(connected(&here, &old).await);
    sleep(LEASE / 3).await;
    let rotate = |session: &mut cloakroom::CoreSession<'_>| {
        session.rotate();
        Ok(())
    };
    let (_, outcome) = there.with(Some(&old), rotate).await.unwrap();
    let token = token(outcome.directive);
    let id = opened(&here, &token).await.id().unwrap().unwrap();
    assert_eq!(ending.await.unwrap().unwrap(), Ended::Rotated { id });

    let ending = tokio::spawn(connected(&here, &token).await);
    sleep(LEASE / 3).await;
    let sign_in = there.with(Some(&token), |session| session.sign_in("ada"));
    sign_in.await.unwrap();
    assert_eq!(ending.await.unwrap().unwrap(), Ended::SignedIn);
}

// R82.
#[tokio::test(start_paused = true)]
async fn without_a_grace_a_rotation_is_no_end_either() {
    let store = MemoryStore::new();
    let config = || Config::builder().rotation_grace(Duration::ZERO).build();
    let [here, there] =
        [(); 2].map(|()| Sessions::new(store.clone()).with_config(config().unwrap()));
    let token = signed_in(&here).await;
    let ending = tokio::spawn(connected(&here, &token).await);
    sleep(LEASE / 3).await;
    let rotate = there.with(Some(&token), |session| {
        session.rotate();
        Ok(())
    });
    rotate.await.unwrap();
    assert!(matches!(ending.await.unwrap(), Ok(Ended::Rotated { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_signs_in_rotates_or_creates_waits_for_what_it_made() {
    let [here, there] = nodes();
    let mut tokens = [None, Some(signed_in(&here).await)];
    for (number, change) in ["create", "sign in", "rotate", "save"].iter().enumerate() {
        let presented = tokens[usize::from(number > 1)].clone();
        let presented = presented.as_deref().map(str::as_bytes);
        let session: Session = here.session(presented);
        session.load().await.unwrap();
        let mut early = session.ended();
        assert!(!resolves(&mut early).await, "{change}");
        match *change {
            "create" => session.insert("theme", "dark").unwrap(),
            "sign in" => session.sign_in("ada").unwrap(),
            "rotate" => session.rotate().unwrap(),
            _ => {
                session.rotate().unwrap();
                session.save().await.unwrap();
                session.insert("theme", "light").unwrap();
            }
        }
        let late = tokio::spawn(session.ended());
        let outcome = adapter::commit(&session, true).outcome().await.unwrap();
        let new = token(outcome.directive);
        sleep(LEASE * 10).await;
        assert!(!late.is_finished(), "{change}");
        assert!(!resolves(&mut early).await, "{change}");
        sign_out(&there, &new).await;
        assert_eq!(late.await.unwrap().unwrap(), Ended::Gone, "{change}");
        assert_eq!(early.await.unwrap(), Ended::Gone, "{change}");
        tokens[1] = Some(signed_in(&here).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_signs_out_has_ended_its_own_session() {
    let [here, _] = nodes();
    let session = opened(&here, &signed_in(&here).await).await;
    let ending = session.ended();
    session.sign_out().unwrap();
    adapter::commit(&session, true).outcome().await.unwrap();
    assert_eq!(ending.await.unwrap(), Ended::SignedOut);
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_although_it_is_looked_at() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let token = signed_in(&sessions).await;
    let ending = tokio::spawn(connected(&sessions, &token).await);
    for _ in 0..29 {
        sleep(LEASE).await;
        clock.advance(Duration::from_secs(60));
    }
    assert!(!ending.is_finished());
    sleep(LEASE).await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(ending.await.unwrap().unwrap(), Ended::Expired);
}

/// A memory store that fails on demand.
#[derive(Clone)]
struct Flaky {
    store: MemoryStore,
    is_down: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    /// Every so many loads fail; 0: none.
    every: usize,
    loads: Arc<AtomicUsize>,
}

impl Flaky {
    fn new(every: usize) -> Self {
        Self {
            store: MemoryStore::new(),
            is_down: Arc::default(),
            hangs: Arc::default(),
            every,
            loads: Arc::default(),
        }
    }
}

impl Store for Flaky {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.store.load(key).await
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let load = 1 + self.loads.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_down.load(Ordering::Relaxed) || load.is_multiple_of(self.every) {
            return Err(StoreError::permanent("flaky", "down"));
        }
        self.store.load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.store.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.store.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.store.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.store.delete(key, old).await
    }
}

// R82.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_now_and_then_ends_nothing() {
    let sessions = Sessions::new(Flaky::new(2));
    let token = signed_in(&sessions).await;
    let ending = tokio::spawn(connected(&sessions, &token).await);
    sleep(LEASE * 1_000).await;
    assert!(!ending.is_finished());
    sign_out(&sessions, &token).await;
    assert_eq!(ending.await.unwrap().unwrap(), Ended::SignedOut);
}

// R82.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_for_a_lease_is_an_error_and_one_can_ask_again() {
    for hangs in [false, true] {
        let store = Flaky::new(0);
        let sessions = Sessions::new(store.clone());
        let token = signed_in(&sessions).await;
        let session = opened(&sessions, &token).await;
        let ending = tokio::spawn(session.ended());
        sleep(LEASE * 10).await;
        let fault = if hangs { &store.hangs } else { &store.is_down };
        fault.store(true, Ordering::Relaxed);
        let down = Instant::now();
        let error = ending.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Store(_)), "{error}");
        assert!(down.elapsed() <= LEASE);

        fault.store(false, Ordering::Relaxed);
        let again = tokio::spawn(session.ended());
        sleep(LEASE * 10).await;
        assert!(!again.is_finished());
        sign_out(&sessions, &token).await;
        assert_eq!(again.await.unwrap().unwrap(), Ended::SignedOut);
    }
}

/// Sessions whose loads are counted.
fn counted(store: MemoryStore) -> (Sessions<MemoryStore>, Arc<AtomicU64>) {
    let loads = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&loads);
    let sessions = Sessions::new(store).with_observer(move |event| {
        if let Event::StoreCall {
            operation: Operation::Load,
            ..
        } = event
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (sessions, loads)
}

#[tokio::test(start_paused = true)]
async fn a_watched_session_costs_four_loads_in_three_leases_however_many_wait() {
    let (sessions, loads) = counted(MemoryStore::new());
    let token = signed_in(&sessions).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        waiting.spawn(connected(&sessions, &token).await);
    }
    sleep(LEASE * 3).await;
    let before = loads.load(Ordering::Relaxed);
    sleep(LEASE * 300).await;
    let made = loads.load(Ordering::Relaxed) - before;
    assert!((399..=401).contains(&made), "{made}");

    waiting.shutdown().await;
    sleep(LEASE * 2).await;
    let before = loads.load(Ordering::Relaxed);
    sleep(LEASE * 300).await;
    assert_eq!(loads.load(Ordering::Relaxed), before);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_watched_from_one_moment_on_are_not_looked_at_in_one_moment() {
    let (sessions, loads) = counted(MemoryStore::new());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let token = signed_in(&sessions).await;
        waiting.spawn(connected(&sessions, &token).await);
    }
    sleep(LEASE * 3).await;
    for _ in 0..30 {
        let before = loads.load(Ordering::Relaxed);
        sleep(LEASE * 3 / 40).await;
        let made = loads.load(Ordering::Relaxed) - before;
        assert!((60..=140).contains(&made), "{made} in a tenth of the time");
    }
}

#[test]
fn those_who_wait_go_on_when_the_runtime_that_watched_ends() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
    };
    let (first, second) = (runtime().unwrap(), runtime().unwrap());
    let [here, there] = nodes().map(|sessions| sessions.with_lease(Duration::from_millis(100)));
    let token = first.block_on(signed_in(&here));
    let on_first = first.spawn(first.block_on(connected(&here, &token)));
    first.block_on(async { sleep(Duration::from_millis(20)).await });
    let on_second = second.spawn(second.block_on(connected(&here, &token)));
    second.block_on(async { sleep(Duration::from_millis(20)).await });
    drop(on_first);
    first.shutdown_background();
    second.block_on(async {
        sleep(Duration::from_millis(20)).await;
        assert!(!on_second.is_finished());
        sign_out(&there, &token).await;
        assert_eq!(on_second.await.unwrap().unwrap(), Ended::Gone);
    });
}

#[tokio::test(start_paused = true)]
async fn a_visitor_without_a_session_waits_for_ever() {
    let [here, _] = nodes();
    let session: Session = here.session([]);
    session.load().await.unwrap();
    let ending = session.ended();
    adapter::commit(&session, true).outcome().await.unwrap();
    tokio::select! {
        ended = ending => panic!("{ended:?}"),
        () = sleep(LEASE * 100) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_watched_is_an_error() {
    let [here, _] = nodes();
    let token = signed_in(&here).await;
    let session: Session = here.session([token.as_bytes()]);
    let early = session.ended().await;
    assert!(matches!(
        early,
        Err(Error::Session(SessionError::NotLoaded))
    ));
    session.load().await.unwrap();
    adapter::commit(&session, true).outcome().await.unwrap();
    let late = session.ended().await;
    assert!(matches!(late, Err(Error::Session(SessionError::Closed))));

    let envelope = Sealed::new(SealingKey::new([7; 32]));
    let config = Config::builder().envelope(envelope).build().unwrap();
    let sealed = Sessions::new(cloakroom::NoStore).with_config(config);
    let session: Session = sealed.session([]);
    session.load().await.unwrap();
    let sealed = session.ended().await;
    assert!(matches!(
        sealed,
        Err(Error::Session(SessionError::NeedsStore))
    ));
}

#[test]
fn a_runtime_without_timers_is_an_error() {
    let [here, _] = nodes();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        let token = signed_in(&here).await;
        connected(&here, &token).await.await
    });
    assert!(matches!(ended, Err(Error::NotSetUp(_))));
}

#[test]
fn outside_of_a_runtime_it_is_an_error() {
    let [here, _] = nodes();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let token = runtime.block_on(signed_in(&here));
    let mut ending = runtime.block_on(connected(&here, &token));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = Pin::new(&mut ending).poll(&mut context);
    assert!(matches!(polled, Poll::Ready(Err(Error::NotSetUp(_)))));
}

/// On the real clock, by which epochs are measured.
#[tokio::test]
async fn the_end_of_all_sessions_is_noticed_and_later_sessions_live() {
    let store = MemoryStore::new();
    let least = Duration::from_millis(100);
    let config = Config::builder().end_all_within(least).build().unwrap();
    let nodes = [(); 2].map(|()| {
        let sessions = Sessions::new(store.clone()).with_config(config.clone());
        sessions.with_lease(least)
    });
    let before = signed_in(&nodes[0]).await;
    let ending = connected(&nodes[0], &before).await;
    let own = connected(&nodes[1], &before).await;
    nodes[1].end_all().await.unwrap();
    assert_eq!(own.await.unwrap(), Ended::Gone);
    assert_eq!(ending.await.unwrap(), Ended::Gone);

    let after = signed_in(&nodes[1]).await;
    let mut ending = connected(&nodes[1], &after).await;
    for _ in 0..4 {
        sleep(least).await;
        let now = poll_fn(|context| Poll::Ready(Pin::new(&mut ending).poll(context)));
        assert!(now.await.is_pending());
    }
    sign_out(&nodes[1], &after).await;
    assert_eq!(ending.await.unwrap(), Ended::SignedOut);
}

// R82: a framework may poll once more while its runtime shuts down.
#[test]
fn the_wait_on_a_runtime_that_is_gone_is_an_error_and_no_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (mut ending, _sessions) = runtime.block_on(async {
        let [sessions, _] = nodes();
        let token = signed_in(&sessions).await;
        (connected(&sessions, &token).await, sessions)
    });
    drop(runtime);
    let (send, polled) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _inside = handle.enter();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let poll = Pin::new(&mut ending).poll(&mut context);
        send.send(poll).unwrap();
    });
    let poll = polled
        .recv_timeout(Duration::from_secs(60))
        .expect("the poll returns");
    assert!(
        matches!(poll, Poll::Ready(Err(Error::NotSetUp(_)))),
        "{poll:?}"
    );
}
