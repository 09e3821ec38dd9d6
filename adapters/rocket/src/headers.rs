//! Between Rocket's headers and those of `http`.

use cloakroom::{Config, adapter};
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use rocket::{Request, Response};

/// Those of a response that sessions change, beside the one that carries the token.
const CHANGED: [HeaderName; 3] = [
    http::header::VARY,
    http::header::CACHE_CONTROL,
    HeaderName::from_static("clear-site-data"),
];

/// Returns the headers that a session reads, as they came: Rocket's own jar decodes values. Where
/// there is no Cookie line, the jar has what a local client was given.
pub(crate) fn presented(request: &Request<'_>, config: &Config) -> HeaderMap {
    adapter::request_headers(config, |name| lines(request, name))
}

/// Returns the headers that the guard and the endpoints of bound sessions read.
#[cfg(feature = "device-binding")]
pub(crate) fn of_devices(request: &Request<'_>) -> HeaderMap {
    const READ: [HeaderName; 4] = [
        COOKIE,
        HeaderName::from_static("sec-fetch-dest"),
        HeaderName::from_static("sec-secure-session-id"),
        HeaderName::from_static("secure-session-response"),
    ];
    let mut headers = HeaderMap::new();
    for name in READ {
        let lines = lines(request, &name).into_iter();
        headers.extend(lines.map(|line| (name.clone(), line)));
    }
    headers
}

fn lines(request: &Request<'_>, name: &HeaderName) -> Vec<HeaderValue> {
    let lines = request.headers().get(name.as_str());
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    if lines.is_empty() && name == COOKIE {
        let jar = request.cookies().iter();
        lines.extend(jar.map(|cookie| cookie.stripped().to_string()));
    }
    let lines = lines.into_iter();
    lines.filter_map(|line| line.try_into().ok()).collect()
}

/// Adds headers to those of a response.
#[cfg(feature = "device-binding")]
pub(crate) fn add<'h>(
    response: &mut Response<'_>,
    headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
) {
    for (name, line) in headers {
        let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
        response.adjoin_raw_header(name.as_str().to_owned(), line);
    }
}

/// Changes those of a response. Leaves out the cookie whose name begins with `without`.
pub(crate) fn edit(
    response: &mut Response<'_>,
    config: &Config,
    without: &str,
    edit: impl FnOnce(&mut HeaderMap),
) {
    let mut headers = HeaderMap::new();
    // The mark is in Set-Cookie, wherever the token is.
    let carriers = std::iter::once(SET_COOKIE).chain(config.header().cloned());
    for name in CHANGED.into_iter().chain(carriers) {
        let lines = response.headers().get(name.as_str());
        let lines = lines.filter(|line| !line.starts_with(without));
        let lines = lines.filter_map(|line| line.parse().ok());
        headers.extend(lines.map(|line| (name.clone(), line)));
        response.remove_header(name.as_str());
    }
    edit(&mut headers);
    for (name, line) in &headers {
        let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
        response.adjoin_raw_header(name.as_str().to_owned(), line);
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::Config;
    use rocket::http::Header;
    use rocket::local::blocking::Client;

    // Without a cookie: whether the browser will refuse one.
    #[test]
    fn a_session_reads_its_cookie_or_whether_there_can_be_one() {
        let quiet = rocket::Config::figment().merge(("log_level", "off"));
        let client = Client::untracked(rocket::custom(quiet)).expect("it starts");
        let request = || {
            let request = client.get("/").header(Header::new("host", "shop.test"));
            let request = request.header(Header::new("accept", "*/*"));
            request.header(Header::new("user-agent", "Mozilla/5.0"))
        };
        let config = Config::default();
        let presented = super::presented(request().inner(), &config);
        assert_eq!(presented["host"], "shop.test");
        assert_eq!(presented.len(), 2);
        let request = request().header(Header::new("cookie", "a=1"));
        let presented = super::presented(request.inner(), &config);
        assert_eq!(presented["cookie"], "a=1");
        assert_eq!(presented.len(), 1);
    }
}
