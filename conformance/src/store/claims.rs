use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Directory, Key, SharedDirectory, StoreError, Stored, Sweep};

use super::fixture::Doing;
use super::{Attach, Fixture, Outage, Place};
use crate::case::Stop;

/// What a fixture says its store can do beyond the five operations, and what it says it never will.
///
/// Each claim brings cases with it. Where an ability is neither claimed nor denied its cases are reported as skipped; where it
/// is [denied](Self::never), as not applicable, with the reason.
///
/// ```
/// use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Place};
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
    pub(super) handles: Claim<SecondHandle<F>>,
    pub(super) durable: Claim<()>,
    pub(super) shared: Claim<Elsewhere<F>>,
    pub(super) survives_kill: Claim<Elsewhere<F>>,
    pub(super) outage: Claim<Blackout<F>>,
    pub(super) directory: Claim<Listing<F>>,
    pub(super) sweep: Claim<SweepCall<F>>,
    pub(super) real_time: Option<Duration>,
}

/// What a store may be able to do beyond the five operations.
///
/// ```
/// use cloakroom_conformance::store::Ability;
///
/// assert_eq!(Ability::SurvivesKill.to_string(), "survives_kill");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// Two handles in one process: [`Claims::handles_by_clone`], [`Claims::handles_by_open`].
    Handles,
    /// Records outlive the handle: [`Claims::durable`].
    Durable,
    /// Other processes see the same records: [`Claims::shared`].
    Shared,
    /// What has been answered outlives a kill of the process: [`Claims::survives_kill`].
    SurvivesKill,
    /// The fixture can play an outage: [`Claims::outage`].
    Outage,
    /// Lists by subject: [`Claims::directory`].
    Directory,
    /// Removes what has expired when told to: [`Claims::sweep`].
    Sweep,
}

impl<F: Fixture> Claims<F> {
    /// A clone of the store is a second handle on the same records.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture<Store: Clone>>(claims: Claims<F>) -> Claims<F> {
    ///     claims.handles_by_clone()
    /// }
    /// ```
    #[must_use]
    pub fn handles_by_clone(self) -> Self
    where
        F::Store: Clone,
    {
        let handles = Claim::Made(SecondHandle::Clone(F::Store::clone));
        Self { handles, ..self }
    }

    /// [`Fixture::open`] with the same place again is a second handle on the same records.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture>(claims: Claims<F>) -> Claims<F> {
    ///     claims.handles_by_open()
    /// }
    /// ```
    #[must_use]
    pub fn handles_by_open(self) -> Self {
        let handles = Claim::Made(SecondHandle::Open);
        Self { handles, ..self }
    }

    /// The records of a place are still there when all its handles have been dropped and it is opened again.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture>(claims: Claims<F>) -> Claims<F> {
    ///     claims.handles_by_open().durable()
    /// }
    /// ```
    #[must_use]
    pub fn durable(self) -> Self {
        let durable = Claim::Made(());
        Self { durable, ..self }
    }

    /// Another process that opens the same place works on the same records, at the same time.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Attach, Claims};
    ///
    /// fn claims<F: Attach>(claims: Claims<F>) -> Claims<F> {
    ///     claims.shared()
    /// }
    /// ```
    #[must_use]
    pub fn shared(self) -> Self
    where
        F: Attach,
    {
        let shared = Claim::Made(Elsewhere(F::address));
        Self { shared, ..self }
    }

    /// Whatever has been answered is still there after the process was killed (`SIGKILL`), whatever was in flight happened as a
    /// whole or not at all, and the place can be used again. A write in flight may still happen after the process is dead, once:
    /// a server goes on with what it was told.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Attach, Claims};
    ///
    /// fn claims<F: Attach>(claims: Claims<F>) -> Claims<F> {
    ///     claims.shared().survives_kill()
    /// }
    /// ```
    #[must_use]
    pub fn survives_kill(self) -> Self
    where
        F: Attach,
    {
        let survives_kill = Claim::Made(Elsewhere(F::address));
        Self {
            survives_kill,
            ..self
        }
    }

    /// The fixture can take away what the store stands on, and give it back.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Outage};
    ///
    /// fn claims<F: Outage>(claims: Claims<F>) -> Claims<F> {
    ///     claims.outage()
    /// }
    /// ```
    #[must_use]
    pub fn outage(self) -> Self
    where
        F: Outage,
    {
        let outage = Claim::Made(Blackout {
            begin: |fixture: &F, place| Box::pin(fixture.begin(place)),
            end: |fixture: &F, place| Box::pin(fixture.end(place)),
            answers_within: F::ANSWERS_WITHIN,
        });
        Self { outage, ..self }
    }

    /// The store lists records by subject.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture<Store: cloakroom_store::Directory>>(claims: Claims<F>) -> Claims<F> {
    ///     claims.directory()
    /// }
    /// ```
    #[must_use]
    pub fn directory(self) -> Self
    where
        F::Store: Directory,
    {
        let directory = Claim::Made(Listing {
            list: |store: &F::Store, subject| Box::pin(store.list(subject)),
            erase: |store| SharedDirectory::new(store),
        });
        Self { directory, ..self }
    }

    /// The store removes what has expired when told to.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    ///
    /// fn claims<F: Fixture<Store: cloakroom_store::Sweep>>(claims: Claims<F>) -> Claims<F> {
    ///     claims.sweep()
    /// }
    /// ```
    #[must_use]
    pub fn sweep(self) -> Self
    where
        F::Store: Sweep,
    {
        let sweep = Claim::Made(|store: &F::Store, limit| -> Answer<'_, usize> {
            Box::pin(store.sweep(limit))
        } as SweepCall<F>);
        Self { sweep, ..self }
    }

    /// The store goes by the machine's clock (or by that of a server in step with it), not by [`Place::clock`]: a record may end
    /// up to `coarseness` before or after its time, and what a load says of its end may differ by the whole seconds in it. The
    /// suite then waits where it would otherwise advance the clock.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Claims, Fixture};
    /// use std::time::Duration;
    ///
    /// fn claims<F: Fixture>(claims: Claims<F>) -> Claims<F> {
    ///     claims.real_time(Duration::from_secs(1))
    /// }
    /// ```
    #[must_use]
    pub fn real_time(self, coarseness: Duration) -> Self {
        let real_time = Some(coarseness);
        Self { real_time, ..self }
    }

    /// The store does not have this ability and is not meant to, for this reason. The cases of the ability are then shown as
    /// not applicable instead of skipped.
    ///
    /// ```
    /// use cloakroom_conformance::store::{Ability, Claims, Fixture};
    ///
    /// fn claims<F: Fixture>(claims: Claims<F>) -> Claims<F> {
    ///     claims.never(Ability::Durable, "it is memory")
    /// }
    /// ```
    #[must_use]
    pub fn never(mut self, ability: Ability, reason: &'static str) -> Self {
        match ability {
            Ability::Handles => self.handles = Claim::Denied(reason),
            Ability::Durable => self.durable = Claim::Denied(reason),
            Ability::Shared => self.shared = Claim::Denied(reason),
            Ability::SurvivesKill => self.survives_kill = Claim::Denied(reason),
            Ability::Outage => self.outage = Claim::Denied(reason),
            Ability::Directory => self.directory = Claim::Denied(reason),
            Ability::Sweep => self.sweep = Claim::Denied(reason),
        }
        self
    }

    pub(super) fn none() -> Self {
        Self {
            handles: Claim::Open,
            durable: Claim::Open,
            shared: Claim::Open,
            survives_kill: Claim::Open,
            outage: Claim::Open,
            directory: Claim::Open,
            sweep: Claim::Open,
            real_time: None,
        }
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        match ability {
            Ability::Handles => self.handles.get(ability).map(drop),
            Ability::Durable => self.durable.get(ability).map(drop),
            Ability::Shared => self.shared.get(ability).map(drop),
            Ability::SurvivesKill => self.survives_kill.get(ability).map(drop),
            Ability::Outage => self.outage.get(ability).map(drop),
            Ability::Directory => self.directory.get(ability).map(drop),
            Ability::Sweep => self.sweep.get(ability).map(drop),
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

impl Ability {
    const ALL: [Self; 7] = [
        Self::Handles,
        Self::Durable,
        Self::Shared,
        Self::SurvivesKill,
        Self::Outage,
        Self::Directory,
        Self::Sweep,
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
        })
    }
}

/// Whether an ability is claimed, and then how the suite, which does not know the types, uses it.
pub(super) enum Claim<T> {
    Open,
    Denied(&'static str),
    Made(T),
}

impl<T> Claim<T> {
    pub(super) fn get(&self, ability: Ability) -> Result<&T, Stop> {
        match self {
            Self::Made(claim) => Ok(claim),
            Self::Denied(reason) => Err(Stop::DoesNotApply((*reason).to_owned())),
            Self::Open => Err(Stop::Skipped(format!(
                "the fixture neither claims nor denies `{ability}`"
            ))),
        }
    }
}

pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

pub(super) enum SecondHandle<F: Fixture> {
    Clone(fn(&F::Store) -> F::Store),
    Open,
}

pub(super) struct Elsewhere<F>(pub(super) fn(&F) -> String);

pub(super) struct Blackout<F> {
    pub(super) begin: for<'a> fn(&'a F, &'a Place) -> Doing<'a>,
    pub(super) end: for<'a> fn(&'a F, &'a Place) -> Doing<'a>,
    pub(super) answers_within: Duration,
}

pub(super) struct Listing<F: Fixture> {
    pub(super) list: ListCall<F>,
    pub(super) erase: fn(Arc<F::Store>) -> SharedDirectory,
}

type ListCall<F> = for<'a> fn(&'a <F as Fixture>::Store, &'a str) -> Answer<'a, Vec<(Key, Stored)>>;

pub(super) type SweepCall<F> = for<'a> fn(&'a <F as Fixture>::Store, usize) -> Answer<'a, usize>;
