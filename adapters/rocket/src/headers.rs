//! Between Rocket's headers and those of `http`.

use http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, VARY};
use rocket::{Request, Response};

/// The Cookie lines as they came: Rocket's own jar decodes values. Where there is no line it has what a local client was given.
pub(crate) fn cookies(request: &Request<'_>) -> HeaderMap {
    let lines = request.headers().get(COOKIE.as_str()).map(str::to_owned);
    let mut lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        let jar = request.cookies().iter();
        lines.extend(jar.map(|pair| format!("{}={}", pair.name(), pair.value())));
    }
    let lines = lines.into_iter().filter_map(|line| line.try_into().ok());
    lines.map(|line| (COOKIE, line)).collect()
}

/// Takes the cookie of this name out of the response, and returns its value.
pub(crate) fn take_cookie(response: &mut Response<'_>, name: &str) -> Option<String> {
    let lines = response.headers().get(SET_COOKIE.as_str());
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    response.remove_header(SET_COOKIE.as_str());
    let mut taken = None;
    for line in lines {
        match line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            Some(rest) => taken = rest.split(';').next().map(str::to_owned),
            None => response.adjoin_raw_header(SET_COOKIE.as_str(), line),
        }
    }
    taken
}

/// Changes those headers of a response that sessions change.
pub(crate) fn edit(response: &mut Response<'_>, edit: impl FnOnce(&mut HeaderMap)) {
    let clear = HeaderName::from_static("clear-site-data");
    let names = [VARY, SET_COOKIE, CACHE_CONTROL, clear];
    let mut headers = HeaderMap::new();
    for name in &names {
        let values = response.headers().get(name.as_str());
        for value in values.filter_map(|value| HeaderValue::from_str(value).ok()) {
            headers.append(name, value);
        }
    }
    edit(&mut headers);
    for name in &names {
        response.remove_header(name.as_str());
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response.adjoin_raw_header(name.as_str().to_owned(), value);
        }
    }
}
