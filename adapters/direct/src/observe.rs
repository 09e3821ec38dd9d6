//! Events for metrics.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_core::{Fate, Outcome, Stored};
use cloakroom_store::{Created, Deleted, Replaced, StoreError, Touched};

use crate::Error;

/// An event for [`Sessions::with_observer`](crate::Sessions::with_observer). It holds no secret: no
/// token, key, value or subject.
///
/// The page [`observability`](crate::observability) has the metrics and alerts.
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
    /// The store was called once. Each retry is a call of its own.
    StoreCall {
        /// The store operation.
        operation: Operation,
        /// The operation's result.
        answer: StoreAnswer,
        /// From the question to the answer.
        took: Duration,
    },
    /// An exchange whose session was used has ended.
    Finished {
        /// The fate of the changes.
        fate: Fate,
        /// How often another request had changed the record first, or an answer of the store was
        /// lost.
        conflicts: u32,
        /// How often the changes were made again over what another request had saved.
        rebases: u32,
    },
    /// A sign-in was refused: [`Sessions::with_limit`](crate::Sessions::with_limit) with
    /// [`LimitPolicy::Refuse`](crate::LimitPolicy::Refuse).
    Refused,
    /// A session could not be loaded, or its changes could not be saved.
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
/// assert_eq!(cloakroom::StoreAnswer::Changed.to_string(), "changed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreAnswer {
    /// It did what it was asked for; a load found the record.
    Done,
    /// There is no such record: an invented token, or one whose session has ended.
    Gone,
    /// Another request has changed the record first.
    Changed,
    /// A create found a record in its place.
    Taken,
    /// The call failed, and a retry may succeed.
    FailedTransiently,
    /// The call failed.
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

impl fmt::Display for StoreAnswer {
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

/// The observer, if the application set one.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Observe>);

type Observe = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl Observer {
    pub(crate) fn new(observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// The start of a store call, if there is an observer.
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
            Err(error) if error.is_transient() => StoreAnswer::FailedTransiently,
            Err(_) => StoreAnswer::Failed,
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

    /// Reports the end of an exchange. A failed load was reported before and has no end.
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
    fn answered(&self) -> StoreAnswer;
}

impl Answered for Option<Stored> {
    fn answered(&self) -> StoreAnswer {
        match self {
            Some(_) => StoreAnswer::Done,
            None => StoreAnswer::Gone,
        }
    }
}

impl Answered for Created {
    fn answered(&self) -> StoreAnswer {
        match self {
            Self::Stored => StoreAnswer::Done,
            Self::Taken => StoreAnswer::Taken,
        }
    }
}

impl Answered for Replaced {
    fn answered(&self) -> StoreAnswer {
        match self {
            Self::Stored => StoreAnswer::Done,
            Self::Changed => StoreAnswer::Changed,
            Self::Gone => StoreAnswer::Gone,
        }
    }
}

impl Answered for Touched {
    fn answered(&self) -> StoreAnswer {
        match self {
            Self::Extended => StoreAnswer::Done,
            Self::Gone => StoreAnswer::Gone,
        }
    }
}

impl Answered for Deleted {
    fn answered(&self) -> StoreAnswer {
        match self {
            Self::Deleted => StoreAnswer::Done,
            Self::Changed => StoreAnswer::Changed,
            Self::Gone => StoreAnswer::Gone,
        }
    }
}
