//! What the handles on one exchange share, and where it is kept for the next one.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use cloakroom_core::{Error as SessionError, Exchange};
use http::HeaderValue;
use smallvec::SmallVec;

use crate::session::Backend;

pub(crate) struct State {
    /// What the client presented, kept until somebody asks for the session: most requests of most applications never do.
    pub(crate) cookies: SmallVec<[HeaderValue; 1]>,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody has asked for the session yet.
    Untouched,
    /// Somebody has, whether or not it could be loaded.
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

struct Shared {
    state: Mutex<State>,
    /// The thread that runs a function of the application's under the lock; 0: none does.
    updating: AtomicUsize,
}

/// A shared [`State`]. The last handle leaves the (emptied) allocation to the next exchange on its thread: every request of an
/// application has one, and most never use it.
pub(crate) struct Slot(Option<Arc<Shared>>);

/// The most that a thread keeps; each is about a kilobyte.
const MAX_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
    /// Its address is a name of the thread.
    static THREAD: u8 = const { 0 };
}

impl Slot {
    /// For a request with these cookies, that nobody may ask for.
    pub(crate) fn of_request(cookies: SmallVec<[HeaderValue; 1]>) -> Self {
        if let Some(mut shared) = spare()
            && let Some(state) = Arc::get_mut(&mut shared)
        {
            let state = &mut state.state;
            let state = state.get_mut().unwrap_or_else(PoisonError::into_inner);
            state.cookies = cookies;
            state.phase = Phase::Untouched;
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
        };
        Self(Some(Arc::new(Shared {
            state: Mutex::new(state),
            updating: AtomicUsize::new(0),
        })))
    }

    fn shared(&self) -> &Shared {
        match &self.0 {
            Some(shared) => shared,
            None => unreachable!("only `drop` empties a slot"),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A function of the handler's that panicked under the lock left no half of a change behind: changes are noted
        // after it.
        let state = self.shared().state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, unless it is this thread that has the lock, and would wait for itself.
    pub(crate) fn try_lock(&self) -> Result<MutexGuard<'_, State>, SessionError> {
        let shared = self.shared();
        match shared.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => match shared.updating.load(Ordering::Relaxed) {
                updating if updating == this_thread() => Err(SessionError::Nested),
                _ => Ok(self.lock()),
            },
        }
    }

    /// To be held while a function of the application's runs under the lock.
    pub(crate) fn updating(&self) -> Updating<'_> {
        let updating = &self.shared().updating;
        updating.store(this_thread(), Ordering::Relaxed);
        Updating(updating)
    }
}

pub(crate) struct Updating<'a>(&'a AtomicUsize);

impl Drop for Updating<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// While the thread ends it has no name, and waits.
fn this_thread() -> usize {
    THREAD
        .try_with(|thread| std::ptr::from_ref(thread).addr())
        .unwrap_or(usize::MAX)
}

/// An emptied state of an earlier exchange on this thread. While the thread ends there is none.
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
        state.exchange = None;
        state.cookies.clear();
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(shared);
            }
        });
    }
}
