//! The parts of a request that the protocol reads.

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};

/// The most values of the bound cookie that are looked at. A browser has one.
const MAX_VALUES: usize = 8;
/// The length of an identifier, in characters.
const IDENTIFIER_LEN: usize = 22;

/// Yields the values of the cookie with this name, in order, at most eight.
pub(super) fn cookies<'h>(request: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    let lines = request.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let values = pairs.filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    values.take(MAX_VALUES)
}

/// Returns the JWS, if there is exactly one.
pub(super) fn response<'h>(request: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    only(request, name)
}

/// Returns the identifier of the browser's session, with or without quotes.
pub(super) fn identifier<'h>(request: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let id = std::str::from_utf8(only(request, name)?).ok()?;
    let unquoted = id.strip_prefix('"').and_then(|id| id.strip_suffix('"'));
    let id = unquoted.unwrap_or(id);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (id.len() == IDENTIFIER_LEN && id.bytes().all(plain)).then_some(id)
}

fn only<'h>(request: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = request.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}
