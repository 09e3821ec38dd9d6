//! The state shared by the handles of one exchange, and its reuse for the next one.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use cloakroom_core::{Directive, Error as SessionError, Exchange, Outcome};
use http::HeaderValue;
use smallvec::SmallVec;

use crate::backend::Backend;
use crate::copies::Copies;
use crate::ended::Spot;
use crate::refusal::Refusal;

pub(crate) struct State {
    /// The lines with the token, read when a handler first uses the session. Most requests never
    /// do.
    pub(crate) cookies: SmallVec<[HeaderValue; 1]>,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) phase: Phase,
    pub(crate) copies: Copies,
    /// Of a cookie that this exchange may issue.
    pub(crate) refusal: Option<Refusal>,
    /// The outcome of a save in the handler. Its directive has not been sent yet.
    pub(crate) saved: Option<Box<Outcome>>,
    /// Where the session is, for the futures that wait for its end.
    pub(crate) spot: Option<Arc<Spot>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No handler has asked for the session yet.
    Untouched,
    /// A handler has asked for it, whether or not it could be loaded.
    Touched,
    /// The exchange has been taken to be committed.
    Closed,
}

impl State {
    pub(crate) fn exchange(
        &mut self,
        backend: &dyn Backend,
    ) -> Result<&mut Exchange, SessionError> {
        if self.phase == Phase::Untouched {
            self.phase = Phase::Touched;
            if self.exchange.is_none() {
                self.exchange = Some(backend.open(&self.cookies));
            }
        }
        self.exchange.as_mut().ok_or(SessionError::Closed)
    }
}

/// The outcome of a request: that of its commit, with the directive of an earlier save if there is
/// no later one.
pub(crate) fn after(saved: Option<Box<Outcome>>, mut outcome: Outcome) -> Outcome {
    if let Some(saved) = saved
        && outcome.directive == Directive::Keep
    {
        outcome.directive = saved.directive;
    }
    outcome
}

struct Shared {
    state: Mutex<State>,
    /// The thread that holds the lock for a handler's call; 0: none does. Code of the application
    /// runs under it: functions, and implementations of `Serialize`, `Deserialize` and `Drop`.
    holder: AtomicUsize,
}

/// A shared [`State`]. The last handle leaves the emptied allocation to the next exchange on its
/// thread, because every request has one and most never use it.
pub(crate) struct Slot(Option<Arc<Shared>>);

/// How many a thread keeps. Each is about a kilobyte.
const MAX_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
    /// Its address identifies the thread.
    static THREAD: u8 = const { 0 };
}

impl Slot {
    /// The slot of a request with these header lines.
    pub(crate) fn of_request(cookies: SmallVec<[HeaderValue; 1]>) -> Self {
        if let Some(mut shared) = spare()
            && let Some(state) = Arc::get_mut(&mut shared)
        {
            let state = &mut state.state;
            let state = state.get_mut().unwrap_or_else(PoisonError::into_inner);
            state.cookies = cookies;
            state.phase = Phase::Untouched;
            state.saved = None;
            return Self(Some(shared));
        }
        Self::allocate(cookies, None)
    }

    pub(crate) fn of_exchange(exchange: Exchange) -> Self {
        Self::allocate(SmallVec::new(), Some(exchange))
    }

    fn allocate(cookies: SmallVec<[HeaderValue; 1]>, exchange: Option<Exchange>) -> Self {
        let state = State {
            cookies,
            exchange,
            phase: Phase::Untouched,
            copies: Copies::default(),
            refusal: None,
            saved: None,
            spot: None,
        };
        Self(Some(Arc::new(Shared {
            state: Mutex::new(state),
            holder: AtomicUsize::new(0),
        })))
    }

    fn shared(&self) -> &Shared {
        match &self.0 {
            Some(shared) => shared,
            None => unreachable!("only `drop` empties a slot"),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A function that panicked under the lock left no partial change: changes are noted after
        // it.
        let state = self.shared().state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for a handler's call. Where this thread has the lock already it would wait for
    /// itself: that is an error.
    pub(crate) fn try_lock(&self) -> Result<Held<'_>, SessionError> {
        let shared = self.shared();
        let state = match shared.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => match shared.holder.load(Ordering::Relaxed) {
                holder if holder == this_thread() => return Err(SessionError::ReentrantUpdate),
                _ => self.lock(),
            },
        };
        shared.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held {
            state,
            holder: &shared.holder,
        })
    }
}

/// The lock, held for a handler's call.
pub(crate) struct Held<'a> {
    state: MutexGuard<'a, State>,
    holder: &'a AtomicUsize,
}

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// A thread that is ending has no name, and waits.
pub(crate) fn this_thread() -> usize {
    THREAD
        .try_with(|thread| std::ptr::from_ref(thread).addr())
        .unwrap_or(usize::MAX)
}

/// Returns an emptied state of an earlier exchange on this thread. A thread that is ending has
/// none.
fn spare() -> Option<Arc<Shared>> {
    SPARE
        .try_with(|spare| spare.borrow_mut().pop())
        .ok()
        .flatten()
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(mut shared) = self.0.take() else {
            return;
        };
        let Some(state) = Arc::get_mut(&mut shared) else {
            return;
        };
        let state = &mut state.state;
        let state = state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.phase = Phase::Closed;
        (state.exchange, state.saved, state.spot) = (None, None, None);
        state.cookies.clear();
        state.copies = Copies::default();
        state.refusal = None;
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(shared);
            }
        });
    }
}
