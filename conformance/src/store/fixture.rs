use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_store::Store;

use super::Claims;
use crate::FakeClock;

/// Why a fixture could not do its part. The cases that needed it fail.
///
/// ```
/// use cloakroom_conformance::store::FixtureError;
///
/// fn port(text: &str) -> Result<u16, FixtureError> {
///     Ok(text.parse()?)
/// }
/// ```
pub type FixtureError = Box<dyn Error + Send + Sync>;

/// What the suite needs to know of a store: how to open it.
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

    /// What the store is called in the suite's output.
    const NAME: &'static str;

    /// The longest value, in bytes, that the store must keep; the suite writes one of this length.
    const MAX_VALUE: usize = 1024 * 1024;

    /// A handle on the data of `place`. Each case has a place of its own, so that no case sees another's records.
    ///
    /// A store whose clock can be replaced takes [`Place::clock`]; one on the machine's clock claims
    /// [`real_time`](Claims::real_time).
    ///
    /// # Errors
    ///
    /// When the store cannot be opened. The case fails.
    fn open(&self, place: &Place)
    -> impl Future<Output = Result<Self::Store, FixtureError>> + Send;

    /// What else the store can do, and what it cannot do and why. What is neither claimed nor denied is reported as skipped.
    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
    }
}

/// A fixture whose data another process can open: for [`Claims::shared`] and [`Claims::survives_kill`].
///
/// The other process is this program, started again; [`worker`](super::worker) at the top of `main` is where it begins.
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
    /// What the other process needs to know: a directory, a URL. It is handed over in the environment, not on the command line.
    fn address(&self) -> String;

    /// The fixture in the other process. It must not remove the data when it is dropped.
    fn attach(address: &str) -> Self;
}

/// A fixture that can take away what its store stands on: for [`Claims::outage`].
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
    /// How long an operation on a store without its ground may take until it answers with an error.
    const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

    /// From now on the store of this place cannot do its work: no server, no directory.
    ///
    /// # Errors
    ///
    /// When it could not be arranged. The case fails.
    fn begin(&self, place: &Place) -> impl Future<Output = Result<(), FixtureError>> + Send;

    /// Everything is as it was before [`begin`](Self::begin), the records too.
    ///
    /// # Errors
    ///
    /// When it could not be arranged. The case fails.
    fn end(&self, place: &Place) -> impl Future<Output = Result<(), FixtureError>> + Send;
}

/// Where the records of one case are: a name that nobody else uses, and the time that it is there.
///
/// ```
/// use cloakroom_conformance::store::Place;
///
/// fn prefix(place: &Place) -> String {
///     format!("test-{}:", place.name())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Place {
    name: String,
    clock: FakeClock,
}

impl Place {
    /// Lower-case letters and digits, at most 40: for a key prefix, a directory, a table or a database. Not used before, also
    /// not by an earlier run.
    ///
    /// ```
    /// use cloakroom_conformance::store::Place;
    ///
    /// fn prefix(place: &Place) -> String {
    ///     format!("test-{}:", place.name())
    /// }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The suite's clock, for a store that takes one.
    ///
    /// ```
    /// use cloakroom_conformance::FakeClock;
    /// use cloakroom_conformance::store::Place;
    ///
    /// fn clock(place: &Place) -> FakeClock {
    ///     place.clock().clone()
    /// }
    /// ```
    #[must_use]
    pub fn clock(&self) -> &FakeClock {
        &self.clock
    }

    pub(super) fn fresh() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        // The process id keeps apart two runs that start at the same moment.
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self {
            name: format!("c{since:x}p{process:x}n{count:x}"),
            clock: FakeClock::default(),
        }
    }

    pub(super) fn known(name: String, clock: FakeClock) -> Self {
        Self { name, clock }
    }
}

pub(super) type Doing<'a> = Pin<Box<dyn Future<Output = Result<(), FixtureError>> + Send + 'a>>;
