//! Between Rocket's headers and those of `http`.

use http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, VARY};
use rocket::{Request, Response};

/// The Cookie lines as they came: Rocket's own jar decodes values. Where there is no line it has what a local client was given.
pub(crate) fn cookies(request: &Request<'_>) -> HeaderMap {
    let lines = request.headers().get(COOKIE.as_str());
    let lines: HeaderMap = lines.filter_map(cookie).collect();
    if !lines.is_empty() {
        return lines;
    }
    let jar = request.cookies().iter();
    jar.filter_map(|pair| cookie(&format!("{}={}", pair.name(), pair.value())))
        .collect()
}

fn cookie(line: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((COOKIE, HeaderValue::from_bytes(line.as_bytes()).ok()?))
}

/// Takes the cookie of this name out of the response, and returns its value.
pub(crate) fn take_cookie(response: &mut Response<'_>, name: &str) -> Option<String> {
    let value = |line: &str| {
        let pair = line.split(';').next()?;
        let (of, value) = pair.split_once('=')?;
        (of == name).then(|| value.to_owned())
    };
    let lines = response.headers().get(SET_COOKIE.as_str());
    let (taken, kept): (Vec<_>, Vec<_>) = lines
        .map(|line| (value(line), line.to_owned()))
        .partition(|(value, _)| value.is_some());
    let (taken, _) = taken.into_iter().next()?;
    response.remove_header(SET_COOKIE.as_str());
    for (_, line) in kept {
        response.adjoin_raw_header(SET_COOKIE.as_str(), line);
    }
    taken
}

/// Changes those headers of a response that sessions change.
pub(crate) fn edit(response: &mut Response<'_>, edit: impl FnOnce(&mut HeaderMap)) {
    let names = [
        VARY,
        SET_COOKIE,
        CACHE_CONTROL,
        HeaderName::from_static("clear-site-data"),
    ];
    let mut headers = HeaderMap::new();
    for name in &names {
        for value in response.headers().get(name.as_str()) {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name, value);
            }
        }
    }
    let before = headers.clone();
    edit(&mut headers);
    for name in &names {
        if headers.get_all(name) == before.get_all(name) {
            continue;
        }
        response.remove_header(name.as_str());
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response.adjoin_raw_header(name.as_str().to_owned(), value);
        }
    }
}
