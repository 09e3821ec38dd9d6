//! The client's tokens in one header line.

use http::HeaderValue;
use memchr::memmem::Finder;

use crate::Config;

/// Yields the tokens of one line of a configuration's request header.
pub(super) enum Presented<'h> {
    Cookie(Values<'h>),
    Header(Option<&'h [u8]>),
}

impl<'h> Presented<'h> {
    pub(super) fn of(config: &'h Config, line: &'h HeaderValue) -> Self {
        let settings = config.settings();
        let line = line.as_bytes();
        match &settings.header {
            None => Self::Cookie(Values::new(&settings.cookie.finder, line)),
            Some(header) if header.is_bearer() => Self::Header(bearer(line)),
            Some(_) => Self::Header(Some(line.trim_ascii()).filter(|token| !token.is_empty())),
        }
    }
}

impl<'h> Iterator for Presented<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        match self {
            Self::Cookie(values) => values.next(),
            Self::Header(token) => token.take(),
        }
    }
}

/// Returns the token after the scheme, whose case does not matter (RFC 9110, section 11.1).
fn bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = line.trim_ascii().split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii_start();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// Yields the values of the pairs that have the finder's name.
///
/// It searches for the name, not for separators, so a line of 64 KiB of `;` costs as little as any
/// other. Besides that search it reads each byte twice at most: in the white space around a name,
/// and in values.
pub(super) struct Values<'h> {
    finder: &'h Finder<'static>,
    line: &'h [u8],
    from: usize,
    /// How many bytes it has read besides the search.
    looked_at: usize,
}

impl<'h> Values<'h> {
    fn new(finder: &'h Finder<'static>, line: &'h [u8]) -> Self {
        Self {
            finder,
            line,
            from: 0,
            looked_at: 0,
        }
    }
}

impl<'h> Iterator for Values<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        loop {
            let rest = self.line.get(self.from..)?;
            let (before, found) = rest.split_at_checked(self.finder.find(rest)?)?;
            let after = found.get(self.finder.needle().len()..)?;
            // After an occurrence that was a value, or no pair's name, a pair begins with its
            // separator.
            let gap = before.trim_ascii_end();
            let begins = gap.last() == Some(&b';') || gap.is_empty() && self.from == 0;
            let sign = after.trim_ascii_start();
            self.looked_at += before.len() - gap.len() + after.len() - sign.len();
            self.from = self.line.len() - after.len();
            if let Some(value) = sign.strip_prefix(b"=").filter(|_| begins) {
                let end = memchr::memchr(b';', value).unwrap_or(value.len());
                self.looked_at += end;
                self.from = self.line.len() - value.len() + end;
                return value.get(..end).map(<[u8]>::trim_ascii);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use memchr::memmem::Finder;

    use super::Values;

    // R38: linear (counted, not timed) on 64 KiB of any content.
    #[test]
    fn no_line_is_looked_at_more_than_twice() {
        let finder = Finder::new("__Host-session").into_owned();
        let parts = [
            ";",
            "; ",
            " ",
            "=",
            "a=1; ",
            "__Host-session",
            "__Host-session ",
            " __Host-session;",
            "__Host-session=",
            "__Host-session =;",
            ";__Host-session = x ",
            "__Host-",
            "\t;",
        ];
        for first in parts {
            for second in parts {
                let line = [first, second].concat();
                let mut line = line.repeat(65_536 / line.len());
                line.push_str("; __Host-session=last");
                let mut values = Values::new(&finder, line.as_bytes());
                let last = values.by_ref().last();
                assert_eq!(last, Some(&b"last"[..]), "{first:?} {second:?}");
                assert!(values.looked_at <= 2 * line.len(), "{first:?} {second:?}");
            }
        }
        let separators = ";".repeat(65_536);
        let mut values = Values::new(&finder, separators.as_bytes());
        assert_eq!((values.next(), values.looked_at), (None, 0));
    }

    // R37, R38: equals splitting at every separator, on all short lines of the characters that
    // matter.
    #[test]
    fn the_values_are_those_that_splitting_finds() {
        let finder = Finder::new("n").into_owned();
        let (letters, mut lines) = (["n", "=", ";", " ", "x"], vec![String::new()]);
        for _ in 0..7 {
            for line in &lines {
                let split = line.split(';').filter_map(|pair| {
                    let rest = pair.trim_ascii_start().strip_prefix('n')?;
                    Some(
                        rest.trim_ascii_start()
                            .strip_prefix('=')?
                            .trim_ascii()
                            .as_bytes(),
                    )
                });
                let found = Values::new(&finder, line.as_bytes());
                assert!(found.eq(split), "{line:?}");
            }
            let longer = lines
                .iter()
                .flat_map(|line| letters.map(|letter| format!("{line}{letter}")));
            lines = longer.collect();
        }
    }
}
