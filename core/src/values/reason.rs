//! Why a value could not be read, in serde's words but without the value.

use std::fmt::{self, Write as _};

use serde::de::{Error, Expected, Unexpected};

/// The most bytes of a reason.
const MAX_LEN: usize = 200;

/// An error of a `Deserialize`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    text: String,
    /// The field that is missing, or that is there twice under two names.
    pub(super) field: Option<&'static str>,
    /// Two names of the session lead to one field.
    pub(super) duplicate: bool,
    /// The text is a `Deserialize`'s own, and may have the value in it.
    own: bool,
}

impl Reason {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            field: None,
            duplicate: false,
            own: false,
        }
    }

    pub(super) fn malformed() -> Self {
        Self::new("the stored bytes are no value")
    }

    /// Returns the text without parts of the value.
    #[cold]
    pub(super) fn without(&self, holds: impl Fn(&[u8]) -> bool) -> Box<str> {
        let mut out = String::new();
        let mut words = Words(&self.text);
        while let Some((word, is_word)) = words.next() {
            if out.len() + word.len() > MAX_LEN {
                out.push('…');
                break;
            }
            let secret = self.own
                && is_word
                && (is_number(word) || (word.len() > 2 && holds(word.as_bytes())));
            match secret {
                true => out.push('…'),
                // An error is one line.
                false => out.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c })),
            }
        }
        out.truncate(out.trim_end().len());
        out.into()
    }
}

/// Returns whether a word may be a value: `u128` is none, `-12.5` is one.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Splits a text into words and the text between them.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<(&'a str, bool)> {
        let is_word = self.0.chars().next()?.is_alphanumeric();
        let end = self.0.find(|c: char| c.is_alphanumeric() != is_word);
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        Some((word, is_word))
    }
}

/// Removes quoted text, because it may be a part of the value.
fn without_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['`', '"', '\'', '“', '‘']) {
        let (before, quoted) = rest.split_at(start);
        let mut chars = quoted.chars();
        let quote = chars.next().unwrap_or('"');
        let close = match quote {
            '“' => '”',
            '‘' => '’',
            same => same,
        };
        // The apostrophe of "can't" quotes nothing.
        let inside = before.ends_with(char::is_alphanumeric);
        let after = chars.as_str();
        out.push_str(before);
        match (quote == '\'' && inside, after.rfind(close)) {
            (true, _) => {
                out.push(quote);
                rest = after;
            }
            // To the last one: the value may have the quote in it.
            (false, Some(end)) => {
                out.push('…');
                rest = after.get(end + close.len_utf8()..).unwrap_or_default();
            }
            (false, None) => {
                out.push('…');
                rest = "";
            }
        }
    }
    out.push_str(rest);
    out
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without(|_| true))
    }
}

impl std::error::Error for Reason {}

impl Error for Reason {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        let mut reason = Self::new(without_quoted(&text.to_string()));
        reason.own = true;
        reason
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "invalid type: {}, expected {expected}",
            kind(found)
        ))
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let mut reason = Self::custom(expected);
        reason.text = format!("invalid value: {}, expected {}", kind(found), reason.text);
        reason
    }

    #[cold]
    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid length, expected {expected}"))
    }

    #[cold]
    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown variant, expected {}", one_of(expected)))
    }

    #[cold]
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field, expected {}", one_of(expected)))
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..Self::new(format!("missing field `{field}`"))
        }
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self {
            field: Some(field),
            duplicate: true,
            ..Self::new(format!("duplicate field `{field}`"))
        }
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "floating point number",
        Unexpected::Char(_) => "character",
        Unexpected::Str(_) => "string",
        Unexpected::Bytes(_) => "byte array",
        Unexpected::Unit => "null",
        Unexpected::Option => "optional value",
        Unexpected::NewtypeStruct => "newtype struct",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        Unexpected::Enum => "enum",
        Unexpected::UnitVariant => "unit variant",
        Unexpected::NewtypeVariant => "newtype variant",
        Unexpected::TupleVariant => "tuple variant",
        Unexpected::StructVariant => "struct variant",
        Unexpected::Other(_) => "another value",
    }
}

fn one_of(names: &[&str]) -> String {
    let mut out = String::from(if names.len() == 1 { "" } else { "one of " });
    for (n, name) in names.iter().enumerate() {
        let _ = write!(out, "{}`{name}`", if n > 0 { ", " } else { "" });
    }
    if names.is_empty() { "none".into() } else { out }
}
