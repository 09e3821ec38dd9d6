//! The black-box suite on servers: one that was named, our own, or the peers, side by side.

mod ours;
pub(crate) mod peers;

use std::collections::BTreeMap;
use std::io;

use cloakroom::Sessions;
use cloakroom_conformance::{Outcome, Suite, Tally, Verdict, endpoint};
use cloakroom_memory::MemoryStore;

use cloakroom_servers::say;

/// The name of our own page.
const OURS: &str = "cloakroom";

/// The cases on our own page whose names contain each of `parts`.
pub(crate) async fn own_page(parts: &[String]) -> Tally {
    match ours() {
        Ok(suite) => run(suite, &parts.iter().collect::<Vec<_>>()).await.0,
        Err(error) => stopped(OURS, &error),
    }
}

fn ours() -> io::Result<Suite> {
    let [first, second] = pages()?;
    endpoint::suite(OURS, &first, Some(&second)).map_err(io::Error::other)
}

/// Serves our page twice on one store, and returns the URLs.
pub(crate) fn pages() -> io::Result<[String; 2]> {
    let sessions = Sessions::new(MemoryStore::new());
    Ok([ours::serve(sessions.clone())?, ours::serve(sessions)?])
}

/// Runs the cases on given servers: one, or two on the same store. Further words select cases.
pub(crate) async fn named(words: &[String]) -> Tally {
    let (urls, parts): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.contains("://"));
    let (Some(first), second) = (urls.first(), urls.get(1)) else {
        say("FAILED  http needs the URL of a server: cargo conformance http http://127.0.0.1:3000");
        return failed();
    };
    let name = first.trim_start_matches("http://");
    match endpoint::suite(name, first, second.map(|url| url.as_str())) {
        Ok(suite) => run(suite, &parts).await.0,
        Err(error) => {
            say(format_args!("FAILED  {error}"));
            failed()
        }
    }
}

/// All peers and ourselves, as a table. With the name of one, only that one, in full; further words
/// choose the cases.
pub(crate) async fn board(words: &[String]) -> Tally {
    let environment = match peers::Environment::new() {
        Ok(environment) => environment,
        Err(error) => return stopped("the scoreboard", &error),
    };
    if let Some((name, parts)) = words.split_first() {
        let Some(peer) = peers::ALL.iter().find(|peer| peer.name == name) else {
            let known: Vec<_> = peers::ALL.iter().map(|peer| peer.name).collect();
            say(format_args!(
                "FAILED  unknown peer `{name}`; known: {}",
                known.join(", ")
            ));
            return failed();
        };
        return match peer.start(&environment).await {
            Ok((suite, _running)) => run(suite, &parts.iter().collect::<Vec<_>>()).await.0,
            Err(error) => stopped(name, &error),
        };
    }
    let (mut tally, mut columns) = (Tally::default(), Vec::new());
    match ours() {
        Ok(suite) => {
            let (own, outcomes) = run(suite, &[]).await;
            tally += own;
            columns.push((OURS, outcomes));
        }
        Err(error) => tally += stopped(OURS, &error),
    }
    for peer in peers::ALL {
        match peer.start(&environment).await {
            Ok((suite, _running)) => columns.push((peer.name, run(suite, &[]).await.1)),
            Err(error) => tally += stopped(peer.name, &error),
        }
    }
    table(&columns);
    tally
}

pub(crate) async fn run(suite: Suite, parts: &[&String]) -> (Tally, Vec<Outcome>) {
    let suite = suite.only(|name| parts.iter().all(|part| name.contains(part.as_str())));
    let report = suite.run(|outcome: &Outcome| say(outcome)).await;
    (report.tally(), report.outcomes().to_vec())
}

/// In Markdown, so that it can be kept as it is.
fn table(columns: &[(&str, Vec<Outcome>)]) {
    let mut rows: BTreeMap<&str, BTreeMap<&str, &'static str>> = BTreeMap::new();
    for (name, outcomes) in columns {
        for outcome in outcomes {
            let cell = match outcome.verdict {
                Verdict::Passed => "yes",
                Verdict::Failed(_) => "**no**",
                Verdict::DoesNotApply(_) => "n/a",
                _ => "-",
            };
            rows.entry(outcome.case.id).or_default().insert(name, cell);
        }
    }
    let line = |cells: Vec<String>| say(format_args!("| {} |", cells.join(" | ")));
    say("");
    let names = || columns.iter().map(|(name, _)| (*name).to_owned());
    line(["case".to_owned()].into_iter().chain(names()).collect());
    line(vec!["---".to_owned(); columns.len() + 1]);
    for case in endpoint::cases() {
        let row = rows.get(case.id);
        let cell = |name: String| {
            row.and_then(|row| row.get(name.as_str()))
                .unwrap_or(&"-")
                .to_string()
        };
        let id = case.id.trim_start_matches("http/").to_owned();
        line([id].into_iter().chain(names().map(cell)).collect());
    }
    let passed = |(_, outcomes): &(&str, Vec<Outcome>)| {
        let passed = outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Passed);
        let failed = outcomes
            .iter()
            .filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
        format!(
            "{} of {}",
            passed.clone().count(),
            passed.count() + failed.count()
        )
    };
    line(
        ["passed".to_owned()]
            .into_iter()
            .chain(columns.iter().map(passed))
            .collect(),
    );
    say("\nA failure again, in full: cargo conformance scoreboard PEER CASE\n");
}

fn stopped(what: &str, error: &io::Error) -> Tally {
    if error.kind() == io::ErrorKind::Unsupported {
        say(format_args!("skipped {what}: {error}"));
        return Tally {
            skipped: 1,
            ..Tally::default()
        };
    }
    say(format_args!("FAILED  {what} could not be started: {error}"));
    failed()
}

fn failed() -> Tally {
    Tally {
        failed: 1,
        ..Tally::default()
    }
}
