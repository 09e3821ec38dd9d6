//! Scripts: the operations that a request makes the handler perform. The handler is the same in
//! every adapter, so a new case needs no change in any of them.

use cloakroom::{CoreSession, Ended, Error, Expiry, Session, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

use super::stage::{Entropy, Stage};

/// The operations of one request, as they travel: JSON in a header or a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Script {
    /// The handler's operations.
    pub(crate) now: Vec<Op>,
    /// The operations after the response head: from a body, or an upgraded connection. With two
    /// sessions, the operations on the other one. With several attempts, those of the second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) then: Vec<Op>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Get(String),
    Insert(String, Value),
    Remove(String),
    Take(String),
    /// Adds one to a number, with `update`.
    Increment(String),
    Contains(String),
    Len,
    IsEmpty,
    Keys,
    Clear,
    IsNew,
    IsModified,
    Id,
    Subject,
    CreatedAt,
    AuthenticatedAt,
    ExpiresAt,
    SignIn(String),
    SignOut,
    Destroy,
    Rotate,
    Flash(String, Value),
    Flashed(String),
    Csrf,
    VerifyCsrf(String),
    /// Idle and absolute timeout in seconds, and whether the cookie is persistent.
    SetExpiry(u64, u64, bool),
    /// The response's status.
    Status(u16),
    /// One more line of the response's head.
    Header(String, String),
    /// The handler waits until the case opens this gate.
    Wait(String),
    /// The handler waits until its session ends.
    Ended,
    /// The handler leaves this to a task that outlives it. The task reports the result on the
    /// stage.
    Spawn(Vec<Self>),
    Panic,
    /// The handler answers with an error of its own: over HTTP with the status 500.
    Fail,
}

impl Script {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a script of the suite: {error}"))
    }

    pub(crate) fn to_text(&self) -> String {
        // Strings and numbers under string keys: always JSON. ASCII, as the suite's own names are.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<const N: usize> From<[Op; N]> for Script {
    fn from(now: [Op; N]) -> Self {
        Self::from(Vec::from(now))
    }
}

impl Script {
    pub(crate) fn then(now: impl Into<Vec<Op>>, then: impl Into<Vec<Op>>) -> Self {
        let (now, then) = (now.into(), then.into());
        Self { now, then }
    }
}

impl From<Vec<Op>> for Script {
    fn from(now: Vec<Op>) -> Self {
        Self::then(now, [])
    }
}

/// A script's results.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) values: Vec<Value>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) failed: bool,
}

impl Results {
    pub(crate) fn to_text(&self) -> String {
        Value::from(self.values.clone()).to_string()
    }
}

/// Performs the operations on the handle that adapters hand out.
pub(super) async fn perform<K: 'static>(
    ops: &[Op],
    session: Option<&Session<K>>,
    stage: &Stage,
) -> Results {
    let mut results = Results::default();
    for op in ops {
        match (op, session) {
            (Op::Wait(gate), _) => stage.wait(gate).await,
            (Op::Spawn(ops), Some(session)) => spawn(ops, session, stage),
            _ => {}
        }
        let value = match (op, session) {
            (Op::Ended, Some(session)) => ended(session).await,
            (_, Some(mut session)) => on(&mut session, op, stage.entropy()),
            (_, None) => Ok(Value::Null),
        };
        results.note(op, value);
    }
    results
}

async fn ended<K>(session: &Session<K>) -> Result<Value, String> {
    match session.ended().await {
        Ok(Ended::Rotated { id }) => Ok(json!({ "Rotated": id })),
        Ok(end) => Ok(format!("{end:?}").into()),
        Err(error) => Err(error.to_string()),
    }
}

fn spawn<K: 'static>(ops: &[Op], session: &Session<K>, stage: &Stage) {
    let (ops, session, stage) = (ops.to_vec(), session.clone(), stage.clone());
    tokio::spawn(async move {
        let results = perform(&ops, Some(&session), &stage).await;
        stage.tell(results.values);
    });
}

/// Performs the operations on the session itself, without a handle and without waiting.
pub(super) fn perform_now(ops: &[Op], session: &mut CoreSession<'_>, stage: &Stage) -> Results {
    let mut results = Results::default();
    for op in ops {
        results.note(op, on(session, op, stage.entropy()));
    }
    results
}

impl Results {
    fn note(&mut self, op: &Op, value: Result<Value, String>) {
        match op {
            Op::Status(status) => self.status = Some(*status),
            Op::Header(name, value) => self.headers.push((name.clone(), value.clone())),
            // Not `panic!`, which would print an alarming message.
            Op::Panic => std::panic::resume_unwind(Box::new("the script says so")),
            Op::Fail => self.failed = true,
            _ => {}
        }
        let value = value.unwrap_or_else(|error| json!({ "error": error }));
        self.values.push(value);
    }
}

fn on(session: &mut impl Target, op: &Op, entropy: &Entropy) -> Result<Value, String> {
    let result = match op {
        Op::Get(name) => session.get(name).map(|value| json!(value)),
        Op::Insert(name, value) => session.insert(name, value).map(|()| Value::Null),
        Op::Remove(name) => session.remove(name).map(Value::from),
        Op::Take(name) => session.take(name).map(|value| json!(value)),
        Op::Increment(name) => session.increment(name).map(Value::from),
        Op::Contains(name) => session.contains(name).map(Value::from),
        Op::Len => session.len().map(Value::from),
        Op::IsEmpty => session.is_empty().map(Value::from),
        Op::Keys => session.keys().map(Value::from),
        Op::Clear => session.clear().map(|()| Value::Null),
        Op::IsNew => session.is_new().map(Value::from),
        Op::IsModified => session.is_modified().map(Value::from),
        Op::Id => session.id().map(|id| json!(id)),
        Op::Subject => session.subject().map(|subject| json!(subject)),
        Op::CreatedAt => session.created_at().map(|at| json!(at.as_secs())),
        Op::AuthenticatedAt => session
            .authenticated_at()
            .map(|at| json!(at.map(UnixTime::as_secs))),
        Op::ExpiresAt => session.expires_at().map(|at| json!(at.as_secs())),
        Op::SignIn(subject) => session.sign_in(subject).map(|()| Value::Null),
        Op::SignOut | Op::Destroy => session.sign_out().map(|()| Value::Null),
        Op::Rotate => session.rotate().map(|()| Value::Null),
        Op::Flash(name, value) => session.flash(name, value).map(|()| Value::Null),
        Op::Flashed(name) => session.flashed(name).map(|value| json!(value)),
        Op::Csrf => return session.csrf(entropy).map(Value::from),
        Op::VerifyCsrf(token) => session.verify_csrf(token).map(Value::from),
        Op::SetExpiry(idle, absolute, persistent) => {
            let expiry = Expiry::new()
                .idle(Duration::from_secs(*idle))
                .absolute(Duration::from_secs(*absolute));
            let expiry = match persistent {
                true => expiry.persistent(),
                false => expiry,
            };
            session.set_expiry(expiry).map(|()| Value::Null)
        }
        Op::Status(_) | Op::Header(..) | Op::Wait(_) | Op::Ended | Op::Spawn(_) => Ok(Value::Null),
        Op::Panic | Op::Fail => Ok(Value::Null),
    };
    result.map_err(|error| error.to_string())
}

type MessageReply<T> = Result<T, Error>;

/// `$method(arguments) -> type` for both: the handle's methods all answer with a `Result`, and so
/// do some of the session's.
macro_rules! targets {
    (
        fallible: { $($fallible:ident($($fa:ident: $ft:ty),*) -> $fr:ty;)* }
        infallible: { $($plain:ident($($pa:ident: $pt:ty),*) -> $pr:ty, $map:expr;)* }
    ) => {
        /// The operations on a session, through a handle or directly.
        trait Target {
            $(fn $fallible(&mut self, $($fa: $ft),*) -> MessageReply<$fr>;)*
            $(fn $plain(&mut self, $($pa: $pt),*) -> MessageReply<$pr>;)*
            fn increment(&mut self, name: &str) -> MessageReply<u64>;
            fn csrf(&mut self, entropy: &Entropy) -> Result<String, String>;
        }

        impl<K> Target for &Session<K> {
            $(fn $fallible(&mut self, $($fa: $ft),*) -> MessageReply<$fr> {
                Session::$fallible(self, $($fa),*)
            })*
            $(fn $plain(&mut self, $($pa: $pt),*) -> MessageReply<$pr> {
                Session::$plain(self, $($pa),*)
            })*
            fn increment(&mut self, name: &str) -> MessageReply<u64> {
                self.update(name, |n: Option<u64>| n.unwrap_or(0) + 1)
            }
            fn csrf(&mut self, _: &Entropy) -> Result<String, String> {
                self.csrf_token().map_err(|error| error.to_string())
            }
        }

        impl Target for CoreSession<'_> {
            $(fn $fallible(&mut self, $($fa: $ft),*) -> MessageReply<$fr> {
                Ok(CoreSession::$fallible(self, $($fa),*)?)
            })*
            $(fn $plain(&mut self, $($pa: $pt),*) -> MessageReply<$pr> {
                Ok($map(CoreSession::$plain(self, $($pa),*)))
            })*
            fn increment(&mut self, name: &str) -> MessageReply<u64> {
                Ok(self.update(name, |n: Option<u64>| n.unwrap_or(0) + 1)?)
            }
            fn csrf(&mut self, entropy: &Entropy) -> Result<String, String> {
                let mut bytes = [0; 32];
                entropy.fill(&mut bytes);
                Ok(self.csrf_token(bytes))
            }
        }
    };
}

targets! {
    fallible: {
        get(name: &str) -> Option<Value>;
        insert(name: &str, value: &Value) -> ();
        take(name: &str) -> Option<Value>;
        sign_in(subject: &str) -> ();
        flash(name: &str, value: &Value) -> ();
        flashed(name: &str) -> Option<Value>;
        set_expiry(expiry: Expiry) -> ();
    }
    infallible: {
        remove(name: &str) -> bool, |there| there;
        contains(name: &str) -> bool, |there| there;
        len() -> usize, |len| len;
        is_empty() -> bool, |empty| empty;
        keys() -> Vec<String>, owned;
        clear() -> (), |()| ();
        is_new() -> bool, |new| new;
        is_modified() -> bool, |modified| modified;
        id() -> Option<String>, |id| id;
        subject() -> Option<String>, |subject: Option<&str>| subject.map(str::to_owned);
        created_at() -> UnixTime, |at| at;
        authenticated_at() -> Option<UnixTime>, |at| at;
        expires_at() -> UnixTime, |at| at;
        sign_out() -> (), |()| ();
        rotate() -> (), |()| ();
        verify_csrf(token: &str) -> bool, |genuine| genuine;
    }
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

/// Short names for what the cases write most.
pub(crate) fn get(name: &str) -> Op {
    Op::Get(name.into())
}

pub(crate) fn insert(name: &str, value: impl Into<Value>) -> Op {
    Op::Insert(name.into(), value.into())
}

pub(crate) fn increment(name: &str) -> Op {
    Op::Increment(name.into())
}

pub(crate) fn sign_in(subject: &str) -> Op {
    Op::SignIn(subject.into())
}

pub(crate) fn wait(gate: &str) -> Op {
    Op::Wait(gate.into())
}

pub(crate) fn header(name: &str, value: &str) -> Op {
    Op::Header(name.into(), value.into())
}
