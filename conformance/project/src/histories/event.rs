//! A history: what each client did, when, and with which answer.

use std::time::Instant;

use super::traced::Step;

/// The values of a session, each of which can be claimed once.
pub(super) const TICKETS: [&str; 8] = [
    "ticket 0", "ticket 1", "ticket 2", "ticket 3", "ticket 4", "ticket 5", "ticket 6", "ticket 7",
];

/// A session from its sign-in to its sign-out, over all rotations.
pub(super) type Life = u32;

/// A client's action, its time and its answer.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) life: Life,
    /// How many rotations its token had behind it.
    pub(super) turn: u32,
    pub(super) act: Act,
    pub(super) begin: Instant,
    pub(super) end: Instant,
    /// The store calls of the exchange.
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Adds this number to the list, and one to the counter.
    Append(u32, Came),
    /// Sets the common value to this number.
    Set(u32, Came),
    Rotate(Came),
    SignOut(Came),
    /// Claims the ticket of this number.
    Claim(usize, Claimed),
    /// The values that a client saw. `None`: no session.
    Read(Option<Seen>),
    /// A read that failed.
    Nothing,
}

impl Act {
    /// Whether it may have taken this ticket.
    pub(super) fn takes(&self, ticket: usize) -> bool {
        matches!(self, Self::Claim(number, Claimed::Won | Claimed::Unknown) if *number == ticket)
    }
}

/// The answer to a client's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Acknowledged,
    /// Dropped, or there was no session.
    Dropped,
    /// Dropped, because the session ended meanwhile.
    Gone,
    /// Dropped, because the token was rotated away.
    Superseded,
    /// An error: it may have happened, and may still happen.
    Unknown,
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// This client alone has the value.
    Won,
    /// There is no such value.
    Nothing,
    /// There was one, and another client took it, or the session ended meanwhile.
    Lost,
    /// There is no session.
    NoSession,
    /// An error: it may be gone, and this client does not have it.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) life: Life,
    pub(super) list: Vec<u32>,
    pub(super) count: u32,
    pub(super) value: Option<u32>,
    /// The tickets that are not there.
    pub(super) taken: Vec<usize>,
}
