//! A move under load: 10,000 sessions of tower-sessions and axum-login in Redis, and both
//! applications at once.
//!
//! Theirs works on the old store, in this process. Ours works on the new one with `Adopting`, in a
//! process that is killed. Visitors come to theirs first and then to ours, and never go back: the
//! steps of a move require it. Proxies lose responses, of our application and of both stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use cloakroom_adopting::Adopting;
use cloakroom_redis::RedisStore;
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::{Server, free_port};
use cloakroom_store::{Key, Store, StoreError};
use moving::{Browser, Door, Redis, Seen, Visitor, adopting, our_shop, their_redis, their_shop};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const VISITORS: usize = 10_000;
/// So many of them come while the sessions move. The others keep their browsers closed.
const ACTIVE: usize = 480;
const CLIENTS: usize = 8;

/// The old application or the new one.
#[derive(Clone, Copy)]
enum Step {
    AddThere,
    LookThere,
    SignOutThere,
    /// Adds there until that application is gone.
    StayThere,
    AddHere,
    AddAtOnceHere,
    LookHere,
    RotateHere,
    SignOutHere,
    /// While other requests of the session change it.
    SignOutAmidHere,
}

/// The ways of visitors through the move. Afterwards they come to the new application.
const WAYS: [&[Step]; 12] = {
    use Step::*;
    [
        &[
            AddThere,
            LookHere,
            AddThere,
            AddHere,
            AddAtOnceHere,
            LookHere,
        ],
        &[AddThere, AddAtOnceHere, RotateHere, AddHere, LookHere],
        &[RotateHere, AddAtOnceHere, RotateHere, LookHere],
        &[LookHere, LookThere, SignOutThere],
        &[AddThere, LookHere, AddThere, SignOutThere],
        &[SignOutHere],
        &[AddHere, LookHere, SignOutHere],
        &[AddThere, AddAtOnceHere, RotateHere, AddHere, SignOutHere],
        &[LookThere, StayThere, AddAtOnceHere, RotateHere, LookHere],
        &[AddThere, LookHere, StayThere, SignOutHere],
        &[SignOutAmidHere],
        &[LookHere, StayThere, SignOutAmidHere],
    ]
};

/// The state that the clients and the test share.
struct Move {
    there: Door,
    here: Door,
    /// Set when no request goes to the old application any more.
    is_gone: AtomicBool,
    is_over: AtomicBool,
    /// Clients all of whose visitors have gone their way, or stay there.
    through: AtomicUsize,
    /// Clients that have noticed that the old application is gone.
    left: AtomicUsize,
    swept: AtomicUsize,
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_visitors_move_while_everything_fails_and_nobody_is_signed_out() {
    let old = Arc::new(Redis::start_own().expect("Redis"));
    let new = Redis::start_own().expect("Redis");
    let theirs = their_shop(their_redis(&old).await);
    let mut visitors = signed_in(&theirs).await;
    assert_eq!(old.command::<usize>(&[b"DBSIZE"]), VISITORS);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let there = listener.local_addr().expect("bound");
    let theirs = tokio::spawn(async move { axum::serve(listener, theirs).await });
    let [to_old, to_new] = [&old, &new].map(|redis| Proxy::start(redis.address()));
    let (to_old, to_new) = (to_old.await.expect("a port"), to_new.await.expect("a port"));
    let urls = [&to_new, &to_old].map(|proxy| format!("redis://{}", proxy.address()));
    let ours = ours(&urls);
    let front = Proxy::start(ours.address()).await.expect("a port");
    let the_move = Arc::new(Move {
        there: Door::new(there),
        here: Door::new(front.address()),
        is_gone: false.into(),
        is_over: false.into(),
        through: 0.into(),
        left: 0.into(),
        swept: 0.into(),
    });
    let mut clients = Clients::default();
    for number in 0..CLIENTS {
        let mine = visitors.split_off(visitors.len() - ACTIVE / CLIENTS);
        let client = Client::new(Arc::clone(&the_move), mine, number);
        clients.0.push(tokio::spawn(client.run()));
    }

    // Both applications work. Responses are lost, and our process is killed.
    let here = &the_move.here;
    for proxy in [&front, &to_new, &to_old, &front] {
        clients.answered(here, 100).await;
        clients.lose(proxy, 10).await;
    }
    clients.answered(here, 100).await;
    clients.kill(&ours, here).await;
    clients.answered(here, 100).await;
    let through = || the_move.through.load(Ordering::SeqCst) == CLIENTS;
    clients.until("every way through the move", through).await;

    // Theirs is gone. The rest is swept, while ours works, and the same happens again.
    the_move.is_gone.store(true, Ordering::SeqCst);
    let left = || the_move.left.load(Ordering::SeqCst) == CLIENTS;
    clients.until("the end of theirs", left).await;
    theirs.abort();
    let store = adopting(&urls[0], &urls[1]).await.expect("both stores");
    let sweeping = tokio::spawn(sweep(Arc::clone(&the_move), old.clone(), store));
    let swept = |number| {
        let the_move = Arc::clone(&the_move);
        move || the_move.swept.load(Ordering::SeqCst) >= number
    };
    clients.until("the sweep", swept(1_000)).await;
    clients.kill(&ours, here).await;
    clients.until("the sweep", swept(3_000)).await;
    for proxy in [&to_new, &to_old, &front] {
        clients.lose(proxy, 10).await;
        clients.answered(here, 100).await;
    }
    clients
        .until("the end of the sweep", || sweeping.is_finished())
        .await;
    sweeping.await.expect("swept");
    clients.answered(here, 500).await;

    the_move.is_over.store(true, Ordering::SeqCst);
    for client in clients.0 {
        visitors.extend(client.await.expect("a client"));
    }
    assert_eq!(old.command::<usize>(&[b"DBSIZE"]), 0, "the old store");
    // The new store alone.
    drop(ours);
    let store = RedisStore::connect(&new.url).await.expect("Redis");
    all_are_there(&our_shop(store), visitors).await;
}

/// Signs all visitors in, at the old application.
async fn signed_in(theirs: &Router) -> Vec<Visitor> {
    let mut tasks = JoinSet::new();
    for task in 0..CLIENTS {
        let theirs = theirs.clone();
        tasks.spawn(async move {
            let mut visitors = Vec::new();
            for number in (task..VISITORS).step_by(CLIENTS) {
                let (name, mut browser) = (format!("visitor{number}"), Browser::default());
                browser.get(&theirs, &format!("/login/{name}")).await;
                let cookie = browser.cookie.expect("a cookie");
                visitors.push(Visitor::new(name, cookie));
            }
            visitors
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// Fails unless each session is as it was acknowledged.
async fn all_are_there(ours: &Router, visitors: Vec<Visitor>) {
    assert_eq!(visitors.len(), VISITORS);
    let signed_out = visitors.iter().filter(|visitor| visitor.is_signed_out);
    let is_sign_out = |step: &Step| {
        use Step::{SignOutAmidHere, SignOutHere, SignOutThere};
        matches!(step, SignOutThere | SignOutHere | SignOutAmidHere)
    };
    let ways = WAYS.into_iter().filter(|way| way.iter().any(is_sign_out));
    assert_eq!(signed_out.count(), ACTIVE / WAYS.len() * ways.count());
    let visitors = Arc::new(visitors);
    let mut tasks = JoinSet::new();
    for task in 0..CLIENTS {
        let (ours, visitors) = (ours.clone(), Arc::clone(&visitors));
        tasks.spawn(async move {
            for visitor in visitors.iter().skip(task).step_by(CLIENTS) {
                for cookie in &visitor.cookies {
                    let mut browser = Browser {
                        cookie: Some(cookie.clone()),
                    };
                    visitor.check(&Seen::read(&browser.get(&ours, "/see").await));
                }
            }
        });
    }
    tasks.join_all().await;
}

/// Moves the rest, again and again until the old store has no more.
async fn sweep<O>(the_move: Arc<Move>, old: Arc<Redis>, store: Adopting<RedisStore, O>)
where
    O: Store + Clone + 'static,
{
    loop {
        let keys: Vec<String> = old.command(&[b"KEYS", b"*"]);
        if keys.is_empty() {
            return;
        }
        let mut tasks = JoinSet::new();
        for task in 0..CLIENTS {
            let mine: Vec<_> = keys.iter().skip(task).step_by(CLIENTS).cloned().collect();
            let (the_move, store) = (Arc::clone(&the_move), store.clone());
            tasks.spawn(async move {
                for key in mine {
                    let key = Key::new(&key).expect("a key");
                    // An error is for the next round.
                    let adopted: Result<_, StoreError> = store.adopt(&key, None).await;
                    if adopted.is_ok() {
                        the_move.swept.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        tasks.join_all().await;
    }
}

/// Starts our application.
fn ours([new, old]: &[String; 2]) -> Server {
    let port = free_port().expect("a port");
    let program = env!("CARGO_BIN_EXE_adopting-shop").as_ref();
    let arguments = [&port.to_string(), new, old];
    Server::start(program, arguments, port).expect("our application")
}

/// Some of the visitors, one after the other.
struct Client {
    the_move: Arc<Move>,
    /// With the ways before them.
    visitors: Vec<(Visitor, &'static [Step])>,
    rounds: usize,
}

impl Client {
    fn new(the_move: Arc<Move>, visitors: Vec<Visitor>, number: usize) -> Self {
        let ways = WAYS.into_iter().cycle().skip(number);
        Self {
            the_move,
            visitors: visitors.into_iter().zip(ways).collect(),
            rounds: 0,
        }
    }

    async fn run(mut self) -> Vec<Visitor> {
        let (mut is_through, mut has_left) = (false, false);
        while !self.the_move.is_over.load(Ordering::SeqCst) {
            // Seen before the round, so no request of this round goes there.
            let is_gone = self.the_move.is_gone.load(Ordering::SeqCst);
            if is_gone && !has_left {
                has_left = true;
                self.the_move.left.fetch_add(1, Ordering::SeqCst);
            }
            for (visitor, way) in &mut self.visitors {
                let after = &way[usize::from(!way.is_empty())..];
                match way.first() {
                    Some(Step::StayThere) if !is_gone => visitor.add(&self.the_move.there).await,
                    Some(step) => {
                        Self::go(&self.the_move, visitor, *step, is_gone).await;
                        *way = after;
                    }
                    None if self.rounds % 2 == 0 && !visitor.is_signed_out => {
                        visitor.add(&self.the_move.here).await;
                    }
                    None => visitor.look(&self.the_move.here).await,
                }
            }
            self.rounds += 1;
            let mut ways = self.visitors.iter().map(|(_, way)| way.first());
            let all = ways.all(|next| matches!(next, None | Some(Step::StayThere)));
            if all && !is_through {
                is_through = true;
                self.the_move.through.fetch_add(1, Ordering::SeqCst);
            }
        }
        let visitors = self.visitors.into_iter();
        visitors
            .map(|(visitor, way)| {
                assert!(way.is_empty(), "{} is on its way", visitor.name);
                visitor
            })
            .collect()
    }

    async fn go(the_move: &Move, visitor: &mut Visitor, step: Step, is_gone: bool) {
        let Move { there, here, .. } = the_move;
        match step {
            Step::AddThere => visitor.add(there).await,
            Step::LookThere => visitor.look(there).await,
            Step::SignOutThere => visitor.sign_out(there).await,
            Step::StayThere => {}
            Step::AddHere => visitor.add(here).await,
            Step::AddAtOnceHere => visitor.add_at_once(here).await,
            Step::LookHere => visitor.look(here).await,
            Step::RotateHere => visitor.rotate(here).await,
            Step::SignOutHere => visitor.sign_out(here).await,
            Step::SignOutAmidHere => visitor.sign_out_amid_requests(here).await,
        }
        if visitor.is_signed_out {
            // At either, under every token.
            visitor.look(here).await;
            if !is_gone {
                visitor.look(there).await;
            }
        }
    }
}

/// The clients under way.
#[derive(Default)]
struct Clients(Vec<JoinHandle<Vec<Visitor>>>);

impl Clients {
    /// Waits for an event, as long as no client has failed.
    async fn until(&self, what: &str, is_there: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_there() {
            let failed = self.0.iter().any(JoinHandle::is_finished);
            assert!(!failed, "a client failed before {what}");
            let waited = begin.elapsed();
            assert!(waited < Duration::from_secs(120), "{what} does not happen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for so many more responses.
    async fn answered(&self, door: &Door, number: usize) {
        let before = door.answered();
        let is_there = || door.answered() >= before + number;
        self.until("responses", is_there).await;
    }

    /// Loses so many responses on this way.
    async fn lose(&self, proxy: &Proxy, number: usize) {
        let before = proxy.lost();
        proxy.set(Mode::LoseAnswers);
        let is_there = || proxy.lost() >= before + number;
        self.until("lost responses", is_there).await;
        proxy.set(Mode::Pass);
    }

    /// Kills our process under load, and starts it again.
    async fn kill(&self, ours: &Server, door: &Door) {
        let before = door.unanswered();
        ours.kill().expect("killed");
        let is_there = || door.unanswered() >= before + CLIENTS;
        self.until("requests without a response", is_there).await;
        tokio::task::block_in_place(|| ours.start_again()).expect("our application");
    }
}
