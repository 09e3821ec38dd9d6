//! The command `cloakroom`: looks after the sessions of an application, in any of its stores.
//!
//! It prints no token and no key of a record. It prints values only in `export`.

mod args;
mod check;
mod end_all;
mod export;
mod failure;
mod interrupt;
mod json;
mod migrate;
mod open;
mod output;
mod pages;
mod progress;
mod purge;
mod read;
mod redact;
mod revoke;
mod stats;
mod view;
mod walk;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Args, Command};
use crate::failure::{Failure, Status};
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let output = Output::new(args.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&args, &output)),
        Err(error) => Err(Failure::refused(format!(
            "the command cannot start its runtime: {error}"
        ))),
    };
    match done {
        Ok(status) => status.into(),
        Err(failure) => {
            output.complain(&failure);
            failure.status().into()
        }
    }
}

async fn run(args: &Args, output: &Output) -> Result<Status, Failure> {
    match &args.command {
        Command::Check => check::check(args, output).await,
        Command::List { subject } => read::list(args, output, subject).await,
        Command::Show { id, of } => read::show(args, output, id, of.as_deref()).await,
        Command::Stats => stats::stats(args, output).await,
        Command::Revoke(what) => revoke::revoke(args, output, what).await,
        Command::EndAll(how) => end_all::end_all(args, output, how).await,
        Command::Purge(how) => purge::purge(args, output, how).await,
        Command::Migrate(how) => migrate::migrate(args, output, how).await,
        Command::Export { subject, yes } => export::export(args, output, subject, *yes).await,
        Command::Completions { shell } => pages::completions(*shell, output),
        Command::Man => pages::man(output),
    }
}

/// Prints the help, or the error without the URLs that it quotes.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Output::new(false)
            .print(&text)
            .map_or_else(|failure| failure.status().into(), |()| Status::Done.into()),
        _ => {
            let given = std::env::args_os().skip(1);
            // As the error quotes those that are no text.
            let given: Vec<String> = given
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            Output::new(false).note(&redact::arguments(&text, &given));
            Status::Usage.into()
        }
    }
}
