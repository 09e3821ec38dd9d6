use std::fmt;
use std::net::{IpAddr, SocketAddr};

use cloakroom_beside::IdShape;
use cookie::{Cookie, CookieJar, Key};
use http::header::{COOKIE, FORWARDED, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The cookies of a `SessionConfig::with_key` whose signature covers the client's address and
/// headers, too. It does by default.
///
/// [`unbind`](Self::unbind) checks such a cookie with the request that brings it, and hands the
/// session layer one whose signature is of the id alone. That is a step before the session layer:
/// in axum, a middleware of a few lines. Cookies that do not verify are left alone, and the session
/// layer rejects them. A client keeps its cookie, so a stolen one still needs the same address and
/// headers, until Cloakroom issues the next one.
///
/// ```
/// use cloakroom_axum_session::BoundCookies;
///
/// let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]))
///     .hashed_ip(false)
///     .hashed_real_ip(true);
///
/// // In a middleware, with the headers and the address of the connection:
/// # let mut headers = http::HeaderMap::new();
/// # let peer = "192.0.2.7".parse().unwrap();
/// cookies.unbind(&mut headers, Some(peer));
/// ```
#[derive(Clone)]
pub struct BoundCookies {
    name: Box<str>,
    key: Key,
    covers: Covers,
}

/// The parts of a request that the signatures cover beside the id.
#[derive(Clone, Copy, Debug)]
struct Covers {
    ip: bool,
    xforward: bool,
    forward: bool,
    real_ip: bool,
    user_agent: bool,
}

/// The base64 of a signature, before the id.
const SIGNATURE: usize = 44;

impl BoundCookies {
    /// Returns the defaults of a `SessionConfig` with this `with_session_name` and `with_key`: the
    /// address of the connection and the User-Agent are covered.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// ```
    #[must_use]
    pub fn new(cookie_name: &str, key: Key) -> Self {
        Self {
            name: cookie_name.into(),
            key,
            covers: Covers {
                ip: true,
                xforward: false,
                forward: false,
                real_ip: false,
                user_agent: true,
            },
        }
    }

    /// Sets `with_hashed_ip`: the address of the connection. Default: true.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let cookies = cookies.hashed_ip(false);
    /// ```
    #[must_use]
    pub fn hashed_ip(mut self, covered: bool) -> Self {
        self.covers.ip = covered;
        self
    }

    /// Sets `with_hashed_xforward`: the first address in `X-Forwarded-For`. Default: false.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let cookies = cookies.hashed_xforward(true);
    /// ```
    #[must_use]
    pub fn hashed_xforward(mut self, covered: bool) -> Self {
        self.covers.xforward = covered;
        self
    }

    /// Sets `with_hashed_forward`: the first `for` with an address in `Forwarded` (RFC 7239).
    /// Default: false.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let cookies = cookies.hashed_forward(true);
    /// ```
    #[must_use]
    pub fn hashed_forward(mut self, covered: bool) -> Self {
        self.covers.forward = covered;
        self
    }

    /// Sets `with_hashed_real_ip`: the address in `X-Real-Ip`. Default: false.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let cookies = cookies.hashed_real_ip(true);
    /// ```
    #[must_use]
    pub fn hashed_real_ip(mut self, covered: bool) -> Self {
        self.covers.real_ip = covered;
        self
    }

    /// Sets `with_hashed_user_agent`: the User-Agent. Default: true.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let cookies = cookies.hashed_user_agent(false);
    /// ```
    #[must_use]
    pub fn hashed_user_agent(mut self, covered: bool) -> Self {
        self.covers.user_agent = covered;
        self
    }

    /// Replaces each genuine cookie of this name by one that [`Settings::signed`] accepts.
    ///
    /// `peer` is the address of the connection, where axum_session saw it: in axum, if the
    /// application was served with `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// ```
    /// # use cloakroom_axum_session::BoundCookies;
    /// # let cookies = BoundCookies::new("session", cookie::Key::from(&[7; 64]));
    /// let mut headers = http::HeaderMap::new();
    /// headers.insert("cookie", "session=forged".parse().unwrap());
    /// cookies.unbind(&mut headers, None);
    /// assert_eq!(headers["cookie"], "session=forged");
    /// ```
    ///
    /// [`Settings::signed`]: crate::Settings::signed
    pub fn unbind(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) {
        if !headers.contains_key(COOKIE) {
            return;
        }
        let covered = self.covers.of(headers, peer);
        let mut has_any = false;
        let values = headers.get_all(COOKIE).iter().map(|value| {
            let unbound = self.unbound(value, &covered);
            has_any |= unbound.is_some();
            unbound.unwrap_or_else(|| value.clone())
        });
        let values: Vec<_> = values.collect();
        if !has_any {
            return;
        }
        headers.remove(COOKIE);
        for value in values {
            headers.append(COOKIE, value);
        }
    }

    /// Returns the header's value with its genuine cookies replaced, or `None` if it has none.
    fn unbound(&self, value: &HeaderValue, covered: &str) -> Option<HeaderValue> {
        let mut has_any = false;
        let pairs = value.to_str().ok()?.split(';').map(|pair| {
            let pair = pair.trim();
            match self.rebuilt(pair, covered) {
                Some(rebuilt) => {
                    has_any = true;
                    rebuilt
                }
                None => pair.to_owned(),
            }
        });
        let pairs: Vec<_> = pairs.collect();
        let mut rebuilt = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        rebuilt.set_sensitive(value.is_sensitive());
        has_any.then_some(rebuilt)
    }

    fn rebuilt(&self, pair: &str, covered: &str) -> Option<String> {
        let cookie = Cookie::parse_encoded(pair.to_owned()).ok()?;
        let signed = cookie.value();
        if cookie.name() != &*self.name || !signed.is_char_boundary(SIGNATURE) {
            return None;
        }
        let id = &signed[SIGNATURE..];
        if !IdShape::Uuid.fits(id.as_bytes()) {
            return None;
        }
        // The signature is of the id, and of the rest behind it.
        let message = Cookie::new("", format!("{signed}{covered}"));
        let mut jar = CookieJar::new();
        jar.signed(&self.key).verify(message)?;
        let name = self.name.to_string();
        jar.signed_mut(&self.key)
            .add(Cookie::new(name, id.to_owned()));
        let value = jar.get(&self.name)?.value();
        Some(format!("{}={value}", self.name))
    }
}

impl Covers {
    /// Returns the text behind the id in the message that is signed.
    fn of(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> String {
        const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let part = |covered: bool, address: &dyn Fn() -> Option<IpAddr>| {
            let address = covered.then(address).flatten();
            address
                .map(|address| address.to_string())
                .unwrap_or_default()
        };
        let ip = part(self.ip, &|| peer);
        let xforward = part(self.xforward, &|| {
            let mut addresses = text(X_FORWARDED_FOR)?.split(',');
            addresses.find_map(|address| address.trim().parse().ok())
        });
        let forward = part(self.forward, &|| {
            let mut lines = headers.get_all(FORWARDED).iter();
            lines.find_map(|line| forwarded_for(line.to_str().ok()?))
        });
        let real_ip = part(self.real_ip, &|| text(X_REAL_IP)?.parse().ok());
        let user_agent = match self.user_agent {
            true => text(USER_AGENT).unwrap_or_default(),
            false => "",
        };
        format!("{ip};{xforward};{forward};{real_ip};{user_agent}")
    }
}

/// The first address in a `Forwarded` (RFC 7239, section 4). A header that this reads otherwise
/// than axum_session does makes its visitor sign in again, and no more.
fn forwarded_for(line: &str) -> Option<IpAddr> {
    line.split([',', ';']).find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("for") {
            return None;
        }
        let node = node.trim().trim_matches('"');
        let bare = node
            .strip_prefix('[')
            .and_then(|node| node.strip_suffix(']'));
        let address = bare.unwrap_or(node).parse().ok();
        address.or_else(|| node.parse().ok().map(|address: SocketAddr| address.ip()))
    })
}

impl fmt::Debug for BoundCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("BoundCookies")
            .field("name", &self.name)
            .field("covers", &self.covers)
            .finish_non_exhaustive()
    }
}
