//! Runs cases and reports the results.

mod arguments;
mod report;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use report::{Outcome, Report, Tally, Verdict};

use crate::case::{Case, Running, Stop};
use arguments::{Arguments, Wish};

/// How long one case may take. None needs a tenth of it; one that takes this long waits for what
/// does not come.
const LIMIT: Duration = Duration::from_secs(300);

/// How many cases run at the same time: more than there are processors, because some of them wait
/// for a clock.
const AT_ONCE: usize = 8;

/// Cases that are ready to run. [`store::suite`](crate::store::suite) makes them of a fixture.
///
/// ```
/// use cloakroom_conformance::store::{self, Fixture};
///
/// fn names(fixture: impl Fixture) -> Vec<String> {
///     store::suite(fixture).names().collect()
/// }
/// ```
pub struct Suite {
    parts: Vec<Part>,
}

/// The cases on one fixture, and the preparation before the first of them.
struct Part {
    prepare: Prepare,
    trials: Vec<Trial>,
}

type Prepare = Box<dyn FnOnce() -> Running + Send>;

/// A case on one implementation, reached in one way.
pub(crate) struct Trial {
    case: Case,
    on: String,
    work: Task,
}

enum Task {
    Run(Box<dyn FnOnce() -> Running + Send>),
    Stopped(Stop),
}

impl Trial {
    pub(crate) fn new(
        case: Case,
        on: String,
        start: impl FnOnce() -> Running + Send + 'static,
    ) -> Self {
        let work = Task::Run(Box::new(start));
        Self { case, on, work }
    }

    /// Returns a trial that is skipped from the start.
    pub(crate) fn stopped(case: Case, on: String, stop: Stop) -> Self {
        let work = Task::Stopped(stop);
        Self { case, on, work }
    }

    fn name(&self) -> String {
        report::name(&self.case, &self.on)
    }
}

impl Suite {
    #[cfg(feature = "adapter")]
    pub(crate) fn new(trials: Vec<Trial>) -> Self {
        Self::prepared(trials, || Box::pin(async { Ok(()) }))
    }

    /// Cases that run only if `prepare` succeeds. It is called unless none of them is to run.
    pub(crate) fn prepared(
        trials: Vec<Trial>,
        prepare: impl FnOnce() -> Running + Send + 'static,
    ) -> Self {
        let prepare = Box::new(prepare);
        Self {
            parts: vec![Part { prepare, trials }],
        }
    }

    /// Returns the names of the selected cases: the id and, in brackets, the implementation and the
    /// way, such as `store/load-missing[memory/direct]`.
    ///
    /// ```
    /// use cloakroom_conformance::store::{self, Fixture};
    ///
    /// fn names(fixture: impl Fixture) -> Vec<String> {
    ///     store::suite(fixture).names().collect()
    /// }
    /// ```
    pub fn names(&self) -> impl Iterator<Item = String> {
        let trials = self.parts.iter().flat_map(|part| &part.trials);
        trials.map(Trial::name)
    }

    /// Appends the cases of another suite. They run when these have ended, and their fixture is
    /// prepared only then.
    ///
    /// ```
    /// use cloakroom_conformance::Suite;
    /// use cloakroom_conformance::store::{self, Fixture};
    ///
    /// fn both(plain: impl Fixture, encrypted: impl Fixture) -> Suite {
    ///     store::suite(plain).and(store::suite(encrypted))
    /// }
    /// ```
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Keeps only the cases whose name matches.
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
        for part in &mut self.parts {
            part.trials.retain(|trial| wanted(&trial.name()));
        }
        self
    }

    /// Runs the cases, several at a time, and reports each outcome in order as soon as it is known.
    /// A case that panics, or that does not end within five minutes, has failed.
    ///
    /// Needs a tokio runtime with more than one thread and with time. Dropping the future stops the
    /// cases that run.
    ///
    /// ```
    /// use cloakroom_conformance::{Report, Suite};
    ///
    /// async fn quietly(suite: Suite) -> Report {
    ///     suite.run(|_| ()).await
    /// }
    /// ```
    pub async fn run(self, mut tell: impl FnMut(&Outcome)) -> Report {
        let mut outcomes = Vec::new();
        for part in self.parts {
            part.run(&mut tell, &mut outcomes).await;
        }
        Report::new(outcomes)
    }

    /// Checks everything: the whole `main` of a test without a harness (`harness = false` in
    /// `Cargo.toml`), for several suites in one program.
    ///
    /// Output, exit status and arguments are those of [`store::run`](crate::store::run).
    ///
    /// ```no_run
    /// use cloakroom_conformance::store::{self, Fixture};
    /// use std::process::ExitCode;
    ///
    /// fn check(plain: impl Fixture, encrypted: impl Fixture) -> ExitCode {
    ///     store::suite(plain).and(store::suite(encrypted)).main()
    /// }
    /// ```
    #[must_use]
    pub fn main(self) -> ExitCode {
        main(self)
    }
}

impl Part {
    async fn run(mut self, tell: &mut impl FnMut(&Outcome), outcomes: &mut Vec<Outcome>) {
        let runs = |trial: &Trial| matches!(trial.work, Task::Run(_));
        if self.trials.iter().any(runs)
            && let Err(stop) = (self.prepare)().await
        {
            for trial in self.trials.iter_mut().filter(|trial| runs(trial)) {
                trial.work = Task::Stopped(stop.clone());
            }
        }
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let running = self.trials.into_iter().map(|trial| {
            let work = match trial.work {
                Task::Run(start) => Ok(AbortOnDrop(tokio::spawn(in_turn(places.clone(), start)))),
                Task::Stopped(stop) => Err(stop),
            };
            (trial.case, trial.on, work)
        });
        // Collected, so that all are spawned. A long case keeps none but itself from its place.
        for (case, on, work) in running.collect::<Vec<_>>() {
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

/// Begins a case when one of the places is free.
async fn in_turn(places: Arc<Semaphore>, start: impl FnOnce() -> Running) -> Result<(), Stop> {
    // Nobody closes the semaphore.
    let _place = places.acquire().await;
    start().await
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

/// A case that is no longer awaited must end.
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

fn main(suite: Suite) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{message}");
            return ExitCode::from(2);
        }
    };
    let is_empty = |suite: &Suite| suite.names().next().is_none();
    let had_none = is_empty(&suite);
    let suite = suite.only(|name| arguments.wants(name));
    // Of what is left out, none has to pass.
    let all_left_out = !had_none && is_empty(&suite) && !arguments.chooses();
    let mut out = io::stdout();
    // A closed standard output (`| head`) does not change the exit status.
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
    let reason = tally.reason_to_fail(all).filter(|_| !all_left_out);
    if let Some(reason) = reason {
        let _ = writeln!(out, "{reason}");
    }
    let _ = writeln!(out, "{tally}");
    match reason {
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
