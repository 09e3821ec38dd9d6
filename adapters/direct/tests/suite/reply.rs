//! The common part of the fixtures for messages: an exchange, and its answer as a line.

use cloakroom::{Directive, Error, Outcome};
use cloakroom_conformance::adapter::{App, MessageReply, TokenNotice};

/// Serves one message of a client that presents these tokens.
pub(crate) async fn exchange<'t>(
    app: &App,
    tokens: impl IntoIterator<Item = &'t [u8]>,
    script: &str,
) -> MessageReply {
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
pub(crate) fn answer(done: Result<(String, Outcome), Error>) -> MessageReply {
    match done {
        Err(error) => MessageReply::Failed(error.to_string()),
        Ok((results, outcome)) => MessageReply::Done(results, told(outcome)),
    }
}

fn told(outcome: Outcome) -> TokenNotice {
    match outcome.directive {
        Directive::Issue(issued) => TokenNotice::Keep(issued.token.expose().to_owned()),
        Directive::Clear => TokenNotice::Forget,
        _ if outcome.superseded => TokenNotice::Stale,
        _ => TokenNotice::Nothing,
    }
}

/// The client's tokens after this directive.
pub(crate) fn obey(tokens: Vec<String>, told: &TokenNotice) -> Vec<String> {
    match told {
        TokenNotice::Nothing | TokenNotice::Stale => tokens,
        TokenNotice::Keep(token) => vec![token.clone()],
        TokenNotice::Forget => Vec::new(),
    }
}

/// Writes an answer as one line: a word for the directive, the token if there is one to keep, and
/// the results or the error.
pub(crate) fn to_line(answer: &MessageReply) -> String {
    match answer {
        MessageReply::Done(results, TokenNotice::Nothing) => format!("done {results}"),
        MessageReply::Done(results, TokenNotice::Keep(token)) => format!("keep {token} {results}"),
        MessageReply::Done(results, TokenNotice::Forget) => format!("forget {results}"),
        MessageReply::Done(results, TokenNotice::Stale) => format!("stale {results}"),
        MessageReply::Failed(error) => format!("failed {}", error.replace(['\r', '\n'], " ")),
    }
}

/// The same, read.
pub(crate) fn of_line(line: &str) -> MessageReply {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest.split_once(' ')) {
        ("done", _) => MessageReply::Done(rest.to_owned(), TokenNotice::Nothing),
        ("forget", _) => MessageReply::Done(rest.to_owned(), TokenNotice::Forget),
        ("stale", _) => MessageReply::Done(rest.to_owned(), TokenNotice::Stale),
        ("keep", Some((token, results))) => {
            MessageReply::Done(results.to_owned(), TokenNotice::Keep(token.to_owned()))
        }
        ("failed", _) => MessageReply::Failed(rest.to_owned()),
        _ => MessageReply::Failed("the server's answer is not of this protocol".to_owned()),
    }
}
