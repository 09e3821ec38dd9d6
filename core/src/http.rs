//! HTTP: cookies in, headers out. Nothing else in this crate knows of it.
//!
//! ```
//! use cloakroom_core::{Commit, Config, Exchange, UnixTime, http as mapping};
//! use http::{HeaderMap, header};
//!
//! let config = Config::default();
//! let mut request = HeaderMap::new();
//! request.append(header::COOKIE, "theme=dark; __Host-session=whatever".parse().unwrap());
//!
//! let mut exchange = Exchange::open(&config, mapping::tokens(&config, &request), UnixTime::from_secs(0));
//! exchange.session()?.sign_out();
//! let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(0)) else { panic!() };
//!
//! let mut response = HeaderMap::new();
//! mapping::apply(&config, &outcome, &mut response);
//! assert_eq!(response[header::VARY], "cookie");
//! assert!(response[header::SET_COOKIE].to_str().unwrap().starts_with("__Host-session=; "));
//! # Ok::<(), cloakroom_core::Error>(())
//! ```

use ::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

use crate::{Config, Directive, Error, Issued, Outcome};

/// The values of this configuration's cookie, from all Cookie lines, in order.
///
/// Several lines mean the same as one joined (RFC 9113, section 8.2.3). Names are compared as they are, values are taken as they are:
/// nothing is decoded, quotes are kept (RFC 10025, sections 4.1.1 and 5.6). Anything else in the lines is passed over. Time is linear in their
/// length; nothing is allocated.
///
/// ```
/// use cloakroom_core::{Config, http::tokens};
/// use http::{HeaderMap, header};
///
/// let mut request = HeaderMap::new();
/// request.append(header::COOKIE, "a=1; __Host-session=one;;=; __host-session=no".parse().unwrap());
/// request.append(header::COOKIE, "__Host-session=two".parse().unwrap());
/// let config = Config::default();
/// assert_eq!(tokens(&config, &request).collect::<Vec<_>>(), [b"one", b"two"]);
/// ```
pub fn tokens<'h>(config: &'h Config, request: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> {
    let lines = request.get_all(COOKIE).into_iter();
    lines.flat_map(|line| tokens_of_line(config, line))
}

/// The same, from one Cookie line.
///
/// ```
/// use cloakroom_core::{Config, http::tokens_of_line};
///
/// let config = Config::default();
/// let line = "a=1; __Host-session=one".parse().unwrap();
/// assert_eq!(tokens_of_line(&config, &line).next(), Some(&b"one"[..]));
/// ```
pub fn tokens_of_line<'h>(
    config: &'h Config,
    line: &'h HeaderValue,
) -> impl Iterator<Item = &'h [u8]> {
    let (mut rest, name) = (Some(line.as_bytes()), config.cookie_name().as_bytes());
    std::iter::from_fn(move || {
        loop {
            let line = rest?;
            let (pair, after) = match memchr::memchr(b';', line) {
                Some(end) => (line.get(..end)?, line.get(end + 1..)),
                None => (line, None),
            };
            rest = after;
            if let Some(value) = value(pair, name) {
                return Some(value);
            }
        }
    })
}

/// The value of a pair that has this name.
#[inline(always)]
fn value<'h>(pair: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let rest = pair.trim_ascii_start().strip_prefix(name)?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?;
    Some(value.trim_ascii())
}

/// Adds to a response's headers what an outcome asks for. Adds nothing for a session that nobody touched.
///
/// - `Vary: cookie` when the session was accessed, merged with what is there (`*` stays): CVE-2023-30861.
/// - One Set-Cookie line when a token is issued or cleared, in place of others of the same name; others' lines are kept.
/// - `Cache-Control: no-store` with it, unless it is there; nothing of the application's is taken away (RFC 9111, section 5.2.2.5).
/// - `Clear-Site-Data` with a sign-out, if configured.
///
/// ```
/// # use cloakroom_core::{Commit, Config, Exchange, UnixTime, http::apply};
/// # let config = Config::default();
/// # let exchange = Exchange::open(&config, [], UnixTime::from_secs(0));
/// # let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(0)) else { panic!() };
/// let mut response = http::HeaderMap::new();
/// apply(&config, &outcome, &mut response);
/// assert!(response.is_empty());
/// ```
pub fn apply(config: &Config, outcome: &Outcome, response: &mut HeaderMap) {
    if outcome.accessed {
        vary(response);
    }
    let line = match &outcome.directive {
        Directive::Keep => return,
        Directive::Issue(issued) => set_cookie(config, issued),
        Directive::Clear => {
            if config.settings().clear_site_data {
                let everything = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
                response.insert(HeaderName::from_static("clear-site-data"), everything);
            }
            removal(config)
        }
    };
    replace_cookie(config, response, line);
    no_store(response);
}

/// `Vary: cookie`: the response depends on the session. [`apply`] adds it; an adapter that answers with an error instead of
/// an outcome adds it itself.
///
/// ```
/// use cloakroom_core::http::vary;
///
/// let mut response = http::HeaderMap::new();
/// response.insert("vary", "accept-encoding".parse().unwrap());
/// vary(&mut response);
/// vary(&mut response);
/// assert_eq!(response.get_all("vary").iter().collect::<Vec<_>>(), ["accept-encoding", "cookie"]);
/// ```
pub fn vary(response: &mut HeaderMap) {
    list(response, VARY, "cookie", &[b"*", b"cookie"]);
}

/// The status that fits an error, for adapters whose application does not choose one: 503 where trying again may help, 413
/// for a session over a limit, 500 otherwise.
///
/// ```
/// use cloakroom_core::{Error, http::status_hint};
///
/// assert_eq!(status_hint(&Error::Contended), 503);
/// ```
#[must_use]
pub fn status_hint(error: &Error) -> StatusCode {
    match error {
        Error::Contended | Error::Uncertain | Error::Late => StatusCode::SERVICE_UNAVAILABLE,
        Error::TooLarge { .. } | Error::CookieTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn set_cookie(config: &Config, issued: &Issued) -> HeaderValue {
    let (name, attributes) = (config.cookie_name(), &*config.settings().cookie.attributes);
    let age = issued
        .max_age
        .map(|age| format!("; Max-Age={}", age.as_secs()))
        .unwrap_or_default();
    let (name, attributes) = (name.as_bytes(), attributes.as_bytes());
    line(&[
        name,
        b"=",
        issued.token.as_bytes(),
        attributes,
        age.as_bytes(),
    ])
}

/// The same name, Path, Domain and flags: otherwise user agents would keep the cookie (RFC 10025, section 5.7).
fn removal(config: &Config) -> HeaderValue {
    let attributes = &*config.settings().cookie.attributes;
    line(&[
        config.cookie_name().as_bytes(),
        b"=",
        attributes.as_bytes(),
        b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ])
}

fn line(parts: &[&[u8]]) -> HeaderValue {
    // Every part is visible ASCII: the configuration checks its own, and tokens are base64url or hexadecimal.
    let line = HeaderValue::from_maybe_shared(Bytes::from(parts.concat()));
    let mut line = line.unwrap_or_else(|_| HeaderValue::from_static(""));
    line.set_sensitive(true);
    line
}

fn replace_cookie(config: &Config, response: &mut HeaderMap, line: HeaderValue) {
    let own = |line: &HeaderValue| {
        let rest = line
            .as_bytes()
            .strip_prefix(config.cookie_name().as_bytes());
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    };
    if response.contains_key(SET_COOKIE) && response.get_all(SET_COOKIE).iter().any(own) {
        let others = response.get_all(SET_COOKIE).iter();
        let others: Vec<_> = others.filter(|line| !own(line)).cloned().collect();
        response.remove(SET_COOKIE);
        for other in others {
            response.append(SET_COOKIE, other);
        }
    }
    response.append(SET_COOKIE, line);
}

fn no_store(response: &mut HeaderMap) {
    list(response, CACHE_CONTROL, "no-store", &[b"no-store"]);
}

/// Whether a comma-separated header lists one of these, without regard to case.
#[inline(always)]
fn list(response: &mut HeaderMap, name: HeaderName, value: &'static str, unless: &[&[u8]]) {
    let there = response.contains_key(&name) && lists(response.get_all(&name).iter(), unless);
    if !there {
        response.append(name, HeaderValue::from_static(value));
    }
}

fn lists<'h>(lines: impl Iterator<Item = &'h HeaderValue>, wanted: &[&[u8]]) -> bool {
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|found| {
            wanted
                .iter()
                .any(|wanted| found.trim_ascii().eq_ignore_ascii_case(wanted))
        })
}
