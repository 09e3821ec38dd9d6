//! The truth: the reference model's view of the store. It follows each write by its purpose, not by
//! its bytes. So a broken store or machine departs from the truth.

use std::ops::RangeInclusive;

use cloakroom_core::Token;

use crate::model::{Content, LIFETIMES};
use crate::step::Id;
use crate::store::Slot;

/// The broken promise.
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
    /// It leads to its successor until then, for every request that was in flight.
    pub(crate) kept: u64,
    /// A sign-in retired it: its successor is another session.
    pub(crate) signs_in: bool,
}

/// The truth about a key.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The request that made it.
    pub(crate) by: Id,
    pub(crate) truth: Option<Truth>,
    /// The same before the last change.
    pub(crate) before: Option<Truth>,
    /// Rotations and sign-ins of one session have one number.
    pub(crate) chain: usize,
    /// How many sign-ins lie before: nothing reaches from one era into a later one.
    pub(crate) era: u8,
    /// The session was signed out, and that was acknowledged.
    pub(crate) ended: bool,
    /// By then a sign-in had retired it.
    pub(crate) left: bool,
    /// A sign-in has retired it, now or earlier.
    pub(crate) overtaken: bool,
    /// The store dropped it, or it was kept too short.
    pub(crate) damaged: bool,
    /// Its end was set by a request that did not know its lifetime as it is by now, or how late it
    /// is by now.
    pub(crate) odd_end: bool,
    /// Once it is issued.
    pub(crate) token: Option<Token>,
    /// A limit marked the sign-in that made it.
    pub(crate) marked: bool,
    pub(crate) presented: Presented,
}

/// Whether a client has shown the token of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presented {
    #[default]
    Never,
    /// A request began with it.
    Perhaps,
    /// A request with it was answered.
    Surely,
}

impl Entry {
    /// Whether the record has been there, as far as can be known: the store may have dropped it
    /// since.
    pub(crate) fn was_there(&self) -> bool {
        self.truth.is_some() || self.before.is_some() || self.ended || self.damaged
    }
}

/// The purpose of a write.
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
pub(crate) struct Loaded {
    pub(crate) slot: Slot,
    pub(crate) chain: usize,
    pub(crate) era: u8,
    pub(crate) content: Content,
    pub(crate) expires_at: u64,
    /// From before a sign-in: it can only be read.
    pub(crate) retired: bool,
    /// The token that led here was replaced by a plain rotation.
    pub(crate) via: bool,
}

/// Determines, load by load, the session that a request ought to find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fold {
    /// The records of the tokens that were presented.
    pub(crate) presented: [Option<Slot>; 2],
    /// How many tokens were looked at.
    pub(crate) looked: u8,
    /// The wanted record, the result if its chain has a living end, and whether that end is the
    /// same session.
    following: Option<(Slot, Loaded, bool)>,
    pub(crate) living: [Option<Loaded>; 2],
}

impl Fold {
    /// The next load, of what is there in truth.
    pub(crate) fn load(
        &mut self,
        (slot, chain, era): (Slot, usize, u8),
        truth: Option<Truth>,
        opened: u64,
        grace: u64,
    ) {
        let seen = truth.map(|truth| Loaded {
            slot,
            chain,
            era,
            content: truth.content,
            expires_at: truth.expires_at,
            retired: truth.retired.is_some(),
            via: false,
        });
        if let Some((_, base, same)) = self.following.take_if(|(wanted, ..)| *wanted == slot) {
            let (Some(truth), Some(seen)) = (truth, seen) else {
                return;
            };
            let base = match same {
                true => Loaded { via: true, ..seen },
                false => base,
            };
            match truth.retired {
                Some(retired) if self.leads_to_another(retired.successor) => {}
                Some(retired) => {
                    self.following = Some((retired.successor, base, same && !retired.signs_in));
                }
                None if truth.is_alive(opened) => self.found(base),
                None => {}
            }
            return;
        }
        self.looked += 1;
        let (Some(truth), Some(base)) = (truth, seen) else {
            return;
        };
        match truth.retired {
            Some(retired)
                if grace > 0
                    && opened < retired.until
                    && retired.until <= opened + grace + SKEW
                    && !self.leads_to_another(retired.successor) =>
            {
                self.following = Some((retired.successor, base, !retired.signs_in));
            }
            None if truth.is_alive(opened) => self.found(base),
            _ => {}
        }
    }

    /// Whether another token that was presented is this session's successor: then both are one
    /// session.
    fn leads_to_another(&self, successor: Slot) -> bool {
        let waiting = self
            .presented
            .iter()
            .flatten()
            .skip(usize::from(self.looked));
        let living = self.living.iter().flatten().map(|base| &base.slot);
        waiting.chain(living).any(|slot| *slot == successor)
    }

    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    fn found(&mut self, base: Loaded) {
        // A token together with its own successor.
        if let [Some(first), _] = &mut self.living
            && first.slot == base.slot
        {
            first.via &= base.via;
            return;
        }
        match &mut self.living {
            [first @ None, _] | [_, first] => *first = Some(base),
        }
    }

    /// Sessions of an epoch before this one are as expired. Returns those.
    pub(crate) fn end_older(&mut self, epoch: u64) -> [Option<Loaded>; 2] {
        let mut ended = [None, None];
        for (living, ended) in self.living.iter_mut().zip(&mut ended) {
            *ended = living.take_if(|living| living.content.stamp.epoch < epoch);
        }
        if self.living[0].is_none() {
            self.living.swap(0, 1);
        }
        ended
    }

    /// The session: the one that lives, if it is the only one.
    pub(crate) fn base(&self) -> Option<Loaded> {
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
                era: 0,
                ended: false,
                left: false,
                overtaken: false,
                damaged: false,
                odd_end: false,
                token: None,
                marked: false,
                presented: Presented::Never,
            });
            self.chains += 1;
        }
    }

    pub(crate) fn put(&mut self, slot: Slot, content: Content, expires_at: u64) {
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
    pub(crate) fn end(&mut self, chain: usize, eras: RangeInclusive<u8>, now: u64) {
        let of = |entry: &&mut Entry| entry.chain == chain && eras.contains(&entry.era);
        for entry in self.entries.iter_mut().filter(of) {
            // A record that expired before does not count: a request that began in time may still
            // see it.
            if entry.truth.is_some_and(|truth| truth.expires_at <= now) {
                continue;
            }
            let truth = entry.truth.take();
            let retired = truth.and_then(|truth| truth.retired);
            entry.left |= retired.is_some_and(|retired| retired.signs_in);
            entry.ended = true;
        }
    }

    /// Whether a sign-in followed on this session.
    pub(crate) fn is_crossed(&self, base: &Loaded) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.chain == base.chain && entry.era > base.era)
    }

    /// Whether a sign-in took the place of this session.
    pub(crate) fn is_overtaken(&self, chain: usize) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.chain == chain && entry.overtaken)
    }

    /// Whether a token reaches this session, or one that took its place.
    pub(crate) fn lives(&self, chain: usize, now: u64) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            entry.chain == chain
                && entry.token.is_some()
                && entry
                    .truth
                    .is_some_and(|truth| truth.retired.is_none() && truth.is_alive(now))
        })
    }

    /// Whether the store itself lost what a sign-out needs to find its way.
    pub(crate) fn is_damaged(&self, chain: usize) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.chain == chain && entry.damaged)
    }
}
