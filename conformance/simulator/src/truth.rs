//! What ought to be there: the reference model's side of the store. It follows each write that a store carries out, by what that
//! write is for, not by its bytes; so a broken store, or a broken machine, and the truth part.

use cloakroom_core::Token;

use crate::model::{Content, LIFETIMES};
use crate::request::Request;
use crate::step::Id;
use crate::store::Slot;

/// What was not as promised.
pub type Wrong = &'static str;

/// How far a clock may be ahead of the one that made a record.
const SKEW: u64 = 60;

/// A record as it ought to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    pub(crate) content: Content,
    pub(crate) expires_at: u64,
    pub(crate) retired: Option<Retired>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Retired {
    pub(crate) successor: Slot,
    pub(crate) until: u64,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which request made it.
    pub(crate) by: Id,
    pub(crate) truth: Option<Truth>,
    /// The same before the last change.
    pub(crate) before: Option<Truth>,
    /// Rotations of one session have one number.
    pub(crate) chain: usize,
    /// The session was signed out, and that was acknowledged.
    pub(crate) ended: bool,
    /// By then it had been retired.
    pub(crate) left: bool,
    /// The store dropped it, or it was kept too short.
    pub(crate) damaged: bool,
    /// Its end was set by a request that did not know its lifetime as it is by now, or how late it is by now.
    pub(crate) odd_end: bool,
    /// Once it is issued.
    pub(crate) token: Option<Token>,
}

impl Entry {
    /// Whether the record has been there, as far as can be known: the store may have dropped it since.
    pub(crate) fn was_there(&self) -> bool {
        self.truth.is_some() || self.before.is_some() || self.ended || self.damaged
    }
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// A new session, or the new record of a rotation.
    Create(Content),
    /// The changed session.
    Save,
    /// The old record of a rotation.
    Retire {
        new: Slot,
        until: u64,
    },
    /// The new record of a rotation, once more.
    Rewrite(Content),
    Touch,
    Delete,
}

/// The session that a request found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) slot: Slot,
    pub(crate) chain: usize,
    pub(crate) content: Content,
    pub(crate) expires_at: u64,
    pub(crate) retired: bool,
}

/// Finds out, load by load, what session a request ought to find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fold {
    /// How many tokens were looked at.
    pub(crate) looked: u8,
    following: Option<(Slot, Base)>,
    pub(crate) living: [Option<Base>; 2],
}

impl Fold {
    /// The next load, of what is there in truth.
    pub(crate) fn load(
        &mut self,
        (slot, chain): (Slot, usize),
        truth: Option<Truth>,
        opened: u64,
        grace: u64,
    ) {
        if let Some((_, base)) = self.following.take_if(|(wanted, _)| *wanted == slot) {
            match truth {
                Some(Truth {
                    retired: Some(retired),
                    ..
                }) => self.following = Some((retired.successor, base)),
                Some(truth) if truth.is_alive(opened) => self.found(base),
                _ => {}
            }
            return;
        }
        self.looked += 1;
        let Some(truth) = truth else { return };
        let base = Base {
            slot,
            chain,
            content: truth.content,
            expires_at: truth.expires_at,
            retired: truth.retired.is_some(),
        };
        match truth.retired {
            Some(retired)
                if grace > 0
                    && opened < retired.until
                    && retired.until <= opened + grace + SKEW =>
            {
                self.following = Some((retired.successor, base));
            }
            None if truth.is_alive(opened) => self.found(base),
            _ => {}
        }
    }

    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    fn found(&mut self, base: Base) {
        match &mut self.living {
            [first @ None, _] | [_, first] => *first = Some(base),
        }
    }

    /// The session: the one that lives, if it is the only one.
    pub(crate) fn base(&self) -> Option<Base> {
        self.living[0].filter(|_| self.living[1].is_none())
    }
}

impl Truth {
    pub(crate) fn is_alive(&self, now: u64) -> bool {
        let (_, absolute) = LIFETIMES[usize::from(self.content.expiry)];
        let created = self.content.created;
        now < self.expires_at && now < created + absolute && created <= now + SKEW
    }
}

/// All that ought to be there.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Entry>,
    chains: usize,
}

impl Ledger {
    pub(crate) fn reset(&mut self) {
        self.entries.clear();
        self.chains = 0;
    }

    /// Makes sure that there is an entry for this key.
    pub(crate) fn know(&mut self, slot: Slot, by: Id) {
        if slot == self.entries.len() {
            self.entries.push(Entry {
                by,
                truth: None,
                before: None,
                chain: self.chains,
                ended: false,
                left: false,
                damaged: false,
                odd_end: false,
                token: None,
            });
            self.chains += 1;
        }
    }

    /// A write was carried out.
    pub(crate) fn land(
        &mut self,
        request: &mut Request,
        slot: Slot,
        aim: Aim,
        expires_at: u64,
        (now, keep): (u64, u64),
    ) -> Result<(), Wrong> {
        let truth = self.entries[slot].truth;
        match aim {
            Aim::Create(content) => {
                if truth.is_none_or(|truth| now >= truth.expires_at) && !self.entries[slot].ended {
                    self.put(slot, content, expires_at);
                }
            }
            Aim::Rewrite(content) => {
                if truth.is_some() {
                    self.put(slot, content, expires_at);
                }
            }
            Aim::Save => {
                if let Some(truth) = truth.filter(|truth| truth.retired.is_none())
                    && truth.content.applied & request.mark() == 0
                {
                    let content = request.change.over(&truth.content);
                    self.put(slot, content, expires_at);
                    request.landed = true;
                }
            }
            Aim::Retire { new, until } => {
                if let Some(old) = truth.filter(|truth| truth.retired.is_none()) {
                    self.retire(request, slot, &old, new, until, expires_at, (now, keep))?;
                }
            }
            Aim::Touch => {
                let entry = &mut self.entries[slot];
                if let Some(truth) = &mut entry.truth {
                    entry.odd_end |= expires_at < truth.expires_at;
                    truth.expires_at = expires_at;
                    let base = request.base.map(|base| base.content.expiry);
                    entry.odd_end |= base != Some(truth.content.expiry);
                }
            }
            Aim::Delete => {
                let entry = &mut self.entries[slot];
                entry.before = entry.truth.take();
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "both records, and their times")]
    fn retire(
        &mut self,
        request: &mut Request,
        slot: Slot,
        old: &Truth,
        new: Slot,
        until: u64,
        expires_at: u64,
        (now, keep): (u64, u64),
    ) -> Result<(), Wrong> {
        let successor = self.entries[new]
            .truth
            .filter(|truth| now < truth.expires_at);
        // To a clock that is wrong the old session had expired: then nothing of it was to be carried on.
        if let Some(successor) = successor.filter(|_| !request.stripped) {
            let (opened, now) = (request.opened, successor.content.created);
            let wanted = request.change.anew(Some(&old.content), opened, now);
            if !successor.content.is_like(&wanted) {
                return Err("the old record is retired, and the new one lacks what it had");
            }
        }
        let entry = &mut self.entries[slot];
        entry.before = entry.truth;
        entry.truth = Some(Truth {
            content: old.content,
            expires_at,
            retired: Some(Retired {
                successor: new,
                until,
            }),
        });
        // A write that took too long: sign-outs may miss it.
        entry.damaged |= expires_at < now + keep;
        let (chain, ended) = (entry.chain, entry.ended);
        self.entries[new].chain = chain;
        self.entries[new].ended |= ended;
        request.landed = true;
        Ok(())
    }

    fn put(&mut self, slot: Slot, content: Content, expires_at: u64) {
        let entry = &mut self.entries[slot];
        entry.odd_end |= entry
            .truth
            .is_some_and(|truth| expires_at < truth.expires_at);
        entry.before = entry.truth.replace(Truth {
            content,
            expires_at,
            retired: None,
        });
    }

    /// A sign-out of this session was acknowledged: nothing of it may be seen from now on.
    pub(crate) fn end(&mut self, chain: usize, now: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.chain == chain) {
            // What had expired before is another matter: a request that began in time may still be shown it.
            if entry.truth.is_some_and(|truth| truth.expires_at <= now) {
                continue;
            }
            let truth = entry.truth.take();
            entry.left |= truth.is_some_and(|truth| truth.retired.is_some());
            entry.ended = true;
        }
    }

    /// Whether the store itself lost what a sign-out needs to find its way.
    pub(crate) fn is_damaged(&self, chain: usize) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.chain == chain && entry.damaged)
    }
}
