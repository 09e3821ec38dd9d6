//! The clients: each does one thing after the other, with the token that is its visitor's at that
//! moment.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{
    Directive, Error, Fate, Outcome, Session as Handle, SessionError, Sessions, adapter,
};
use cloakroom_core::Session;
use cloakroom_store::SharedStore;
use tokio::task::JoinSet;

use super::event::{Act, Came, Claimed, Event, Life, Seen, TICKETS};
use super::traced::Traced;

const VISITORS: usize = 4;
const CLIENTS: usize = 16;
/// How many ended sessions are still asked for.
const FORMER: usize = 1_024;

/// A client's next action. The same in each run, as far as concurrent clients allow (Knuth's MMIX
/// generator).
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
    stores: Vec<SharedStore>,
    visitors: Vec<Mutex<Visitor>>,
    /// After a sign-out, also one of unknown outcome.
    former: Mutex<Vec<Visitor>>,
    lives: AtomicU32,
    numbers: AtomicU32,
    events: AtomicUsize,
    stop: AtomicBool,
}

pub(super) struct Clients {
    shared: Arc<Shared>,
    tasks: JoinSet<Vec<Event>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Clients {
    pub(super) async fn start(stores: Vec<SharedStore>) -> Result<Self, Failure> {
        let shared = Shared::new(stores).await?;
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let node = client % shared.stores.len();
            let at_node = shared.client(node);
            tasks.spawn(async move { at_node.work(client).await });
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
            history.extend(events?);
        }
        for visitor in 0..VISITORS {
            for node in 0..self.shared.stores.len() {
                let (mut tries, client) = (0, self.shared.client(node));
                loop {
                    let event = client.read(visitor).await;
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
    /// Each visitor is signed in.
    async fn new(stores: Vec<SharedStore>) -> Result<Arc<Self>, Error> {
        let lives = AtomicU32::new(0);
        let mut visitors = Vec::new();
        for _ in 0..VISITORS {
            visitors.push(Mutex::new(sign_in(&stores[0], &lives).await?));
        }
        Ok(Arc::new(Self {
            stores,
            visitors,
            former: Mutex::default(),
            lives,
            numbers: AtomicU32::new(0),
            events: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }))
    }

    fn client(self: &Arc<Self>, node: usize) -> Client {
        let store = Traced::new(self.stores[node].clone());
        Client {
            shared: Arc::clone(self),
            sessions: Sessions::new(store.clone()),
            store,
        }
    }
}

/// One that does one thing after the other, at one node.
struct Client {
    shared: Arc<Shared>,
    sessions: Sessions<Traced>,
    store: Traced,
}

impl Client {
    async fn work(&self, seed: usize) -> Vec<Event> {
        let (mut dice, mut events) = (Dice(seed as u64), Vec::new());
        while !self.shared.stop.load(Ordering::Relaxed) {
            let visitor = dice.below(VISITORS);
            let before = events.len();
            match dice.below(100) {
                0..40 => events.push(self.append(visitor).await),
                40..45 => events.extend(self.claim(visitor, dice.below(TICKETS.len())).await),
                45..58 => events.push(self.set(visitor).await),
                58..78 => events.push(self.read(visitor).await),
                78..88 => events.extend(self.return_to(dice.below(FORMER)).await),
                88..92 => events.extend(self.cross(visitor).await),
                92..97 => events.push(self.rotate(visitor).await),
                _ => events.push(self.sign_out(visitor).await),
            }
            let more = events.len() - before;
            self.shared.events.fetch_add(more, Ordering::Relaxed);
            // A client without pauses would keep the others waiting.
            tokio::task::yield_now().await;
        }
        events
    }

    fn visitor(&self, visitor: usize) -> Visitor {
        let visitor = self.shared.visitors[visitor].lock();
        visitor.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request; the handler is not run without a session.
    async fn request<R>(
        &self,
        visitor: &Visitor,
        handler: impl FnOnce(&mut Session<'_>) -> Result<R, cloakroom_core::Error>,
    ) -> Result<Option<(R, Outcome)>, Error> {
        let handler = |session: &mut Session<'_>| match session.is_new() {
            true => Ok(None),
            false => handler(session).map(Some),
        };
        let (value, outcome) = self.sessions.with(Some(&visitor.token), handler).await?;
        Ok(value.map(|value| (value, outcome)))
    }

    async fn change(
        &self,
        visitor: &Visitor,
        handler: impl FnOnce(&mut Session<'_>) -> Result<(), cloakroom_core::Error>,
    ) -> (Came, Option<String>) {
        match self.request(visitor, handler).await {
            Ok(Some(((), outcome))) => {
                let came = match outcome.fate {
                    Fate::Saved => Came::Acknowledged,
                    Fate::Gone => Came::Gone,
                    Fate::Superseded => Came::Superseded,
                    _ => Came::Dropped,
                };
                let token = match &outcome.directive {
                    Directive::Issue(issued) => Some(issued.token.expose().to_owned()),
                    _ => None,
                };
                (came, token)
            }
            Ok(None) => (Came::Dropped, None),
            Err(Error::Session(SessionError::Superseded)) => (Came::Superseded, None),
            Err(_) => (Came::Unknown, None),
        }
    }

    async fn append(&self, visitor: usize) -> Event {
        let (number, visitor) = (self.number(), self.visitor(visitor));
        let begin = Instant::now();
        let (came, _) = self
            .change(&visitor, |session| {
                session.update("list", move |list: Option<Vec<u32>>| {
                    let mut list = list.unwrap_or_default();
                    list.push(number);
                    list
                })?;
                session.update("count", |count: Option<u32>| count.unwrap_or(0) + 1)?;
                Ok(())
            })
            .await;
        self.event(&visitor, Act::Append(number, came), begin)
    }

    async fn set(&self, visitor: usize) -> Event {
        let (number, visitor) = (self.number(), self.visitor(visitor));
        let begin = Instant::now();
        let (came, _) = self
            .change(&visitor, |session| session.insert("value", number))
            .await;
        self.event(&visitor, Act::Set(number, came), begin)
    }

    async fn read(&self, visitor: usize) -> Event {
        self.read_of(&self.visitor(visitor)).await
    }

    /// Reads a session that has ended, as a browser does that was asleep.
    async fn return_to(&self, at: usize) -> Option<Event> {
        let visitor = {
            let former = self.former();
            former.get(at.checked_rem(former.len())?)?.clone()
        };
        Some(self.read_of(&visitor).await)
    }

    fn remember(&self, visitor: &Visitor) {
        let mut former = self.former();
        match former.len() {
            FORMER => former[visitor.life as usize % FORMER] = visitor.clone(),
            _ => former.push(visitor.clone()),
        }
    }

    fn former(&self) -> MutexGuard<'_, Vec<Visitor>> {
        let former = self.shared.former.lock();
        former.unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_of(&self, visitor: &Visitor) -> Event {
        let begin = Instant::now();
        let read = self.request(visitor, |session| {
            Ok(Seen {
                life: session.get("life")?.unwrap_or(Life::MAX),
                list: session.get("list")?.unwrap_or_default(),
                count: session.get("count")?.unwrap_or_default(),
                value: session.get("value")?,
                taken: (0..TICKETS.len())
                    .filter(|ticket| !session.contains(TICKETS[*ticket]))
                    .collect(),
            })
        });
        let act = match read.await {
            Ok(seen) => Act::Read(seen.map(|(seen, _)| seen)),
            Err(_) => Act::Nothing,
        };
        self.event(visitor, act, begin)
    }

    async fn rotate(&self, at: usize) -> Event {
        let visitor = self.visitor(at);
        let begin = Instant::now();
        let (came, token) = self
            .change(&visitor, |session| {
                session.rotate();
                Ok(())
            })
            .await;
        let event = self.event(&visitor, Act::Rotate(came), begin);
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
            // The new token may be lost with its response.
            (Came::Unknown, _) => self.start_again(at, &visitor).await,
            _ => {}
        }
        event
    }

    /// Two changes in flight over a rotation.
    async fn cross(&self, at: usize) -> [Event; 3] {
        let (one, rotation, other) =
            tokio::join!(self.append(at), self.rotate(at), self.append(at));
        [one, rotation, other]
    }

    /// Two claims of one value at the same time.
    async fn claim(&self, at: usize, ticket: usize) -> [Event; 2] {
        let visitor = self.visitor(at);
        let claim = async || {
            let begin = Instant::now();
            let claimed = match self.take(&visitor, TICKETS[ticket]).await {
                Ok(claimed) => claimed,
                Err(_) => Claimed::Unknown,
            };
            self.event(&visitor, Act::Claim(ticket, claimed), begin)
        };
        tokio::join!(claim(), claim()).into()
    }

    async fn take(&self, visitor: &Visitor, name: &str) -> Result<Claimed, Error> {
        let session: Handle = self.sessions.session([visitor.token.as_bytes()]);
        session.load().await?;
        if session.is_new()? {
            return Ok(Claimed::NoSession);
        }
        let was_there = session.contains(name)?;
        let claimed = match session.claim::<Life>(name).await? {
            Some(_) => Claimed::Won,
            None if was_there => Claimed::Lost,
            None => Claimed::Nothing,
        };
        // The claim stands, whatever becomes of the rest.
        _ = adapter::commit(&session, true).outcome().await;
        Ok(claimed)
    }

    async fn sign_out(&self, at: usize) -> Event {
        let visitor = self.visitor(at);
        let begin = Instant::now();
        let handler = |session: &mut Session<'_>| {
            session.sign_out();
            Ok(())
        };
        let came = match self.request(&visitor, handler).await {
            // It was there when the handler ran, and is not any more.
            Ok(Some(_)) => Came::Acknowledged,
            Ok(None) => Came::Dropped,
            Err(_) => Came::Unknown,
        };
        let event = self.event(&visitor, Act::SignOut(came), begin);
        self.remember(&visitor);
        self.start_again(at, &visitor).await;
        event
    }

    /// The visitor has another token, unless another client was first.
    fn go_on(&self, at: usize, before: &Visitor, after: Visitor) {
        let mut visitor = self.shared.visitors[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if (visitor.life, visitor.turn) == (before.life, before.turn) {
            *visitor = after;
        }
    }

    /// Signs the visitor in again. If that fails, its requests go on with what there was.
    async fn start_again(&self, at: usize, before: &Visitor) {
        if let Ok(after) = sign_in(&self.shared.stores[0], &self.shared.lives).await {
            self.go_on(at, before, after);
        }
    }

    fn event(&self, visitor: &Visitor, act: Act, begin: Instant) -> Event {
        Event {
            life: visitor.life,
            turn: visitor.turn,
            act,
            begin,
            end: Instant::now(),
            steps: self.store.take(),
        }
    }

    fn number(&self) -> u32 {
        self.shared.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

async fn sign_in(store: &SharedStore, lives: &AtomicU32) -> Result<Visitor, Error> {
    let sessions = Sessions::new(store.clone());
    let life = lives.fetch_add(1, Ordering::Relaxed);
    let handler = |session: &mut Session<'_>| {
        session.insert("life", life)?;
        for ticket in TICKETS {
            session.insert(ticket, life)?;
        }
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

#[cfg(test)]
mod tests {
    use cloakroom_conformance::Instrumented;
    use cloakroom_conformance::instrumented::Operation;
    use cloakroom_memory::MemoryStore;

    use super::super::check::check;
    use super::super::traced::Step;
    use super::*;

    // R20, R62: a case for the checker. The write landed without an answer, another client read it
    // and signed out, and then the machine looked for it. The session has ended, and nothing shows
    // any more whether the change was in it.
    #[tokio::test]
    async fn a_change_may_be_seen_and_gone_before_its_client_can_look_for_it() {
        let store = Instrumented::new(MemoryStore::builder().build());
        let control = store.control();
        let shared = Shared::new(vec![SharedStore::new(store)]);
        let shared = shared.await.expect("sessions");
        let (writer, other) = (shared.client(0), shared.client(0));
        control.on(Operation::Replace).lose_reply();
        let look = control.on(Operation::Load).skip(1).pause_before();
        let append = tokio::spawn(async move { writer.append(0).await });
        look.reached().await;
        let (read, out) = (other.read(0).await, other.sign_out(0).await);
        look.open();
        let append = append.await.expect("an event");

        let Act::Append(number, came) = append.act else {
            panic!("it appends");
        };
        assert_eq!(came, Came::Unknown);
        let answers: Vec<_> = append.steps.iter().map(Step::to_string).collect();
        for (step, [operation, answer]) in
            answers
                .iter()
                .zip([["load", "bytes"], ["replace", "✗"], ["load", "nothing"]])
        {
            assert!(
                step.starts_with(operation) && step.ends_with(answer),
                "{answers:?}"
            );
        }
        assert!(matches!(&read.act, Act::Read(Some(seen)) if seen.list == [number]));
        check(&[append, read, out], Duration::ZERO).expect("nothing is wrong");
    }
}
