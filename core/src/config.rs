//! The configuration: built once, validated once, then shared.

mod beside;
mod build;
mod builder;
mod carrier;
mod check;
mod ending;
mod error;
mod fields;
mod keys;
mod read;
mod scope;
mod sealing;
pub(crate) mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::ConfigBuilder;
pub use carrier::Carrier;
pub(crate) use carrier::HeaderSettings;
pub use error::ConfigError;
pub use scope::CookieScope;
pub(crate) use scope::ScopeMarks;

use crate::Envelope;
use crate::expiry::{Expiry, Lifetime};
use crate::format::Format;
use crate::limits::Limits;
use crate::shared::Shared;
use crate::token::TokenRules;

/// A validated configuration. Cloning it costs one reference count.
///
/// The defaults:
///
/// - Cookie `__Host-session` with Secure, HttpOnly, SameSite=Lax and Path=/. No Domain, no Max-Age.
/// - Tokens of 256 bits. Store keys are `__Host-session:` and the token's SHA-256.
/// - Idle timeout 30 minutes, absolute timeout 12 hours, rotation grace 30 seconds.
///
/// ```
/// use cloakroom_core::Config;
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .cookie_name("__Host-shop")
///     .idle_timeout(Duration::from_secs(900))
///     .build()?;
/// assert_eq!(config.cookie_name(), "__Host-shop");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
///
/// From an application's settings, with serde. Times are in seconds:
///
/// ```
/// # use cloakroom_core::Config;
/// let config: Config = toml::from_str(r#"
///     cookie_name = "__Host-shop"
///     same_site = "strict"
///     idle_timeout = 900
///     signing_keys = ["0123456789abcdef0123456789abcdef"]
/// "#).unwrap();
///
/// let error = toml::from_str::<Config>(r#"same_site = "none"
/// insecure_for_development = true"#).unwrap_err();
/// assert!(error.to_string().contains("SameSite=None needs Secure"));
/// ```
#[derive(Clone, serde::Deserialize)]
#[serde(try_from = "ConfigBuilder")]
pub struct Config(Arc<Settings>);

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) cookie: CookieSettings,
    /// Instead of the cookie.
    pub(crate) header: Option<HeaderSettings>,
    pub(crate) tokens: TokenRules,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) grace: Duration,
    pub(crate) persistent: bool,
    pub(crate) idle_until_closed: Option<Duration>,
    pub(crate) extend_on_read: bool,
    pub(crate) touch_interval: Option<Duration>,
    pub(crate) renew_cookie: bool,
    pub(crate) delete_when_empty: bool,
    pub(crate) format: Option<Shared<dyn Format>>,
    pub(crate) envelope: Option<Shared<dyn Envelope>>,
    pub(crate) seal_values: bool,
    /// In ascending order.
    pub(crate) public_values: Box<[Box<str>]>,
    pub(crate) limits: Limits,
    pub(crate) save_on_server_error: bool,
    pub(crate) drop_superseded: bool,
    pub(crate) cache_private: bool,
    pub(crate) clear_site_data: bool,
    reset_unreadable: bool,
    /// Set if all sessions can be ended.
    pub(crate) ending: Option<ending::Ending>,
}

#[derive(Debug)]
pub(crate) struct CookieSettings {
    pub(crate) name: Box<str>,
    /// Finds the name in a Cookie line.
    pub(crate) finder: memchr::memmem::Finder<'static>,
    /// The attributes that follow the value: `; Path=/; Secure; …`.
    pub(crate) attributes: Box<str>,
    pub(crate) insecure: bool,
    /// The attributes of each former scope.
    pub(crate) former: Box<[Box<str>]>,
    pub(crate) marks: ScopeMarks,
    /// Whether the application chose the name.
    pub(crate) is_named: bool,
}

/// The longest Max-Age that user agents honour: 400 days (RFC 10025, section 5.5).
pub(crate) const MAX_MAX_AGE: Duration = Duration::from_secs(34_560_000);

/// The shortest time that a retired record can be found, even if the grace in which it can be read
/// is shorter: a sign-out in flight must find the successor.
pub(crate) const MIN_HOLD: Duration = Duration::from_secs(30);

/// How much longer a retired record is kept. Its expiry is set when the write is made. The write
/// may take time to reach the store, and the clock may be behind.
const KEPT_LONGER: Duration = Duration::from_secs(30);

impl Config {
    /// Returns a builder with the defaults.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(Config::builder().build().is_ok());
    /// ```
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Returns whether typed guards and extractors remove values of another type:
    /// [`ConfigBuilder::reset_unreadable`].
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().resets_unreadable());
    /// ```
    #[must_use]
    pub fn resets_unreadable(&self) -> bool {
        self.settings().reset_unreadable
    }

    /// Returns the name of the cookie. It has no meaning with the token in a
    /// [header](Config::header).
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().cookie_name(), "__Host-session");
    /// ```
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.0.cookie.name
    }

    /// Returns the prefix of the store's keys.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().key_prefix(), "__Host-session:");
    /// ```
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        &self.0.tokens.prefix
    }

    /// Returns whether the application left out the name of the cookie.
    ///
    /// Adapters reject such a configuration for a second kind of session.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(Config::default().has_default_name());
    /// ```
    #[must_use]
    pub fn has_default_name(&self) -> bool {
        self.0.header.is_none() && !self.0.cookie.is_named
    }

    /// Returns whether sessions are in the cookie itself
    /// ([`ConfigBuilder::envelope`]), so that no store is called.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().is_in_cookie());
    /// ```
    #[must_use]
    pub fn is_in_cookie(&self) -> bool {
        self.0.envelope.is_some()
    }

    /// Returns whether the cookie is sent without Secure, as set by
    /// [`insecure_for_development`](ConfigBuilder::insecure_for_development). Adapters then log a
    /// warning.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().is_insecure());
    /// ```
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.cookie.insecure
    }

    /// Returns whether the changes of a request are saved even if its response has a 5xx status.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().saves_on_server_error());
    /// ```
    #[must_use]
    pub fn saves_on_server_error(&self) -> bool {
        self.0.save_on_server_error
    }

    /// Returns the attributes that follow the cookie's value in a Set-Cookie line.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(
    ///     Config::default().cookie_attributes(),
    ///     "; HttpOnly; SameSite=Lax; Secure; Path=/"
    /// );
    /// ```
    #[must_use]
    pub fn cookie_attributes(&self) -> &str {
        &self.0.cookie.attributes
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    pub(crate) fn lifetime(&self, expiry: Option<Expiry>) -> Lifetime {
        let configured = self.0.lifetimes;
        let expiry = expiry.unwrap_or_default();
        let persistent = expiry.persistent.unwrap_or(self.0.persistent);
        let session_cookie = self.0.idle_until_closed.filter(|_| !persistent);
        let idle = expiry.idle.or(session_cookie).unwrap_or(configured.idle);
        Lifetime {
            idle,
            // Otherwise a session with a shorter lifetime would never be extended.
            touch_interval: match self.0.touch_interval {
                Some(passed) if passed < idle => passed,
                _ => idle / 10,
            },
            absolute: expiry.absolute.unwrap_or(configured.absolute),
            persistent,
        }
    }

    /// Returns whether only this host can set the cookie (RFC 10025, section 4.1.3.2).
    pub(crate) fn is_bound_to_host(&self) -> bool {
        let prefix = self.0.cookie.name.get(..7);
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("__host-"))
    }

    /// Returns whether there are former scopes, in which a client may hold a cookie.
    pub(crate) fn has_former_scopes(&self) -> bool {
        !self.0.cookie.former.is_empty()
    }

    /// Returns whether sessions have an end that activity does not postpone.
    pub(crate) fn has_absolute_timeout(&self) -> bool {
        self.0.lifetimes.absolute < Lifetimes::UNLIMITED
    }

    /// Returns how long a request can count on finding a record that was retired after it began.
    pub(crate) fn hold(&self) -> Duration {
        self.0.grace.max(MIN_HOLD)
    }

    /// Returns how long a retired record is kept.
    pub(crate) fn kept(&self) -> Duration {
        self.hold() + KEPT_LONGER
    }
}

impl Default for Config {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the defaults are constants, and a test builds them"
        )]
        ConfigBuilder::default()
            .build()
            .expect("the defaults are valid")
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The two timeouts. Both are always enforced: a session ends at the earlier one.
///
/// ```
/// use cloakroom_core::{Config, Lifetimes};
///
/// let config = Config::builder().lifetimes(Lifetimes::NIST_AAL2).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The idle timeout: how long a session lives without a request (rolling).
    pub idle: Duration,
    /// The absolute timeout: how long a session lives at all. Neither activity nor rotation extends
    /// it. A sign-in restarts it.
    pub absolute: Duration,
}

impl Lifetimes {
    /// NIST SP 800-63B, section 2.1.3: 30 days, no limit on inactivity.
    pub const NIST_AAL1: Self = Self::seconds(30 * 86_400, 30 * 86_400);
    /// NIST SP 800-63B, section 2.2.3: 24 hours, 1 hour idle.
    pub const NIST_AAL2: Self = Self::seconds(3_600, 86_400);
    /// NIST SP 800-63B, section 2.3.3: 12 hours, 15 minutes idle.
    pub const NIST_AAL3: Self = Self::seconds(900, 12 * 3_600);

    /// As absolute timeout: none. NIST SP 800-63B and OWASP ASVS 7.3.2 require one, but a system
    /// that shares the sessions may have none.
    pub const UNLIMITED: Duration = Duration::from_secs(u64::MAX);

    const fn seconds(idle: u64, absolute: u64) -> Self {
        Self {
            idle: Duration::from_secs(idle),
            absolute: Duration::from_secs(absolute),
        }
    }
}

impl Default for Lifetimes {
    /// 30 minutes idle, 12 hours absolute.
    fn default() -> Self {
        Self::seconds(1_800, 12 * 3_600)
    }
}

/// The cookie's SameSite attribute (RFC 10025, section 5.6.7).
///
/// ```
/// use cloakroom_core::{Config, SameSite};
///
/// let config = Config::builder().same_site(SameSite::Strict).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// Never sent on requests that another site caused.
    Strict,
    /// Sent when the visitor follows a link from another site. Not sent on that site's posts or
    /// embedded requests.
    #[default]
    Lax,
    /// Always sent. Needs Secure.
    None,
    /// No SameSite attribute, to match another system that sends none. User agents differ: Chromium
    /// treats the cookie as Lax, but for two minutes also sends it on posts of other sites. Firefox
    /// and Safari treat it as None. So rely on the CSRF token.
    Absent,
}
