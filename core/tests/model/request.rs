//! Requests, and the questions and answers of their exchanges.

use cloakroom_core::{Fate, Session, Write};

pub(crate) type Slot = u8;
pub(crate) type RecordId = u16;
pub(crate) type NodeId = u32;

/// When the session that every scenario begins with was created, and when the scenario begins.
pub(crate) const CREATED: u64 = 1_700_000_000;
pub(crate) const BEGIN: u64 = CREATED + 10;

/// The action of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    WriteA,
    WriteB,
    Count,
    Read,
    SignIn,
    Rotate,
    SignOut,
    /// With the scenario's first token, from a kept copy.
    OldRead,
    OldSignIn,
    OldCount,
    OldSignOut,
    /// Takes the value `c` while the handler runs.
    Claim,
    OldClaim,
}

impl Op {
    pub(crate) fn is_old(self) -> bool {
        matches!(
            self,
            Self::OldRead | Self::OldSignIn | Self::OldCount | Self::OldSignOut | Self::OldClaim
        )
    }

    pub(crate) fn signs_in(self) -> bool {
        matches!(self, Self::SignIn | Self::OldSignIn)
    }

    pub(crate) fn signs_out(self) -> bool {
        matches!(self, Self::SignOut | Self::OldSignOut)
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::WriteA | Self::WriteB) || self.counts()
    }

    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Count | Self::OldCount)
    }

    pub(crate) fn claims(self) -> bool {
        matches!(self, Self::Claim | Self::OldClaim)
    }

    pub(super) fn handle(self, session: &mut Session<'_>) {
        let done = match self {
            Self::WriteA => session.insert("a", 1),
            Self::WriteB => session.insert("b", 1),
            Self::Count | Self::OldCount => session
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .map(|_| ()),
            Self::Read | Self::OldRead => session.get::<u64>("base").map(|_| ()),
            Self::SignIn | Self::OldSignIn => session.sign_in("u"),
            Self::Rotate => {
                session.rotate();
                Ok(())
            }
            Self::SignOut | Self::OldSignOut => {
                session.sign_out();
                Ok(())
            }
            Self::Claim | Self::OldClaim => Ok(()),
        };
        done.expect("the handlers do nothing wrong");
    }
}

/// One request: its client, its token and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) who: u8,
    pub(crate) op: Op,
    pub(crate) token: Option<Slot>,
    /// Another cookie of the same name, of another scope.
    pub(crate) second: Option<Slot>,
    pub(crate) now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Found(Option<RecordId>),
    Created(bool),
    /// `None`: gone; else whether it was still the one.
    Replaced(Option<bool>),
    Deleted(Option<bool>),
    Lost,
}

/// The next question.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    Load(Slot),
    Create(Slot, Write),
    Replace(Slot, RecordId, Write),
    Delete(Slot, RecordId),
    Done(Fate, Told),
    /// Whether its write happened cannot be seen.
    Uncertain,
    /// A sign-in overtook its changes, or what it was to sign out of.
    Refused,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Clear,
    Token(Slot),
}

/// The session as the handler found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// It is the scenario's first session or a rotation of it, not one that began with a sign-in.
    pub(crate) first: bool,
    pub(crate) signed_in: bool,
}
