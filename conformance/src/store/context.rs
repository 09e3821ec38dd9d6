use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_store::{Created, Deleted, Key, Replaced, Stored, Touched, UnixTime, Write};

use super::ability::Ability;
use super::fixture::{Claims, SecondHandle};
use super::handle::Handle;
use super::stale::Staleness;
use super::worker::Worker;
use super::{Fixture, Place};
use crate::case::{Stop, ensure, fail, same};

/// The input of a case: a place of its own, and its store, opened in one of the four ways.
pub(crate) struct Context {
    fixture: Arc<dyn AnyFixture>,
    place: Place,
    via: Via,
    staleness: Arc<Staleness>,
}

/// How a case reaches the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// One handle.
    Direct,
    /// One handle in a `SharedStore`.
    Shared,
    /// Two handles in this process, taking turns.
    Handles,
    /// A handle in this process and one in another, taking turns.
    Processes,
}

impl Context {
    pub(super) fn new(fixture: Arc<dyn AnyFixture>, via: Via) -> Self {
        Self {
            fixture,
            place: Place::fresh(),
            via,
            staleness: Arc::default(),
        }
    }

    /// The store of this case. A case that calls it again opens the place again.
    pub(super) async fn store(&self) -> Result<Handle, Stop> {
        let [one, other] = self.pair().await?;
        Ok(match self.via {
            Via::Direct | Via::Shared => one,
            Via::Handles | Via::Processes => Handle::alternating([one, other]),
        })
    }

    /// The same, if the fixture claims this ability.
    pub(super) async fn store_with(&self, ability: Ability) -> Result<Handle, Stop> {
        self.require(ability)?;
        self.store().await
    }

    pub(super) async fn pair_with(&self, ability: Ability) -> Result<[Handle; 2], Stop> {
        self.require(ability)?;
        self.pair().await
    }

    /// The store, and a record in it.
    pub(super) async fn seeded(
        &self,
        name: &str,
        bytes: &str,
    ) -> Result<(Handle, Key, Stored), Stop> {
        let (store, key) = (self.store().await?, key(name));
        let stored = seed(&store, &key, &self.write(bytes)).await?;
        Ok((store, key, stored))
    }

    /// The store, and a record in it that has just expired.
    pub(super) async fn expired(&self) -> Result<(Handle, Key, Stored), Stop> {
        let (store, key, end) = (self.store().await?, key("expired"), self.soon());
        let stored = seed(&store, &key, &Write::new("old", end, None)).await?;
        self.reach(end).await;
        Ok((store, key, stored))
    }

    /// The same, as two handles for cases in which two parties meet. Both are the same handle where
    /// there is only one.
    pub(super) async fn pair(&self) -> Result<[Handle; 2], Stop> {
        let pair = self.fixture.open(&self.place, self.via).await?;
        if matches!(self.via, Via::Direct | Via::Shared) {
            let [one, _] = pair;
            let one = self.tolerant(one);
            return Ok([one.clone(), one]);
        }
        Ok(pair.map(|handle| self.tolerant(handle)))
    }

    /// Another process that has opened the place of this case.
    pub(super) async fn worker(&self, ability: Ability) -> Result<Worker, Stop> {
        self.require(ability)?;
        let fixture = Arc::clone(&self.fixture);
        Worker::start(
            fixture.name(),
            &fixture.address(ability)?,
            self.place.clone(),
        )
        .await
    }

    /// The handle, with the fixture's precision of expiry. It waits out what the fixture's
    /// handles may have in memory.
    pub(super) fn tolerant(&self, handle: Handle) -> Handle {
        let handle = match self.fixture.stale() {
            Some(lease) => self.staleness.wait(handle, lease),
            None => handle,
        };
        let coarseness = self.fixture.real_time().unwrap_or_default();
        handle.tolerating(coarseness.as_secs())
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.fixture.require(ability)
    }

    pub(super) fn has(&self, ability: Ability) -> bool {
        self.require(ability).is_ok()
    }

    pub(super) async fn begin_outage(&self) -> Result<Duration, Stop> {
        self.fixture.outage(&self.place, true).await
    }

    pub(super) async fn end_outage(&self) -> Result<(), Stop> {
        self.fixture.outage(&self.place, false).await.map(drop)
    }

    pub(super) fn max_value(&self) -> usize {
        self.fixture.max_value()
    }

    /// Returns the store's time.
    pub(super) fn now(&self) -> UnixTime {
        match self.fixture.real_time() {
            None => self.place.clock().now(),
            Some(_) => SystemTime::now().into(),
        }
    }

    /// The moment `seconds` from now.
    pub(super) fn later(&self, seconds: u64) -> UnixTime {
        self.now() + Duration::from_secs(seconds)
    }

    /// A moment soon enough to wait for, and late enough that a few operations are done before.
    pub(super) fn soon(&self) -> UnixTime {
        match self.fixture.real_time() {
            None => self.later(10),
            // Leaves two whole seconds to act in.
            Some(coarseness) => self.now() + Duration::from_secs(3) + coarseness,
        }
    }

    /// The last moment at which a record that ends at `end` must still be there. False: it is over
    /// already.
    pub(super) fn just_before(&self, end: UnixTime) -> bool {
        match self.fixture.real_time() {
            None => {
                self.place
                    .clock()
                    .set(UnixTime::from_secs(end.as_secs() - 1));
                true
            }
            Some(coarseness) => self.now() + coarseness < end,
        }
    }

    /// The first moment at which a record that ends at `end` must be gone.
    pub(super) async fn reach(&self, end: UnixTime) {
        match self.fixture.real_time() {
            None => self.place.clock().set(end),
            Some(coarseness) => {
                let end = SystemTime::UNIX_EPOCH + Duration::from_secs(end.as_secs()) + coarseness;
                // A timer may fire a little early against another clock.
                while let Ok(rest) = end.duration_since(SystemTime::now()) {
                    tokio::time::sleep(rest + Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// A write that lives for an hour.
    pub(super) fn write(&self, bytes: impl Into<Vec<u8>>) -> Write {
        Write::new(bytes.into(), self.later(3600), None)
    }

    /// The same for a subject.
    pub(super) fn write_for(&self, bytes: impl Into<Vec<u8>>, subject: &str) -> Write {
        Write::new(bytes.into(), self.later(3600), Some(subject.into()))
    }
}

/// A key of the suite.
pub(super) fn key(name: &str) -> Key {
    checked_key(format!("conformance:{name}"))
}

pub(super) fn checked_key(name: impl AsRef<str>) -> Key {
    #[expect(clippy::expect_used, reason = "the suite's own names are valid keys")]
    Key::new(name.as_ref()).expect("a valid key")
}

/// Creates a record and loads it back.
pub(super) async fn seed(store: &Handle, key: &Key, write: &Write) -> Result<Stored, Stop> {
    creates(store, key, write).await?;
    let stored = found(store, key, "the record just created").await?;
    holds(store, &stored, write, "the record just created")?;
    Ok(stored)
}

pub(super) async fn creates(store: &Handle, key: &Key, write: &Write) -> Result<(), Stop> {
    let answer = store.create(key, write).await?;
    same("creating a record where none is", answer, Created::Stored)
}

pub(super) async fn replaces(
    store: &Handle,
    key: &Key,
    old: &Stored,
    write: &Write,
) -> Result<(), Stop> {
    let answer = store.replace(key, old, write).await?;
    same("replacing the record as loaded", answer, Replaced::Stored)
}

pub(super) async fn touches(store: &Handle, key: &Key, end: UnixTime) -> Result<(), Stop> {
    let answer = store.touch(key, end).await?;
    same("touching a living record", answer, Touched::Extended)
}

pub(super) async fn deletes(store: &Handle, key: &Key, old: &Stored) -> Result<(), Stop> {
    let answer = store.delete(key, old).await?;
    same("deleting the record as loaded", answer, Deleted::Deleted)
}

pub(super) async fn found(store: &Handle, key: &Key, what: &str) -> Result<Stored, Stop> {
    match store.load(key).await? {
        Some(stored) => Ok(stored),
        None => fail(format!("{what} is missing")),
    }
}

pub(super) async fn absent(store: &Handle, key: &Key, what: &str) -> Result<(), Stop> {
    let holds = store.load(key).await?.is_none();
    ensure(holds, format!("{what} is still loaded"))
}

/// Fails unless there is a record and it is what was written.
pub(super) async fn is(store: &Handle, key: &Key, write: &Write, what: &str) -> Result<(), Stop> {
    holds(store, &found(store, key, what).await?, write, what)
}

pub(super) fn holds(
    store: &Handle,
    stored: &Stored,
    write: &Write,
    what: &str,
) -> Result<(), Stop> {
    let (got, want) = (stored.bytes.len(), write.bytes.len());
    same(&format!("length of {what}"), got, want)?;
    let holds = stored.bytes == write.bytes;
    ensure(holds, format!("{what} has other bytes than written"))?;
    ends(
        store,
        &format!("expires_at of {what}"),
        stored,
        write.expires_at,
    )
}

/// Fails unless the record ends at this moment, within the store's precision.
pub(super) fn ends(store: &Handle, what: &str, stored: &Stored, end: UnixTime) -> Result<(), Stop> {
    match store.may_end(stored.expires_at, end) {
        true => Ok(()),
        false => same(what, stored.expires_at, end),
    }
}

/// A fixture, its type erased.
pub(super) trait AnyFixture: Send + Sync {
    fn name(&self) -> &'static str;
    fn max_value(&self) -> usize;
    fn real_time(&self) -> Option<Duration>;
    fn stale(&self) -> Option<Duration>;
    fn require(&self, ability: Ability) -> Result<(), Stop>;
    fn address(&self, ability: Ability) -> Result<String, Stop>;
    fn prepare(&self) -> Step<'_, ()>;
    fn open<'a>(&'a self, place: &'a Place, via: Via) -> Step<'a, [Handle; 2]>;
    fn outage<'a>(&'a self, place: &'a Place, begin: bool) -> Step<'a, Duration>;
}

type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, Stop>> + Send + 'a>>;

pub(super) struct Typed<F: Fixture> {
    pub(super) fixture: F,
    pub(super) claims: Arc<Claims<F>>,
}

impl<F: Fixture> Typed<F> {
    async fn open_one(&self, place: &Place) -> Result<F::Store, Stop> {
        self.fixture
            .open(place)
            .await
            .map_err(|error| Stop::Failed(format!("the fixture could not open a store: {error}")))
    }
}

impl<F: Fixture> AnyFixture for Typed<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn max_value(&self) -> usize {
        F::MAX_VALUE
    }

    fn real_time(&self) -> Option<Duration> {
        self.claims.real_time
    }

    fn stale(&self) -> Option<Duration> {
        self.claims.stale
    }

    fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.claims.require(ability)
    }

    fn address(&self, ability: Ability) -> Result<String, Stop> {
        let address = self.claims.get(ability, &self.claims.address)?;
        Ok(address(&self.fixture))
    }

    fn prepare(&self) -> Step<'_, ()> {
        Box::pin(async {
            self.fixture.prepare().await.map_err(|error| {
                let text = error.to_string();
                match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                    Some(io::ErrorKind::Unsupported) => Stop::Skipped(text),
                    _ => Stop::Failed(format!("the fixture could not be prepared: {text}")),
                }
            })
        })
    }

    fn open<'a>(&'a self, place: &'a Place, via: Via) -> Step<'a, [Handle; 2]> {
        Box::pin(async move {
            let direct = |store| Handle::direct::<F>(store, Arc::clone(&self.claims));
            let store = self.open_one(place).await?;
            Ok(match via {
                Via::Direct => {
                    let one = direct(store);
                    [one.clone(), one]
                }
                Via::Shared => {
                    let one = Handle::shared::<F>(store, Arc::clone(&self.claims));
                    [one.clone(), one]
                }
                Via::Handles => {
                    let other = match self.claims.get(Ability::Handles, &self.claims.handles)? {
                        SecondHandle::Clone(clone) => clone(&store),
                        SecondHandle::Open => self.open_one(place).await?,
                    };
                    [direct(store), direct(other)]
                }
                Via::Processes => {
                    let address = self.address(Ability::Shared)?;
                    let worker = Worker::start(F::NAME, &address, place.clone()).await?;
                    [direct(store), worker.handle()]
                }
            })
        })
    }

    fn outage<'a>(&'a self, place: &'a Place, begin: bool) -> Step<'a, Duration> {
        Box::pin(async move {
            let blackout = self.claims.get(Ability::Outage, &self.claims.outage)?;
            let call = if begin { blackout.begin } else { blackout.end };
            match call(&self.fixture, place).await {
                Ok(()) => Ok(blackout.answers_within),
                Err(error) => fail(format!("the fixture could not play the outage: {error}")),
            }
        })
    }
}
