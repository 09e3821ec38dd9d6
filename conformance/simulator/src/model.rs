//! The reference model: a session's contents, and the effect of a handler's calls. Written from the
//! documentation of `Session`, without a look at records, journals or stores.

use crate::step::{Action, Id};

/// The subject of a content without one.
pub(crate) const NOBODY: u8 = 0;

/// The idle and absolute timeouts of the three lifetimes.
pub(crate) const LIFETIMES: [(u64, u64); 3] = [(1_800, 43_200), (300, 3_600), (86_400, 864_000)];

/// A session's contents. Times are in seconds. A value is one more than the number of the request
/// that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) values: [u8; 3],
    pub(crate) count: u32,
    pub(crate) flash: u8,
    pub(crate) subject: u8,
    pub(crate) expiry: u8,
    pub(crate) created: u64,
    pub(crate) authenticated: u64,
    /// The source of the CSRF token. 0: the token that the session's first request presented.
    pub(crate) seed: u8,
    /// The requests whose changes are in it: not to be seen, but to be counted.
    pub(crate) applied: u64,
    /// From the request that created or authenticated it.
    pub(crate) stamp: Stamp,
}

/// The epoch when a request's handler began: as its node knew it, and in truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The number that its node knew.
    pub(crate) epoch: u64,
    /// How many ends of everything there had been in truth.
    pub(crate) ends: usize,
    /// The time in truth.
    pub(crate) at: u64,
}

impl Content {
    fn is_empty(&self) -> bool {
        self.values == [0; 3] && self.count == 0 && self.flash == 0
    }

    fn clear(&mut self) {
        (self.values, self.count, self.flash) = ([0; 3], 0, 0);
    }

    /// When it ends, if it was used last at `now`.
    pub(crate) fn expires_at(&self, now: u64) -> u64 {
        let (idle, absolute) = LIFETIMES[usize::from(self.expiry)];
        (now + idle).min(self.created + absolute)
    }

    /// The same to everybody who looks, but for the moment it began, which a second attempt moves.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let (created, applied) = (other.created, other.applied);
        let same = Self {
            created,
            applied,
            ..*self
        };
        same == *other
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Issue {
    #[default]
    No,
    Rotate,
    SignIn(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Count {
    #[default]
    Keep,
    Add(u32),
    Set(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flash {
    #[default]
    Keep,
    Set(u8),
    /// Ends this one, and no later one.
    End(u8),
}

/// The handler's calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    by: Id,
    pub(crate) stamp: Stamp,
    pub(crate) destroyed: bool,
    pub(crate) issue: Issue,
    cleared: bool,
    /// `Some(0)`: removed.
    values: [Option<u8>; 3],
    count: Count,
    flash: Flash,
    expiry: Option<u8>,
    /// Whom it belongs to from now on, without a sign-in.
    subject: Option<u8>,
    /// The request presents a token that is no session: one that it creates takes over its forms.
    pub(crate) inherits: bool,
    /// A CSRF token was asked for where there was no session.
    form: bool,
}

impl Change {
    pub(crate) fn new(by: Id) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }

    /// Notes one call. `base` is the session that the request found.
    pub(crate) fn note(&mut self, action: Action, base: Option<&Content>) {
        let base = base.filter(|_| !self.destroyed);
        let below = base.filter(|_| !self.cleared);
        let by = self.by + 1;
        match action {
            Action::Look | Action::Save | Action::Claim(_) => {}
            Action::Insert(name) | Action::View(name) => {
                self.values[usize::from(name)] = Some(by);
            }
            Action::Remove(name) => {
                let name = usize::from(name);
                let there = below.is_some_and(|base| base.values[name] != 0);
                self.values[name] = there.then_some(0);
            }
            Action::Count => {
                self.count = match self.count {
                    Count::Keep if self.cleared => Count::Set(1),
                    Count::Keep => Count::Add(1),
                    Count::Add(n) => Count::Add(n + 1),
                    Count::Set(n) => Count::Set(n + 1),
                }
            }
            Action::Clear => {
                self.cleared |= base.is_some_and(|base| !base.is_empty());
                (self.values, self.count, self.flash) = ([None; 3], Count::Keep, Flash::Keep);
            }
            Action::Rotate => {
                if self.issue == Issue::No {
                    self.issue = Issue::Rotate;
                }
            }
            Action::SignIn(subject) => {
                let anothers = base.is_some_and(|base| ![NOBODY, subject].contains(&base.subject));
                self.cleared |= anothers;
                self.issue = Issue::SignIn(subject);
                (self.subject, self.form) = (None, false);
            }
            Action::Belong(subject) => {
                let signed_in = match self.issue {
                    Issue::SignIn(subject) => Some(subject),
                    _ => base.map(|base| base.subject),
                };
                let known = self.subject.or(signed_in).unwrap_or(NOBODY);
                if known != subject {
                    self.subject = Some(subject);
                }
            }
            Action::SignOut => {
                *self = Self {
                    destroyed: true,
                    stamp: self.stamp,
                    ..Self::new(self.by)
                }
            }
            Action::Flash => self.flash = Flash::Set(by),
            Action::Flashed => {
                if let Some(base) = base.filter(|base| base.flash != 0)
                    && self.flash == Flash::Keep
                {
                    self.flash = Flash::End(base.flash);
                }
            }
            Action::Expiry(kind) => {
                let known = self.expiry.or_else(|| base.map(|base| base.expiry));
                if kind != 0 || known.is_some_and(|known| known != 0) {
                    self.expiry = Some(kind);
                }
            }
            Action::Csrf => {
                self.form |= base.is_none() && !matches!(self.issue, Issue::SignIn(_));
            }
            Action::Discard => {
                *self = Self {
                    inherits: self.inherits,
                    stamp: self.stamp,
                    ..Self::new(self.by)
                }
            }
        }
    }

    /// The session is loaded again, after a claim. A message that is gone cannot be ended.
    pub(crate) fn rebase(&mut self, base: &Content) {
        if matches!(self.flash, Flash::End(seen) if seen != base.flash) {
            self.flash = Flash::Keep;
        }
    }

    /// A value is gone, because this request claimed it.
    pub(crate) fn lose(&mut self, name: usize, base: &Content) {
        let shows = self.shows(Some(base)) && base.values[name] != 0;
        if shows && self.values[name].is_none() {
            self.values[name] = Some(0);
        }
    }

    /// Whether what was there before still shows.
    pub(crate) fn shows(&self, base: Option<&Content>) -> bool {
        base.is_some() && !self.destroyed && !self.cleared
    }

    /// Whether there is more to save than another token.
    pub(crate) fn has_entries(&self) -> bool {
        self.cleared
            || self.values != [None; 3]
            || self.count != Count::Keep
            || self.flash != Flash::Keep
            || self.expiry.is_some()
            || self.subject.is_some()
    }

    /// Whether there is something to save.
    pub(crate) fn is_modified(&self) -> bool {
        self.destroyed || self.issue != Issue::No || self.has_entries()
    }

    /// Whether there is something to create where there is no session.
    pub(crate) fn creates(&self) -> bool {
        matches!(self.issue, Issue::SignIn(_)) || self.has_entries()
    }

    /// Whether a visitor without a session has got a form.
    pub(crate) fn shows_form(&self) -> bool {
        self.form && !self.creates()
    }

    /// The session after the changes.
    pub(crate) fn over(&self, base: &Content) -> Content {
        let mut content = *base;
        if self.cleared {
            content.clear();
        }
        for (value, change) in content.values.iter_mut().zip(self.values) {
            *value = change.unwrap_or(*value);
        }
        content.count = match self.count {
            Count::Keep => content.count,
            Count::Add(n) => content.count + n,
            Count::Set(n) => n,
        };
        content.flash = match self.flash {
            Flash::Set(flash) => flash,
            Flash::End(seen) if content.flash == seen => 0,
            Flash::Keep | Flash::End(_) => content.flash,
        };
        content.expiry = self.expiry.unwrap_or(content.expiry);
        // Another subject has not been authenticated.
        if let Some(subject) = self.subject.filter(|subject| *subject != content.subject) {
            (content.subject, content.authenticated) = (subject, 0);
        }
        content.applied |= 1 << self.by;
        content
    }

    /// The session under the new token: of a creation (no `base`), a rotation or a sign-in.
    pub(crate) fn anew(&self, base: Option<&Content>, opened: u64, now: u64) -> Content {
        let carried = match self.issue {
            Issue::No => None,
            Issue::Rotate => base,
            Issue::SignIn(subject) => base.filter(|base| [NOBODY, subject].contains(&base.subject)),
        };
        let empty = Content::default();
        let mut content = self.over(carried.unwrap_or(&empty));
        if self.issue != Issue::Rotate || carried.is_none() {
            (content.created, content.stamp) = (now, self.stamp);
            let anonymous = !matches!(self.issue, Issue::SignIn(_));
            let inherits = self.inherits && anonymous && !self.destroyed;
            content.seed = if inherits { 0 } else { self.by + 1 };
            content.authenticated = 0;
        }
        if let Issue::SignIn(subject) = self.issue {
            content.subject = self.subject.unwrap_or(subject);
            content.authenticated = if content.subject == subject {
                opened
            } else {
                0
            };
        }
        content
    }
}
