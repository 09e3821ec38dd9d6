//! Loading: from a store's records to the handler's session, and the rules for a living record.

use crate::expiry::SKEW;
use crate::pending::{Candidate, Loaded, Loading};
use crate::record::{Record, Retired, not_ended};
use crate::seal::Opener;
use crate::{Config, Error, Key, Session, Stored, Token, UnixTime};

use super::{MAX_CHAIN, Machine, in_cookie};

/// The maximum of well-formed tokens under one name. Forged and repeated ones count, because each
/// is hashed. Above it, no token is trusted and nothing is loaded. A sign-in or sign-out then
/// fails, because it could not end all of the sessions.
pub(super) const MAX_TOKENS: usize = 16;
/// The maximum of loads before the handler runs, for the same reason. Each token and each successor
/// costs one.
const MAX_LOADS: u32 = 32;

impl Machine {
    pub(crate) fn present<'t>(&mut self, presented: impl IntoIterator<Item = &'t [u8]>) {
        let settings = self.config.settings();
        if settings.envelope.is_some() {
            let (count, sealed, excess) = in_cookie::presented(presented);
            (self.presented, self.excess) = (count > 0, excess);
            self.beside.several = count > 1;
            self.loading = Loading::Sealed(sealed);
            return;
        }
        let mut well_formed = 0;
        for bytes in presented {
            self.presented = true;
            if !settings.tokens.is_well_formed(bytes) {
                continue;
            }
            well_formed += 1;
            let known = |key: &Key| self.candidates.iter().any(|known| known.key == *key);
            let id = settings.tokens.id(bytes);
            let key = id.as_deref().and_then(|id| settings.tokens.key_of(id));
            if let (Some(id), Some(key)) = (id, key.filter(|key| !known(key))) {
                let token = settings.renew_cookie.then(|| Box::new(Token::of(bytes)));
                let opener = Opener::of_id(&id);
                self.candidates.push(Candidate { key, token, opener });
            }
            self.full = well_formed == MAX_TOKENS;
            if well_formed > MAX_TOKENS {
                self.candidates.clear();
                self.excess = true;
                break;
            }
        }
    }

    pub(crate) fn is_foreign(&self) -> Option<bool> {
        if !self.presented || self.excess {
            return None;
        }
        match (&self.config.settings().envelope, &self.loading) {
            (None, _) => Some(self.candidates.is_empty()),
            (Some(_), Loading::Sealed(_)) => None,
            (Some(_), _) => Some(!self.beside.genuine),
        }
    }

    pub(crate) fn wants_load(&self) -> Option<&Key> {
        match &self.loading {
            Loading::Next => match self.candidates.get(self.at) {
                Some(next) => Some(&next.key),
                None => self.config.epoch_key().filter(|_| self.wants_epoch),
            },
            Loading::Following(base) => base.chain.last(),
            Loading::Sealed(_) | Loading::Failed(_) => None,
        }
    }

    /// Returns whether only the epoch remains to be loaded.
    fn is_at_epoch(&self) -> bool {
        matches!(self.loading, Loading::Next) && self.at >= self.candidates.len()
    }

    pub(crate) fn session(&mut self) -> Result<Session<'_>, Error> {
        if self.wants_load().is_some() {
            return Err(Error::NotLoaded);
        }
        if let Some(sealed) = self.take_sealed()
            && let Err(error) = self.unseal(&sealed)
        {
            self.loading = Loading::Failed(error);
        }
        if let Loading::Failed(error) = &self.loading {
            return Err(error.clone());
        }
        self.accessed = true;
        Ok(Session::new(&self.config, self.opened, &mut self.pending))
    }

    pub(crate) fn handle_loaded(&mut self, key: &Key, found: Option<Stored>) -> Result<(), Error> {
        if self.wants_load() != Some(key) {
            return Err(Error::ProtocolMisuse);
        }
        let found = not_ended(found);
        let answer = match self.is_at_epoch() {
            true => self.loaded_epoch(found),
            false => {
                self.loads += 1;
                self.loaded(found)
            }
        };
        if let Err(error) = &answer {
            self.pending.base = None;
            self.loading = Loading::Failed(error.clone());
        } else if self.loads == MAX_LOADS && !self.is_at_epoch() {
            self.give_up_loading();
        }
        answer
    }

    fn loaded(&mut self, found: Option<Stored>) -> Result<(), Error> {
        if let Loading::Following(_) = self.loading {
            return self.followed(found);
        }
        let next = (self.candidates.get_mut(self.at)).ok_or(Error::ProtocolMisuse)?;
        let (key, opener) = (next.key.clone(), next.opener.take());
        let living = match found {
            None => {
                self.pending.unknown.push(key);
                None
            }
            Some(stored) => {
                let base = self.config.base(stored, key, opener, self.opened)?;
                if let Some(retired) = &base.record.retired
                    && self.config.readable(retired, self.opened)
                {
                    match self.leads_to_another(&retired.successor) {
                        true => self.settle(None),
                        false => self.loading = Loading::Following(base),
                    }
                    return Ok(());
                }
                let lives = self.config.alive(&base.record, self.opened);
                self.living(base, lives)
            }
        };
        self.settle(living);
        Ok(())
    }

    /// The end of a retired record's chain, or what follows in it.
    #[cold]
    fn followed(&mut self, found: Option<Stored>) -> Result<(), Error> {
        let Loading::Following(mut base) = std::mem::replace(&mut self.loading, Loading::Next)
        else {
            return Err(Error::ProtocolMisuse);
        };
        self.hops += 1;
        let successor = base.chain.last().cloned().ok_or(Error::ProtocolMisuse)?;
        // Rule follow: across plain rotations the old token stands for the session as it is now.
        let same = base.chain.len() == 1 && base.record.leads_to_itself();
        let secret = base.record.successor_secret().filter(|_| same);
        let mut opener = secret.map(Opener::Secret);
        let found = found.map(|stored| {
            self.config
                .read(stored, &successor, &mut opener, self.opened)
        });
        match found.transpose()? {
            Some(record) if record.retired.is_some() => {
                if self.hops == MAX_CHAIN {
                    return Err(Error::Contended);
                }
                let mut next = self.config.at(record, successor, opener);
                if next.chain.iter().any(|key| self.leads_to_another(key)) {
                    self.settle(None);
                    return Ok(());
                }
                if same {
                    next.via = true;
                    base = next;
                } else {
                    base.chain.append(&mut next.chain);
                }
                self.loading = Loading::Following(base);
            }
            // Rule nofollow: a retired record counts only while the end of its chain lives.
            end => {
                let end = end.filter(|end| self.config.alive(end, self.opened));
                let living = match end {
                    None => self.living(base, false),
                    Some(end) if same => {
                        let mut end = self.config.at(end, successor, opener);
                        end.via = true;
                        Some(end)
                    }
                    Some(_) => Some(base),
                };
                self.settle(living);
            }
        }
        Ok(())
    }

    fn living(&mut self, base: Box<Loaded>, lives: bool) -> Option<Box<Loaded>> {
        if !lives {
            let presented = self.candidates.get(self.at);
            let presented = presented.map(|candidate| candidate.key.clone());
            self.pending.unknown.extend(presented);
            return None;
        }
        Some(base)
    }

    /// Returns whether this successor is what another presented token leads to, or passes through.
    /// Then both are one session, and the newer token speaks for it.
    #[cold]
    fn leads_to_another(&self, successor: &Key) -> bool {
        let rest = self.candidates.get(self.at + 1..).unwrap_or_default();
        let mut known = self.pending.base.as_deref().into_iter();
        let passes = |base: &Loaded| base.key == *successor || base.chain.contains(successor);
        rest.iter().any(|candidate| candidate.key == *successor)
            || known.any(passes)
            || self.pending.untrusted.iter().any(passes)
    }

    /// Too many tokens or too long a chain: no session is trusted.
    #[cold]
    fn give_up_loading(&mut self) {
        self.excess = true;
        self.candidates.clear();
        self.loading = Loading::Next;
        self.pending.base = None;
        self.pending.untrusted.clear();
    }

    /// The candidate is dealt with.
    fn settle(&mut self, living: Option<Box<Loaded>>) {
        let candidate = self.candidates.get_mut(self.at);
        self.at += 1;
        self.hops = 0;
        let Some(mut living) = living else {
            return;
        };
        living.via |= self.rotated_away;
        // A token that was rotated away, together with its own successor, is one session.
        if let Some(known) = &mut self.pending.base
            && known.key == living.key
        {
            known.via &= living.via;
            return;
        }
        let token = candidate.and_then(|candidate| candidate.token.take());
        self.token = token.filter(|_| !living.via);
        // Two distinct living sessions: neither is trusted.
        if let Some(other) = self.pending.base.take() {
            self.pending.untrusted.push(*other);
        }
        match self.pending.untrusted.is_empty() {
            true => self.pending.base = Some(living),
            false => self.pending.untrusted.push(*living),
        }
    }
}

impl Config {
    pub(super) fn base(
        &self,
        stored: Stored,
        key: Key,
        mut opener: Option<Opener>,
        now: UnixTime,
    ) -> Result<Box<Loaded>, Error> {
        let record = self.read(stored, &key, &mut opener, now)?;
        Ok(self.at(record, key, opener))
    }

    fn at(&self, record: Record, key: Key, opener: Option<Opener>) -> Box<Loaded> {
        let retired = record.retired.iter();
        let chain = retired.map(|retired| retired.successor.clone()).collect();
        Box::new(Loaded {
            key,
            record,
            chain,
            via: false,
            opener,
        })
    }

    /// Returns a reload's record. A live record that has expired counts as none.
    pub(super) fn existing(
        &self,
        found: Option<Stored>,
        key: &Key,
        opener: Option<Opener>,
        now: UnixTime,
    ) -> Result<Option<Box<Loaded>>, Error> {
        let found = not_ended(found)
            .map(|stored| self.base(stored, key.clone(), opener, now))
            .transpose()?;
        Ok(found.filter(|base| base.record.retired.is_some() || self.alive(&base.record, now)))
    }

    pub(super) fn alive(&self, record: &Record, now: UnixTime) -> bool {
        let lifetime = self.lifetime(record.expiry);
        record.retired.is_none() && lifetime.alive(record.created, record.stored.expires_at, now)
    }

    /// Returns whether the grace lasts. A clock that was ahead when the record was retired, and is
    /// not any more, must not lengthen it.
    fn readable(&self, retired: &Retired, now: UnixTime) -> bool {
        let grace = self.settings().grace;
        // Without a grace there is nothing to read, whenever the request began.
        !grace.is_zero() && now < retired.until && retired.until <= now + grace + SKEW
    }
}
