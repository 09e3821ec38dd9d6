//! Between actix-web's headers (version 0.2 of `http`) and those of `http` 1.

use actix_web::http::header as actix;
use cloakroom::{Config, adapter};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a response that sessions change, beside the one that carries the token.
const CHANGED: [HeaderName; 3] = [
    http::header::VARY,
    http::header::CACHE_CONTROL,
    HeaderName::from_static("clear-site-data"),
];

/// Returns the headers that a session reads.
pub(crate) fn presented(request: &actix::HeaderMap, config: &Config) -> HeaderMap {
    adapter::request_headers(config, |name| {
        let lines = request.get_all(name.as_str());
        lines.filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok())
    })
}

/// Returns the headers that the guard of bound sessions reads.
#[cfg(feature = "device-binding")]
pub(crate) fn of_devices(request: &actix::HeaderMap) -> HeaderMap {
    let read = [
        http::header::COOKIE,
        HeaderName::from_static("sec-fetch-dest"),
    ];
    only(request, &read)
}

/// Returns the headers that the endpoints of bound sessions read.
#[cfg(feature = "device-binding")]
pub(crate) fn of_endpoints(request: &actix::HeaderMap) -> HeaderMap {
    let read = ["secure-session-response", "sec-secure-session-id"];
    only(request, &read.map(HeaderName::from_static))
}

#[cfg(feature = "device-binding")]
fn only(request: &actix::HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in names {
        let lines = request.get_all(name.as_str());
        let lines = lines.filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok());
        headers.extend(lines.map(|line| (name.clone(), line)));
    }
    headers
}

pub(crate) fn append(response: &mut actix::HeaderMap, name: &HeaderName, line: &HeaderValue) {
    // Both are valid in either version.
    let name = actix::HeaderName::from_bytes(name.as_ref());
    let line = actix::HeaderValue::from_bytes(line.as_bytes());
    if let (Ok(name), Ok(line)) = (name, line) {
        response.append(name, line);
    }
}

/// Changes the headers of a response.
pub(crate) fn edit(
    response: &mut actix::HeaderMap,
    config: &Config,
    edit: impl FnOnce(&mut HeaderMap),
) {
    let mut headers = HeaderMap::new();
    for name in CHANGED.iter().chain([config.response_header()]) {
        let lines = response.remove(name.as_str());
        let lines = lines.filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok());
        headers.extend(lines.map(|line| (name.clone(), line)));
    }
    edit(&mut headers);
    for (name, line) in &headers {
        append(response, name, line);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use cloakroom::Config;

    // Without a cookie: whether the browser will refuse one.
    #[test]
    fn a_session_reads_its_cookie_or_whether_there_can_be_one() {
        let config = Config::default();
        let request = || {
            let request = TestRequest::get().insert_header(("host", "shop.test"));
            let request = request.insert_header(("accept", "*/*"));
            request.insert_header(("user-agent", "Mozilla/5.0"))
        };
        let presented = super::presented(request().to_http_request().headers(), &config);
        assert_eq!(presented["host"], "shop.test");
        assert_eq!(presented.len(), 2);
        let request = request().insert_header(("cookie", "a=1"));
        let presented = super::presented(request.to_http_request().headers(), &config);
        assert_eq!(presented["cookie"], "a=1");
        assert_eq!(presented.len(), 1);
    }
}
