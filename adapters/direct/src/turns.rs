//! Turns: commits of this process that conflict on a record queue up for it.
//!
//! Without a queue, n commits load the same record, one of them writes it, and n - 1 start again.
//! Safety does not depend on it: the store's compare-and-swap protects every write, also against
//! other processes. A turn ends when the commit ends or is dropped.
//!
//! A plain save waits with its question. The commit whose turn it is takes those that wait behind
//! it along: the module `group`.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cloakroom_core::{Key, Reload, Replace, Replaced};
use cloakroom_store::StoreError;
use tracing::Span;

use crate::inner::Clock;

type Queues = HashMap<Key, VecDeque<Arc<Place>>>;

/// The queue of each record that an exchange is writing: first come, first served.
#[derive(Default)]
pub(crate) struct Turns {
    queues: Mutex<Queues>,
    /// How many queues there are, so that a commit without a conflict takes no lock.
    count: AtomicUsize,
}

/// A place in a queue. Its state changes while the queues are locked, until it has left them.
pub(crate) struct Place(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Stage,
    /// The question of a save that may join a group.
    seat: Option<Seat>,
    /// The answer to its write was lost.
    lost: Option<(Replace, Failure)>,
    waker: Option<Waker>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Waiting,
    Called,
    /// Another commit has its question.
    Taken,
    Answered(Reply),
    Dropped,
}

/// A save that waits, with all that another commit needs to replay it.
pub(crate) struct Seat {
    pub(crate) reload: Reload,
    pub(crate) clock: Option<Clock>,
    pub(crate) span: Span,
}

/// The result of a save that another commit took along.
pub(crate) enum Reply {
    /// It was not part of a write.
    Left(Reload),
    /// A function of its handler panicked.
    Panicked(Box<dyn Any + Send>),
    /// The store's answer to the group's write.
    Answered(Replace, Replaced),
    /// The store failed, or the commit that wrote was dropped. It has its own turn now.
    Lost(Replace, Failure, Arc<Turn>),
}

/// Why an answer was lost: none if the commit that wrote was dropped.
pub(crate) type Failure = Option<Arc<StoreError>>;

/// The end of a wait.
pub(crate) enum Called {
    /// One's turn, and the own question.
    Turn(Arc<Turn>, Option<Reload>),
    /// Another commit took the question along.
    Reply(Reply),
}

/// One's turn, until it is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    key: Key,
}

/// Waits for a turn.
pub(crate) struct Wait<'a> {
    turns: &'a Arc<Turns>,
    key: Option<Key>,
    /// None: nobody else is there.
    place: Option<Arc<Place>>,
    seat: Option<Seat>,
}

impl Turns {
    /// Returns whether a commit has a turn at this record.
    pub(crate) fn is_busy(&self, key: &Key) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && held(&self.queues).contains_key(key)
    }

    /// Queues up, in front if others have to wait for this commit anyway. With a question, another
    /// commit may take it along.
    pub(crate) fn take(self: &Arc<Self>, key: Key, seat: Option<Seat>, in_front: bool) -> Wait<'_> {
        let mut queues = held(&self.queues);
        let (place, seat) = match queues.get_mut(&key) {
            Some(queue) => {
                let place = Arc::new(Place(Mutex::new(State {
                    seat,
                    ..State::default()
                })));
                match in_front {
                    true => queue.push_front(Arc::clone(&place)),
                    false => queue.push_back(Arc::clone(&place)),
                }
                (Some(place), None)
            }
            None => {
                queues.insert(key.clone(), VecDeque::new());
                self.count.store(queues.len(), Ordering::Relaxed);
                (None, seat)
            }
        };
        drop(queues);
        Wait {
            turns: self,
            key: Some(key),
            place,
            seat,
        }
    }

    fn next(&self, key: &Key) {
        let mut queues = held(&self.queues);
        let Some(queue) = queues.get_mut(key) else {
            return;
        };
        let waker = match queue.pop_front() {
            Some(place) => {
                let mut state = held(&place.0);
                state.stage = Stage::Called;
                state.waker.take()
            }
            None => {
                queues.remove(key);
                self.count.store(queues.len(), Ordering::Relaxed);
                None
            }
        };
        drop(queues);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Turn {
    pub(crate) fn is_at(&self, key: &Key) -> bool {
        self.key == *key
    }

    /// Takes the next one's question, if it has one.
    pub(crate) fn another(self: &Arc<Self>) -> Option<(Member, Seat)> {
        let mut queues = held(&self.turns.queues);
        let queue = queues.get_mut(&self.key)?;
        let seat = {
            let mut state = held(&queue.front()?.0);
            let seat = state.seat.take()?;
            state.stage = Stage::Taken;
            seat
        };
        let place = queue.pop_front()?;
        let (turn, replace) = (Arc::clone(self), None);
        let member = Member {
            turn,
            place,
            replace,
        };
        Some((member, seat))
    }
}

/// A save that a commit took along. If nobody answers it, its answer is lost.
pub(crate) struct Member {
    turn: Arc<Turn>,
    place: Arc<Place>,
    replace: Option<Replace>,
}

impl Member {
    pub(crate) fn joins(&mut self, replace: Replace) -> &Replace {
        self.replace.insert(replace)
    }

    pub(crate) fn write(&self) -> Option<&cloakroom_core::Write> {
        self.replace.as_ref().map(Replace::write)
    }

    pub(crate) fn answer(mut self, answer: Replaced) {
        if let Some(replace) = self.replace.take() {
            self.reply(Reply::Answered(replace, answer));
        }
    }

    pub(crate) fn lost(mut self, error: Arc<StoreError>) {
        if let Some(replace) = self.replace.take() {
            self.requeue(replace, Some(error));
        }
    }

    pub(crate) fn reply(&self, reply: Reply) {
        let mut state = held(&self.place.0);
        if let Stage::Dropped = state.stage {
            return;
        }
        state.stage = Stage::Answered(reply);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Member {
    /// Its commit has the next turn, to find out what has happened. Nobody else writes before: more
    /// marks could push its own out of the record. The last of a group comes first. Its write has
    /// the changes of all, so the others need not try again.
    fn requeue(&self, replace: Replace, failure: Failure) {
        let mut queues = held(&self.turn.turns.queues);
        let mut state = held(&self.place.0);
        if let (Stage::Taken, Some(queue)) = (&state.stage, queues.get_mut(&self.turn.key)) {
            state.stage = Stage::Waiting;
            state.lost = Some((replace, failure));
            queue.push_front(Arc::clone(&self.place));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Its commit finds out what has happened.
        if let Some(replace) = self.replace.take() {
            self.requeue(replace, None);
        }
    }
}

impl Future for Wait<'_> {
    type Output = Called;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Called> {
        let (mut own, mut lost) = (self.seat.take(), None);
        if let Some(place) = self.place.clone() {
            let mut state = held(&place.0);
            match std::mem::replace(&mut state.stage, Stage::Dropped) {
                Stage::Called => {
                    lost = state.lost.take();
                    own = state.seat.take();
                }
                Stage::Answered(reply) => {
                    self.key = None;
                    return Poll::Ready(Called::Reply(reply));
                }
                stage => {
                    state.stage = stage;
                    state.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        match self.key.take() {
            Some(key) => {
                let turns = Arc::clone(self.turns);
                let turn = Arc::new(Turn { turns, key });
                Poll::Ready(match lost {
                    Some((replace, failure)) => Called::Reply(Reply::Lost(replace, failure, turn)),
                    None => Called::Turn(turn, own.map(|seat| seat.reload)),
                })
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        // Given up before it came, or not taken.
        let Some(key) = &self.key else { return };
        if let Some(place) = &self.place {
            let mut queues = held(&self.turns.queues);
            let waiting = queues.get_mut(key);
            let removed = waiting.is_some_and(|queue| {
                let before = queue.len();
                queue.retain(|other| !Arc::ptr_eq(other, place));
                queue.len() < before
            });
            let stage = std::mem::replace(&mut held(&place.0).stage, Stage::Dropped);
            drop(queues);
            if removed || !matches!(stage, Stage::Called) {
                return;
            }
        }
        self.turns.next(key);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.next(&self.key);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
