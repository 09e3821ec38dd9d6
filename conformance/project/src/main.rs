//! `cargo conformance`: everything that is tested in this repository, by one command.

mod bench;
mod browser;
mod builders;
mod command;
mod faults;
mod flask;
mod fuzz;
mod histories;
#[cfg(test)]
mod observability;
mod program;
mod proxies;
mod requirements;
mod scoreboard;
mod services;
mod simulate;
mod suites;
mod workspace;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_conformance::Tally;
use tokio::runtime::Builder;

use cloakroom_servers::output::{self, say};
use command::Command;

fn main() -> ExitCode {
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
            // The first to finish wins. Dropping the other one stops its servers.
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
            suites::cases().for_each(say);
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
        Command::Proxies(parts) => total.tally += proxies::test(&parts).await,
        Command::Demo(parts) => total.tally += browser::test(&parts).await,
        Command::Http(words) => total.tally += scoreboard::named(&words).await,
        Command::Scoreboard(words) => total.tally += scoreboard::board(&words).await,
        Command::Suite(entry, parts) => total.tally += suites::test(entry, &parts).await,
        Command::OwnPage(parts) => total.tally += scoreboard::own_page(&parts).await,
        Command::Quick => {
            total.tally += requirements::table();
            total.tally += workspace::test_without(suites::without_servers()).await;
            total.tally += histories::on_local(&[]).await;
            total.tally += scoreboard::own_page(&[]).await;
        }
        Command::All => {
            total.tally += requirements::table();
            total.tally += workspace::test().await;
            total.tally += simulate::test(&[]).await;
            total.tally += histories::on_local(&[]).await;
            total.tally += scoreboard::own_page(&[]).await;
            total.tally += proxies::test(&[]).await;
            total.tally += services::test(&[]).await;
            // Both wait most of their time, and each has servers of its own.
            let (faults, flask) = tokio::join!(faults::test(&[]), flask::test(&[]));
            total.tally += faults;
            total.tally += flask;
            total.tally += browser::test(&[]).await;
        }
    }
    total.end()
}

/// The results so far.
#[derive(Default)]
struct Totals {
    tally: Tally,
}

impl Totals {
    fn end(self) -> ExitCode {
        let reason = self.tally.reason_to_fail(Tally::all_required());
        if let Some(reason) = reason {
            say("");
            output::repeat_failures();
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

/// Returns when the user or the system asks the program to end.
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
