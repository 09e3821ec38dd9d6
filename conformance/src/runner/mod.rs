//! Runs cases and says what came of them.

mod arguments;
mod report;

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub use report::{Outcome, Report, Tally, Verdict};

use crate::case::{Case, Running, Stop};
use arguments::{Arguments, Wish};

/// How long one case may take. None needs a tenth of it; one that takes this long waits for what does not come.
const LIMIT: Duration = Duration::from_secs(120);

/// How many cases run at the same time: more than there are processors, because some of them wait for a clock.
const AT_ONCE: usize = 8;

/// Cases that are ready to run: what [`store::suite`](crate::store::suite) makes of a fixture.
///
/// ```
/// use cloakroom_conformance::store::{self, Fixture};
///
/// fn names(fixture: impl Fixture) -> Vec<String> {
///     store::suite(fixture).names().collect()
/// }
/// ```
pub struct Suite {
    trials: Vec<Trial>,
}

/// A case on one implementation, reached in one way.
pub(crate) struct Trial {
    case: Case,
    on: String,
    work: Work,
}

enum Work {
    Run(Box<dyn FnOnce() -> Running + Send>),
    Stopped(Stop),
}

impl Trial {
    pub(crate) fn new(
        case: Case,
        on: String,
        start: impl FnOnce() -> Running + Send + 'static,
    ) -> Self {
        let work = Work::Run(Box::new(start));
        Self { case, on, work }
    }

    /// A trial of which it is known before that it does not take place.
    pub(crate) fn stopped(case: Case, on: String, stop: Stop) -> Self {
        let work = Work::Stopped(stop);
        Self { case, on, work }
    }

    fn name(&self) -> String {
        report::name(&self.case, &self.on)
    }
}

impl Suite {
    pub(crate) fn new(trials: Vec<Trial>) -> Self {
        Self { trials }
    }

    /// The names of what will run: the case's id and, in brackets, on what: `store/load-missing[memory/direct]`.
    ///
    /// ```
    /// use cloakroom_conformance::store::{self, Fixture};
    ///
    /// fn names(fixture: impl Fixture) -> Vec<String> {
    ///     store::suite(fixture).names().collect()
    /// }
    /// ```
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.trials.iter().map(Trial::name)
    }

    /// Leaves out what has another name.
    ///
    /// ```
    /// use cloakroom_conformance::store::{self, Fixture};
    ///
    /// fn races(fixture: impl Fixture) -> cloakroom_conformance::Suite {
    ///     store::suite(fixture).only(|name| name.contains("race"))
    /// }
    /// ```
    #[must_use]
    pub fn only(mut self, mut wanted: impl FnMut(&str) -> bool) -> Self {
        self.trials.retain(|trial| wanted(&trial.name()));
        self
    }

    /// Runs the cases, several at a time, and tells of each in order as soon as it is known. A case that panics or does not
    /// end has failed.
    ///
    /// Needs a tokio runtime with more than one thread and with time. Dropping the future stops the cases that run.
    ///
    /// ```
    /// use cloakroom_conformance::{Report, Suite};
    ///
    /// async fn quietly(suite: Suite) -> Report {
    ///     suite.run(|_| ()).await
    /// }
    /// ```
    pub async fn run(self, mut tell: impl FnMut(&Outcome)) -> Report {
        let mut outcomes = Vec::with_capacity(self.trials.len());
        let mut trials = self.trials.into_iter();
        let mut running = VecDeque::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(trial) = trials.next()
            {
                let work = match trial.work {
                    Work::Run(start) => Ok(AbortOnDrop(tokio::spawn(start()))),
                    Work::Stopped(stop) => Err(stop),
                };
                running.push_back((trial.case, trial.on, work));
            }
            let Some((case, on, work)) = running.pop_front() else {
                return Report::new(outcomes);
            };
            let verdict = match work {
                Ok(task) => verdict(task).await,
                Err(stop) => stop.into(),
            };
            let outcome = Outcome { case, on, verdict };
            tell(&outcome);
            outcomes.push(outcome);
        }
    }
}

async fn verdict(mut task: AbortOnDrop) -> Verdict {
    match tokio::time::timeout(LIMIT, &mut task.0).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(stop))) => stop.into(),
        Ok(Err(error)) => {
            let panic = error.try_into_panic().ok();
            let message = panic.as_ref().and_then(|panic| {
                let text = panic.downcast_ref::<&str>().copied();
                text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            });
            Verdict::Failed(format!("it panicked: {}", message.unwrap_or("no message")))
        }
        Err(_) => Verdict::Failed(format!("it did not end within {} s", LIMIT.as_secs())),
    }
}

/// A case that nobody waits for any more must not go on.
struct AbortOnDrop(JoinHandle<Result<(), Stop>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// The whole program of a test without a harness.
pub(crate) fn main(suite: Suite) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{message}");
            return ExitCode::from(2);
        }
    };
    let suite = suite.only(|name| arguments.wants(name));
    let mut out = io::stdout();
    // A closed standard output (`| head`) does not change what the exit status says.
    if arguments.wish == Wish::List {
        for name in suite.names() {
            let _ = writeln!(out, "{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(io::stderr(), "no runtime could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(suite.run(|outcome| {
        let _ = writeln!(out, "{outcome}");
    }));
    // A store that blocks its thread for ever is no reason to wait for ever.
    runtime.shutdown_background();
    let (tally, all) = (report.tally(), Tally::all_required());
    let _ = write!(out, "{report}");
    if let Some(reason) = tally.reason_to_fail(all) {
        let _ = writeln!(out, "{reason}");
    }
    let _ = writeln!(out, "{tally}");
    match tally.reason_to_fail(all) {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn runtime() -> io::Result<Runtime> {
    // At least two, so that races also take place on a machine with one processor.
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread()
        .worker_threads(threads.clamp(2, 8))
        .enable_all()
        .build()
}
