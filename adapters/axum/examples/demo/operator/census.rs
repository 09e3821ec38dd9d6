//! Counting the sessions of a store.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use cloakroom_any::Enumerator;
use cloakroom_axum::{Config, CoreSession, Error, Sessions, Store, UnixTime};
use cloakroom_store::{Entry, Stored};

/// So many records are read for one page, and no more.
pub(super) const MOST: usize = 4096;

const PAGE: usize = 256;

/// The key of the lease by which one process sweeps at a time: no session.
const LEASE: &str = "cloakroom:sweep";

/// How long ago a session may have begun to count as new or recent.
const NEW: Duration = Duration::from_secs(10 * 60);
const RECENT: Duration = Duration::from_secs(3600);

/// The numbers of what was read.
#[derive(Default)]
pub(super) struct Census {
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// The store has more records than were read.
    pub(super) has_more: bool,
    pub(super) sessions: usize,
    pub(super) signed_in: usize,
    pub(super) users: HashSet<String>,
    /// Sessions that began within [`NEW`], those within [`RECENT`], and the others.
    pub(super) new: usize,
    pub(super) recent: usize,
    pub(super) old: usize,
    /// Records of sessions that have ended, and those that only lead to a session.
    pub(super) passed: usize,
    /// Records of another cookie.
    pub(super) foreign: usize,
    pub(super) unreadable: usize,
}

/// Reads the store. None if it has no list of its records.
pub(super) async fn take<S: Store>(
    sessions: &Sessions<S>,
    enumerator: Option<&Enumerator>,
) -> Result<Option<Census>, Error> {
    let Some(enumerator) = enumerator else {
        return Ok(None);
    };
    let config = sessions.config();
    // Sessions from before the last end of all are over, and their records are still there.
    let epoch = match config.epoch_key() {
        Some(key) => sessions.store().load_fresh(key).await?,
        None => None,
    };
    let (mut census, mut after) = (Census::default(), None);
    loop {
        let page = enumerator.enumerate(after.as_ref(), PAGE).await?;
        for entry in page.records {
            if entry.key.as_str() != LEASE {
                census.count(config, &epoch, entry);
            }
        }
        after = page.next;
        census.has_more = after.is_some();
        if after.is_none() || census.records >= MOST {
            return Ok(Some(census));
        }
    }
}

impl Census {
    fn count(&mut self, config: &Config, epoch: &Option<Stored>, Entry { key, stored, .. }: Entry) {
        self.records += 1;
        self.bytes += stored.bytes.len();
        let now = SystemTime::now().into();
        if config.epoch_key() == Some(&key) {
            self.passed += 1;
            return;
        }
        let mut exchange = cloakroom::Exchange::open_key(config, key.clone(), now);
        if exchange.wants_load() != Some(&key) {
            self.foreign += 1;
            return;
        }
        let mut loaded = exchange.handle_loaded(&key, Some(stored));
        if let Some(key) = config.epoch_key()
            && loaded.is_ok()
            && exchange.wants_load() == Some(key)
        {
            loaded = exchange.handle_loaded(key, epoch.clone());
        }
        if loaded.is_ok() && exchange.wants_load().is_some() {
            // A token was replaced. Its successor has a record of its own.
            self.passed += 1;
            return;
        }
        match exchange.session() {
            Ok(session) if session.id().is_some() => self.count_session(&session, now),
            Ok(_) => self.passed += 1,
            Err(_) => self.unreadable += 1,
        }
    }

    fn count_session(&mut self, session: &CoreSession<'_>, now: UnixTime) {
        self.sessions += 1;
        if let Some(user) = session.subject() {
            self.signed_in += 1;
            if !self.users.contains(user) {
                self.users.insert(user.to_owned());
            }
        }
        let age = now.since(session.created_at());
        if age < NEW {
            self.new += 1;
        } else if age < RECENT {
            self.recent += 1;
        } else {
            self.old += 1;
        }
    }
}
