//! `cargo conformance`: everything that is tested in this repository, by one command.

mod adapters;
mod bench;
mod browser;
mod command;
mod faults;
mod flask;
mod fuzz;
mod histories;
#[cfg(test)]
mod observability;
mod overheard;
mod program;
mod proxy;
mod requirements;
mod said;
mod scoreboard;
mod servers;
mod services;
mod simulate;
mod stores;
mod workspace;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::{Case, Outcome, Suite, Tally, adapter, endpoint, store};
use tokio::runtime::Builder;

use command::Command;
use said::say;

/// A suite that can be asked for by name.
struct Entry {
    name: &'static str,
    suite: fn() -> io::Result<Suite>,
}

fn main() -> ExitCode {
    // In a process that a suite started, this is where it ends.
    stores::work();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let command = match Command::parse(&arguments) {
        Ok(command) => command,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}\n\n{}", Command::HELP);
            say(Tally::default());
            return ExitCode::from(2);
        }
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(io::stderr(), "no runtime could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(async {
        tokio::select! {
            // Whatever comes first: dropping the other stops what it started.
            status = perform(command) => status,
            signal = interrupted() => {
                say(format_args!("stopped by {signal}"));
                ExitCode::from(130)
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    status
}

async fn perform(command: Command) -> ExitCode {
    let mut total = Totals::default();
    match command {
        Command::Help => {
            say(Command::HELP);
            return total.nothing_to_run();
        }
        Command::List => {
            cases().for_each(say);
            faults::cases().for_each(say);
            services::cases().for_each(say);
            flask::cases().for_each(say);
            browser::cases().for_each(say);
            return total.nothing_to_run();
        }
        Command::Requirements => total.tally += requirements::table(),
        Command::Faults(parts) => total.tally += faults::test(&parts).await,
        Command::Flask(parts) => total.tally += flask::test(&parts).await,
        Command::Services(parts) => total.tally += services::test(&parts).await,
        Command::Histories(parts) => total.tally += histories::test(&parts).await,
        Command::Fuzz(arguments) => total.tally += fuzz::test(&arguments).await,
        Command::Simulate(arguments) => total.tally += simulate::test(&arguments).await,
        Command::Bench(parts) => total.tally += bench::run(&parts).await,
        Command::Demo(parts) => total.tally += browser::test(&parts).await,
        Command::Http(words) => total.tally += scoreboard::named(&words).await,
        Command::Scoreboard(words) => total.tally += scoreboard::board(&words).await,
        Command::One(entry, parts) => total.run(entry, &parts).await,
        Command::All => {
            total.tally += requirements::table();
            total.tally += workspace::test().await;
            total.tally += simulate::test(&[]).await;
            for entry in stores::ALL.iter().chain(adapters::ALL) {
                total.run(entry, &[]).await;
            }
            total.tally += histories::on_local(&[]).await;
            total.run(&scoreboard::OURS, &[]).await;
            total.tally += faults::test(&[]).await;
            total.tally += services::test(&[]).await;
            total.tally += flask::test(&[]).await;
            total.tally += browser::test(&[]).await;
        }
    }
    total.end()
}

/// Every case of every suite.
fn cases() -> impl Iterator<Item = Case> {
    store::cases()
        .chain(adapter::cases())
        .chain(endpoint::cases())
}

/// What came of everything so far.
#[derive(Default)]
struct Totals {
    tally: Tally,
}

impl Totals {
    async fn run(&mut self, entry: &Entry, parts: &[String]) {
        let suite = match (entry.suite)() {
            Ok(suite) => suite,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.skip(entry, &error);
                return;
            }
            Err(error) => {
                say(format_args!(
                    "FAILED  {}: the suite could not be set up: {error}",
                    entry.name
                ));
                self.tally.failed += 1;
                return;
            }
        };
        let suite = suite.only(|name| parts.iter().all(|part| name.contains(part)));
        let is_adapter = adapters::ALL.iter().any(|one| one.name == entry.name);
        if is_adapter {
            overheard::listen();
        }
        let report = suite.run(|outcome: &Outcome| say(outcome)).await;
        self.tally += report.tally();
        if is_adapter && report.tally().passed > 0 {
            self.tally += overheard::told(entry.name);
        }
    }

    /// Names each case of a suite that cannot run here, so that nobody takes them for passed.
    fn skip(&mut self, entry: &Entry, why: &io::Error) {
        for case in store::cases() {
            say(format_args!("skipped {}[{}]: {why}", case.id, entry.name));
            self.tally.skipped += 1;
        }
    }

    fn end(self) -> ExitCode {
        let reason = self.tally.reason_to_fail(Tally::all_required());
        if let Some(reason) = reason {
            say("");
            said::repeat_failures();
            say(reason);
        }
        say(self.tally);
        match reason {
            Some(_) => ExitCode::FAILURE,
            None => ExitCode::SUCCESS,
        }
    }

    /// The end of a command that tests nothing, and is not meant to.
    fn nothing_to_run(self) -> ExitCode {
        say(self.tally);
        ExitCode::SUCCESS
    }
}

/// Returns when the user or the system wants the program to end.
async fn interrupted() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut hold: Vec<_> = [
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::hangup(), "SIGHUP"),
        ]
        .into_iter()
        .filter_map(|(kind, name)| Some((signal(kind).ok()?, name)))
        .collect();
        std::future::poll_fn(|context| {
            let mut signals = hold.iter_mut();
            let name = signals
                .find_map(|(signal, name)| signal.poll_recv(context).is_ready().then_some(*name));
            name.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
    #[cfg(not(unix))]
    {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
