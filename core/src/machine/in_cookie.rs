//! A session that the client keeps: there is nothing to ask a store.

use crate::config::MAX_MAX_AGE;
use crate::envelope::MAX_COOKIE;
use crate::pending::{Loaded, Loading, Sealed, TokenChange};
use crate::{Commit, Directive, Error, Fate, Issued, Key, Token, UnixTime};

use super::Machine;

impl Machine {
    /// The same for a session that the client keeps: there is nothing to ask a store.
    #[cold]
    pub(super) fn start_sealed(mut self: Box<Self>) -> Commit {
        if self.excess && (self.pending.destroyed || self.signs_in()) {
            return self.refuse(Error::TooManyTokens {
                limit: MAX_PRESENTED,
            });
        }
        if self.pending.destroyed {
            let ended = self.pending.base.take().is_some() || self.beside.until.is_some();
            if ended && !self.creates() {
                // Rule newest: a removal reaches one of several cookies, and none of another scope.
                // An empty session that is newer outranks them.
                // Clear-Site-Data removes all of them.
                if self.beside.until.is_some() && !self.config.settings().clear_site_data {
                    return self.mint();
                }
                let directive = self.clear();
                return self.done(Fate::Saved, directive);
            }
        }
        if self.pending.base.is_none() && self.pending.token_change == TokenChange::Rotate {
            self.pending.token_change = TokenChange::No;
        }
        let touch = self.pending.base.as_ref();
        let touch = touch.and_then(|base| self.touch_due(base, self.now));
        match self.pending.base.is_some() {
            true if self.pending.is_modified() || touch.is_some() => self.mint(),
            false if self.creates() => self.mint(),
            _ => {
                let destroyed = self.pending.destroyed;
                let directive = if destroyed {
                    self.clear()
                } else {
                    Directive::Keep
                };
                self.done(Fate::Unchanged, directive)
            }
        }
    }

    /// The client gets the session as it is now.
    #[cold]
    pub(super) fn seal(mut self: Box<Self>, random: &[u8; 32]) -> Result<Commit, Error> {
        // No store compares it, so its mark is the scope of its cookie.
        self.writer = self.config.settings().cookie.marks.own;
        let fate = match self.pending.is_modified() {
            true => Fate::Saved,
            false => Fate::Unchanged,
        };
        let stays = self.pending.token_change == TokenChange::No && self.pending.base.is_some();
        if stays && self.beside.until.is_none() && self.is_emptied() {
            self.pending.base = None;
            let directive = self.clear();
            return Ok(self.done(fate, directive));
        }
        let (write, (created, expiry)) = match &self.pending.base {
            Some(base) if stays => {
                let expiry = self.pending.journal.expiry.unwrap_or(base.record.expiry);
                let times = (base.record.created, expiry);
                (self.changed_record()?, times)
            }
            _ => (self.new_record()?, self.new_times()),
        };
        let settings = self.config.settings();
        let (Some(envelope), name) = (&settings.envelope, &settings.cookie.name) else {
            return Err(Error::ProtocolMisuse);
        };
        let newest = self.beside.newest;
        let text = envelope.0.seal(name, &write, random, self.now, newest)?;
        let bytes = name.len() + text.len();
        if bytes > MAX_COOKIE {
            return Err(Error::CookieTooLarge { bytes });
        }
        let (token, max_age) = (Token::of(text.as_bytes()), self.max_age(created, expiry));
        // The client keeps it for as long as what it outranks.
        let others = self.beside.until.map(|until| until.since(self.now));
        let max_age = others.map_or(max_age, |others| max_age.max(Some(others.min(MAX_MAX_AGE))));
        Ok(self.done(fate, Directive::Issue(Issued { token, max_age })))
    }
}

/// The maximum of distinct values under one name. Above it, none is used, and a sign-in or sign-out
/// is an error.
const MAX_PRESENTED: usize = 16;

/// Presented values besides the session that counts.
#[derive(Default)]
pub(crate) struct Beside {
    /// The version of the newest genuine value.
    newest: u64,
    /// One of the values is genuine.
    pub(super) genuine: bool,
    /// Several values were presented, so the living one may be in another scope.
    pub(super) several: bool,
    /// Of values that a removal does not reach, because they are several or of a scope that the
    /// configuration does not name: when the last living one ends.
    until: Option<UnixTime>,
}

/// Returns how many values were presented, what to look at, and whether it was too much.
pub(super) fn presented<'t>(values: impl IntoIterator<Item = &'t [u8]>) -> (usize, Sealed, bool) {
    let (mut count, mut sealed) = (0, Sealed::new());
    for value in values {
        count += 1;
        if value.len() > MAX_COOKIE || sealed.iter().any(|known| **known == *value) {
            continue;
        }
        if sealed.len() == MAX_PRESENTED {
            sealed.clear();
            return (count, sealed, true);
        }
        sealed.push(value.into());
    }
    (count, sealed, false)
}

/// Returns the rank of a value: the higher one is newer, in whatever order they came. In the same
/// second a sign-out is newer.
fn rank(opened: &Loaded) -> (u64, bool, UnixTime, &[u8]) {
    let (record, stored) = (&opened.record, &opened.record.stored);
    let signed_out = record.count() == 0 && record.subject().is_none();
    (stored.version, signed_out, stored.expires_at, &stored.bytes)
}

impl Machine {
    /// Opens what was presented. Rule newest: the newest value counts, also when it has expired.
    /// Two cookies of one name are of two scopes, and the older one was to be replaced.
    #[cold]
    pub(super) fn unseal(&mut self, sealed: &Sealed) -> Result<(), Error> {
        let settings = self.config.settings();
        let Some(envelope) = &settings.envelope else {
            return Err(Error::ProtocolMisuse);
        };
        let (name, now) = (&*settings.cookie.name, self.opened);
        let mut newest: Option<Box<Loaded>> = None;
        for value in sealed {
            let Some(stored) = envelope.0.open(name, value, now)? else {
                continue;
            };
            let opened = self.config.base(stored, no_key()?, None, now)?;
            let marks = &settings.cookie.marks;
            let remains = self.beside.several || marks.is_elsewhere(opened.record.writer());
            if remains && self.config.alive(&opened.record, now) {
                let end = Some(opened.record.stored.expires_at);
                self.beside.until = self.beside.until.max(end);
            }
            if newest
                .as_ref()
                .is_none_or(|known| rank(known) < rank(&opened))
            {
                newest = Some(opened);
            }
        }
        self.beside.genuine = newest.is_some();
        self.beside.newest = newest
            .as_ref()
            .map_or(0, |newest| newest.record.stored.version);
        self.pending.base = newest.filter(|newest| self.config.alive(&newest.record, now));
        Ok(())
    }

    pub(super) fn take_sealed(&mut self) -> Option<Sealed> {
        let Loading::Sealed(sealed) = &mut self.loading else {
            return None;
        };
        let sealed = std::mem::take(sealed);
        self.loading = Loading::Next;
        Some(sealed)
    }
}

/// Stands where a record in a store has its key: no store is asked for it.
fn no_key() -> Result<Key, Error> {
    Key::new("-").ok_or(Error::ProtocolMisuse)
}
