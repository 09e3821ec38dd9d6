//! The command line.

use crate::suites::{ADAPTERS, Entry, STORES};

/// The parsed command line. Words select cases by parts of their names.
#[derive(Debug)]
pub(crate) enum Command {
    All,
    /// Everything that needs neither a server nor a browser.
    Quick,
    List,
    /// Lists the proof of each requirement.
    Requirements,
    Help,
    /// One suite of a store or an adapter.
    Suite(&'static Entry, Vec<String>),
    Faults(Vec<String>),
    Services(Vec<String>),
    Histories(Vec<String>),
    Fuzz(Vec<String>),
    Simulate(Vec<String>),
    Bench(Vec<String>),
    Flask(Vec<String>),
    /// The black-box cases, on the servers at these URLs.
    Http(Vec<String>),
    /// The black-box cases on our own page.
    OwnPage(Vec<String>),
    /// The black-box cases on other libraries.
    Scoreboard(Vec<String>),
    /// The black-box cases through reverse proxies.
    Proxies(Vec<String>),
    Demo(Vec<String>),
}

impl Command {
    pub(crate) const HELP: &'static str = "\
usage: cargo conformance [COMMAND]

  (none)         everything: the tests of the workspace with the suite of every store and adapter,
                  the simulator, the black-box cases, histories, faults, services, Flask, the demo
  quick          all of that which needs no server, no browser and no further build; the suites'
                 files are in memory where /dev/shm has a GiB left
  list           every case: id, requirements, sentence, source
  list --requirements
                 what proves each requirement; fails if nothing does
  store NAME     the suite of one store; a further word selects cases by a part of their names
  adapter NAME   the suite of one adapter, likewise
  faults         lost replies, hanging and killed servers; a further word selects cases or a server
  histories      16 clients at once on each real store; a checker reads what each was told;
                 a further word selects a store
  services       two services on NATS that share sessions on Redis, as programs
  flask          the real Flask and Flask-Session from PyPI beside a Rust application
  demo           the demo site, as a program and in a headless Chromium
  simulate       random schedules of requests and faults, checked against a model;
                 `simulate --help` lists its options
  fuzz [--seconds N]
                 the fuzzers, N seconds each, by cargo-fuzz, which it installs; not part of a run
                 without a command, which replays their corpora
  http           the black-box cases on our own page
  http URL       on a server that implements conformance/ENDPOINT.md; a second URL, of a server on
                 the same store, adds the cases for two servers
  proxies        the black-box cases through nginx, Caddy, HAProxy and Varnish; a further word
                 selects cases or a proxy
  scoreboard     on our page, tower-sessions (in memory and on Redis), axum_session, actix-session,
                 Flask-Session and express-session, as a table; with a name, on that one in full
  bench          measurements: bench stores, bench sweep, bench peers, bench memory (4 GB), bench
                 cluster (the demo in four processes on a Redis Cluster that fails over; 3 GB,
                 --sessions N for fewer than 1,000,000 sessions);
                 --keep writes them to conformance/measured and renews COMPARE.md
  help           this text

The last line is `N passed, N failed, N skipped`. The exit status is 0 if something passed and
nothing failed. With CONFORMANCE_REQUIRE=all in the environment a skipped case is a failure.

On Debian, missing servers are downloaded and unpacked below target/. They are started for the run,
and stopped with it. With CONFORMANCE_SERVERS=unpacked no installed server is used. These variables
name servers to use instead. The run uses names of its own there and removes what it made:
  POSTGRES_URL, MYSQL_URL, MYSQL_9_URL, REDIS_URL, VALKEY_URL, MEMCACHED_URL, MONGODB_URL, NATS_URL
  REDIS_TLS_URL       rediss://...; REDIS_TLS_CA is a file with the certificate of its authority
  REDIS_CLUSTER_URL   redis+cluster://...
  REDIS_SENTINEL_URL  redis+sentinel://...; REDIS_SENTINEL_LOGIN is user:password of the sentinels
A server that you name is never killed: those cases are skipped, or run on the run's own servers.";

    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let Some((name, words)) = arguments.split_first() else {
            return Ok(Self::All);
        };
        let words = words.to_vec();
        match (&**name, &words[..]) {
            ("quick", []) => Ok(Self::Quick),
            ("list", []) => Ok(Self::List),
            ("list", [flag]) if flag == "--requirements" => Ok(Self::Requirements),
            ("help" | "--help" | "-h", []) => Ok(Self::Help),
            ("faults", _) => Ok(Self::Faults(words)),
            ("flask", _) => Ok(Self::Flask(words)),
            ("services", _) => Ok(Self::Services(words)),
            ("histories", _) => Ok(Self::Histories(words)),
            ("fuzz", _) => Ok(Self::Fuzz(words)),
            ("simulate", _) => Ok(Self::Simulate(words)),
            ("bench", _) => Ok(Self::Bench(words)),
            ("http", _) => Ok(match words.iter().any(|word| word.contains("://")) {
                true => Self::Http(words),
                false => Self::OwnPage(words),
            }),
            ("scoreboard", _) => Ok(Self::Scoreboard(words)),
            ("proxies", _) => Ok(Self::Proxies(words)),
            ("demo", _) => Ok(Self::Demo(words)),
            ("store", _) => suite("store", STORES, &words),
            ("adapter", _) => suite("adapter", ADAPTERS, &words),
            _ => Err(format!("unknown command `{}`", arguments.join(" "))),
        }
    }
}

fn suite(kind: &str, entries: &'static [Entry], words: &[String]) -> Result<Command, String> {
    let known: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    let known = known.join(", ");
    let Some((name, parts)) = words.split_first() else {
        return Err(format!("{kind} takes a name: {known}"));
    };
    match entries.iter().find(|entry| entry.name == *name) {
        Some(entry) => Ok(Command::Suite(entry, parts.to_vec())),
        None => Err(format!("unknown {kind} `{name}`; known: {known}")),
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
        let command = parse("store memory race");
        assert!(
            matches!(command, Ok(Command::Suite(entry, parts)) if entry.name == "memory" && parts == ["race"])
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = parse("store memroy").unwrap_err();
        assert!(
            error.contains("memroy") && error.contains("memory, file"),
            "{error}"
        );
    }

    #[test]
    fn http_is_for_the_named_server_or_for_our_own_page() {
        assert!(matches!(parse("http"), Ok(Command::OwnPage(_))));
        assert!(matches!(parse("http tabs"), Ok(Command::OwnPage(parts)) if parts == ["tabs"]));
        assert!(
            matches!(parse("http http://127.0.0.1:1 tabs"), Ok(Command::Http(words)) if words.len() == 2)
        );
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        assert!(parse("stroe memory").unwrap_err().contains("stroe memory"));
        assert!(parse("list all").is_err());
    }
}
