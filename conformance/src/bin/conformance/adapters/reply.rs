//! What the fixtures for messages have in common: an exchange, and its answer as a line.

use cloakroom::{Directive, Error, Outcome};
use cloakroom_conformance::adapter::{Answer, App, Told};

/// Serves one message of a client that presents these tokens.
pub(super) async fn exchange<'t>(
    app: &App,
    tokens: impl IntoIterator<Item = &'t [u8]>,
    script: &str,
) -> Answer {
    let sessions = app.sessions();
    let mut exchange = sessions.open(tokens);
    let done = async {
        sessions.load(&mut exchange).await?;
        let results = app.perform(&mut exchange.session()?, script)?;
        Ok((results, sessions.commit(exchange).await?))
    };
    answer(done.await)
}

/// The answer to an exchange that ended like this.
pub(super) fn answer(done: Result<(String, Outcome), Error>) -> Answer {
    match done {
        Err(error) => Answer::Failed(error.to_string()),
        Ok((results, outcome)) => Answer::Done(results, told(outcome)),
    }
}

fn told(outcome: Outcome) -> Told {
    match outcome.directive {
        Directive::Issue(issued) => Told::Keep(issued.token.expose().to_owned()),
        Directive::Clear => Told::Forget,
        _ if outcome.superseded => Told::Stale,
        _ => Told::Nothing,
    }
}

/// The tokens that a client has after it was told this.
pub(super) fn obey(tokens: Vec<String>, told: &Told) -> Vec<String> {
    match told {
        Told::Nothing | Told::Stale => tokens,
        Told::Keep(token) => vec![token.clone()],
        Told::Forget => Vec::new(),
    }
}

/// An answer in one line: one word for what became of it, the token if there is one to keep, the results or the error.
pub(super) fn to_line(answer: &Answer) -> String {
    match answer {
        Answer::Done(results, Told::Nothing) => format!("done {results}"),
        Answer::Done(results, Told::Keep(token)) => format!("keep {token} {results}"),
        Answer::Done(results, Told::Forget) => format!("forget {results}"),
        Answer::Done(results, Told::Stale) => format!("stale {results}"),
        Answer::Failed(error) => format!("failed {}", error.replace(['\r', '\n'], " ")),
    }
}

/// The same, read.
pub(super) fn of_line(line: &str) -> Answer {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest.split_once(' ')) {
        ("done", _) => Answer::Done(rest.to_owned(), Told::Nothing),
        ("forget", _) => Answer::Done(rest.to_owned(), Told::Forget),
        ("stale", _) => Answer::Done(rest.to_owned(), Told::Stale),
        ("keep", Some((token, results))) => {
            Answer::Done(results.to_owned(), Told::Keep(token.to_owned()))
        }
        ("failed", _) => Answer::Failed(rest.to_owned()),
        _ => Answer::Failed("the server's answer is not of this protocol".to_owned()),
    }
}
