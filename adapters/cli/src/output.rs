//! The command's output: results on standard output, everything else on standard
//! error.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use cloakroom::UnixTime;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;

/// The form of the output.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Asks a person whether to go on. A program has to pass `--yes`.
    #[allow(clippy::unused_self, reason = "all that people see comes from here")]
    pub(crate) fn ask(&self, what: &str, otherwise: &str) -> Result<(), Failure> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::usage(format!("{what}; pass --yes")));
        }
        let mut what = what.to_owned();
        if let Some(first) = what.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let _ = write!(io::stderr(), "{what}. Go on? [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::usage(otherwise)),
        }
    }

    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let mut text = steady(text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // The reader has enough: `cloakroom list ada | head -1`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::refused(format!(
                "the output cannot be written: {error}"
            ))),
            Ok(()) => Ok(()),
        }
    }

    /// Prints a result as JSON.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.print(&steady_json(&text)),
            Err(error) => Err(Failure::refused(format!(
                "the result has no form in JSON: {error}"
            ))),
        }
    }

    /// Prints a sentence beside the result. If nobody can read it, that is no failure.
    pub(crate) fn note(&self, sentence: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", steady(sentence.trim_end()));
    }

    /// Prints why the command failed.
    pub(crate) fn complain(&self, failure: &Failure) {
        if self.json {
            let error = json!({ "error": failure.to_string(), "status": failure.status() as u8 });
            self.note(&steady_json(&error.to_string()));
        } else {
            self.note(&format!("cloakroom: {failure}"));
        }
    }
}

/// A table for people: no lines, and no column wider than the terminal.
pub(crate) fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.map(str::to_owned).to_vec());
    table
}

/// Text from a store, which may hold anything, as a cell of a table may show it: on one line, with
/// escape sequences and marks that change the direction of writing shown as such.
pub(crate) fn plain(text: &str) -> String {
    shown_as(text, is_harmless, escape)
}

/// The same for a whole output, which has lines. Also for what a server says in an error.
fn steady(text: &str) -> String {
    let is_kept = |c| is_harmless(c) || c == '\n' || c == '\t';
    shown_as(text, is_kept, escape)
}

/// The same for JSON, which stays JSON. serde escapes the first 32 characters only, and a value of
/// a session may be a visitor's text.
fn steady_json(json: &str) -> String {
    let is_kept = |c| is_harmless(c) || c == '\n';
    shown_as(json, is_kept, |c, shown| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

/// As Rust writes it: `\u{1b}`.
fn escape(c: char, shown: &mut String) {
    shown.extend(c.escape_unicode());
}

fn shown_as(
    text: &str,
    is_kept: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_kept(c) {
            true => shown.push(c),
            false => escape(c, &mut shown),
        }
    }
    shown
}

/// Neither steers a terminal, nor changes the direction of writing, nor is invisible.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A time as RFC 3339 has it, or none for a record without an end.
pub(crate) fn moment(time: UnixTime) -> Option<String> {
    if time >= UnixTime::MAX {
        return None;
    }
    let seconds = i64::try_from(time.as_secs()).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    time.format(&Rfc3339).ok()
}

/// The same for a table.
pub(crate) fn shown(time: Option<UnixTime>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) => moment(time).unwrap_or_else(|| "never".to_owned()),
    }
}

/// A number and its noun.
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let plural = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {noun}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_store_cannot_steer_a_terminal() {
        assert_eq!(
            plain("ada\u{1b}[2J\r\u{202e}"),
            "ada\\u{1b}[2J\\u{d}\\u{202e}"
        );
        assert_eq!(plain("a\u{9b}2J\u{61c}\u{ad}"), "a\\u{9b}2J\\u{61c}\\u{ad}");
        assert_eq!(plain("日本語 é 🧥"), "日本語 é 🧥");
        assert_eq!(steady("a\n\tb\u{1b}c"), "a\n\tb\\u{1b}c");
    }

    #[test]
    fn json_that_is_escaped_for_a_terminal_is_the_same_json() {
        let value = json!({ "name": "\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{e0041} é\n" });
        let shown = steady_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            shown.chars().all(|c| is_harmless(c) || c == '\n'),
            "{shown:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let time = UnixTime::from_secs(1_700_000_000);
        assert_eq!(moment(time).as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(shown(Some(UnixTime::MAX)), "never");
        assert_eq!(shown(None), "-");
    }
}
