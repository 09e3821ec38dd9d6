//! Where a client presents its token: in a cookie, or in a header.

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{Config, ConfigBuilder, ConfigError, SameSite};

/// Where a client presents its token, and where a response issues or clears it. A kind of session
/// has one carrier and never uses the other.
///
/// ```
/// use cloakroom_core::{Carrier, Config};
///
/// let config = Config::builder()
///     .carrier(Carrier::Header("authorization"))
///     .build()?;
/// assert_eq!(config.header().unwrap(), "authorization");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// A cookie, as browsers keep it.
    #[default]
    Cookie,
    /// A header of this name, in requests and in responses: for apps, scripts and APIs.
    ///
    /// In `authorization` the token follows the scheme `Bearer` (RFC 6750, section 2.1), and other
    /// schemes are ignored. In any other header the token is the whole value.
    ///
    /// A response that issues a token has the header with the new token. A response that clears the
    /// token has the header with an empty value. The client stores the token, so the server
    /// has no influence on its protection there.
    Header(&'static str),
}

/// The header of a configuration whose tokens are not in a cookie.
#[derive(Clone, Debug)]
pub(crate) struct HeaderSettings {
    pub(crate) name: HeaderName,
    /// For `Vary`: the name as a value.
    pub(crate) listed: HeaderValue,
}

impl HeaderSettings {
    /// Returns whether the token follows the scheme `Bearer`.
    pub(crate) fn is_bearer(&self) -> bool {
        self.name == AUTHORIZATION
    }
}

/// Headers with a meaning of their own. Also those that browsers and proxies add by themselves:
/// what a script may not set (Fetch, "forbidden request-header"), and what every browser sends.
const TAKEN: [&str; 36] = [
    "allow",
    "alt-svc",
    "cache-control",
    "clear-site-data",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "keep-alive",
    "link",
    "location",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "server",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-real-ip",
];

/// The beginnings of such names.
const TAKEN_BEGINNINGS: [&str; 7] = [
    "accept",
    "access-control-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "x-forwarded-",
];

impl ConfigBuilder {
    /// Sets where clients present their tokens. Default: [`Carrier::Cookie`].
    ///
    /// With [`Carrier::Header`] no cookie is read or set. Browsers add such a header to no request
    /// of their own accord, so forms need no token against cross-site request forgery:
    /// [`csrf_token`](crate::Session::csrf_token) returns an empty text, and
    /// [`verify_csrf`](crate::Session::verify_csrf) returns true. Settings of the cookie are
    /// errors. The default of [`key_prefix`](ConfigBuilder::key_prefix) is the header's name.
    ///
    /// In an application's settings: `carrier = { header = "authorization" }`, or `"cookie"`.
    ///
    /// ```
    /// # use cloakroom_core::{Carrier, Config};
    /// let config = Config::builder()
    ///     .carrier(Carrier::Header("x-session-token"))
    ///     .build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        self.fields.header = match carrier {
            Carrier::Cookie => None,
            Carrier::Header(name) => Some(name.to_owned()),
        };
        self
    }

    /// Validates the header, and that no setting of the cookie contradicts it.
    pub(super) fn header_settings(&self) -> Result<Option<HeaderSettings>, ConfigError> {
        let Some(name) = &self.fields.header else {
            return Ok(None);
        };
        let fail = |field, problem| Err(ConfigError::new(field, problem));
        let Ok(name) = name.to_ascii_lowercase().parse::<HeaderName>() else {
            return fail(
                "carrier",
                "must name a header: letters, digits or !#$%&'*+-.^_`|~ (RFC 9110, token)",
            );
        };
        let begins = |beginning: &&str| name.as_str().starts_with(beginning);
        if TAKEN.contains(&name.as_str()) || TAKEN_BEGINNINGS.iter().any(begins) {
            return fail(
                "carrier",
                "names a header with another meaning, or one that browsers or proxies add; use \
                 `authorization` or a name of your own",
            );
        }
        const NO_COOKIE: &str = "is a setting of the cookie, and the token is in a header; \
            remove this setting or `carrier`";
        let cookie = [
            ("cookie_name", self.fields.cookie_name.is_some()),
            ("domain", self.fields.domain.is_some()),
            ("path", self.fields.path != "/"),
            ("http_only", !self.fields.http_only),
            ("same_site", self.fields.same_site != SameSite::default()),
            ("partitioned", self.fields.partitioned),
            (
                "insecure_for_development",
                self.fields.insecure_for_development,
            ),
            ("persistent", self.fields.persistent),
            ("renew_cookie", self.fields.renew_cookie),
            ("former_scope", !self.fields.former_scopes.is_empty()),
        ];
        if let Some((field, _)) = cookie.into_iter().find(|(_, set)| *set) {
            return fail(field, NO_COOKIE);
        }
        let listed = HeaderValue::from_name(name.clone());
        Ok(Some(HeaderSettings { name, listed }))
    }
}

impl Config {
    /// Returns the header that carries the token. None: the token is in the cookie.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(Config::default().header().is_none());
    /// ```
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        self.settings().header.as_ref().map(|header| &header.name)
    }

    /// Returns the request header that an adapter reads: `cookie`, or the [header](Config::header).
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().request_header(), "cookie");
    /// ```
    #[must_use]
    pub fn request_header(&self) -> &HeaderName {
        self.header().unwrap_or(&COOKIE_NAME)
    }

    /// Returns the response header that an adapter writes: `set-cookie`, or the
    /// [header](Config::header).
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().response_header(), "set-cookie");
    /// ```
    #[must_use]
    pub fn response_header(&self) -> &HeaderName {
        self.header().unwrap_or(&SET_COOKIE_NAME)
    }

    /// Returns whether both configurations read the same cookie or the same header. Two kinds of
    /// session with one carrier would overwrite each other's tokens.
    ///
    /// ```
    /// # use cloakroom_core::{Carrier, Config};
    /// let app = Config::builder()
    ///     .carrier(Carrier::Header("authorization"))
    ///     .build()?;
    /// assert!(app.shares_carrier(&app));
    /// assert!(!app.shares_carrier(&Config::default()));
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn shares_carrier(&self, other: &Self) -> bool {
        match (self.header(), other.header()) {
            (None, None) => self.cookie_name() == other.cookie_name(),
            (own, other) => own == other,
        }
    }
}

static COOKIE_NAME: HeaderName = COOKIE;
static SET_COOKIE_NAME: HeaderName = SET_COOKIE;

/// Reads the carrier of an application's settings.
pub(super) fn carrier<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Read {
        Cookie,
        Header(String),
    }

    Ok(match Read::deserialize(deserializer)? {
        Read::Cookie => None,
        Read::Header(name) => Some(name),
    })
}
