//! The store through its public API. Random operations against a model, and how much work expiry
//! is, are tested in the crate.

mod clock;
mod contract;
mod full;
mod subjects;
mod sweeper;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom_memory::{Builder, MemoryStore};
use cloakroom_store::{Key, Store, Stored, UnixTime, Write};

const START: UnixTime = UnixTime::from_secs(1_700_000_000);

/// A clock that a test sets.
#[derive(Clone)]
struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START.as_secs())))
    }

    fn set(&self, time: UnixTime) {
        self.0.store(time.as_secs(), SeqCst);
    }

    fn builder(&self) -> Builder {
        let clock = self.clone();
        MemoryStore::builder().clock(move || UnixTime::from_secs(clock.0.load(SeqCst)))
    }
}

/// The future's value. Every future of this store is ready at the first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready at the first poll"),
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn after(seconds: u64) -> UnixTime {
    START + Duration::from_secs(seconds)
}

fn write(bytes: &str, expires_at: UnixTime) -> Write {
    Write::new(bytes.as_bytes().to_vec(), expires_at, None)
}

fn write_for(subject: &str, bytes: &str, expires_at: UnixTime) -> Write {
    Write::new(bytes.as_bytes().to_vec(), expires_at, Some(subject.into()))
}

fn load(store: &MemoryStore, name: &str) -> Option<Stored> {
    now(store.load(&key(name))).unwrap()
}
