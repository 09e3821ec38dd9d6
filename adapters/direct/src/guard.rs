//! Routes for signed-in visitors: what the guards of the adapters share.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::{Error, Session, adapter};

/// The longest path that a sign-in page gets to return to.
const MAX_PATH: usize = 2_048;

/// Returns `next` if it is a path on this site, as a redirect after a sign-in may use it.
///
/// A sign-in page gets `next` from its URL or form, so anyone can have chosen it. A redirect to
/// another site would lend that site this one's good name (CWE-601). The path begins with one `/`
/// and has visible ASCII without backslashes: browsers read `//host`, `/\host` and `/<tab>/host` as
/// another site. At most 2,048 bytes.
///
/// ```
/// use cloakroom::local_path;
///
/// let page = |next| local_path(next).unwrap_or("/");
/// assert_eq!(page("/orders?page=2"), "/orders?page=2");
/// assert_eq!(page("//evil.example/"), "/");
/// assert_eq!(page("https://evil.example/"), "/");
/// ```
#[must_use]
pub fn local_path(next: &str) -> Option<&str> {
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let local = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= MAX_PATH
        && next.bytes().all(visible);
    local.then_some(next)
}

/// Lets a request pass if its session belongs to a subject. For authors of adapters: each adapter
/// has a guard of its own on top.
///
/// ```
/// use cloakroom::{Session, adapter::SubjectGuard};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let guard = SubjectGuard::redirect_to("/sign-in");
/// let session: Session = Session::for_tests();
/// let denied = guard
///     .check(&session, &http::Method::GET, "/orders?page=2")
///     .await
///     .unwrap_err();
/// assert_eq!(denied.status(), 303);
/// assert_eq!(
///     denied.headers()["location"],
///     "/sign-in?next=%2Forders%3Fpage%3D2"
/// );
///
/// session.sign_in("ada").unwrap();
/// assert!(guard.check(&session, &http::Method::GET, "/orders").await.is_ok());
/// # }
/// ```
pub struct SubjectGuard<K = ()> {
    sign_in: Option<&'static str>,
    confirm: Option<&'static str>,
    within: Option<Duration>,
    level: u8,
    kind: PhantomData<fn() -> K>,
}

impl SubjectGuard {
    /// Answers with 401: for APIs.
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// let guard = SubjectGuard::unauthorized();
    /// ```
    #[must_use]
    pub const fn unauthorized() -> Self {
        Self::new(None)
    }

    /// Redirects to this page (303): for browsers. The page is a path or a URL of the application.
    ///
    /// GET and HEAD requests add their own path and query as the parameter `next`, if they are a
    /// [`local_path`].
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// let guard = SubjectGuard::redirect_to("/sign-in");
    /// ```
    #[must_use]
    pub const fn redirect_to(page: &'static str) -> Self {
        Self::new(Some(page))
    }

    const fn new(sign_in: Option<&'static str>) -> Self {
        Self {
            sign_in,
            confirm: None,
            within: None,
            level: 0,
            kind: PhantomData,
        }
    }
}

impl<K> SubjectGuard<K> {
    /// Checks the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// struct Admin;
    /// let guard = SubjectGuard::unauthorized().named::<Admin>();
    /// ```
    #[must_use]
    pub const fn named<N>(self) -> SubjectGuard<N> {
        SubjectGuard {
            sign_in: self.sign_in,
            confirm: self.confirm,
            within: self.within,
            level: self.level,
            kind: PhantomData,
        }
    }

    /// Asks for an authentication that is more recent than this too: a step-up (OWASP ASVS 5.0,
    /// 7.5.1 and 7.5.3). [`Session::authenticated_within`] decides.
    ///
    /// A redirect goes to the page of [`confirm_at`](Self::confirm_at), or else to the sign-in
    /// page. A guard that does not redirect answers with 403 and a sentence. With the token in
    /// `Authorization` it answers with 401 and the challenge of RFC 9470, section 3.
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// # use std::time::Duration;
    /// let guard = SubjectGuard::unauthorized().within(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub const fn within(mut self, age: Duration) -> Self {
        self.within = Some(age);
        self
    }

    /// Asks for this [level](crate::Authentication::level) of authentication at least. The
    /// responses are those of [`within`](Self::within).
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// let guard = SubjectGuard::redirect_to("/sign-in").level(2);
    /// ```
    #[must_use]
    pub const fn level(mut self, least: u8) -> Self {
        self.level = least;
        self
    }

    /// Sends subjects who are to be authenticated again to this page (303), with `next` as for the
    /// sign-in page.
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// let guard = SubjectGuard::redirect_to("/sign-in")
    ///     .level(2)
    ///     .confirm_at("/second-factor");
    /// ```
    #[must_use]
    pub const fn confirm_at(mut self, page: &'static str) -> Self {
        self.confirm = Some(page);
        self
    }

    /// Loads the session, and returns the response if it belongs to no subject. `target` is the
    /// request's path and query.
    ///
    /// # Errors
    ///
    /// [`Denied`]: a redirect or 401. The status of [`Error`] if the session could not be loaded,
    /// so an outage never looks like a sign-out.
    ///
    /// ```
    /// # use cloakroom::{Session, adapter::SubjectGuard};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let guard = SubjectGuard::unauthorized();
    /// let denied = guard
    ///     .check(&Session::for_tests(), &http::Method::GET, "/")
    ///     .await;
    /// assert_eq!(denied.unwrap_err().status(), 401);
    /// # }
    /// ```
    pub async fn check(
        &self,
        session: &Session<K>,
        method: &Method,
        target: &str,
    ) -> Result<(), Denied> {
        session.load().await.map_err(Denied::failed)?;
        if session.subject().map_err(Denied::failed)?.is_none() {
            return Err(self.denied(session, method, target));
        }
        match self.suffices(session).map_err(Denied::failed)? {
            true => Ok(()),
            false => Err(self.insufficient(session, method, target)),
        }
    }

    /// Returns whether the subject's authentication is recent and strong enough.
    fn suffices(&self, session: &Session<K>) -> Result<bool, Error> {
        if let Some(age) = self.within
            && !session.authenticated_within(age)?
        {
            return Ok(false);
        }
        Ok(self.level == 0
            || session
                .authentication()?
                .is_some_and(|how| how.level() >= self.level))
    }

    fn insufficient(&self, session: &Session<K>, method: &Method, target: &str) -> Denied {
        if let Some(page) = self.confirm.or(self.sign_in) {
            return redirect(page, method, target);
        }
        let mut headers = HeaderMap::new();
        if session.config().header() != Some(&AUTHORIZATION) {
            return Denied::because(StatusCode::FORBIDDEN, headers, CONFIRM);
        }
        // RFC 9470, section 3.
        let mut challenge = r#"Bearer error="insufficient_user_authentication""#.to_owned();
        if let Some(age) = self.within {
            challenge += &format!(r#", max_age="{}""#, age.as_secs());
        }
        if self.level > 0 {
            challenge += &format!(r#", acr_values="{}""#, self.level);
        }
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Denied::because(StatusCode::UNAUTHORIZED, headers, CONFIRM)
    }

    /// Returns the sign-in page with `next`, or an empty text without a page: for frameworks that
    /// redirect elsewhere.
    ///
    /// ```
    /// # use cloakroom::adapter::SubjectGuard;
    /// let guard = SubjectGuard::redirect_to("/sign-in");
    /// assert_eq!(guard.sign_in_url(&http::Method::POST, "/orders"), "/sign-in");
    /// ```
    #[must_use]
    pub fn sign_in_url(&self, method: &Method, target: &str) -> String {
        let page = self.sign_in.unwrap_or_default();
        sign_in_url(page, method, target)
    }

    fn denied(&self, session: &Session<K>, method: &Method, target: &str) -> Denied {
        let Some(page) = self.sign_in else {
            let mut headers = HeaderMap::new();
            // RFC 9110, section 15.5.2. No registered scheme fits a cookie.
            if session.config().header() == Some(&AUTHORIZATION) {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            return Denied::new(StatusCode::UNAUTHORIZED, headers);
        };
        redirect(page, method, target)
    }
}

fn redirect(page: &str, method: &Method, target: &str) -> Denied {
    let mut headers = HeaderMap::new();
    match HeaderValue::from_str(&sign_in_url(page, method, target)) {
        Ok(location) => drop(headers.insert(LOCATION, location)),
        Err(_) => return Denied::failed(Error::NotSetUp(BAD_PAGE)),
    }
    Denied::new(StatusCode::SEE_OTHER, headers)
}

fn sign_in_url(page: &str, method: &Method, target: &str) -> String {
    let shown = matches!(*method, Method::GET | Method::HEAD);
    match local_path(target).filter(|_| shown) {
        None => page.to_owned(),
        Some(next) => {
            let separator = if page.contains('?') { '&' } else { '?' };
            format!("{page}{separator}next={}", encoded(next))
        }
    }
}

/// Encodes a value of a query (RFC 3986, section 2.1): all but unreserved characters.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                for digit in [byte >> 4, byte & 15] {
                    let digit = char::from_digit(digit.into(), 16).unwrap_or_default();
                    encoded.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
    encoded
}

const CONFIRM: &str = "Please sign in again to confirm that it is you.";

const BAD_PAGE: &str = "a guard redirects to a sign-in page whose path has control characters; \
    pass a path such as `/sign-in`";

impl<K> Clone for SubjectGuard<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for SubjectGuard<K> {}

impl<K> fmt::Debug for SubjectGuard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectGuard")
            .field("sign_in", &self.sign_in)
            .field("within", &self.within)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The response to a request that a [`SubjectGuard`] did not let pass.
///
/// ```
/// use cloakroom::adapter::Denied;
///
/// fn response(denied: Denied) -> http::Response<String> {
///     denied.into_response()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Denied {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Denied {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap) -> Self {
        Self {
            status,
            headers,
            text: String::new(),
        }
    }

    fn because(status: StatusCode, headers: HeaderMap, text: &str) -> Self {
        let text = text.to_owned();
        Self {
            text,
            ..Self::new(status, headers)
        }
    }

    /// Makes the response of a session that could not be loaded.
    ///
    /// ```
    /// # use cloakroom::{Error, adapter::Denied};
    /// assert_eq!(Denied::failed(Error::NotSetUp("no layer")).status(), 500);
    /// ```
    #[must_use]
    pub fn failed(error: Error) -> Self {
        Self {
            status: error.status(),
            headers: HeaderMap::new(),
            text: adapter::report(&error),
        }
    }

    /// Returns 303, 401, 403 or the status of an [`Error`].
    ///
    /// ```
    /// # fn check(denied: cloakroom::adapter::Denied) -> bool {
    /// denied.status() == 401
    /// # }
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns `Location` or `WWW-Authenticate`, if the response has one.
    ///
    /// ```
    /// # fn check(denied: cloakroom::adapter::Denied) -> bool {
    /// denied.headers().contains_key("location")
    /// # }
    /// ```
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the text of an error or of a needed step-up, or an empty one.
    ///
    /// ```
    /// # fn text(denied: &cloakroom::adapter::Denied) -> &str {
    /// denied.text()
    /// # }
    /// ```
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns it as a response.
    ///
    /// ```
    /// # fn response(denied: cloakroom::adapter::Denied) -> http::Response<String> {
    /// denied.into_response()
    /// # }
    /// ```
    #[must_use]
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.text));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    fn check(next: &str, local: bool) {
        assert_eq!(local_path(next).is_some(), local, "{next:?}");
    }

    #[test]
    fn only_paths_on_this_site_are_local() {
        for next in [
            "/",
            "/a",
            "/a/b?c=d&e=%2F#f",
            "/a//b",
            "/%2F/evil.example",
            "/?next=//x",
        ] {
            check(next, true);
        }
        for next in [
            "",
            "a",
            "//",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a b",
            " /a",
            "\u{0}/a",
            "https://evil.example",
            "https:/a",
            "javascript:alert(1)",
            "?a",
            "#a",
            "/a\r\nset-cookie: a=b",
            "/\u{e4}",
            "/a\\b",
        ] {
            check(next, false);
        }
        check(&format!("/{}", "a".repeat(2_047)), true);
        check(&format!("/{}", "a".repeat(2_048)), false);
    }
}
