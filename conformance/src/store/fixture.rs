//! The fixture that opens a store, and its claims.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Directory, Key, SharedDirectory, Store, StoreError, Stored, Sweep};

use super::ability::Ability;
use super::announcing::Announcing;
use super::enumerating::EnumerateCall;
use super::place::{FixtureError, Place};
use crate::case::{Stated, Stop, fail};

/// Opens the store that the suite checks, and claims its abilities.
///
/// ```
/// use cloakroom_conformance::store::{Claims, Fixture, FixtureError, Place};
/// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/map_store.rs")); }
/// # use map::MapStore;
/// use std::sync::Arc;
///
/// struct Map;
///
/// impl Fixture for Map {
///     type Store = Arc<MapStore>;
///     const NAME: &'static str = "map";
///
///     async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
///         Ok(Arc::new(MapStore::new(place.clock().clone())))
///     }
///
///     fn claims(claims: Claims<Self>) -> Claims<Self> {
///         claims.handles_by_clone()
///     }
/// }
/// ```
pub trait Fixture: Send + Sync + Sized + 'static {
    /// The store that the suite checks.
    type Store: Store;

    /// The store's name in the suite's output.
    const NAME: &'static str;

    /// The longest value, in bytes, that the store must keep. The suite writes one of this length.
    const MAX_VALUE: usize = 1024 * 1024;

    /// Prepares servers and other shared things. Runs once, before the first case, and not at all
    /// if no case is selected.
    ///
    /// Optional. The time that it takes is not the cases'.
    ///
    /// # Errors
    ///
    /// Every case fails. With an [`io::Error`](std::io::Error) of the kind
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) every case is skipped by name, with the
    /// error's text: the server is not on this machine.
    fn prepare(&self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        async { Ok(()) }
    }

    /// Opens a handle on the data of `place`. Each case has a place of its own, so that no case
    /// sees another's records.
    ///
    /// A store whose clock can be replaced takes [`Place::clock`]. One on the machine's clock
    /// claims [`real_time`](Claims::real_time).
    ///
    /// # Errors
    ///
    /// If the store cannot be opened. The case fails.
    fn open(&self, place: &Place)
    -> impl Future<Output = Result<Self::Store, FixtureError>> + Send;

    /// Claims and denies abilities. Cases of the others are reported as skipped.
    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
    }
}

/// A fixture whose data another process can open: for [`Claims::shared`] and
/// [`Claims::survives_kill`].
///
/// The other process is this program, started again. It begins in [`worker`](super::worker) at the
/// top of `main`.
///
/// ```
/// use cloakroom_conformance::store::{Attach, Fixture, FixtureError, Place};
/// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/map_store.rs")); }
/// # use map::MapStore;
///
/// struct Server {
///     url: String,
/// }
///
/// impl Attach for Server {
///     fn address(&self) -> String {
///         self.url.clone()
///     }
///
///     fn attach(address: &str) -> Self {
///         Self { url: address.to_owned() }
///     }
/// }
/// # impl Fixture for Server {
/// #     type Store = MapStore;
/// #     const NAME: &'static str = "server";
/// #     async fn open(&self, place: &Place) -> Result<MapStore, FixtureError> {
/// #         Ok(MapStore::new(place.clock().clone()))
/// #     }
/// # }
/// ```
pub trait Attach: Fixture {
    /// Returns the data that the other process needs to open the store: a directory, a URL. It is
    /// passed in the environment, not on the command line.
    fn address(&self) -> String;

    /// Returns the fixture in the other process. It must not remove the data when it is dropped.
    fn attach(address: &str) -> Self;
}

/// A fixture that can take the store's server or directory away: for [`Claims::outage`].
///
/// ```
/// use cloakroom_conformance::store::{Fixture, FixtureError, Outage, Place};
/// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/map_store.rs")); }
/// # use map::MapStore;
/// use std::path::PathBuf;
///
/// struct Files {
///     root: PathBuf,
/// }
///
/// impl Outage for Files {
///     async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
///         let directory = self.root.join(place.name());
///         Ok(std::fs::rename(&directory, directory.with_extension("away"))?)
///     }
///
///     async fn end(&self, place: &Place) -> Result<(), FixtureError> {
///         let directory = self.root.join(place.name());
///         Ok(std::fs::rename(directory.with_extension("away"), &directory)?)
///     }
/// }
/// # impl Fixture for Files {
/// #     type Store = MapStore;
/// #     const NAME: &'static str = "files";
/// #     async fn open(&self, place: &Place) -> Result<MapStore, FixtureError> {
/// #         Ok(MapStore::new(place.clock().clone()))
/// #     }
/// # }
/// ```
pub trait Outage: Fixture {
    /// The time limit of an operation during an outage. It must fail within it.
    const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

    /// Takes the store's server or directory away, until [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// When it could not be arranged. The case fails.
    fn begin(&self, place: &Place) -> impl Future<Output = Result<(), FixtureError>> + Send;

    /// Restores the state before [`begin`](Self::begin), the records included.
    ///
    /// # Errors
    ///
    /// When it could not be arranged. The case fails.
    fn end(&self, place: &Place) -> impl Future<Output = Result<(), FixtureError>> + Send;
}

/// The abilities of a store beyond the five operations, claimed or denied by its fixture.
///
/// Each claim brings cases with it. Where an ability is neither claimed nor denied its cases are
/// reported as skipped; where it is [denied](Self::never), as not applicable, with the reason.
///
/// ```
/// use cloakroom_conformance::store::{
///     Ability, Claims, Fixture, FixtureError, Place,
/// };
/// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/map_store.rs")); }
/// # use map::MapStore;
/// # use std::sync::Arc;
/// # struct Map;
/// # impl Fixture for Map {
/// #     type Store = Arc<MapStore>;
/// #     const NAME: &'static str = "map";
/// #     async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
/// #         Ok(Arc::new(MapStore::new(place.clock().clone())))
/// #     }
/// #
/// // In `impl Fixture`:
/// fn claims(claims: Claims<Self>) -> Claims<Self> {
///     let reason = "the records end with the process";
///     claims
///         .handles_by_clone()
///         .never(Ability::Durable, reason)
///         .never(Ability::SurvivesKill, reason)
///         .never(Ability::Shared, reason)
/// }
/// # }
/// ```
pub struct Claims<F: Fixture> {
    pub(super) stated: Stated<Ability>,
    pub(super) handles: Option<SecondHandle<F>>,
    pub(super) address: Option<fn(&F) -> String>,
    pub(super) outage: Option<Blackout<F>>,
    pub(super) directory: Option<Listing<F>>,
    pub(super) sweep: Option<SweepCall<F>>,
    pub(super) enumerate: Option<EnumerateCall<F>>,
    pub(super) feed: Option<Announcing<F>>,
    pub(super) real_time: Option<Duration>,
    pub(super) stale: Option<Duration>,
}

impl<F: Fixture> Claims<F> {
    /// Claims that a clone of the store is a second handle on the same records.
    ///
    #[doc = example!("Fixture<Store: Clone>", "handles_by_clone()")]
    #[must_use]
    pub fn handles_by_clone(self) -> Self
    where
        F::Store: Clone,
    {
        let handles = Some(SecondHandle::Clone(F::Store::clone));
        Self { handles, ..self }.claiming(Ability::Handles)
    }

    /// Claims that [`Fixture::open`] with the same place again is a second handle on the same
    /// records.
    ///
    #[doc = example!("Fixture", "handles_by_open()")]
    #[must_use]
    pub fn handles_by_open(self) -> Self {
        let handles = Some(SecondHandle::Open);
        Self { handles, ..self }.claiming(Ability::Handles)
    }

    /// Claims that a place's records outlive its handles, and are there when it is opened again.
    ///
    #[doc = example!("Fixture", "handles_by_open().durable()")]
    #[must_use]
    pub fn durable(self) -> Self {
        self.claiming(Ability::Durable)
    }

    /// Claims that another process that opens the same place works on the same records, at the same
    /// time.
    ///
    #[doc = example!("Attach", "shared()")]
    #[must_use]
    pub fn shared(self) -> Self
    where
        F: Attach,
    {
        let address: Option<fn(&F) -> String> = Some(F::address);
        Self { address, ..self }.claiming(Ability::Shared)
    }

    /// Claims that acknowledged writes survive a kill of the process (`SIGKILL`).
    ///
    /// Writes in flight happened as a whole or not at all, and the place can be used again. A write
    /// in flight may still happen after the process is dead, once, because a server carries it out.
    ///
    #[doc = example!("Attach", "shared().survives_kill()")]
    #[must_use]
    pub fn survives_kill(self) -> Self
    where
        F: Attach,
    {
        let address: Option<fn(&F) -> String> = Some(F::address);
        Self { address, ..self }.claiming(Ability::SurvivesKill)
    }

    /// Claims that the fixture can take the store's server or directory away, and give it back.
    ///
    #[doc = example!("Outage", "outage()")]
    #[must_use]
    pub fn outage(self) -> Self
    where
        F: Outage,
    {
        let outage = Some(Blackout {
            begin: |fixture: &F, place| Box::pin(fixture.begin(place)),
            end: |fixture: &F, place| Box::pin(fixture.end(place)),
            answers_within: F::ANSWERS_WITHIN,
        });
        Self { outage, ..self }.claiming(Ability::Outage)
    }

    /// Claims that the store lists records by subject.
    ///
    #[doc = example!("Fixture<Store: cloakroom_store::Directory>", "directory()")]
    #[must_use]
    pub fn directory(self) -> Self
    where
        F::Store: Directory,
    {
        let directory = Some(Listing {
            list: |store: &F::Store, subject, limit| match limit {
                None => Box::pin(store.list(subject)),
                Some(limit) => Box::pin(store.list_some(subject, limit)),
            },
            erase: |store| SharedDirectory::new(store),
        });
        Self { directory, ..self }.claiming(Ability::Directory)
    }

    /// Claims that the store removes expired records on request.
    ///
    #[doc = example!("Fixture<Store: cloakroom_store::Sweep>", "sweep()")]
    #[must_use]
    pub fn sweep(self) -> Self
    where
        F::Store: Sweep,
    {
        let sweep = Some(|store: &F::Store, limit| -> StoreFuture<'_, usize> {
            Box::pin(store.sweep(limit))
        } as SweepCall<F>);
        Self { sweep, ..self }.claiming(Ability::Sweep)
    }

    /// Claims that the store uses the machine's clock (or that of a server in step with it), not
    /// [`Place::clock`].
    ///
    /// A record may end up to `coarseness` before or after its time, and a load's expiry may differ
    /// by as much in whole seconds. The suite then waits instead of advancing the clock.
    ///
    #[doc = example!("Fixture", "real_time(Duration::from_secs(1))")]
    #[must_use]
    pub fn real_time(self, coarseness: Duration) -> Self {
        let real_time = Some(coarseness);
        Self { real_time, ..self }
    }

    /// Claims that a handle may return a record for up to `lease` after another handle changed or
    /// removed it. For a store with a cache.
    ///
    /// Loads through one handle then wait out the lease after a write through another. Nothing else
    /// is waited for: a handle sees its own writes, a new record and the outcome of every write at
    /// once.
    ///
    #[doc = example!("Fixture", "handles_by_open().stale(Duration::from_millis(100))")]
    #[must_use]
    pub fn stale(self, lease: Duration) -> Self {
        let stale = Some(lease);
        Self { stale, ..self }
    }

    /// Denies an ability for good, with the reason. Its cases are shown as not applicable instead
    /// of skipped.
    ///
    #[doc = example!("Fixture", "never(Ability::Durable, \"it is memory\")")]
    #[must_use]
    pub fn never(mut self, ability: Ability, reason: &'static str) -> Self {
        self.stated.deny(ability, reason);
        self
    }

    pub(super) fn claiming(mut self, ability: Ability) -> Self {
        self.stated.claim(ability);
        self
    }

    pub(super) fn none() -> Self {
        Self {
            stated: Stated::default(),
            handles: None,
            address: None,
            outage: None,
            directory: None,
            sweep: None,
            enumerate: None,
            feed: None,
            real_time: None,
            stale: None,
        }
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.stated.require(ability)
    }

    /// Returns how the suite uses an ability, if it is claimed.
    pub(super) fn get<'a, T>(&self, ability: Ability, call: &'a Option<T>) -> Result<&'a T, Stop> {
        self.require(ability)?;
        match call {
            Some(call) => Ok(call),
            None => fail("an ability is claimed without its call"),
        }
    }
}

impl<F: Fixture> fmt::Debug for Claims<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut claims = f.debug_map();
        for ability in Ability::ALL {
            let claim = match self.require(ability) {
                Ok(()) => "claimed",
                Err(Stop::DoesNotApply(_)) => "denied",
                Err(_) => "open",
            };
            claims.entry(&ability, &claim);
        }
        claims.finish()
    }
}

pub(super) type Doing<'a> = Pin<Box<dyn Future<Output = Result<(), FixtureError>> + Send + 'a>>;

pub(super) type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

pub(super) enum SecondHandle<F: Fixture> {
    Clone(fn(&F::Store) -> F::Store),
    Open,
}

pub(super) struct Blackout<F> {
    pub(super) begin: for<'a> fn(&'a F, &'a Place) -> Doing<'a>,
    pub(super) end: for<'a> fn(&'a F, &'a Place) -> Doing<'a>,
    pub(super) answers_within: Duration,
}

pub(super) struct Listing<F: Fixture> {
    pub(super) list: ListCall<F>,
    pub(super) erase: fn(Arc<F::Store>) -> SharedDirectory,
}

type ListCall<F> = for<'a> fn(
    &'a <F as Fixture>::Store,
    &'a str,
    Option<usize>,
) -> StoreFuture<'a, Vec<(Key, Stored)>>;

pub(super) type SweepCall<F> =
    for<'a> fn(&'a <F as Fixture>::Store, usize) -> StoreFuture<'a, usize>;
