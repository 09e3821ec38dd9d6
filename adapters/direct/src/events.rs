//! Events of sessions, for audit logs and metrics.

use std::fmt;
use std::sync::{Arc, OnceLock};

use cloakroom_core::{Aim, Directive, Exchange, Fate, Key, Known, Outcome, UnixTime, session_id};
use cloakroom_store::Store;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::Sessions;

/// How many events a slow reader may be behind.
const BEHIND: usize = 4_096;

/// Something that happened to a session, by [`Sessions::events`].
///
/// It has no token and no value. `Debug` shows no subject either, so that it may go to any log. The
/// page [`audit_log`](crate::audit_log) sends events to a log and to metrics.
///
/// ```
/// use cloakroom::SessionEvent;
///
/// fn line(event: &SessionEvent) -> String {
///     let user = event.subject.as_deref().unwrap_or("-");
///     format!("{} {} {} {user}", event.at.as_secs(), event.what, event.id)
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionEvent {
    /// The change.
    pub what: Happening,
    /// Why.
    pub cause: Cause,
    /// When this process learned of it, right after the store acknowledged it.
    pub at: UnixTime,
    /// The session's public name ([`Session::id`](crate::Session::id)): OpenTelemetry's
    /// `session.id`.
    pub id: String,
    /// The name that a rotation or sign-in replaced: OpenTelemetry's `session.previous_id`.
    pub previous_id: Option<String>,
    /// The user, if it is known.
    pub subject: Option<Box<str>>,
}

impl fmt::Debug for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEvent")
            .field("what", &self.what)
            .field("cause", &self.cause)
            .field("at", &self.at)
            .field("id", &self.id)
            .field("previous_id", &self.previous_id)
            .finish_non_exhaustive()
    }
}

/// A change of a session.
///
/// ```
/// use cloakroom::Happening;
///
/// assert_eq!(Happening::SignedIn.to_string(), "signed in");
/// assert_eq!(Happening::SignedIn.otel_name(), "session.start");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Happening {
    /// It began, without a sign-in.
    Created,
    /// A subject signed in. The session before it, if there was one, has ended.
    SignedIn,
    /// It got another token, and so another name.
    Rotated,
    /// A request with its token ended it.
    SignedOut,
    /// It was ended otherwise.
    Revoked,
    /// Its timeout is over. Noticed only while somebody waits for its end
    /// ([`Session::ended`](crate::Session::ended)): other expired sessions vanish without a word.
    Expired,
}

impl Happening {
    /// Returns the name that OpenTelemetry's semantic conventions have for it: `session.start` or
    /// `session.end`.
    ///
    /// ```
    /// # use cloakroom::Happening;
    /// assert_eq!(Happening::Revoked.otel_name(), "session.end");
    /// ```
    #[must_use]
    pub fn otel_name(self) -> &'static str {
        match self {
            Self::Created | Self::SignedIn | Self::Rotated => "session.start",
            Self::SignedOut | Self::Revoked | Self::Expired => "session.end",
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::SignedIn => "signed in",
            Self::Rotated => "rotated",
            Self::SignedOut => "signed out",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        })
    }
}

/// Why something happened to a session.
///
/// ```
/// assert_eq!(cloakroom::Cause::OwnRequest.to_string(), "own request");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A request that presented its token, or had none.
    #[default]
    OwnRequest,
    /// A sign-in of the same subject, over a [limit](Sessions::with_limit).
    Limit,
    /// A call of [`Sessions::revoke`] or its siblings: another session of the user, or an operator.
    Revocation,
    /// Its idle or absolute timeout.
    Timeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnRequest => "own request",
            Self::Limit => "limit",
            Self::Revocation => "revocation",
            Self::Timeout => "timeout",
        })
    }
}

/// So many events were dropped, because the reader was too slow.
///
/// ```
/// assert_eq!(cloakroom::Lagged(3).to_string(), "3 session events were dropped");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(
    /// How many.
    pub u64,
);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} session events were dropped", self.0)
    }
}

impl std::error::Error for Lagged {}

/// The events of a process's sessions, from [`Sessions::events`].
pub struct Events(broadcast::Receiver<Arc<SessionEvent>>);

impl Events {
    /// Waits for the next event. Returns `None` when the sessions are gone.
    ///
    /// # Errors
    ///
    /// [`Lagged`] if the reader was more than 4,096 events behind: the oldest are lost, and the
    /// next call returns the first that is left.
    ///
    /// ```
    /// # use cloakroom::{Events, Lagged};
    /// async fn log(mut events: Events) {
    ///     while let Some(event) = events.next().await {
    ///         match event {
    ///             Ok(event) => println!("{} {}", event.id, event.what),
    ///             Err(Lagged(lost)) => println!("{lost} events are lost"),
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn next(&mut self) -> Option<Result<SessionEvent, Lagged>> {
        match self.0.recv().await {
            Ok(event) => Some(Ok(Arc::unwrap_or_clone(event))),
            Err(RecvError::Lagged(lost)) => Some(Err(Lagged(lost))),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}

impl<S: Store> Sessions<S> {
    /// Returns the events of sessions in this process from now on: created, signed in, rotated,
    /// signed out, revoked, expired. For an audit log and for metrics.
    ///
    /// Each process reports what it did itself, after the store acknowledged it, in the order of
    /// its commits. To have all of them, listen in every process. An event that was acknowledged
    /// when the process dies may be lost. If the store's answer was lost and the commit fails with
    /// `UnknownOutcome` or an error of the store, there is no event, and the change may have
    /// happened.
    ///
    /// Sessions in the cookie itself cause none. Costs no store call. Nobody listens: it costs
    /// nothing. A reader that is slow loses events instead of slowing requests down: [`Lagged`].
    ///
    /// ```
    /// # use cloakroom::{Happening, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = Sessions::new(MemoryStore::new());
    /// let mut events = sessions.events();
    /// sessions.with(None, |session| session.sign_in("ada")).await?;
    /// let event = events.next().await.unwrap()?;
    /// assert_eq!(event.what, Happening::SignedIn);
    /// assert_eq!(event.subject.as_deref(), Some("ada"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        let sender = &self.0.events.0;
        Events(
            sender
                .get_or_init(|| broadcast::Sender::new(BEHIND))
                .subscribe(),
        )
    }
}

/// Sends events, once somebody has asked for them.
#[derive(Clone, Default)]
pub(crate) struct Emitter(OnceLock<broadcast::Sender<Arc<SessionEvent>>>);

/// The purpose of a commit.
#[derive(Default)]
pub(crate) struct Errand {
    cause: Cause,
    /// The report, if there is a listener.
    news: Option<Box<News>>,
}

struct News {
    plan: Plan,
    known: Vec<Known>,
    /// Of a session that this exchange creates without a sign-in.
    subject: Option<Box<str>>,
    has_deleted: bool,
}

enum Plan {
    Keep,
    Rotate,
    SignIn(Box<str>),
    SignOut,
}

impl Errand {
    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    /// Notes that the store has deleted a record.
    pub(crate) fn note_delete(&mut self) {
        if let Some(news) = &mut self.news {
            news.has_deleted = true;
        }
    }
}

impl Emitter {
    fn listened(&self) -> Option<&broadcast::Sender<Arc<SessionEvent>>> {
        let sender = self.0.get()?;
        (sender.receiver_count() > 0).then_some(sender)
    }

    /// Prepares what to report of an exchange that is about to be committed.
    pub(crate) fn errand(&self, exchange: &mut Exchange, cause: Cause) -> Errand {
        let news = self.listened().map(|_| prepare(exchange));
        Errand { cause, news }
    }

    /// Reports a commit that has succeeded.
    pub(crate) fn tell(&self, errand: Errand, outcome: &Outcome, now: impl FnOnce() -> UnixTime) {
        if let (Some(news), Some(sender)) = (errand.news, self.listened()) {
            news.tell(errand.cause, outcome, now(), &|event| {
                // Nobody listens any more: that is no failure.
                _ = sender.send(Arc::new(event));
            });
        }
    }

    /// Reports a session that was watched until it expired.
    pub(crate) fn expired(&self, key: &Key, at: UnixTime) {
        if let Some(sender) = self.listened() {
            _ = sender.send(Arc::new(SessionEvent {
                what: Happening::Expired,
                cause: Cause::Timeout,
                at,
                id: session_id(key),
                previous_id: None,
                subject: None,
            }));
        }
    }
}

#[cold]
fn prepare(exchange: &mut Exchange) -> Box<News> {
    // The outcome then has the new key. Sessions in the cookie have none.
    _ = exchange.will_resume();
    let plan = match exchange.aim() {
        Aim::SignIn(subject) => Plan::SignIn(subject.into()),
        Aim::Rotate => Plan::Rotate,
        Aim::SignOut => Plan::SignOut,
        _ => Plan::Keep,
    };
    let known = exchange.known();
    let subject = match (&plan, &known[..]) {
        (Plan::SignOut, _) | (Plan::Keep, []) => {
            let session = exchange.session().ok();
            session.and_then(|session| session.subject().map(Box::from))
        }
        _ => None,
    };
    Box::new(News {
        plan,
        known,
        subject,
        has_deleted: false,
    })
}

impl News {
    fn tell(self, cause: Cause, outcome: &Outcome, at: UnixTime, tell: &dyn Fn(SessionEvent)) {
        let event = |what, id, previous_id, subject| {
            tell(SessionEvent {
                what,
                cause,
                at,
                id,
                previous_id,
                subject,
            });
        };
        let issued =
            matches!(outcome.directive, Directive::Issue(_)) && outcome.fate == Fate::Saved;
        let new = outcome.place().filter(|_| issued).map(session_id);
        let replaces = matches!(self.plan, Plan::SignIn(_)) && self.known.len() == 1;
        let ends = self.has_deleted && !matches!(self.plan, Plan::Rotate) && !replaces;
        let ended = match cause {
            Cause::OwnRequest => Happening::SignedOut,
            _ => Happening::Revoked,
        };
        let mut previous = None;
        for known in self.known {
            match ends {
                true => event(ended, known.id, None, known.subject),
                // A token from before a sign-in leads to another session, which lives on.
                false if !known.is_before_sign_in => previous = Some(known),
                false => {}
            }
        }
        let (previous_id, subject) = match previous {
            Some(known) => (Some(known.id), known.subject),
            None => (None, None),
        };
        match (new, self.plan) {
            (Some(id), Plan::SignIn(subject)) => {
                event(Happening::SignedIn, id, previous_id, Some(subject));
            }
            (Some(id), Plan::Rotate) => event(Happening::Rotated, id, previous_id, subject),
            // A session that is there keeps its token, unless its cookie is renewed.
            (Some(id), Plan::SignOut) => event(Happening::Created, id, None, self.subject),
            (Some(id), Plan::Keep) if previous_id.is_none() => {
                event(Happening::Created, id, None, self.subject);
            }
            _ => {}
        }
    }
}
