use std::fmt;
use std::time::Duration;

use super::fields::Fields;
use super::{CookieScope, Lifetimes, SameSite};
use crate::Limits;
use crate::token::{KeyFormat, SigningKey, TokenFormat};

/// Collects a configuration. [`build`](ConfigBuilder::build) validates it.
///
/// Also the form in which an application's settings are read: [`Config`](crate::Config) implements
/// `Deserialize` through it. The fields are named like the methods (the two of `lifetimes` one by
/// one), times are whole seconds, and unknown fields are errors.
///
/// ```
/// use cloakroom_core::{Config, SameSite};
///
/// let config = Config::builder()
///     .cookie_name("__Secure-shop")
///     .domain("example.org")
///     .same_site(SameSite::Strict)
///     .build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct ConfigBuilder {
    pub(super) fields: Fields,
}

impl ConfigBuilder {
    /// Sets the cookie's name: a token of RFC 9110. Default: `__Host-session`.
    ///
    /// The rules of the prefixes `__Secure-`, `__Host-`, `__Http-` and `__Host-Http-` are checked
    /// without regard to case, as user agents do (RFC 10025, section 5.4). The two with `Http-` are
    /// younger: draft-ietf-httpbis-layered-cookies.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().cookie_name("__Host-shop").build()?;
    /// assert_eq!(config.cookie_name(), "__Host-shop");
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.fields.cookie_name = Some(name.into());
        self
    }

    /// Sets the cookie's Domain. Default: none, which means this host alone.
    ///
    /// With a Domain the cookie is also sent to all subdomains, and each of them can read and
    /// replace it.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder()
    ///     .cookie_name("__Secure-shop")
    ///     .domain("example.org")
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.fields.domain = Some(domain.into());
        self
    }

    /// Sets the cookie's Path. Default: `/`. It does not protect applications on one host from each
    /// other.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder()
    ///     .cookie_name("__Secure-shop")
    ///     .path("/shop")
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.fields.path = path.into();
        self
    }

    /// Sets whether scripts are kept from reading the cookie. Default: true.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().http_only(false).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.fields.http_only = http_only;
        self
    }

    /// Sets the cookie's SameSite. Default: Lax.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().same_site(SameSite::Strict).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.fields.same_site = same_site;
        self
    }

    /// Sets whether the cookie is kept apart for each top-level site that embeds this one (CHIPS).
    /// Default: false.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder()
    ///     .same_site(SameSite::None)
    ///     .partitioned(true)
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.fields.partitioned = partitioned;
        self
    }

    /// Adds a scope that the cookie once had, before its Domain, Path or Partitioned was changed.
    /// Default: none. At most eight.
    ///
    /// A browser keeps the old cookie beside the new one, and sends both. Each response that issues
    /// or clears the session's cookie then also removes the old ones: with a sign-in, a sign-out, a
    /// rotation, a new session. Keep the setting for as long as the old cookies can live. While old
    /// and new nodes run side by side, name the other's scope on both. In settings it is a list of
    /// tables `former_scope` with the fields `domain`, `path` and `partitioned`.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// // The Path was `/shop`, and is `/` now.
    /// let config = Config::builder()
    ///     .cookie_name("__Secure-shop")
    ///     .former_scope(CookieScope::new().path("/shop"))
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn former_scope(mut self, scope: CookieScope) -> Self {
        self.fields.former_scopes.push(scope);
        self
    }

    /// Sends the cookie without Secure, under the default name `session`: **for development only**.
    ///
    /// It is for plain HTTP, in browsers that do not treat loopback as secure. Adapters warn once.
    /// You need it neither behind a proxy that ends TLS, nor on `localhost` in current browsers.
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
        self.fields.insecure_for_development = true;
        self
    }

    /// Sets whether cookies have a Max-Age (the rest of the absolute timeout), so that browsers
    /// keep them after closing. Default: false. The server's expiry decides either way.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().persistent(true).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.fields.persistent = persistent;
        self
    }

    /// Sets the idle timeout: how long a session lives without a request. Whole seconds. Default:
    /// 30 minutes (OWASP Session Management Cheat Sheet: 15 to 30 for low-risk applications).
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().idle_timeout(Duration::from_secs(900)).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.fields.idle_timeout = timeout;
        self
    }

    /// Sets the absolute timeout: how long a session lives at all. Whole seconds. Default: 12
    /// hours.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder()
    ///     .absolute_timeout(Duration::from_secs(86_400))
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.fields.absolute_timeout = timeout;
        self
    }

    /// Sets both timeouts at once, for the presets.
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

    /// Sets how long an old token can be presented after a rotation or sign-in. Default: 30
    /// seconds.
    ///
    /// Whole seconds, at most one hour. It should be longer than any request takes. After a plain
    /// rotation the old token stands for the session until then. After a sign-in it only reads the
    /// old data. With 0 the old token is dead at once.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().rotation_grace(Duration::from_secs(60)).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.fields.rotation_grace = grace;
        self
    }

    /// Sets how tokens are made. Default: 256 random bits.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().token_format(TokenFormat::UuidV4).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.fields.token_format = format;
        self
    }

    /// Sets how store keys are made from tokens. Default: SHA-256.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().key_format(KeyFormat::Plain).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.fields.key_format = format;
        self
    }

    /// Sets the prefix of store keys. Default: the cookie's whole name and a colon, as in
    /// `__Host-session:`.
    ///
    /// Two cookies in one store do not see each other's sessions, also if their names differ in
    /// `__Host-` or `__Secure-` alone. Another name hides the sessions of the old one, so set the
    /// old prefix here if you rename the cookie.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// let config = Config::builder()
    ///     .cookie_name("__Host-shop")
    ///     .key_prefix("__Secure-shop:")
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.fields.key_prefix = Some(prefix.into());
        self
    }

    /// Sets the keys that sign tokens: the first signs, all verify. Default: none.
    ///
    /// With keys, a forged token costs no store call. Tokens from before the first key was set are
    /// no longer recognised.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let key = SigningKey::new([1; 32]).unwrap(); // of random bytes
    /// let config = Config::builder().signing_keys([key]).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn signing_keys(mut self, keys: impl IntoIterator<Item = SigningKey>) -> Self {
        self.fields.signing_keys = keys.into_iter().collect();
        self
    }

    /// Sets the caps on one session.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder()
    ///     .limits(Limits {
    ///         values: 100,
    ///         ..Limits::default()
    ///     })
    ///     .build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.fields.limits = limits;
        self
    }

    /// Sets whether the changes of a request are saved even if its response has a 5xx status.
    /// Default: false, they are dropped.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().save_on_server_error(true).build()?;
    /// assert!(config.saves_on_server_error());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn save_on_server_error(mut self, save: bool) -> Self {
        self.fields.save_on_server_error = save;
        self
    }

    /// Drops changes that a sign-in overtook, and lets the response stand as it is. Default: false,
    /// which fails the request with [`Error::Superseded`](crate::Error::Superseded) (409 over
    /// HTTP).
    ///
    /// It affects requests that present the token from before a sign-in. They were in flight while
    /// the visitor signed in, or came within the rotation grace. Their changes never reach the
    /// signed-in session. Set it if such changes do not matter, as with a counter of page views.
    /// The outcome then has the fate [`Superseded`](crate::Fate::Superseded). A plain rotation
    /// drops nothing in either case.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().drop_superseded(true).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn drop_superseded(mut self, drop: bool) -> Self {
        self.fields.drop_superseded = drop;
        self
    }

    /// Sets whether responses that depend on a session carry `Cache-Control: private` where the
    /// application chose nothing (RFC 9111, section 5.2.2.7). Default: true.
    ///
    /// `Vary: Cookie` alone lets a shared cache store one page per visitor, and show it again after
    /// the sign-out. A response with `private`, `public`, `no-store`, `no-cache` or `s-maxage`
    /// keeps its own directive.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// let config = Config::builder().cache_private(false).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn cache_private(mut self, private: bool) -> Self {
        self.fields.cache_private = private;
        self
    }

    /// Sets whether a sign-out also sends `Clear-Site-Data: "cache", "cookies", "storage"` (OWASP
    /// Session Management Cheat Sheet). Default: false, because it clears everything of the origin,
    /// other applications' cookies included.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().clear_site_data(true).build()?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn clear_site_data(mut self, clear: bool) -> Self {
        self.fields.clear_site_data = clear;
        self
    }

    /// Sets whether typed guards and extractors remove values of another type. Default: false, they
    /// fail.
    ///
    /// For an application whose types change between two versions: visitors keep their sessions and
    /// lose the values that cannot be read. See
    /// [`Session::typed_or_reset`](crate::Session::typed_or_reset).
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// let config = Config::builder().reset_unreadable(true).build()?;
    /// assert!(config.resets_unreadable());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn reset_unreadable(mut self, reset: bool) -> Self {
        self.fields.reset_unreadable = reset;
        self
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder")
            .field("cookie_name", &self.fields.cookie_name)
            .finish_non_exhaustive()
    }
}

impl<'de> serde::Deserialize<'de> for ConfigBuilder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = super::read::quietly(deserializer)?;
        Ok(Self { fields })
    }
}
