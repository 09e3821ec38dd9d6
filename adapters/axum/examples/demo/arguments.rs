//! The command line.

use std::ffi::OsString;

use crate::store::Choice;

pub(crate) const HELP: &str = "\
A small shop, to see sessions at work.

Usage: cargo demo [OPTIONS]

Options:
      --listen ADDRESS:PORT  Where to serve; port 0 takes a free one [default: 127.0.0.1:3000]
      --store STORE          Where sessions are kept [default: files beside the program]
                               file:DIR   files in this directory; they survive a restart
                               memory:    this process; gone when it ends
  -h, --help                 This text

The session cookie is `__Host-session` with Secure, as it would be in production. Browsers keep such a cookie over https;
Chromium and Firefox also from this machine (127.0.0.1, localhost).
";

pub(crate) enum Wish {
    Serve(Arguments),
    Help,
}

pub(crate) struct Arguments {
    pub(crate) listen: String,
    pub(crate) store: Choice,
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Wish, String> {
    use lexopt::Arg;

    let mut listen = "127.0.0.1:3000".to_owned();
    let mut store = Choice::default();
    let mut parser = lexopt::Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(in_words)? {
        match argument {
            Arg::Long("listen") => listen = value(&mut parser)?,
            Arg::Long("store") => store = value(&mut parser)?.parse()?,
            Arg::Short('h') | Arg::Long("help") => return Ok(Wish::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Wish::Serve(Arguments { listen, store }))
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
