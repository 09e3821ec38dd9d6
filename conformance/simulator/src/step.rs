//! The steps and their notation. A schedule is a list of steps. Each step is independent, so that a
//! schedule stays valid when steps are removed.

use std::fmt;
use std::str::FromStr;

/// The number of a request, unique in its schedule. Its tokens and values are named after it.
pub type Id = u8;

/// How many requests a schedule may have.
pub const MAX_REQUESTS: u8 = 64;
/// How many clients and nodes there are at most.
pub(crate) const MAX_CLIENTS: u8 = 4;
/// The largest difference between the clocks of two nodes that is a difference, and not a clock
/// that is wrong.
pub(crate) const SMALL_SKEW: u64 = 5;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A client sends a request.
    Start(Start),
    /// A request does its next store action (or its handler ends), with a fault or without.
    Act(Id, Fault),
    /// The process that serves a request dies.
    Crash(Id),
    /// The answer reaches the client.
    Deliver(Id),
    /// The answer does not reach the client.
    Lose(Id),
    /// An abandoned write of this request happens after all.
    Land(Id),
    /// Seconds pass.
    Advance(u32),
    /// The clock of a node is set to be this much ahead of the others.
    Skew(u8, i64),
    /// The store drops the record that this request created.
    Evict(Id),
    /// An operator ends all sessions, from this node.
    EndAll(u8),
}

/// A request: its client, token, node and handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its number.
    pub id: Id,
    /// The browser. All its tabs share one cookie jar.
    pub client: u8,
    /// The server.
    pub node: u8,
    /// The cookies of the request.
    pub present: Present,
    /// The handler's calls, in order. Empty: it does not use the session.
    pub actions: [Option<Action>; 3],
}

impl Start {
    /// All that can be done with a session that was listed.
    pub(crate) const ENDS: [Option<Action>; 3] = [Some(Action::SignOut), None, None];
}

/// The cookies of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Present {
    /// None.
    Nothing,
    /// The jar's present cookies.
    Jar,
    /// The token that this request was given, wherever it is now.
    Of(Id),
    /// The jar's cookies, and the token that this request was given.
    Both(Id),
    /// A token of the right form that was never issued.
    Unknown,
    /// No token at all.
    Garbage,
    /// No cookie, but a listing of its subject's sessions: the one that this request began is
    /// ended.
    Listed(Id),
}

/// The fault of a store action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    None,
    /// It fails before anything happened, and trying again may help.
    Before,
    /// It happens, and its answer is lost.
    Lost,
    /// It is abandoned, and may happen later.
    Late,
    /// It fails for good.
    Broken,
    /// A read returns what was there before the last change.
    Stale,
    /// The generator of randomness repeats itself.
    Repeat,
}

/// One call of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Reads everything.
    Look,
    /// Sets one of three values to the request's number.
    Insert(u8),
    /// The same, by way of a struct that has all values.
    View(u8),
    /// Removes one of three values.
    Remove(u8),
    /// Adds one to a counter.
    Count,
    /// Removes all values.
    Clear,
    /// Asks for a new token.
    Rotate,
    /// Signs in: 1 is ada, 2 is bob.
    SignIn(u8),
    /// Signs out.
    SignOut,
    /// Changes the session's subject, without a new token: 0 is none.
    Belong(u8),
    /// Leaves a message for the next page.
    Flash,
    /// Reads the message.
    Flashed,
    /// A lifetime of its own: 0 as configured, 1 short, 2 long.
    Expiry(u8),
    /// Checks the CSRF token of the page before, and makes another.
    Csrf,
    /// Fails: nothing of what was done so far counts.
    Discard,
    /// Saves what was done so far, and goes on.
    Save,
    /// Claims one of two values.
    Claim(u8),
}

/// How many different actions there are.
pub(crate) const KINDS: usize = 27;

const ACTIONS: [(&str, Action); KINDS] = [
    ("look", Action::Look),
    ("a=", Action::Insert(0)),
    ("b=", Action::Insert(1)),
    ("c=", Action::Insert(2)),
    ("a.=", Action::View(0)),
    ("b.=", Action::View(1)),
    ("a-", Action::Remove(0)),
    ("b-", Action::Remove(1)),
    ("count", Action::Count),
    ("clear", Action::Clear),
    ("rotate", Action::Rotate),
    ("ada", Action::SignIn(1)),
    ("bob", Action::SignIn(2)),
    ("out", Action::SignOut),
    ("of-nobody", Action::Belong(0)),
    ("of-ada", Action::Belong(1)),
    ("of-bob", Action::Belong(2)),
    ("flash", Action::Flash),
    ("flashed", Action::Flashed),
    ("default", Action::Expiry(0)),
    ("short", Action::Expiry(1)),
    ("long", Action::Expiry(2)),
    ("csrf", Action::Csrf),
    ("fail", Action::Discard),
    ("save", Action::Save),
    ("a!", Action::Claim(0)),
    ("b!", Action::Claim(1)),
];

const FAULTS: [(&str, Fault); 7] = [
    ("", Fault::None),
    ("before", Fault::Before),
    ("lost", Fault::Lost),
    ("late", Fault::Late),
    ("broken", Fault::Broken),
    ("stale", Fault::Stale),
    ("repeat", Fault::Repeat),
];

impl Action {
    /// Returns all actions to choose from.
    pub(crate) fn all() -> impl ExactSizeIterator<Item = Self> {
        ACTIONS.iter().map(|(_, action)| *action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ACTIONS.iter().find(|(_, action)| action == self);
        f.write_str(known.map_or("?", |(name, _)| name))
    }
}

impl fmt::Display for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Jar => f.write_str("jar"),
            Self::Of(id) => write!(f, "of{id}"),
            Self::Both(id) => write!(f, "jar+of{id}"),
            Self::Unknown => f.write_str("unknown"),
            Self::Garbage => f.write_str("garbage"),
            Self::Listed(id) => write!(f, "listed{id}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => {
                let Start {
                    id,
                    client,
                    node,
                    present,
                    ..
                } = start;
                write!(f, "+{id}:c{client}:n{node}:{present}:")?;
                for (n, action) in start.actions.iter().flatten().enumerate() {
                    write!(f, "{}{action}", if n == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Act(id, Fault::None) => write!(f, "{id}"),
            Self::Act(id, fault) => {
                let known = FAULTS.iter().find(|(_, known)| known == fault);
                write!(f, "{id}!{}", known.map_or("?", |(name, _)| name))
            }
            Self::Crash(id) => write!(f, "{id}#"),
            Self::Deliver(id) => write!(f, "{id}>"),
            Self::Lose(id) => write!(f, "{id}/"),
            Self::Land(id) => write!(f, "{id}~"),
            Self::Advance(seconds) => write!(f, "@{seconds}"),
            Self::Skew(node, seconds) => write!(f, "n{node}@{seconds}"),
            Self::Evict(id) => write!(f, "{id}%"),
            Self::EndAll(node) => write!(f, "n{node}!"),
        }
    }
}

/// A word of a trace that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTrace(pub(crate) String);

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the trace has a word that means nothing: `{}`", self.0)
    }
}

impl std::error::Error for BadTrace {}

impl FromStr for Step {
    type Err = BadTrace;

    fn from_str(word: &str) -> Result<Self, BadTrace> {
        parse(word).ok_or_else(|| BadTrace(word.to_owned()))
    }
}

fn parse(word: &str) -> Option<Step> {
    if let Some(start) = word.strip_prefix('+') {
        return parse_start(start).map(Step::Start);
    }
    if let Some(seconds) = word.strip_prefix('@') {
        return seconds.parse().ok().map(Step::Advance);
    }
    if let Some((node, seconds)) = word.strip_prefix('n').and_then(|rest| rest.split_once('@')) {
        return Some(Step::Skew(below(node, MAX_CLIENTS)?, seconds.parse().ok()?));
    }
    if let Some(node) = word
        .strip_prefix('n')
        .and_then(|rest| rest.strip_suffix('!'))
    {
        return below(node, MAX_CLIENTS).map(Step::EndAll);
    }
    let digits = word.find(|c: char| !c.is_ascii_digit());
    let (number, rest) = word.split_at(digits.unwrap_or(word.len()));
    let id = id(number)?;
    match rest {
        "" => Some(Step::Act(id, Fault::None)),
        "#" => Some(Step::Crash(id)),
        ">" => Some(Step::Deliver(id)),
        "/" => Some(Step::Lose(id)),
        "~" => Some(Step::Land(id)),
        "%" => Some(Step::Evict(id)),
        _ => {
            let name = rest.strip_prefix('!')?;
            let (_, fault) = FAULTS.iter().find(|(known, _)| *known == name)?;
            Some(Step::Act(id, *fault))
        }
    }
}

fn parse_start(text: &str) -> Option<Start> {
    let mut parts = text.split(':');
    let mut next = || parts.next();
    let id = id(next()?)?;
    let client = below(next()?.strip_prefix('c')?, MAX_CLIENTS)?;
    let node = below(next()?.strip_prefix('n')?, MAX_CLIENTS)?;
    let present = match next()? {
        "none" => Present::Nothing,
        "jar" => Present::Jar,
        "unknown" => Present::Unknown,
        "garbage" => Present::Garbage,
        other => {
            let of = |prefix| other.strip_prefix(prefix).and_then(self::id);
            let (both, one) = (of("jar+of").map(Present::Both), of("of").map(Present::Of));
            both.or(one).or_else(|| of("listed").map(Present::Listed))?
        }
    };
    let mut actions = [None; 3];
    let names = next()?.split(',').filter(|name| !name.is_empty());
    for (n, name) in names.enumerate() {
        let (_, action) = ACTIONS.iter().find(|(known, _)| *known == name)?;
        *actions.get_mut(n)? = Some(*action);
    }
    Some(Start {
        id,
        client,
        node,
        present,
        actions,
    })
}

fn id(text: &str) -> Option<Id> {
    below(text, MAX_REQUESTS)
}

fn below(text: &str, end: u8) -> Option<u8> {
    text.parse().ok().filter(|number| *number < end)
}
