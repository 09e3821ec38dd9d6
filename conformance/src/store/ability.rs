//! The abilities of a store beyond the five operations.

use std::fmt;

/// An ability beyond the five operations that a store may have.
///
/// ```
/// use cloakroom_conformance::store::Ability;
///
/// assert_eq!(Ability::SurvivesKill.to_string(), "survives_kill");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ability {
    /// Two handles in one process: [`Claims::handles_by_clone`](super::Claims::handles_by_clone),
    /// [`Claims::handles_by_open`](super::Claims::handles_by_open).
    Handles,
    /// Records outlive the handle: [`Claims::durable`](super::Claims::durable).
    Durable,
    /// Other processes see the same records: [`Claims::shared`](super::Claims::shared).
    Shared,
    /// Acknowledged writes outlive a kill of the process:
    /// [`Claims::survives_kill`](super::Claims::survives_kill).
    SurvivesKill,
    /// The fixture can play an outage: [`Claims::outage`](super::Claims::outage).
    Outage,
    /// Lists by subject: [`Claims::directory`](super::Claims::directory).
    Directory,
    /// Removes expired records on request: [`Claims::sweep`](super::Claims::sweep).
    Sweep,
    /// Goes through all records: [`Claims::enumerate`](super::Claims::enumerate).
    Enumerate,
    /// Announces removed records to other handles: [`Claims::feed`](super::Claims::feed).
    Feed,
}

impl Ability {
    pub(super) const ALL: [Self; 9] = [
        Self::Handles,
        Self::Durable,
        Self::Shared,
        Self::SurvivesKill,
        Self::Outage,
        Self::Directory,
        Self::Sweep,
        Self::Enumerate,
        Self::Feed,
    ];
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handles => "handles",
            Self::Durable => "durable",
            Self::Shared => "shared",
            Self::SurvivesKill => "survives_kill",
            Self::Outage => "outage",
            Self::Directory => "directory",
            Self::Sweep => "sweep",
            Self::Enumerate => "enumerate",
            Self::Feed => "feed",
        })
    }
}
