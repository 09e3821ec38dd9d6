//! Turns: commits of this process that conflict on a record queue up for it.
//!
//! Without a queue, n commits load the same record, one of them writes it, and n - 1 start again.
//! Safety does not depend on it: the store's compare-and-swap protects every write, also against
//! other processes. A turn ends when the commit ends or is dropped.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cloakroom_core::Key;

/// The queue of each record that an exchange is writing: first come, first served.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Key, VecDeque<Arc<Place>>>>);

/// A place in a queue.
#[derive(Default)]
struct Place(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Polled(Waker),
    Called,
}

/// One's turn, until it is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    key: Key,
}

/// Waits for a turn.
pub(crate) struct Wait<'a> {
    turns: &'a Turns,
    key: Option<Key>,
    place: Option<Arc<Place>>,
}

impl Turns {
    pub(crate) fn take(&self, key: Key) -> Wait<'_> {
        let mut queues = held(&self.0);
        let place = match queues.get_mut(&key) {
            Some(queue) => {
                let place = Arc::new(Place::default());
                queue.push_back(Arc::clone(&place));
                Some(place)
            }
            None => {
                queues.insert(key.clone(), VecDeque::new());
                None
            }
        };
        drop(queues);
        Wait {
            turns: self,
            key: Some(key),
            place,
        }
    }

    fn next(&self, key: &Key) {
        let mut queues = held(&self.0);
        let Some(queue) = queues.get_mut(key) else {
            return;
        };
        let Some(place) = queue.pop_front() else {
            queues.remove(key);
            return;
        };
        drop(queues);
        let before = std::mem::replace(&mut *held(&place.0), State::Called);
        if let State::Polled(waker) = before {
            waker.wake();
        }
    }
}

impl<'a> Future for Wait<'a> {
    type Output = Turn<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn<'a>> {
        if let Some(place) = &self.place {
            let mut state = held(&place.0);
            if !matches!(*state, State::Called) {
                *state = State::Polled(context.waker().clone());
                return Poll::Pending;
            }
        }
        match self.key.take() {
            Some(key) => Poll::Ready(Turn {
                turns: self.turns,
                key,
            }),
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        // Given up before it came, or not taken.
        let Some(key) = &self.key else { return };
        let mut queues = held(&self.turns.0);
        if let (Some(place), Some(queue)) = (&self.place, queues.get_mut(key)) {
            let before = queue.len();
            queue.retain(|other| !Arc::ptr_eq(other, place));
            if queue.len() < before {
                return;
            }
        }
        drop(queues);
        self.turns.next(key);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.next(&self.key);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
