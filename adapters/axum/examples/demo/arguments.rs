//! The command line.

use std::ffi::OsString;

use crate::store::Choice;

pub(crate) const HELP: &str = "\
A small shop, to see sessions at work.

Usage: cargo demo [OPTIONS]

Options:
      --listen ADDRESS:PORT  Where to serve; port 0 takes a free one [default: 127.0.0.1:3000]
      --https                Serve https, with a new certificate of its own, and bind sessions to devices:
                             Chromium 146 and later then keep a key, and copied cookies stop working
      --store URL            Where sessions are kept [default: files beside the program]
                               file:DIR                           files in this directory; they survive a restart
                               memory:                            this process; gone when it ends
                               sqlite:FILE                        a SQLite database
                               postgres://USER:PASSWORD@HOST/DB   PostgreSQL
                               mysql://USER:PASSWORD@HOST/DB      MySQL or MariaDB
                               redis://HOST                       Redis or Valkey; with TLS rediss://HOST
                               redis+cluster://HOST,HOST          a Redis Cluster
                               redis+sentinel://HOST,HOST/NAME    Redis behind sentinels
                               memcached://HOST,HOST              Memcached; it cannot list your devices
                               mongodb://HOST,HOST/DB             MongoDB, or mongodb+srv://HOST/DB
                             `cargo demo` has the first two and is built quickly; `cargo demo-all` has them all
  -h, --help                 This text

The session cookie is `__Host-session` with Secure, as it would be in production. Browsers keep such a cookie over https;
Chromium and Firefox also from this machine (127.0.0.1, localhost).

A browser on this machine sees all sessions at /operator: their number, those of a user, and how to end them. Others get
no such page. Behind a proxy on this machine everybody may be such a browser, so do not put one before this shop.
";

pub(crate) enum Wish {
    Serve(Arguments),
    Help,
}

pub(crate) struct Arguments {
    pub(crate) listen: String,
    pub(crate) https: bool,
    pub(crate) store: Choice,
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Wish, String> {
    use lexopt::Arg;

    let mut listen = "127.0.0.1:3000".to_owned();
    let mut https = false;
    let mut store = Choice::default();
    let mut arguments = arguments.into_iter().peekable();
    let program = arguments.next();
    // The alias `cargo demo` ends with the `--` that others may write too.
    arguments.next_if(|first| first == "--");
    let mut parser = lexopt::Parser::from_iter(program.into_iter().chain(arguments));
    while let Some(argument) = parser.next().map_err(in_words)? {
        match argument {
            Arg::Long("listen") => listen = value(&mut parser)?,
            Arg::Long("https") => https = true,
            Arg::Long("store") => store = Choice::Url(value(&mut parser)?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Wish::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Wish::Serve(Arguments {
        listen,
        https,
        store,
    }))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(in_words)?;
    value
        .into_string()
        .map_err(|value| format!("{} is not text", value.display()))
}

fn in_words(error: lexopt::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Wish, parse};
    use crate::store::Choice;

    fn store(line: &str) -> Option<Choice> {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(Wish::Serve(arguments)) => Some(arguments.store),
            _ => None,
        }
    }

    #[test]
    fn options_are_read_with_and_without_two_dashes_before_them() {
        let memory = || Some(Choice::Url("memory:".to_owned()));
        assert_eq!(store("demo --store memory:"), memory());
        assert_eq!(store("demo -- --store memory:"), memory());
        assert_eq!(store("demo"), Some(Choice::Beside));
        assert_eq!(store("demo --store"), None);
        assert_eq!(store("demo memory:"), None);
    }
}
