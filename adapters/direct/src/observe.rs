//! What an application may want to count.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_core::{Fate, Outcome, Stored};
use cloakroom_store::{Created, Deleted, Replaced, StoreError, Touched};

use crate::Error;

/// What happened, for [`Sessions::with_observer`](crate::Sessions::with_observer). Nothing in it is secret: no token, key, value or subject.
///
/// What to make of each, and what to alert on: [`observability`](crate::observability).
///
/// ```
/// use cloakroom::Event;
///
/// fn name(event: &Event<'_>) -> &'static str {
///     match event {
///         Event::StoreCall { .. } => "session_store_seconds",
///         Event::Finished { .. } => "session_exchanges_total",
///         Event::Refused => "session_refused_total",
///         Event::Failed { .. } => "session_failures_total",
///         _ => "session_other_total",
///     }
/// }
/// # assert_eq!(name(&Event::Refused), "session_refused_total");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The store was asked once. A failure that is tried again is a call of its own.
    StoreCall {
        /// What it was asked.
        operation: Operation,
        /// What it said.
        answer: Answer,
        /// From the question to the answer.
        took: Duration,
    },
    /// An exchange whose session was asked for came to its end.
    Finished {
        /// What became of the changes.
        fate: Fate,
        /// How often another request had changed the record first, or an answer of the store was lost.
        conflicts: u32,
        /// How often the changes were made again over what another request had saved.
        rebases: u32,
    },
    /// A sign-in was refused: [`Sessions::with_limit`](crate::Sessions::with_limit) with [`Excess::Refuse`](crate::Excess::Refuse).
    Refused,
    /// A session could not be loaded, or its changes not be saved.
    Failed {
        /// Why.
        error: &'a Error,
    },
}

/// A question to the store, of [`Event::StoreCall`].
///
/// ```
/// assert_eq!(cloakroom::Operation::Replace.to_string(), "replace");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::load`](crate::Store::load)
    Load,
    /// [`Store::create`](crate::Store::create)
    Create,
    /// [`Store::replace`](crate::Store::replace)
    Replace,
    /// [`Store::touch`](crate::Store::touch)
    Touch,
    /// [`Store::delete`](crate::Store::delete)
    Delete,
}

/// A store's answer, of [`Event::StoreCall`].
///
/// ```
/// assert_eq!(cloakroom::Answer::Changed.to_string(), "changed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// It did what it was asked for; a load found the record.
    Done,
    /// There is no such record: nobody's token, or one whose session has ended.
    Gone,
    /// Another request has changed the record first.
    Changed,
    /// A create found a record in its place.
    Taken,
    /// It could not tell, and may if it is asked again.
    FailedTransiently,
    /// It could not tell.
    Failed,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Touch => "touch",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Taken => "taken",
            Self::FailedTransiently => "failed transiently",
            Self::Failed => "failed",
        })
    }
}

/// Whom to tell, if anybody wants to know.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Observe>);

type Observe = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl Observer {
    pub(crate) fn new(observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// The beginning of a store call, if it is to be told of.
    pub(crate) fn start(&self) -> Option<Instant> {
        (self.0.is_some() || tracing::enabled!(tracing::Level::TRACE)).then(Instant::now)
    }

    /// The end of a store call.
    pub(crate) fn end<T: Answered>(
        &self,
        start: Option<Instant>,
        operation: Operation,
        result: &Result<T, StoreError>,
    ) {
        let Some(start) = start else { return };
        let took = start.elapsed();
        let answer = match result {
            Ok(answer) => answer.answered(),
            Err(error) if error.is_transient() => Answer::FailedTransiently,
            Err(_) => Answer::Failed,
        };
        tracing::trace!(
            %operation,
            %answer,
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "session store call"
        );
        self.tell(&Event::StoreCall {
            operation,
            answer,
            took,
        });
    }

    /// The end of an exchange. Nobody hears of one whose session could not be loaded: that has been told of.
    pub(crate) fn finished(&self, outcome: &Outcome, rebases: u32) {
        if outcome.accessed {
            self.tell(&Event::Finished {
                fate: outcome.fate,
                conflicts: outcome.conflicts,
                rebases,
            });
        }
    }

    pub(crate) fn failed(&self, error: &Error) {
        match error {
            Error::TooManySessions => {
                tracing::info!("sign-in refused: too many sessions of this subject");
                self.tell(&Event::Refused);
            }
            error => self.tell(&Event::Failed { error }),
        }
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(observe) = &self.0 {
            observe(event);
        }
    }
}

/// The answers of the five operations.
pub(crate) trait Answered {
    fn answered(&self) -> Answer;
}

impl Answered for Option<Stored> {
    fn answered(&self) -> Answer {
        match self {
            Some(_) => Answer::Done,
            None => Answer::Gone,
        }
    }
}

impl Answered for Created {
    fn answered(&self) -> Answer {
        match self {
            Self::Stored => Answer::Done,
            Self::Taken => Answer::Taken,
        }
    }
}

impl Answered for Replaced {
    fn answered(&self) -> Answer {
        match self {
            Self::Stored => Answer::Done,
            Self::Changed => Answer::Changed,
            Self::Gone => Answer::Gone,
        }
    }
}

impl Answered for Touched {
    fn answered(&self) -> Answer {
        match self {
            Self::Extended => Answer::Done,
            Self::Gone => Answer::Gone,
        }
    }
}

impl Answered for Deleted {
    fn answered(&self) -> Answer {
        match self {
            Self::Deleted => Answer::Done,
            Self::Changed => Answer::Changed,
            Self::Gone => Answer::Gone,
        }
    }
}
