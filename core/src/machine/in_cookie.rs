//! A session that the client keeps: there is nothing to ask a store.

use crate::envelope::{self, MAX_COOKIE};
use crate::exchange::{Base, Issue};
use crate::{Commit, Config, Directive, Error, Fate, Issued, Stored, Token, UnixTime};

use super::Machine;

impl Machine {
    /// The same for a session that the client keeps: there is nothing to ask a store.
    #[cold]
    pub(super) fn start_sealed(mut self: Box<Self>) -> Commit {
        if self.work.destroyed && self.work.base.take().is_some() && !self.creates() {
            let directive = self.clear();
            return self.done(Fate::Saved, directive);
        }
        if self.work.base.is_none() && self.work.issue == Issue::Rotate {
            self.work.issue = Issue::No;
        }
        let touch = self.work.base.as_ref();
        let touch = touch.and_then(|base| self.config.touch_due(base, self.now));
        match self.work.base.is_some() {
            true if self.work.is_modified() || touch.is_some() => self.mint(),
            false if self.creates() => self.mint(),
            _ => {
                let destroyed = self.work.destroyed;
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
        let fate = match self.work.is_modified() {
            true => Fate::Saved,
            false => Fate::Unchanged,
        };
        let stays = self.work.issue == Issue::No && self.work.base.is_some();
        if stays && self.is_emptied() {
            self.work.base = None;
            let directive = self.clear();
            return Ok(self.done(fate, directive));
        }
        let (write, (created, expiry)) = match &self.work.base {
            Some(base) if stays => {
                let expiry = self.work.journal.expiry.unwrap_or(base.record.expiry);
                (self.changed_record()?, (base.record.created, expiry))
            }
            _ => (self.new_record()?, self.new_times()),
        };
        let settings = self.config.settings();
        let (Some(envelope), name) = (&settings.envelope, &settings.cookie.name) else {
            return Err(Error::Misuse);
        };
        let text = envelope.0.seal(name, &write, random, self.now)?;
        let bytes = name.len() + text.len();
        if bytes > MAX_COOKIE {
            return Err(Error::CookieTooLarge { bytes });
        }
        let (token, max_age) = (Token::of(text.as_bytes()), self.max_age(created, expiry));
        Ok(self.done(fate, Directive::Issue(Issued { token, max_age })))
    }
}

impl Config {
    /// A record that the client kept, if it lives.
    pub(crate) fn sealed(&self, stored: Stored, now: UnixTime) -> Result<Option<Box<Base>>, Error> {
        let base = self.base(stored, envelope::no_key(), now)?;
        Ok(Some(base).filter(|base| self.alive(&base.record, now)))
    }
}
