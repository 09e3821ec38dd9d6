//! Between Rocket's headers and those of `http`.

use http::header::{COOKIE, HeaderMap, HeaderName};
use rocket::{Request, Response};

/// Those of a response that sessions change.
const CHANGED: [&str; 4] = ["vary", "set-cookie", "cache-control", "clear-site-data"];

/// The Cookie lines as they came: Rocket's own jar decodes values. Where there is no line it has what a local client was given.
pub(crate) fn cookies(request: &Request<'_>) -> HeaderMap {
    let mut lines: Vec<_> = request.headers().get("cookie").map(str::to_owned).collect();
    if lines.is_empty() {
        let jar = request.cookies().iter();
        lines.extend(jar.map(|cookie| cookie.stripped().to_string()));
    }
    let lines = lines.into_iter().filter_map(|line| line.try_into().ok());
    lines.map(|line| (COOKIE, line)).collect()
}

/// Changes those of a response. Leaves out the cookie whose name begins with `without`.
pub(crate) fn edit(response: &mut Response<'_>, without: &str, edit: impl FnOnce(&mut HeaderMap)) {
    let mut headers = HeaderMap::new();
    for name in CHANGED {
        let lines = response.headers().get(name);
        let lines = lines.filter(|line| !line.starts_with(without));
        let lines = lines.filter_map(|line| line.parse().ok());
        headers.extend(lines.map(|line| (HeaderName::from_static(name), line)));
        response.remove_header(name);
    }
    edit(&mut headers);
    for (name, line) in &headers {
        let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
        response.adjoin_raw_header(name.as_str().to_owned(), line);
    }
}
