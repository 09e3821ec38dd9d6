//! Cookies that a browser refuses without a word, so that every visit is the first one.

use std::sync::atomic::{AtomicU32, Ordering};

use cloakroom_core::{Config, Directive, Outcome};
use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName, USER_AGENT};

use crate::report::print_once;

/// Why a browser is about to refuse a `Secure` cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Plain HTTP under another name than localhost.
    PlainHttp,
    /// Safari accepts them on HTTPS only.
    SafariOnLocalhost,
}

/// The headers that say so, beside the cookies.
pub(crate) const READ: [HeaderName; 5] = [HOST, USER_AGENT, FORWARDED, FORWARDED_PROTO, FETCH_SITE];
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A developer sees the first requests. Later ones are not examined.
const EXAMINED: u32 = 1_000;

impl Refusal {
    /// Examines a request without cookies.
    pub(crate) fn expected(request: &HeaderMap) -> Option<Self> {
        static REQUESTS: AtomicU32 = AtomicU32::new(0);
        if REQUESTS.load(Ordering::Relaxed) >= EXAMINED {
            return None;
        }
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        Self::of(request)
    }

    fn of(request: &HeaderMap) -> Option<Self> {
        let header = |name| request.get(name).and_then(|value| value.to_str().ok());
        let browser = header(USER_AGENT).filter(|agent| agent.starts_with("Mozilla/"))?;
        let mut forwarded = [FORWARDED_PROTO, FORWARDED].into_iter().filter_map(header);
        if forwarded.any(|line| line.contains("https")) {
            return None;
        }
        let host = header(HOST)?;
        let host = host.strip_prefix('[').map_or(host, |host| host);
        let name = host.split([']', ':']).next().unwrap_or_default();
        let local = name == "localhost"
            || name.ends_with(".localhost")
            || name.starts_with("127.")
            || host.starts_with("::1]");
        let safari = browser.contains("Safari/") && !browser.contains("Chrom");
        // Browsers send it where they accept `Secure` cookies: over HTTPS, and to localhost.
        let trusted = request.contains_key(FETCH_SITE);
        match local {
            true if safari => Some(Self::SafariOnLocalhost),
            false if !trusted => Some(Self::PlainHttp),
            _ => None,
        }
    }

    /// Reports it, once for each kind, if the response issues such a cookie.
    pub(crate) fn report(self, config: &Config, outcome: &Outcome) {
        static PRINTED: AtomicU32 = AtomicU32::new(0);
        if config.is_insecure() || !matches!(outcome.directive, Directive::Issue(_)) {
            return;
        }
        let (kind, problem) = match self {
            Self::PlainHttp => (1, "on plain HTTP under another name than localhost"),
            Self::SafariOnLocalhost => (2, "on http://localhost, if the browser is Safari"),
        };
        let cookie = config.cookie_name();
        if PRINTED.load(Ordering::Relaxed) & kind == 0 {
            tracing::warn!(
                cookie,
                problem,
                "the browser refuses a Secure cookie here: HTTPS or insecure_for_development helps"
            );
        }
        print_once(
            &PRINTED,
            kind,
            format_args!(
                "the browser refuses the `Secure` cookie {cookie} {problem}, so each visit is the \
                 first; use HTTPS, or `insecure_for_development` during development"
            ),
        );
        PRINTED.fetch_or(kind, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use http::{HeaderMap, HeaderName, HeaderValue};

    const CHROME: &str = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36";
    const SAFARI: &str = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1 Version/18.0 Safari/605.1";

    fn check(headers: &[(&'static str, &'static str)], expected: Option<Refusal>) {
        let line = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let headers: HeaderMap = headers.iter().map(line).collect();
        assert_eq!(Refusal::of(&headers), expected, "{headers:?}");
    }

    #[test]
    fn a_browser_on_plain_http_refuses_unless_it_is_localhost() {
        let refused = Some(Refusal::PlainHttp);
        check(
            &[("host", "192.168.1.5:3000"), ("user-agent", CHROME)],
            refused,
        );
        check(&[("host", "shop.test"), ("user-agent", SAFARI)], refused);
        check(&[("host", "localhost:3000"), ("user-agent", CHROME)], None);
        check(&[("host", "127.0.0.1:3000"), ("user-agent", CHROME)], None);
        check(&[("host", "[::1]:3000"), ("user-agent", CHROME)], None);
        check(&[("host", "app.localhost"), ("user-agent", CHROME)], None);
    }

    #[test]
    fn safari_refuses_on_localhost_too() {
        let refused = Some(Refusal::SafariOnLocalhost);
        check(
            &[("host", "localhost:3000"), ("user-agent", SAFARI)],
            refused,
        );
        check(&[("host", "[::1]:3000"), ("user-agent", SAFARI)], refused);
    }

    #[test]
    fn https_behind_a_proxy_is_fine_and_so_is_everything_but_a_browser() {
        let host = ("host", "shop.example");
        check(
            &[host, ("user-agent", CHROME), ("sec-fetch-site", "none")],
            None,
        );
        check(
            &[host, ("user-agent", SAFARI), ("x-forwarded-proto", "https")],
            None,
        );
        check(
            &[host, ("user-agent", CHROME), ("forwarded", "proto=https")],
            None,
        );
        check(&[host, ("user-agent", "curl/8.10")], None);
        check(&[host], None);
    }
}
