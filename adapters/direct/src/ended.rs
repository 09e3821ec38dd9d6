//! The end of a session, and the future that waits for it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cloakroom_core::{Key, Outcome};

use crate::Error;
use crate::backend::Backend;
use crate::watch::{Ends, NO_RUNTIME};

/// How a session ended, by [`Session::ended`](crate::Session::ended).
///
/// A store does not keep who removed a record. So `SignedOut` and `Revoked` are certain, and they
/// are for ends by this process. Of ends by another process only [`Gone`](Ended::Gone) is known.
///
/// ```
/// use cloakroom::Ended;
///
/// fn goodbye(ended: &Ended) -> &'static str {
///     match ended {
///         // The browser has a newer cookie.
///         Ended::Rotated { .. } | Ended::SignedIn => "please reconnect",
///         Ended::Expired => "you were away too long",
///         _ => "you are signed out",
///     }
/// }
/// # assert_eq!(goodbye(&Ended::Gone), "you are signed out");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// A request with its token signed out, in this process.
    SignedOut,
    /// This process ended it otherwise: [`Sessions::revoke`](crate::Sessions::revoke) and its
    /// siblings, or a [limit](crate::Sessions::with_limit).
    Revoked,
    /// Its idle or absolute timeout is over. A session that another process ended in the last
    /// moments before that may count as expired.
    Expired,
    /// It lives on under a newer token: another request rotated it. Within the grace the old token
    /// leads there too.
    Rotated {
        /// The public name of the session by now ([`Session::id`](crate::Session::id)).
        id: String,
    },
    /// A sign-in replaced it. What the sign-in made is not for the holder of the earlier token, so
    /// it has no name here.
    SignedIn,
    /// Its record is gone before its time, and not by this process: another one signed it out or
    /// revoked it, or the store lost it. Or it expired before the first look at it, or
    /// [all sessions](crate::Sessions::end_all) were ended.
    Gone,
}

/// Waits for the end of a session: [`Session::ended`](crate::Session::ended).
///
/// It borrows nothing, holds no token, and can be dropped at any time. It resolves once.
///
/// ```
/// use cloakroom::{Ending, Session};
///
/// struct Connection {
///     ending: Ending,
/// }
///
/// fn connect(session: &Session) -> Connection {
///     Connection { ending: session.ended() }
/// }
/// ```
#[must_use = "a future does nothing until it is awaited"]
pub struct Ending {
    backend: Arc<dyn Backend>,
    spot: Result<Arc<Spot>, Error>,
    watched: Option<(Key, Ends)>,
    /// In the spot's list.
    number: Option<u64>,
}

/// How many tasks may end under one poll.
const MOST_TASKS: u32 = 8;

impl Drop for Ending {
    fn drop(&mut self) {
        if let (Ok(spot), Some(number)) = (&self.spot, self.number) {
            spot.leave(number);
        }
    }
}

impl Ending {
    pub(crate) fn new(backend: Arc<dyn Backend>, spot: Result<Arc<Spot>, Error>) -> Self {
        Self {
            backend,
            spot,
            watched: None,
            number: None,
        }
    }
}

impl Future for Ending {
    type Output = Result<Ended, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let spot = match &this.spot {
            Ok(spot) => spot,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        let mut tries = 0;
        loop {
            let key = match spot.place(&mut this.number, context.waker()) {
                Place::Nowhere | Place::Moving => return Poll::Pending,
                Place::SignedOut => return Poll::Ready(Ok(Ended::SignedOut)),
                Place::At(key) => key,
            };
            let known = this.watched.take().filter(|(known, _)| *known == key);
            let mut ends = match known {
                Some((_, ends)) => ends,
                // A runtime that shuts down drops each task at once.
                None if tries == MOST_TASKS => return Poll::Ready(Err(NO_RUNTIME)),
                None => {
                    tries += 1;
                    Arc::clone(&this.backend).watch(&key)?
                }
            };
            match Pin::new(&mut ends).poll(context) {
                // Its own request may have moved it in this moment.
                Poll::Ready(Ok(answer)) if spot.is_at(&key) => return Poll::Ready(answer),
                // Otherwise the task that watched is gone, with its runtime.
                Poll::Ready(_) => {}
                Poll::Pending => {
                    this.watched = Some((key, ends));
                    return Poll::Pending;
                }
            }
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending(..)")
    }
}

/// Where an exchange's session is, for the futures that it left behind.
pub(crate) struct Spot(Mutex<State>);

struct State {
    place: Place,
    /// The futures to wake when it moves, by their numbers.
    wakers: BTreeMap<u64, Waker>,
    count: u64,
}

#[derive(Clone)]
enum Place {
    /// There is no session. The exchange may create one.
    Nowhere,
    At(Key),
    /// The exchange is being committed.
    Moving,
    /// The exchange itself signed out.
    SignedOut,
}

impl Spot {
    pub(crate) fn new(key: Option<Key>) -> Self {
        Self(Mutex::new(State {
            place: key.map_or(Place::Nowhere, Place::At),
            wakers: BTreeMap::new(),
            count: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the place, and notes whom to wake when it changes.
    fn place(&self, number: &mut Option<u64>, waker: &Waker) -> Place {
        let mut state = self.lock();
        let number = match number {
            Some(number) => *number,
            None => {
                state.count += 1;
                *number.insert(state.count)
            }
        };
        match state.wakers.get_mut(&number) {
            Some(known) => known.clone_from(waker),
            None => drop(state.wakers.insert(number, waker.clone())),
        }
        state.place.clone()
    }

    fn leave(&self, number: u64) {
        self.lock().wakers.remove(&number);
    }

    fn is_at(&self, key: &Key) -> bool {
        matches!(&self.lock().place, Place::At(place) if place == key)
    }

    fn set(&self, place: Place) {
        let mut state = self.lock();
        state.place = place;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Notes that the exchange is being committed. Until the outcome is noted, nobody is told
    /// anything: a rotation by this exchange is no end for the futures that wait here.
    pub(crate) fn moving(self: Arc<Self>) -> Moving {
        let before = std::mem::replace(&mut self.lock().place, Place::Moving);
        Moving { spot: self, before }
    }
}

/// A commit under way. If it fails or is dropped, the session is where it was.
pub(crate) struct Moving {
    spot: Arc<Spot>,
    before: Place,
}

impl Moving {
    pub(crate) fn done(mut self, outcome: &Outcome) {
        self.before = match (outcome.place(), &self.before) {
            (Some(key), _) => Place::At(key.clone()),
            (None, Place::Nowhere) => Place::Nowhere,
            (None, _) => Place::SignedOut,
        };
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        let place = std::mem::replace(&mut self.before, Place::Nowhere);
        self.spot.set(place);
    }
}
