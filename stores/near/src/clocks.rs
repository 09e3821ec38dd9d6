use std::time::{Duration, Instant, SystemTime};

use cloakroom_store::UnixTime;

/// The clock of the leases, and the one by which records expire.
pub(crate) enum Clocks {
    System(Instant),
    Given {
        monotonic: Box<dyn Fn() -> Duration + Send + Sync>,
        wall: Box<dyn Fn() -> SystemTime + Send + Sync>,
    },
}

impl Clocks {
    pub(crate) fn system() -> Self {
        Self::System(Instant::now())
    }

    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::System(origin) => origin.elapsed(),
            Self::Given { monotonic, .. } => monotonic(),
        }
    }

    /// Returns how long a record still lives. Zero if it has expired.
    pub(crate) fn life(&self, expires_at: UnixTime) -> Duration {
        let now = match self {
            Self::System(_) => SystemTime::now(),
            Self::Given { wall, .. } => wall(),
        };
        SystemTime::from(expires_at)
            .duration_since(now)
            .unwrap_or_default()
    }
}
