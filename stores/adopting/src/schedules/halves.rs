//! Two stores in memory whose calls wait for their turn, and may fail.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

/// The two stores, and the choices so far.
#[derive(Default)]
pub(super) struct World {
    /// By the store's number.
    pub(super) records: [BTreeMap<Key, Stored>; 2],
    pub(super) version: u64,
    pub(super) now: u64,
    /// The fault of the next call of a store.
    pub(super) fault: Option<Fault>,
    /// Calls that take effect later.
    pub(super) late: Vec<(usize, Call)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails, and has no effect.
    Before,
    /// It takes effect, and its answer is lost.
    After,
    /// Its answer is lost, and it takes effect at some later time.
    Late,
}

#[derive(Clone)]
pub(super) enum Call {
    Load,
    Create(Write),
    Replace(Stored, Write),
    Touch(UnixTime),
    Delete(Stored),
}

pub(super) enum Answer {
    Loaded(Option<Stored>),
    Created(Created),
    Replaced(Replaced),
    Touched(Touched),
    Deleted(Deleted),
}

pub(super) fn key() -> Key {
    Key::new("session:1").expect("a key")
}

impl World {
    pub(super) fn perform(&mut self, store: usize, call: Call) -> Answer {
        let records = &mut self.records[store];
        self.version += 1;
        let version = self.version;
        let stored = |write: Write| Stored::new(write.bytes, write.expires_at, version);
        if records
            .get(&key())
            .is_some_and(|record| record.expires_at.as_secs() <= self.now)
        {
            records.remove(&key());
        }
        let current = records.get(&key()).cloned();
        let same = |old: &Stored| {
            current
                .as_ref()
                .map(|current| current.version == old.version && current.bytes == old.bytes)
        };
        match call {
            Call::Load => Answer::Loaded(current),
            Call::Create(_) if current.is_some() => Answer::Created(Created::Taken),
            Call::Create(write) => {
                records.insert(key(), stored(write));
                Answer::Created(Created::Stored)
            }
            Call::Replace(old, write) => Answer::Replaced(match same(&old) {
                None => Replaced::Gone,
                Some(false) => Replaced::Changed,
                Some(true) => {
                    records.insert(key(), stored(write));
                    Replaced::Stored
                }
            }),
            Call::Touch(end) => Answer::Touched(match current {
                None => Touched::Gone,
                Some(current) => {
                    records.insert(key(), Stored::new(current.bytes, end, version));
                    Touched::Extended
                }
            }),
            Call::Delete(old) => Answer::Deleted(match same(&old) {
                None => Deleted::Gone,
                Some(false) => Deleted::Changed,
                Some(true) => {
                    records.remove(&key());
                    Deleted::Deleted
                }
            }),
        }
    }
}

/// One of the two stores.
#[derive(Clone)]
pub(super) struct Half {
    pub(super) number: usize,
    pub(super) world: Arc<Mutex<World>>,
}

impl Half {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no panic under the lock")
    }

    async fn call(&self, call: Call) -> Result<Answer, StoreError> {
        Turn(false).await;
        let mut world = self.world();
        match world.fault.take() {
            None => Ok(world.perform(self.number, call)),
            Some(fault) => {
                match fault {
                    Fault::Before => {}
                    Fault::After => drop(world.perform(self.number, call)),
                    Fault::Late => world.late.push((self.number, call)),
                }
                Err(StoreError::transient("schedule", "a fault"))
            }
        }
    }
}

/// Waits once: the schedule decides when the call happens.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

macro_rules! answer {
    ($half:expr, $call:expr, $answer:ident) => {
        match $half.call($call).await? {
            Answer::$answer(answer) => Ok(answer),
            _ => unreachable!("each call has its answer"),
        }
    };
}

impl Store for Half {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        answer!(self, Call::Load, Loaded)
    }

    async fn create(&self, _: &Key, write: &Write) -> Result<Created, StoreError> {
        answer!(self, Call::Create(write.clone()), Created)
    }

    async fn replace(&self, _: &Key, old: &Stored, write: &Write) -> Result<Replaced, StoreError> {
        answer!(self, Call::Replace(old.clone(), write.clone()), Replaced)
    }

    async fn touch(&self, _: &Key, end: UnixTime) -> Result<Touched, StoreError> {
        answer!(self, Call::Touch(end), Touched)
    }

    async fn delete(&self, _: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        answer!(self, Call::Delete(old.clone()), Deleted)
    }
}
