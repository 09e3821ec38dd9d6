//! A session that stays: saved, touched, or deleted because it was emptied; and when its cookie is sent again.

use std::time::Duration;

use crate::commit::{DeleteStep, ReplaceStep, Touch};
use crate::config::MAX_MAX_AGE;
use crate::exchange::Base;
use crate::record::Head;
use crate::{Commit, Config, Directive, Error, Fate, Issued, UnixTime, Write};

use super::Machine;

impl Machine {
    /// Replaces the session's record by its changed self.
    pub(super) fn save(mut self: Box<Self>) -> Result<Commit, Error> {
        if self.is_emptied() {
            let base = self.work.base.take().ok_or(Error::Misuse)?;
            return Ok(self.delete_base(base, DeleteStep::Emptied));
        }
        let write = self.changed_record()?;
        self.uncertain = false;
        self.replace_base(write, ReplaceStep::Save)
    }

    pub(super) fn changed_record(&self) -> Result<Write, Error> {
        let (Some(base), limits) = (&self.work.base, self.config.settings().limits) else {
            return Err(Error::Misuse);
        };
        let (record, journal) = (&base.record, &self.work.journal);
        let subject = journal
            .subject
            .as_ref()
            .map_or_else(|| record.subject(), |subject| subject.as_deref());
        let expiry = journal.expiry.unwrap_or(record.expiry);
        let head = Head {
            writer: self.writer,
            after: Some(record),
            created: record.created,
            authenticated: record.authenticated,
            subject,
            retired: None,
            expiry,
            seed: record.seed().or(self.work.seed).unwrap_or(self.seed),
            marked: self.work.seed.is_some() || journal.has_updates(),
        };
        let bytes = self.config.write(
            &head,
            journal.base(Some(record)),
            &journal.changes(),
            limits,
        )?;
        let expires_at = self
            .config
            .lifetime(expiry)
            .expires_at(record.created, self.now);
        Ok(Write::new(bytes, expires_at, subject.map(Box::from)))
    }

    /// What became of the record that was to be replaced by its changed self.
    pub(super) fn reloaded_save(
        mut self: Box<Self>,
        found: Option<Box<Base>>,
        lost: Option<Write>,
    ) -> Result<Commit, Error> {
        let Some(current) = found else {
            return self.save_gone();
        };
        if let Some(write) = lost.filter(|_| self.uncertain) {
            let base = self.work.base.as_ref().ok_or(Error::Misuse)?;
            let now = &current.record.as_stored().bytes;
            if current.record.written_by(&self.writer) || *now == write.bytes {
                return Ok(self.kept(Fate::Saved));
            }
            if *now == base.record.as_stored().bytes {
                self.work.base = Some(current);
                return self.replace_base(write, ReplaceStep::Save);
            }
            // Only if the record still remembers the writer before this one, all writers since are known, and this one is
            // not among them.
            if !current.record.written_by(&base.record.writer()) && !current.record.knows_all() {
                return Err(Error::Uncertain);
            }
        }
        if current.record.retired.is_some() {
            return Ok(self.done(Fate::Superseded, Directive::Keep));
        }
        let limits = self.config.settings().limits;
        self.work.journal.replay(Some(&current.record), limits)?;
        self.work.base = Some(current);
        self.save()
    }

    /// The record that was to be replaced is not there.
    pub(super) fn save_gone(self: Box<Self>) -> Result<Commit, Error> {
        // A write of unknown outcome may have been seen until it was gone with its session; or it lives on under a successor, and the
        // retired record that leads there has expired, or was evicted.
        if self.uncertain {
            Err(Error::Uncertain)
        } else {
            Ok(self.done(Fate::Gone, Directive::Keep))
        }
    }

    /// Whether this request leaves nothing behind, under a configuration that wants such a session deleted.
    pub(super) fn is_emptied(&self) -> bool {
        let (Some(base), journal) = (&self.work.base, &self.work.journal) else {
            return false;
        };
        let record = &base.record;
        self.config.settings().delete_emptied
            && record.count() > 0
            && journal.values(Some(record)).next().is_none()
            && record.authenticated.is_none()
            && journal
                .subject
                .as_ref()
                .map_or_else(|| record.subject(), |subject| subject.as_deref())
                .is_none()
    }

    /// What became of a record that was to be deleted because it was empty.
    pub(super) fn reloaded_emptied(
        mut self: Box<Self>,
        found: Option<Box<Base>>,
    ) -> Result<Commit, Error> {
        if found.is_some() {
            return self.reloaded_save(found, None);
        }
        // After the grace it may live on under a newer token.
        if self.is_late() {
            return Ok(self.done(Fate::Gone, Directive::Keep));
        }
        self.work.base = None;
        let directive = self.clear();
        Ok(self.done(Fate::Saved, directive))
    }

    pub(super) fn touch(self: Box<Self>) -> Commit {
        if let Some(base) = &self.work.base
            && let Some(expires_at) = self.config.touch_due(base, self.now)
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

    /// What became meanwhile of the session whose cookie is to be sent again.
    pub(super) fn reloaded_renewal(mut self: Box<Self>, found: Option<Box<Base>>) -> Commit {
        match found {
            None => self.done(Fate::Gone, Directive::Keep),
            Some(found) if found.record.retired.is_none() => self.kept(Fate::Unchanged),
            found => {
                self.work.base = found;
                self.done(Fate::Unchanged, Directive::Keep)
            }
        }
    }

    pub(super) fn renewed(&self) -> Option<Issued> {
        let (base, token) = (self.work.base.as_deref()?, self.token.as_deref()?);
        let (record, changed) = (&base.record, self.work.journal.expiry);
        let max_age = self.max_age(record.created, changed.unwrap_or(record.expiry));
        let due = max_age.is_some() && self.config.lags(base, self.now).is_some();
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
    /// Until when the record is to be prolonged, if that is worth a store call.
    pub(super) fn touch_due(&self, base: &Base, now: UnixTime) -> Option<UnixTime> {
        let settings = self.settings();
        let due = self.lags(base, now).filter(|_| settings.extend_on_read)?;
        // A cookie that holds the session ends with the browser's session, or is renewed; one of the two.
        let ends_otherwise = settings.renew_cookie && settings.envelope.is_some();
        (!ends_otherwise || self.lifetime(base.record.expiry).persistent).then_some(due)
    }

    /// When the record is to end, if it has an expiry that is far off.
    fn lags(&self, base: &Base, now: UnixTime) -> Option<UnixTime> {
        let (record, lifetime) = (&base.record, self.lifetime(base.record.expiry));
        let due = lifetime.touch_due(record.created, record.stored.expires_at, now);
        due.filter(|_| record.retired.is_none())
    }
}
