//! Texts that were read together with their quotes or with a line end of their file.

use super::ConfigError;

/// Beginnings and ends of quoted texts, Python's literals for bytes included.
const QUOTES: [(&str, &str); 7] = [
    ("\"", "\""),
    ("'", "'"),
    ("`", "`"),
    ("\u{201c}", "\u{201d}"),
    ("\u{2018}", "\u{2019}"),
    ("b\"", "\""),
    ("b'", "'"),
];

const QUOTED: &str = "is in quotes, and they would be part of it; remove them (some readers of env \
                      files keep them)";
const SPACED: &str = "begins or ends with white space, which would be part of it; remove it (a \
                      secret read from a file often ends with a newline)";

impl ConfigError {
    /// Rejects a text that has quotes or white space around it: for secrets and other settings that
    /// are taken as text from a file or the environment.
    ///
    /// Some readers of env files keep the quotes of `SECRET_KEY="…"`, and files end with a newline.
    /// A key with them matches no other system's, so that every visitor would be a stranger.
    ///
    /// # Errors
    ///
    /// Names the field. It does not quote the text.
    ///
    /// ```
    /// # use cloakroom_core::ConfigError;
    /// assert!(ConfigError::check_text("SECRET_KEY", "kFp0c7").is_ok());
    ///
    /// let error = ConfigError::check_text("SECRET_KEY", "\"kFp0c7\"").unwrap_err();
    /// assert!(error.to_string().contains("is in quotes"));
    /// ```
    pub fn check_text(field: &'static str, text: &str) -> Result<(), Self> {
        match problem(text) {
            Some(problem) => Err(Self::new(field, problem)),
            None => Ok(()),
        }
    }
}

/// Returns what is wrong with a text.
pub(crate) fn problem(text: &str) -> Option<&'static str> {
    let spaced = |end: char| end.is_whitespace() || matches!(end, '\u{feff}' | '\0');
    if text.starts_with(spaced) || text.ends_with(spaced) {
        return Some(SPACED);
    }
    let quoted = |(begin, end): &(&str, &str)| {
        let rest = text.strip_prefix(begin);
        rest.is_some_and(|rest| rest.ends_with(end))
    };
    QUOTES.iter().any(quoted).then_some(QUOTED)
}

/// Returns the same for bytes that are a text: readable, with a letter or digit. Random bytes are
/// none.
pub(crate) fn problem_of_bytes(bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let readable = |letter: char| !letter.is_control() || letter.is_whitespace();
    let is_text = text.trim_matches('\u{feff}').chars().all(readable)
        && text.chars().any(char::is_alphanumeric);
    is_text.then(|| problem(text)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{QUOTED, SPACED, problem, problem_of_bytes};

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn quotes_and_white_space_around_a_text_are_found() {
        for (before, after, expected) in [
            ("", "", None),
            ("\"", "", None),
            ("", "'", None),
            ("\"", "'", None),
            ("b", "", None),
            ("\"", "\"", Some(QUOTED)),
            ("'", "'", Some(QUOTED)),
            ("`", "`", Some(QUOTED)),
            ("“", "”", Some(QUOTED)),
            ("‘", "’", Some(QUOTED)),
            ("b'", "'", Some(QUOTED)),
            ("b\"", "\"", Some(QUOTED)),
            ("", "\n", Some(SPACED)),
            ("", "\r\n", Some(SPACED)),
            ("\"", "\"\n", Some(SPACED)),
            (" ", "", Some(SPACED)),
            ("\t", "\t", Some(SPACED)),
            ("\u{feff}", "", Some(SPACED)),
            ("\u{a0}", "", Some(SPACED)),
        ] {
            let text = format!("{before}{KEY}{after}");
            assert_eq!(problem(&text), expected, "{before:?} {after:?}");
            assert_eq!(
                problem_of_bytes(text.as_bytes()),
                expected,
                "{before:?} {after:?}"
            );
        }
        assert_eq!(problem(""), None);
        assert_eq!(problem("\""), None);
        assert_eq!(problem("\"\""), Some(QUOTED));
    }

    #[test]
    fn bytes_that_are_no_text_are_left_alone() {
        for byte in 0..=u8::MAX {
            if !byte.is_ascii_alphanumeric() {
                assert_eq!(problem_of_bytes(&[byte; 32]), None, "{byte}");
            }
        }
        let random = b"\n\x01\xf3random bytes, one of them none\n";
        assert_eq!(problem_of_bytes(random), None);
    }
}
