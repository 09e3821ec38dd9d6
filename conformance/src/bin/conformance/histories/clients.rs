//! The clients: each does one thing after the other, with the token that is its visitor's at that moment.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{Directive, Error, Fate, Outcome, Sessions};
use cloakroom_core::Session;
use cloakroom_store::SharedStore;
use tokio::task::JoinSet;

const VISITORS: usize = 4;
const CLIENTS: usize = 16;

/// A session from its sign-in to its sign-out, over all rotations.
pub(super) type Life = u32;

/// What a client did, when, and what it was told.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) life: Life,
    /// How many rotations its token had behind it.
    pub(super) turn: u32,
    pub(super) act: Act,
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Adds this number to the list, and one to the counter.
    Append(u32, Came),
    /// Sets the common value to this number.
    Set(u32, Came),
    Rotate(Came),
    SignOut(Came),
    /// What was seen; `None`: no session.
    Read(Option<Seen>),
    /// A read that failed.
    Nothing,
}

/// What a client was told about its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Acknowledged,
    /// Dropped, or there was no session.
    Dropped,
    /// An error: it may have happened, and may still happen.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) life: Life,
    pub(super) list: Vec<u32>,
    pub(super) count: u32,
    pub(super) value: Option<u32>,
}

/// What a client does next: the same in each run, as far as the others let it (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.0 = self
            .0
            .wrapping_mul(FACTOR)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Where a visitor's session is just now.
#[derive(Clone)]
struct Visitor {
    life: Life,
    turn: u32,
    token: String,
}

struct Shared {
    nodes: Vec<Sessions<SharedStore>>,
    visitors: Vec<Mutex<Visitor>>,
    lives: AtomicU32,
    numbers: AtomicU32,
    events: AtomicUsize,
    stop: AtomicBool,
}

pub(super) struct Clients {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<Vec<Event>, Failure>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Clients {
    pub(super) async fn start(nodes: Vec<SharedStore>) -> Result<Self, Failure> {
        let nodes: Vec<_> = nodes.into_iter().map(Sessions::new).collect();
        let lives = AtomicU32::new(0);
        let mut visitors = Vec::new();
        for _ in 0..VISITORS {
            visitors.push(Mutex::new(sign_in(&nodes[0], &lives).await?));
        }
        let shared = Arc::new(Shared {
            nodes,
            visitors,
            lives,
            numbers: AtomicU32::new(0),
            events: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.work(client).await });
        }
        Ok(Self { shared, tasks })
    }

    /// How many events there are so far.
    pub(super) fn events(&self) -> usize {
        self.shared.events.load(Ordering::Relaxed)
    }

    /// Lets the clients end, and looks at every session once more.
    pub(super) async fn stop(mut self) -> Result<Vec<Event>, Failure> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut history = Vec::new();
        while let Some(events) = self.tasks.join_next().await {
            history.extend(events??);
        }
        for visitor in 0..VISITORS {
            for node in 0..self.shared.nodes.len() {
                let mut tries = 0;
                loop {
                    let event = self.shared.read(node, visitor).await;
                    let read = matches!(event.act, Act::Read(_));
                    history.push(event);
                    tries += 1;
                    match read {
                        true => break,
                        false if tries > 40 => {
                            return Err("the store does not recover".into());
                        }
                        // Each connection may have to be found broken.
                        false => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            }
        }
        Ok(history)
    }
}

impl Shared {
    async fn work(&self, client: usize) -> Result<Vec<Event>, Failure> {
        let mut dice = Dice(client as u64);
        let (mut events, node) = (Vec::new(), client % self.nodes.len());
        while !self.stop.load(Ordering::Relaxed) {
            let visitor = dice.below(VISITORS);
            let event = match dice.below(100) {
                0..45 => self.append(node, visitor).await,
                45..58 => self.set(node, visitor).await,
                58..91 => self.read(node, visitor).await,
                91..97 => self.rotate(node, visitor).await,
                _ => self.sign_out(node, visitor).await,
            };
            events.push(event);
            self.events.fetch_add(1, Ordering::Relaxed);
            // Who is never kept waiting must not keep others waiting.
            tokio::task::yield_now().await;
        }
        Ok(events)
    }

    fn visitor(&self, visitor: usize) -> Visitor {
        let visitor = self.visitors[visitor].lock();
        visitor.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request; the handler is not run without a session.
    async fn request<R>(
        &self,
        node: usize,
        visitor: &Visitor,
        handler: impl FnOnce(&mut Session<'_>) -> Result<R, cloakroom_core::Error>,
    ) -> Result<Option<(R, Outcome)>, Error> {
        let handler = |session: &mut Session<'_>| match session.is_new() {
            true => Ok(None),
            false => handler(session).map(Some),
        };
        let sessions = &self.nodes[node];
        let (value, outcome) = sessions.with(Some(&visitor.token), handler).await?;
        Ok(value.map(|value| (value, outcome)))
    }

    async fn change(
        &self,
        node: usize,
        visitor: &Visitor,
        handler: impl FnOnce(&mut Session<'_>) -> Result<(), cloakroom_core::Error>,
    ) -> (Came, Option<String>) {
        match self.request(node, visitor, handler).await {
            Ok(Some(((), outcome))) => {
                let came = match outcome.fate {
                    Fate::Saved => Came::Acknowledged,
                    // The session has ended. If an answer was lost before, the change may have been in it until then.
                    Fate::Gone if outcome.conflicts > 0 => Came::Unknown,
                    _ => Came::Dropped,
                };
                let token = match &outcome.directive {
                    Directive::Issue(issued) => Some(issued.token.expose().to_owned()),
                    _ => None,
                };
                (came, token)
            }
            Ok(None) => (Came::Dropped, None),
            Err(_) => (Came::Unknown, None),
        }
    }

    async fn append(&self, node: usize, visitor: usize) -> Event {
        let (number, visitor) = (self.number(), self.visitor(visitor));
        let begin = Instant::now();
        let (came, _) = self
            .change(node, &visitor, |session| {
                session.update("list", move |list: Option<Vec<u32>>| {
                    let mut list = list.unwrap_or_default();
                    list.push(number);
                    list
                })?;
                session.update("count", |count: Option<u32>| count.unwrap_or(0) + 1)?;
                Ok(())
            })
            .await;
        visitor.event(Act::Append(number, came), begin)
    }

    async fn set(&self, node: usize, visitor: usize) -> Event {
        let (number, visitor) = (self.number(), self.visitor(visitor));
        let begin = Instant::now();
        let (came, _) = self
            .change(node, &visitor, |session| session.insert("value", number))
            .await;
        visitor.event(Act::Set(number, came), begin)
    }

    async fn read(&self, node: usize, visitor: usize) -> Event {
        let visitor = self.visitor(visitor);
        let begin = Instant::now();
        let read = self.request(node, &visitor, |session| {
            Ok(Seen {
                life: session.get("life")?.unwrap_or(Life::MAX),
                list: session.get("list")?.unwrap_or_default(),
                count: session.get("count")?.unwrap_or_default(),
                value: session.get("value")?,
            })
        });
        let act = match read.await {
            Ok(seen) => Act::Read(seen.map(|(seen, _)| seen)),
            Err(_) => Act::Nothing,
        };
        visitor.event(act, begin)
    }

    async fn rotate(&self, node: usize, at: usize) -> Event {
        let visitor = self.visitor(at);
        let begin = Instant::now();
        let (came, token) = self
            .change(node, &visitor, |session| {
                session.rotate();
                Ok(())
            })
            .await;
        let event = visitor.event(Act::Rotate(came), begin);
        match (came, token) {
            (Came::Acknowledged, Some(token)) => self.go_on(
                at,
                &visitor,
                Visitor {
                    turn: visitor.turn + 1,
                    token,
                    ..visitor
                },
            ),
            // The new token may be under way to nobody.
            (Came::Unknown, _) => self.start_again(at, &visitor).await,
            _ => {}
        }
        event
    }

    async fn sign_out(&self, node: usize, at: usize) -> Event {
        let visitor = self.visitor(at);
        let begin = Instant::now();
        let handler = |session: &mut Session<'_>| {
            session.sign_out();
            Ok(())
        };
        let came = match self.request(node, &visitor, handler).await {
            // It was there when the handler ran, and is not any more.
            Ok(Some(_)) => Came::Acknowledged,
            Ok(None) => Came::Dropped,
            Err(_) => Came::Unknown,
        };
        let event = visitor.event(Act::SignOut(came), begin);
        self.start_again(at, &visitor).await;
        event
    }

    /// The visitor has another token, unless another client was first.
    fn go_on(&self, at: usize, before: &Visitor, after: Visitor) {
        let mut visitor = self.visitors[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if (visitor.life, visitor.turn) == (before.life, before.turn) {
            *visitor = after;
        }
    }

    /// Signs the visitor in again. If that fails, its requests go on with what there was.
    async fn start_again(&self, at: usize, before: &Visitor) {
        if let Ok(after) = sign_in(&self.nodes[0], &self.lives).await {
            self.go_on(at, before, after);
        }
    }

    fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

async fn sign_in(sessions: &Sessions<SharedStore>, lives: &AtomicU32) -> Result<Visitor, Error> {
    let life = lives.fetch_add(1, Ordering::Relaxed);
    let handler = |session: &mut Session<'_>| {
        session.insert("life", life)?;
        session.sign_in("ada")
    };
    let ((), outcome) = sessions.with(None, handler).await?;
    let token = match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        _ => String::new(),
    };
    Ok(Visitor {
        life,
        turn: 0,
        token,
    })
}

impl Visitor {
    fn event(&self, act: Act, begin: Instant) -> Event {
        Event {
            life: self.life,
            turn: self.turn,
            act,
            begin,
            end: Instant::now(),
        }
    }
}
