//! Where a case keeps its records.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Where the records of one case are: a name that nobody else uses, and the case's clock.
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
    /// Returns a name of at most 40 lower-case letters and digits, for a key prefix, a directory, a
    /// table or a database. It was never used before, not even by an earlier run.
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

    /// Returns the suite's clock, for a store that takes one.
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
