//! The state that `Sessions` and their handles share.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use cloakroom_core::{Config, UnixTime};

use crate::Error;
use crate::crossing::{self, Kind};
use crate::epoch::Epochs;
use crate::events::Emitter;
use crate::lease::Lease;
use crate::limit::Limit;
use crate::mark;
use crate::no_store;
use crate::observe::Observer;
use crate::place::Noted;
use crate::strangers::Strangers;
use crate::turns::Turns;
use crate::watch::Watch;
use crate::watch::feed::Listen;

pub(crate) type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;
pub(crate) type Entropy = Arc<dyn Fn(&mut [u8]) -> Result<(), Error> + Send + Sync>;

pub(crate) struct Inner<S> {
    pub(crate) store: Arc<S>,
    pub(crate) config: Config,
    pub(crate) clock: Option<Clock>,
    pub(crate) entropy: Option<Entropy>,
    pub(crate) limit: Option<Arc<dyn Limit<Self>>>,
    pub(crate) lease: Lease,
    /// The sessions whose end somebody waits for.
    pub(crate) watch: Watch,
    pub(crate) events: Emitter,
    /// How to listen to the store's announcements, if wanted.
    pub(crate) feed: Option<Listen<S>>,
    pub(crate) observer: Observer,
    pub(crate) turns: Arc<Turns>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) place: Noted,
    pub(crate) epochs: Epochs,
    /// The store is none: only an envelope can keep the sessions.
    pub(crate) without_store: bool,
    /// The store may stand beside an envelope, which never calls it.
    pub(crate) may_be_unused: bool,
    /// The limit allows no session.
    pub(crate) without_sessions: bool,
    /// The kind that was registered with this configuration.
    pub(crate) kind: OnceLock<Kind>,
}

const UNUSED_STORE: Error = Error::NotSetUp(
    "the sessions are in the cookie (`ConfigBuilder::envelope`), so their store would never be \
     called; use `NoStore` as the store, or remove the envelope",
);

impl<S> Inner<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            config: Config::default(),
            clock: None,
            entropy: None,
            limit: None,
            lease: Lease::default(),
            watch: Watch::default(),
            events: Emitter::default(),
            feed: None,
            observer: Observer::default(),
            turns: Arc::default(),
            strangers: Arc::default(),
            place: Noted::new(),
            epochs: Epochs::default(),
            without_store: false,
            may_be_unused: false,
            without_sessions: false,
            kind: OnceLock::new(),
        }
    }

    /// Returns the error of sessions that nothing can keep, or that two things are to keep.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.config.is_in_cookie(), self.without_store) {
            (false, true) => return Err(no_store::NOT_SET_UP),
            (true, false) if !self.may_be_unused => return Err(UNUSED_STORE),
            _ => {}
        }
        match self.without_sessions {
            true => Err(Error::NotSetUp(
                "`Sessions::with_limit` allows no session at all; set a limit of at least 1",
            )),
            false => Ok(()),
        }
    }

    /// Compares the cookie name with those of the other kinds in this process. After the first call
    /// it costs next to nothing.
    pub(crate) fn register<K>(&self) {
        let kind = std::any::type_name::<K>();
        if self.kind.get() != Some(&kind) {
            crossing::register::<K>(&self.config);
            _ = self.kind.set(kind);
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        match &self.clock {
            Some(clock) => clock(),
            None => SystemTime::now().into(),
        }
    }

    /// Returns what a write needs. If it makes secrets, one call to the system's generator brings
    /// the mark, too.
    pub(crate) fn entropy(&self, secrets: bool) -> Result<[u8; 64], Error> {
        if secrets || self.entropy.is_some() {
            return self.random();
        }
        let mut bytes = [0; 64];
        bytes[48..].copy_from_slice(&mark::next()?);
        Ok(bytes)
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        match &self.entropy {
            Some(entropy) => entropy(&mut bytes)?,
            None => {
                getrandom::fill(&mut bytes).map_err(|error| Error::Entropy(Arc::new(error)))?;
            }
        }
        Ok(bytes)
    }
}

impl<S> Clone for Inner<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            limit: self.limit.clone(),
            lease: self.lease,
            watch: Watch::default(),
            events: self.events.clone(),
            feed: self.feed,
            observer: self.observer.clone(),
            turns: Arc::clone(&self.turns),
            strangers: Arc::clone(&self.strangers),
            // Another configuration has other keys.
            place: Noted::new(),
            epochs: Epochs::default(),
            without_store: self.without_store,
            may_be_unused: self.may_be_unused,
            without_sessions: self.without_sessions,
            // The configuration may be another one soon.
            kind: OnceLock::new(),
        }
    }
}
