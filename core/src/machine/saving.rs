//! A session that stays: saved, touched, or deleted because it was emptied; and when its cookie is
//! sent again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::commit::{DeleteStep, ReplaceStep, Touch};
use crate::config::MAX_MAX_AGE;
use crate::pending::Loaded;
use crate::record::Head;
use crate::{Commit, Config, Directive, Error, Fate, Issued, UnixTime, Write};

use super::Machine;

impl Machine {
    /// Replaces the session's record by its changed self.
    pub(super) fn save(mut self: Box<Self>) -> Result<Commit, Error> {
        if self
            .pending
            .base
            .as_ref()
            .is_some_and(|base| base.record.retired.is_some())
        {
            return self.superseded();
        }
        self.note_claim();
        if self.claim.is_none() && self.is_emptied() {
            let base = self.pending.base.take().ok_or(Error::ProtocolMisuse)?;
            return Ok(self.delete_base(base, DeleteStep::Emptied));
        }
        let write = self.changed_record()?;
        self.uncertain = false;
        self.replace_base(write, ReplaceStep::Save)
    }

    pub(super) fn changed_record(&mut self) -> Result<Write, Error> {
        let seal = self.seal_base()?;
        let (Some(base), limits) = (&self.pending.base, self.config.settings().limits) else {
            return Err(Error::ProtocolMisuse);
        };
        let (record, journal) = (&base.record, &self.pending.journal);
        let subject = journal
            .subject
            .as_ref()
            .map_or_else(|| record.subject(), |subject| subject.as_deref());
        // A sign-in is not another subject's.
        let is_same = subject == record.subject();
        let expiry = journal.expiry.unwrap_or(record.expiry);
        let head = Head {
            writer: self.writer,
            after: Some(record),
            created: record.created,
            authenticated: record.authenticated.filter(|_| is_same),
            subject,
            retired: None,
            expiry,
            seed: record.seed().or(self.pending.seed).unwrap_or(self.seed),
            epoch: record.epoch,
            assurance: record.assurance().filter(|_| is_same),
            marked: self.pending.seed.is_some() || journal.has_updates() || self.claim.is_some(),
        };
        let bytes = self.config.write(
            &head,
            journal.base(Some(record)),
            &journal.changes(),
            limits,
            seal,
        )?;
        let lifetime = self.config.lifetime(expiry);
        let expires_at = match self.background && journal.expiry.is_none() {
            true => record.stored.expires_at,
            false => lifetime.expires_at(record.created, self.now),
        };
        Ok(Write::new(bytes, expires_at, subject.map(Box::from)))
    }

    /// Continues after the reload of the record that was to be replaced.
    pub(super) fn reloaded_save(
        mut self: Box<Self>,
        found: Option<Box<Loaded>>,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.save_gone();
        };
        if let Some(write) = lost.filter(|_| self.uncertain) {
            let base = self.pending.base.as_ref().ok_or(Error::ProtocolMisuse)?;
            let now = &current.record.as_stored().bytes;
            if current.record.written_by(&self.writer) || *now == write.bytes {
                self.pending.base = Some(current);
                return Ok(self.kept(Fate::Saved));
            }
            if *now == base.record.as_stored().bytes {
                self.pending.base = Some(current);
                return self.replace_base(write, ReplaceStep::Save);
            }
            // Only if the record still remembers the writer before this one, all writers since are
            // known, and this one is not among them.
            if !current.record.written_by(&base.record.writer()) && !current.record.knows_all() {
                return Err(Error::UnknownOutcome);
            }
        }
        if current.record.retired.is_some() {
            return self.follow(current);
        }
        self.replay(current)
    }

    /// Saves the changes over the session as it is by now.
    pub(super) fn replay(mut self: Box<Self>, current: Box<Loaded>) -> Result<Commit, Error> {
        // Rule claim: of any number of requests one takes the value.
        if self.lost_claim(&current) {
            self.pending.base = Some(current);
            return Ok(self.done(Fate::Unchanged, Directive::Keep));
        }
        let limits = self.config.settings().limits;
        self.pending.journal.replay(Some(&current.record), limits)?;
        self.pending.base = Some(current);
        self.save()
    }

    /// The record that was to be replaced is not there.
    pub(super) fn save_gone(self: Box<Self>) -> Result<Commit, Error> {
        // A write of unknown outcome may have been visible before its session ended. Or it lives on
        // under a successor, and the retired record that leads there has expired or was evicted.
        if self.uncertain {
            Err(Error::UnknownOutcome)
        } else {
            self.ended_meanwhile()
        }
    }

    /// Returns whether this request empties the session and the configuration deletes empty
    /// sessions.
    pub(super) fn is_emptied(&self) -> bool {
        let (Some(base), journal) = (&self.pending.base, &self.pending.journal) else {
            return false;
        };
        let record = &base.record;
        self.config.settings().delete_when_empty
            && record.count() > 0
            && journal.values(Some(record)).next().is_none()
            && record.authenticated.is_none()
            && journal
                .subject
                .as_ref()
                .map_or_else(|| record.subject(), |subject| subject.as_deref())
                .is_none()
    }

    /// Continues after the reload of an emptied record that was to be deleted.
    pub(super) fn reloaded_emptied(
        mut self: Box<Self>,
        found: Option<Box<Loaded>>,
    ) -> Result<Commit, Error> {
        if found.is_some() {
            return self.reloaded_save(found, None);
        }
        // After the grace it may live on under a newer token.
        if self.is_late() {
            return Err(Error::GraceExpired);
        }
        self.pending.base = None;
        let directive = self.clear();
        Ok(self.done(Fate::Saved, directive))
    }

    /// Returns the new expiry if a touch is due. A request that could not read its session does not
    /// extend it.
    pub(super) fn touch_due(&self, base: &Loaded, now: UnixTime) -> Option<UnixTime> {
        let unread = self.pending.unread.load(Ordering::Relaxed);
        self.config.touch_due(base, now).filter(|_| !unread)
    }

    pub(super) fn touch(self: Box<Self>) -> Commit {
        if let Some(base) = &self.pending.base
            && let Some(expires_at) = self.touch_due(base, self.now)
        {
            let key = base.key.clone();
            return Commit::Touch(Touch {
                machine: self,
                key,
                expires_at,
            });
        }
        self.done(Fate::Unchanged, Directive::Keep)
    }

    /// The session stays; its cookie is sent again if it is to end with it.
    pub(super) fn kept(self: Box<Self>, fate: Fate) -> Commit {
        let directive = self.renewed().map_or(Directive::Keep, Directive::Issue);
        self.done(fate, directive)
    }

    /// Continues after the reload of the session whose cookie is to be renewed.
    pub(super) fn reloaded_renewal(mut self: Box<Self>, found: Option<Box<Loaded>>) -> Commit {
        match found {
            None => self.done(Fate::Gone, Directive::Keep),
            Some(found) if found.record.retired.is_none() => self.kept(Fate::Unchanged),
            found => {
                self.pending.base = found;
                self.done(Fate::Unchanged, Directive::Keep)
            }
        }
    }

    pub(super) fn renewed(&self) -> Option<Issued> {
        let base = self
            .pending
            .base
            .as_deref()
            .filter(|base| !base.is_superseded())?;
        let token = self.token.as_deref()?;
        let (record, changed) = (&base.record, self.pending.journal.expiry);
        let max_age = self.max_age(record.created, changed.unwrap_or(record.expiry));
        let due = max_age.is_some() && self.config.touch_overdue(base, self.now).is_some();
        let token = token.clone();
        (due || changed.is_some()).then_some(Issued { token, max_age })
    }

    pub(super) fn max_age(
        &self,
        created: UnixTime,
        expiry: Option<crate::Expiry>,
    ) -> Option<Duration> {
        let lifetime = self.config.lifetime(expiry);
        let rest = (created + lifetime.absolute).since(self.now);
        let rest = match self.config.settings().renew_cookie {
            true => rest.min(lifetime.idle),
            false => rest,
        };
        lifetime.persistent.then_some(rest.min(MAX_MAX_AGE))
    }
}

impl Config {
    /// Returns the new expiry if it is worth a store call.
    fn touch_due(&self, base: &Loaded, now: UnixTime) -> Option<UnixTime> {
        let settings = self.settings();
        let due = self
            .touch_overdue(base, now)
            .filter(|_| settings.extend_on_read)?;
        // A cookie that holds the session ends with the browser's session, or is renewed; one of
        // the two.
        let ends_otherwise = settings.renew_cookie && settings.envelope.is_some();
        (!ends_otherwise || self.lifetime(base.record.expiry).persistent).then_some(due)
    }

    /// When the record is to end, if it has an expiry that is far off.
    fn touch_overdue(&self, base: &Loaded, now: UnixTime) -> Option<UnixTime> {
        let (record, lifetime) = (&base.record, self.lifetime(base.record.expiry));
        let due = lifetime.touch_due(record.created, record.stored.expires_at, now);
        due.filter(|_| record.retired.is_none())
    }
}
