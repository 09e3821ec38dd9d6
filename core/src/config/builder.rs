use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, ConfigError, CookieSettings, Lifetimes, Limits, SameSite, Settings, check};
use crate::Envelope;
use crate::format::{Format, Shared};
use crate::token::{KeyFormat, SigningKey, TokenFormat, TokenRules, TokenScheme};

/// Collects a configuration; [`build`](Builder::build) validates it.
///
/// Also the form in which an application's settings are read: [`Config`] implements `Deserialize` through it, with the names
/// of the methods as fields (the two of `lifetimes` one by one), times in whole seconds, unknown fields refused.
///
/// ```
/// use cloakroom_core::{Config, SameSite};
///
/// let config = Config::builder().cookie_name("__Secure-shop").domain("example.org").same_site(SameSite::Strict).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct Builder {
    pub(super) cookie_name: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) path: String,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) partitioned: bool,
    pub(super) insecure_for_development: bool,
    pub(super) persistent: bool,
    #[serde(deserialize_with = "optional_seconds")]
    pub(super) idle_timeout_until_closed: Option<Duration>,
    pub(super) extend_on_read: bool,
    #[serde(deserialize_with = "optional_seconds")]
    pub(super) extend_after: Option<Duration>,
    pub(super) renew_cookie: bool,
    pub(super) delete_emptied: bool,
    #[serde(deserialize_with = "seconds")]
    pub(super) idle_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) absolute_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) rotation_grace: Duration,
    pub(super) token_format: TokenFormat,
    pub(super) key_format: KeyFormat,
    pub(super) key_prefix: Option<String>,
    #[serde(deserialize_with = "signing_keys")]
    pub(super) signing_keys: Vec<SigningKey>,
    pub(super) limits: Limits,
    pub(super) save_on_server_error: bool,
    pub(super) clear_site_data: bool,
    #[serde(skip)]
    pub(super) format: Option<Shared<dyn Format>>,
    #[serde(skip)]
    pub(super) envelope: Option<Shared<dyn Envelope>>,
    #[serde(skip)]
    pub(super) token_scheme: Option<Shared<dyn TokenScheme>>,
}

impl Default for Builder {
    fn default() -> Self {
        let lifetimes = Lifetimes::default();
        Self {
            cookie_name: None,
            domain: None,
            path: "/".into(),
            http_only: true,
            same_site: SameSite::default(),
            partitioned: false,
            insecure_for_development: false,
            persistent: false,
            idle_timeout_until_closed: None,
            extend_on_read: true,
            extend_after: None,
            renew_cookie: false,
            delete_emptied: false,
            idle_timeout: lifetimes.idle,
            absolute_timeout: lifetimes.absolute,
            rotation_grace: Duration::from_secs(30),
            token_format: TokenFormat::default(),
            key_format: KeyFormat::default(),
            key_prefix: None,
            signing_keys: Vec::new(),
            limits: Limits::default(),
            save_on_server_error: false,
            clear_site_data: false,
            format: None,
            envelope: None,
            token_scheme: None,
        }
    }
}

impl Builder {
    /// The cookie's name: a token of RFC 9110. Default `__Host-session`. The rules of the prefixes `__Secure-`, `__Host-`, `__Http-`
    /// and `__Host-Http-` are checked without regard to case, as user agents do (RFC 10025, section 5.4; the two with `Http-` are younger:
    /// draft-ietf-httpbis-layered-cookies).
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().cookie_name("__Host-shop").build()?;
    /// assert_eq!(config.cookie_name(), "__Host-shop");
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// The cookie's Domain: also sent to all subdomains, so each of them can read and replace it. Default: none, the host
    /// alone.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().cookie_name("__Secure-shop").domain("example.org").build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The cookie's Path. Default `/`. It is no protection between applications on one host.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().cookie_name("__Secure-shop").path("/shop").build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether scripts are kept from reading the cookie. Default: they are.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().http_only(false).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// The cookie's SameSite. Default Lax.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().same_site(SameSite::Strict).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Whether the cookie is kept apart for each top-level site that embeds this one (CHIPS). Default: no.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().same_site(SameSite::None).partitioned(true).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Sends the cookie without Secure, under the default name `session`: **for development only**, on plain HTTP where
    /// the browser does not take loopback for secure. Adapters warn once. Not needed behind a proxy that ends TLS, nor on
    /// `localhost` in current browsers.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().insecure_for_development().build()?;
    /// assert!(config.is_insecure());
    /// assert_eq!(config.cookie_name(), "session");
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn insecure_for_development(mut self) -> Self {
        self.insecure_for_development = true;
        self
    }

    /// Whether cookies have a Max-Age (the rest of the absolute timeout), so that browsers keep them when they are closed.
    /// Default: no; the server's expiry is what counts either way.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().persistent(true).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// How long a session lives without a request; whole seconds. Default 30 minutes (OWASP Session Management Cheat
    /// Sheet: 15 to 30 for low-risk applications).
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().idle_timeout(Duration::from_secs(900)).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a session lives at all; whole seconds. Default 12 hours.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().absolute_timeout(Duration::from_secs(86_400)).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// Both timeouts at once, for the presets.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().lifetimes(Lifetimes::NIST_AAL3).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn lifetimes(self, lifetimes: Lifetimes) -> Self {
        self.idle_timeout(lifetimes.idle)
            .absolute_timeout(lifetimes.absolute)
    }

    /// How long an old token still reads the old data after a rotation or sign-in, so that requests in flight do not
    /// break; whole seconds, at most one hour. Default 30 seconds. Should be longer than any request takes. With 0 the old token is
    /// dead at once.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().rotation_grace(Duration::from_secs(60)).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// How tokens are made. Default: 256 random bits.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().token_format(TokenFormat::UuidV4).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.token_format = format;
        self
    }

    /// How store keys are made from tokens. Default: SHA-256.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().key_format(KeyFormat::Plain).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.key_format = format;
        self
    }

    /// What store keys begin with. Default: the cookie's name without `__Host-` and the like, and a colon; so two cookies
    /// in one store do not see each other's sessions.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().key_prefix("shop/session/").build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// Keys that sign tokens: the first signs, all verify. Default: none. With keys, a forged token costs no store call; a
    /// token made before the first key was set is not recognised any more.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let key = SigningKey::new([1; 32]).unwrap(); // of random bytes
    /// let config = Config::builder().signing_keys([key]).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn signing_keys(mut self, keys: impl IntoIterator<Item = SigningKey>) -> Self {
        self.signing_keys = keys.into_iter().collect();
        self
    }

    /// Caps on one session.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().limits(Limits { values: 100, ..Limits::default() }).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the changes of a request are saved even if its response has a 5xx status. Default: they are dropped.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().save_on_server_error(true).build()?;
    /// assert!(config.saves_on_server_error());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn save_on_server_error(mut self, save: bool) -> Self {
        self.save_on_server_error = save;
        self
    }

    /// Whether a sign-out also sends `Clear-Site-Data: "cache", "cookies", "storage"` (OWASP Session Management Cheat Sheet). Default: no:
    /// it clears everything of the origin, other applications' cookies included.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().clear_site_data(true).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn clear_site_data(mut self, clear: bool) -> Self {
        self.clear_site_data = clear;
        self
    }

    /// Validates.
    ///
    /// # Errors
    ///
    /// Names the field and what to change: prefix rules, `SameSite=None` or Partitioned without Secure, a name, path or
    /// domain that cannot be in a cookie, sizes over what user agents take (4,096 bytes for name and value, 1,024 for an
    /// attribute, 400 days), timeouts of zero or in the wrong order, keys over 250 bytes.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// assert!(Config::builder().same_site(SameSite::None).build().is_ok());
    /// assert!(Config::builder().idle_timeout(Duration::ZERO).build().is_err());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn build(self) -> Result<Config, ConfigError> {
        let name = self.cookie_name.clone().unwrap_or_else(|| {
            if self.insecure_for_development {
                "session".into()
            } else {
                "__Host-session".into()
            }
        });
        check::cookie(&self, &name)?;
        check::times(&self)?;
        let prefix = self
            .key_prefix
            .clone()
            .unwrap_or_else(|| format!("{}:", check::without_prefix(&name)));
        let tokens = TokenRules {
            format: self.token_format,
            key_format: self.key_format,
            prefix: prefix.into_boxed_str(),
            signing_keys: self.signing_keys.clone(),
            scheme: self.token_scheme.clone(),
        };
        check::sizes(&self, &name, &tokens)?;
        Ok(Config(Arc::new(Settings {
            cookie: CookieSettings {
                attributes: self.attributes().into_boxed_str(),
                name: name.into_boxed_str(),
                insecure: self.insecure_for_development,
            },
            tokens,
            lifetimes: Lifetimes {
                idle: self.idle_timeout,
                absolute: self.absolute_timeout,
            },
            grace: self.rotation_grace,
            persistent: self.persistent,
            idle_until_closed: self.idle_timeout_until_closed,
            extend_on_read: self.extend_on_read,
            extend_after: self.extend_after,
            renew_cookie: self.renew_cookie,
            delete_emptied: self.delete_emptied,
            format: self.format.clone(),
            envelope: self.envelope.clone(),
            limits: self.limits,
            save_on_server_error: self.save_on_server_error,
            clear_site_data: self.clear_site_data,
        })))
    }

    /// The attributes, as they stand behind the value in every Set-Cookie line: `; HttpOnly; SameSite=Lax; …`.
    fn attributes(&self) -> String {
        let mut cookie = cookie::Cookie::new("", "");
        cookie.set_path(&*self.path);
        if let Some(domain) = &self.domain {
            cookie.set_domain(&**domain);
        }
        cookie.set_secure(!self.insecure_for_development);
        cookie.set_http_only(self.http_only);
        cookie.set_same_site(match self.same_site {
            SameSite::Strict => Some(cookie::SameSite::Strict),
            SameSite::Lax => Some(cookie::SameSite::Lax),
            SameSite::None => Some(cookie::SameSite::None),
            SameSite::Absent => None,
        });
        cookie.set_partitioned(self.partitioned);
        cookie.to_string().split_off("=".len())
    }
}

impl TryFrom<Builder> for Config {
    type Error = ConfigError;

    fn try_from(builder: Builder) -> Result<Self, ConfigError> {
        builder.build()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("cookie_name", &self.cookie_name)
            .finish_non_exhaustive()
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Duration::from_secs)
}

fn optional_seconds<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<u64> = serde::Deserialize::deserialize(deserializer)?;
    Ok(seconds.map(Duration::from_secs))
}

fn signing_keys<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SigningKey>, D::Error> {
    let texts: Vec<zeroize::Zeroizing<String>> = serde::Deserialize::deserialize(deserializer)?;
    // Their length is checked in `build`: a reader of settings would quote the line, and the secret with it.
    let keys = texts
        .iter()
        .map(|text| SigningKey::unchecked(text.as_bytes()));
    Ok(keys.collect())
}
