use cloakroom_conformance::endpoint;

use crate::{Entry, adapters, scoreboard, stores};

/// What the command line asks for.
pub(crate) enum Command {
    All,
    List,
    /// What proves each requirement.
    Requirements,
    Help,
    /// One suite, and what the names of its cases must contain.
    One(&'static Entry, Vec<String>),
    /// Faults on real servers, and what the names of the cases must contain.
    Faults(Vec<String>),
    /// Services that share sessions, and what the names of the cases must contain.
    Services(Vec<String>),
    /// Histories of many clients on real stores, and what the names of the cases must contain.
    Histories(Vec<String>),
    /// The fuzzers: for how long, and what their names must contain.
    Fuzz(Vec<String>),
    /// The simulator, and what it is told.
    Simulate(Vec<String>),
    /// Measurements, and what their names must contain.
    Bench(Vec<String>),
    /// Flask beside Rust, and what the names of the cases must contain.
    Flask(Vec<String>),
    /// The black-box cases: URLs of servers, and what the names of the cases must contain.
    Http(Vec<String>),
    /// The black-box cases on the peers: which one, and what the names of the cases must contain.
    Scoreboard(Vec<String>),
    /// The demo, and what the names of its cases must contain.
    Demo(Vec<String>),
}

impl Command {
    pub(crate) const HELP: &'static str = "\
usage: cargo conformance [COMMAND]

  (none)         all tests of the workspace, then the simulator, every store suite, every adapter suite, the black-box
                  cases, the histories, the faults, the services, Flask and the demo
  list           every case: id, requirements, sentence, source
  list --requirements
                 what proves each requirement, of cases and tests; fails if nothing does
  store NAME     one store's suite; a further word chooses the cases whose names contain it
  adapter NAME   one adapter's suite, likewise
  faults         lost replies, hanging and killed servers; a further word chooses cases or a server
  flask          the real Flask and Flask-Session from PyPI beside a Rust application; a further word chooses cases or a backend
  services       two services on NATS that share sessions on Redis, as programs; a further word chooses cases
  fuzz [--seconds N]
                 the fuzzers, for N seconds each, by cargo-fuzz, which it installs; a further word chooses some; not part of a run without a
                 command, which feeds their corpora to the same functions
  histories      many clients at once on each real store, what each was told, and when, checked afterwards; a further word chooses a store
  simulate       random schedules of requests and faults on the machine, checked by a model; `simulate --help` says more
  demo           the demo site, as a program and in a headless Chromium; a further word chooses cases
  bench          measurements, which the whole run leaves out: bench stores, each store beside the same commands sent
                 directly (builds a release); bench sweep; a further word chooses a store; bench peers, Cloakroom beside other libraries
                 (requests, heap, sockets, contention), and bench memory, the memory store when it is large (4 GB); with
                 --keep these go to conformance/measured, and the plots and tables of COMPARE.md are made anew
  http           the black-box cases on our own page, without an application around it
  http URL       on a server that offers the endpoint of conformance/ENDPOINT.md; with a second URL also those for two servers
                 on one store; a further word chooses cases
  scoreboard     on our own page, tower-sessions (in memory and on Redis), axum_session, actix-session, Flask-Session and express-session, as a table;
                 with a peer's name on that one, in full; not part of a run without a command
  help           this text

The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed and something passed.
CONFORMANCE_REQUIRE=all in the environment makes a skip a failure too.

Servers are installed where they are missing and may be, started for the run, and stopped with it. A URL in the environment names one
that is there instead; the run has names of its own on it, and removes what it made, or says why it does not:
  POSTGRES_URL, MYSQL_URL, REDIS_URL, VALKEY_URL, MEMCACHED_URL, MONGODB_URL, NATS_URL
  REDIS_TLS_URL       rediss://…; REDIS_TLS_CA is a file with the certificate that its goes back to, if the system does not trust it
  REDIS_CLUSTER_URL   redis+cluster://…
  REDIS_SENTINEL_URL  redis+sentinel://…; REDIS_SENTINEL_LOGIN is user:password for the sentinels
No given server is killed: the faults that do so are skipped, or played on servers of the run's own.";

    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        match &arguments[..] {
            [] => Ok(Self::All),
            ["list"] => Ok(Self::List),
            ["list", "--requirements"] => Ok(Self::Requirements),
            ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["faults", parts @ ..] => Ok(Self::Faults(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["flask", parts @ ..] => Ok(Self::Flask(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["services", parts @ ..] => Ok(Self::Services(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["histories", parts @ ..] => Ok(Self::Histories(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["fuzz", rest @ ..] => Ok(Self::Fuzz(rest.iter().copied().map(String::from).collect())),
            ["simulate", rest @ ..] => Ok(Self::Simulate(
                rest.iter().copied().map(String::from).collect(),
            )),
            ["bench", parts @ ..] => Ok(Self::Bench(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["http", words @ ..] if words.iter().any(|word| word.contains("://")) => Ok(
                Self::Http(words.iter().copied().map(String::from).collect()),
            ),
            ["http", parts @ ..] => own_page(parts),
            ["scoreboard", words @ ..] => Ok(Self::Scoreboard(
                words.iter().copied().map(String::from).collect(),
            )),
            ["demo", parts @ ..] => Ok(Self::Demo(
                parts.iter().copied().map(String::from).collect(),
            )),
            ["store", rest @ ..] => one("store", stores::ALL, rest),
            ["adapter", rest @ ..] => one("adapter", adapters::ALL, rest),
            other => Err(format!("unknown command `{}`", other.join(" "))),
        }
    }
}

/// The black-box cases on our own page.
fn own_page(parts: &[&str]) -> Result<Command, String> {
    let names = endpoint::cases().map(|case| format!("{}[{}]", case.id, scoreboard::OURS.name));
    let mut chosen = names.filter(|name| parts.iter().all(|part| name.contains(part)));
    match chosen.next().is_some() {
        true => Ok(Command::One(
            &scoreboard::OURS,
            parts.iter().copied().map(String::from).collect(),
        )),
        false => Err(format!(
            "no case has `{}` in its name; http wants the URL of a server: cargo conformance http http://127.0.0.1:3000",
            parts.join("` and `")
        )),
    }
}

fn one(kind: &str, entries: &'static [Entry], words: &[&str]) -> Result<Command, String> {
    let known = known(entries);
    let Some((name, parts)) = words.split_first() else {
        return Err(format!("{kind} wants a name; known: {known}"));
    };
    match entries.iter().find(|entry| entry.name == *name) {
        Some(entry) => {
            let parts = parts.iter().copied().map(String::from).collect();
            Ok(Command::One(entry, parts))
        }
        None => Err(format!("unknown {kind} `{name}`; known: {known}")),
    }
}

fn known(entries: &[Entry]) -> String {
    let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    match names.is_empty() {
        true => "none yet".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    fn parse(line: &str) -> Result<Command, String> {
        let arguments: Vec<_> = line.split_whitespace().map(String::from).collect();
        Command::parse(&arguments)
    }

    #[test]
    fn no_arguments_ask_for_everything() {
        assert!(matches!(parse(""), Ok(Command::All)));
    }

    #[test]
    fn a_store_is_found_by_its_name() {
        assert!(
            matches!(parse("store memory"), Ok(Command::One(entry, _)) if entry.name == "memory")
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = parse("store memroy").err().unwrap();
        assert!(
            error.contains("memroy") && error.contains("memory, file"),
            "{error}"
        );
    }

    #[test]
    fn http_is_for_the_server_that_is_named_or_for_our_own_page() {
        assert!(matches!(parse("http"), Ok(Command::One(entry, _)) if entry.name == "cloakroom"));
        assert!(matches!(parse("http tabs"), Ok(Command::One(_, parts)) if parts == ["tabs"]));
        assert!(
            matches!(parse("http http://127.0.0.1:1 tabs"), Ok(Command::Http(words)) if words.len() == 2)
        );
        assert!(
            matches!(parse("scoreboard flask-session"), Ok(Command::Scoreboard(words)) if words.len() == 1)
        );
    }

    #[test]
    fn a_server_that_is_not_named_by_its_url_is_an_error_that_shows_one() {
        for line in ["http shop", "http localhost:3000", "http tabs shop"] {
            let error = parse(line).err().unwrap();
            assert!(error.contains("http://127.0.0.1:3000"), "{error}");
        }
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        assert!(
            parse("stroe memory")
                .err()
                .unwrap()
                .contains("stroe memory")
        );
        assert!(parse("list all").is_err());
    }
}
