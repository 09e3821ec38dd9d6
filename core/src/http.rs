//! HTTP: headers in, headers out. Nothing else in this crate depends on HTTP.
//!
//! ```
//! use cloakroom_core::{Commit, Config, Exchange, UnixTime, http as mapping};
//! use http::{HeaderMap, header};
//!
//! let config = Config::default();
//! let mut request = HeaderMap::new();
//! request.append(
//!     header::COOKIE,
//!     "theme=dark; __Host-session=whatever".parse().unwrap(),
//! );
//!
//! let mut exchange = Exchange::open(
//!     &config,
//!     mapping::tokens(&config, &request),
//!     UnixTime::from_secs(0),
//! );
//! exchange.session()?.sign_out();
//! let Commit::Done(outcome) = exchange.finish(UnixTime::from_secs(0)) else {
//!     panic!()
//! };
//!
//! let mut response = HeaderMap::new();
//! mapping::apply(&config, &outcome, &mut response);
//! assert_eq!(response[header::VARY], "cookie");
//! assert!(
//!     response[header::SET_COOKIE]
//!         .to_str()
//!         .unwrap()
//!         .starts_with("__Host-session=; ")
//! );
//! # Ok::<(), cloakroom_core::Error>(())
//! ```

mod presented;

use ::http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

use crate::config::HeaderSettings;
use crate::{Config, Directive, Error, Issued, Outcome};

/// Returns the tokens that a client presented: the values of this configuration's cookie, from all
/// Cookie lines, in order. With [`Carrier::Header`](crate::Carrier) those of the header.
///
/// Several lines mean the same as one joined (RFC 9113, section 8.2.3). Names and values are used
/// as sent: nothing is decoded, quotes stay (RFC 10025, sections 4.1.1 and 5.6). Skips anything
/// else in the lines. Takes time linear in their length, and allocates nothing.
///
/// ```
/// use cloakroom_core::{Config, http::tokens};
/// use http::{HeaderMap, header};
///
/// let mut request = HeaderMap::new();
/// request.append(
///     header::COOKIE,
///     "a=1; __Host-session=one;;=; __host-session=no"
///         .parse()
///         .unwrap(),
/// );
/// request.append(header::COOKIE, "__Host-session=two".parse().unwrap());
/// let config = Config::default();
/// assert_eq!(
///     tokens(&config, &request).collect::<Vec<_>>(),
///     [b"one", b"two"]
/// );
/// ```
pub fn tokens<'h>(config: &'h Config, request: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> {
    let lines = request.get_all(config.request_header()).into_iter();
    lines.flat_map(|line| tokens_of_line(config, line))
}

/// Returns the same from one line of the [header](Config::request_header) that is read.
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
    presented::Presented::of(config, line)
}

/// Adds the headers that an outcome needs to a response. Adds none if the session was not used.
///
/// - `Vary: cookie` when the session was accessed, merged with the present one (`*` stays):
///   CVE-2023-30861.
/// - One Set-Cookie line when a token is issued or cleared. It replaces others of the same name.
///   Lines of other cookies stay. One more line removes the cookie of each
///   [former scope](crate::ConfigBuilder::former_scope).
/// - `Cache-Control: private` when the session was accessed and no cookie is sent, unless the
///   response has its own choice, or [`cache_private`](crate::ConfigBuilder::cache_private) is off.
/// - `Cache-Control: no-store` with the cookie, unless it is there. The application's own
///   directives stay (RFC 9111, section 5.2.2.5).
/// - `Clear-Site-Data` with a sign-out, if configured.
///
/// With [`Carrier::Header`](crate::Carrier) `Vary` lists the header, and the header takes the place
/// of Set-Cookie: the new token, or an empty value.
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
        vary(config, response);
    }
    let line = match &outcome.directive {
        Directive::Keep => {
            if outcome.accessed && config.settings().cache_private {
                private(response);
            }
            return;
        }
        Directive::Issue(issued) => match &config.settings().header {
            Some(header) => in_header(header, issued),
            None => set_cookie(config, issued),
        },
        Directive::Clear => {
            if config.settings().clear_site_data {
                let everything = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
                response.insert(HeaderName::from_static("clear-site-data"), everything);
            }
            match config.header() {
                Some(_) => HeaderValue::from_static(""),
                None => removal(config, &config.settings().cookie.attributes),
            }
        }
    };
    if let Some(name) = config.header() {
        response.insert(name, line);
        no_store(response);
        return;
    }
    drop_cookie(config, response);
    // Before the new cookie: some clients take cookies with and without Domain for one.
    for attributes in &config.settings().cookie.former {
        response.append(SET_COOKIE, removal(config, attributes));
    }
    response.append(SET_COOKIE, line);
    no_store(response);
}

/// Adds `Vary: cookie`, or the header that carries the token: the response depends on the session.
/// [`apply`] adds it. An adapter that answers with an error instead of an outcome calls it.
///
/// ```
/// use cloakroom_core::{Config, http::vary};
///
/// let config = Config::default();
/// let mut response = http::HeaderMap::new();
/// response.insert("vary", "accept-encoding".parse().unwrap());
/// vary(&config, &mut response);
/// vary(&config, &mut response);
/// assert_eq!(
///     response.get_all("vary").iter().collect::<Vec<_>>(),
///     ["accept-encoding", "cookie"]
/// );
/// ```
pub fn vary(config: &Config, response: &mut HeaderMap) {
    match &config.settings().header {
        None => list(response, VARY, &COOKIE_LISTED, &[b"*", b"cookie"]),
        Some(header) => {
            let unless = [b"*", header.listed.as_bytes()];
            list(response, VARY, &header.listed, &unless);
        }
    }
}

/// Returns the status that fits an error, for adapters whose application does not choose one.
///
/// Returns 503 if a retry may help, 413 for a session over a limit, and 400 for too many cookies of
/// one name. Returns 409 for a sign-out with a token that a sign-in replaced, and 500 otherwise.
///
/// ```
/// use cloakroom_core::{Error, http::status_hint};
///
/// assert_eq!(status_hint(&Error::Contended), 503);
/// ```
#[must_use]
pub fn status_hint(error: &Error) -> StatusCode {
    match error {
        Error::Contended
        | Error::UpdateFailed { .. }
        | Error::UnknownOutcome
        | Error::GraceExpired => StatusCode::SERVICE_UNAVAILABLE,
        Error::TooManyTokens { .. } => StatusCode::BAD_REQUEST,
        Error::Superseded | Error::Ended => StatusCode::CONFLICT,
        Error::TooLarge { .. } | Error::CookieTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

static COOKIE_LISTED: HeaderValue = HeaderValue::from_static("cookie");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn in_header(header: &HeaderSettings, issued: &Issued) -> HeaderValue {
    let scheme: &[u8] = if header.is_bearer() { b"Bearer " } else { b"" };
    line(&[scheme, issued.token.as_bytes()])
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

/// Uses the same name, Path, Domain and flags: otherwise user agents would keep the cookie (RFC
/// 10025, section 5.7).
fn removal(config: &Config, attributes: &str) -> HeaderValue {
    line(&[
        config.cookie_name().as_bytes(),
        b"=",
        attributes.as_bytes(),
        b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ])
}

fn line(parts: &[&[u8]]) -> HeaderValue {
    // Every part is visible ASCII: the configuration checks its own parts, and tokens are base64url
    // or hexadecimal.
    let line = HeaderValue::from_maybe_shared(Bytes::from(parts.concat()));
    let mut line = line.unwrap_or_else(|_| HeaderValue::from_static(""));
    line.set_sensitive(true);
    line
}

/// Drops the application's own lines of the session's cookie.
fn drop_cookie(config: &Config, response: &mut HeaderMap) {
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
}

fn no_store(response: &mut HeaderMap) {
    list(response, CACHE_CONTROL, &NO_STORE, &[b"no-store"]);
}

/// Adds `private` (RFC 9111, section 5.2.2.7), unless the application set which caches may store
/// the response.
fn private(response: &mut HeaderMap) {
    const CHOICES: [&[u8]; 5] = [b"private", b"public", b"no-store", b"no-cache", b"s-maxage"];
    let chosen = |line: &HeaderValue| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|directive| {
                let name = directive
                    .split(|byte| *byte == b'=')
                    .next()
                    .unwrap_or_default();
                let name = name.trim_ascii();
                CHOICES
                    .iter()
                    .any(|choice| name.eq_ignore_ascii_case(choice))
            })
    };
    if !response.get_all(CACHE_CONTROL).iter().any(chosen) {
        response.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// Adds to a comma-separated header, unless it lists one of these, without regard to case.
#[inline(always)]
fn list(response: &mut HeaderMap, name: HeaderName, value: &HeaderValue, unless: &[&[u8]]) {
    let there = response.contains_key(&name) && lists(response.get_all(&name).iter(), unless);
    if !there {
        response.append(name, value.clone());
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
