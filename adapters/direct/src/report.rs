//! Error reports that a developer sees without any set-up.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;

/// Logs an error and returns the text of its response: for adapters.
///
/// The error goes to `tracing`. Where no subscriber is set up, the first error of each kind goes to
/// standard error instead, so that a terminal is never empty. The text is
/// [`Error::sentence`]; in debug builds the error itself follows it.
///
/// ```
/// use cloakroom::{Error, adapter};
///
/// let text = adapter::report(&Error::TooManySessions);
/// assert!(text.starts_with("You are signed in too often."));
/// ```
#[must_use]
pub fn report(error: &Error) -> String {
    tracing::error!(%error, "session");
    static PRINTED: AtomicU32 = AtomicU32::new(0);
    let kind = match error {
        Error::Store(_) => 1,
        Error::Session(_) => 2,
        Error::Entropy(_) => 4,
        Error::TooManySessions => 8,
        Error::NotSetUp(_) => 16,
    };
    print_once(&PRINTED, kind, format_args!("session error: {error}"));
    match cfg!(debug_assertions) {
        true => format!(
            "{}\n\n(Shown in debug builds only: {error})\n",
            error.sentence()
        ),
        false => error.sentence().to_owned(),
    }
}

/// One line on standard error, where no `tracing` subscriber has ever been set up.
pub(crate) fn print_once(printed: &AtomicU32, kind: u32, line: std::fmt::Arguments<'_>) {
    if tracing::dispatcher::has_been_set() || printed.fetch_or(kind, Ordering::Relaxed) & kind != 0
    {
        return;
    }
    // A closed standard error is no reason to fail a request.
    let _ = writeln!(
        std::io::stderr(),
        "cloakroom: {line} (shown once, as `tracing` has no subscriber)"
    );
}
