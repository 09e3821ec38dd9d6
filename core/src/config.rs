//! The configuration: built once, validated once, then shared.

mod beside;
mod builder;
mod check;
mod error;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::Builder;
pub use error::ConfigError;

use crate::Envelope;
use crate::expiry::{Expiry, Lifetime};
use crate::format::{Format, Shared};
use crate::token::TokenRules;

/// A validated configuration. Cloning it costs one reference count.
///
/// The defaults: cookie `__Host-session` with Secure, HttpOnly, SameSite=Lax and Path=/, no Domain, no Max-Age; tokens of 256
/// bits; keys `session:` and the token's SHA-256; idle timeout 30 minutes, absolute timeout 12 hours, rotation grace 30
/// seconds.
///
/// ```
/// use cloakroom_core::Config;
/// use std::time::Duration;
///
/// let config = Config::builder().cookie_name("__Host-shop").idle_timeout(Duration::from_secs(900)).build()?;
/// assert_eq!(config.cookie_name(), "__Host-shop");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
///
/// From an application's settings, with serde (times in seconds):
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
#[serde(try_from = "Builder")]
pub struct Config(Arc<Settings>);

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) cookie: CookieSettings,
    pub(crate) tokens: TokenRules,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) grace: Duration,
    pub(crate) persistent: bool,
    pub(crate) idle_until_closed: Option<Duration>,
    pub(crate) extend_on_read: bool,
    pub(crate) extend_after: Option<Duration>,
    pub(crate) renew_cookie: bool,
    pub(crate) delete_emptied: bool,
    pub(crate) format: Option<Shared<dyn Format>>,
    pub(crate) envelope: Option<Shared<dyn Envelope>>,
    pub(crate) limits: Limits,
    pub(crate) save_on_server_error: bool,
    pub(crate) clear_site_data: bool,
}

#[derive(Debug)]
pub(crate) struct CookieSettings {
    pub(crate) name: Box<str>,
    /// The attributes as they stand behind the value: `; Path=/; Secure; …`.
    pub(crate) attributes: Box<str>,
    pub(crate) insecure: bool,
}

/// The longest Max-Age that user agents honour: 400 days (RFC 10025, section 5.5).
pub(crate) const MAX_MAX_AGE: Duration = Duration::from_secs(34_560_000);

/// A retired record is to be found at least this long, even if the grace in which it can be read is shorter: a sign-out that is in
/// flight must find the successor.
pub(crate) const MIN_HOLD: Duration = Duration::from_secs(30);

/// How much longer it is kept: its end is set when the write is made, which may take its time to reach the store, and by a clock
/// that may be behind.
const KEPT_LONGER: Duration = Duration::from_secs(30);

impl Config {
    /// A builder with the defaults.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(Config::builder().build().is_ok());
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The name of the cookie.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().cookie_name(), "__Host-session");
    /// ```
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.0.cookie.name
    }

    /// Whether the cookie is sent without Secure, as
    /// [`insecure_for_development`](Builder::insecure_for_development) asks for. Adapters warn of it.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().is_insecure());
    /// ```
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.cookie.insecure
    }

    /// Whether the changes of a request are saved even if its response has a 5xx status.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert!(!Config::default().saves_on_server_error());
    /// ```
    #[must_use]
    pub fn saves_on_server_error(&self) -> bool {
        self.0.save_on_server_error
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    pub(crate) fn lifetime(&self, expiry: Option<Expiry>) -> Lifetime {
        let configured = self.0.lifetimes;
        let expiry = expiry.unwrap_or_default();
        let persistent = expiry.persistent.unwrap_or(self.0.persistent);
        let until_closed = self.0.idle_until_closed.filter(|_| !persistent);
        let idle = expiry.idle.or(until_closed).unwrap_or(configured.idle);
        Lifetime {
            idle,
            // A session of a shorter life would never be extended.
            extend_after: match self.0.extend_after {
                Some(passed) if passed < idle => passed,
                _ => idle / 10,
            },
            absolute: expiry.absolute.unwrap_or(configured.absolute),
            persistent,
        }
    }

    /// Whether there is an end that activity does not put off.
    pub(crate) fn has_absolute_timeout(&self) -> bool {
        self.0.lifetimes.absolute < Lifetimes::UNLIMITED
    }

    /// How long a request can count on finding a record that was retired after it began.
    pub(crate) fn hold(&self) -> Duration {
        self.0.grace.max(MIN_HOLD)
    }

    /// How long a retired record is kept.
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
        Builder::default().build().expect("the defaults are valid")
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The two timeouts, both always enforced: a session ends when either is over.
///
/// ```
/// use cloakroom_core::{Config, Lifetimes};
///
/// let config = Config::builder().lifetimes(Lifetimes::NIST_AAL2).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long a session lives without a request (rolling).
    pub idle: Duration,
    /// How long it lives at all. Neither activity nor rotation extends it; a sign-in starts it anew.
    pub absolute: Duration,
}

impl Lifetimes {
    /// NIST SP 800-63B, section 2.1.3: 30 days, no limit on inactivity.
    pub const NIST_AAL1: Self = Self::seconds(30 * 86_400, 30 * 86_400);
    /// NIST SP 800-63B, section 2.2.3: 24 hours, 1 hour idle.
    pub const NIST_AAL2: Self = Self::seconds(3_600, 86_400);
    /// NIST SP 800-63B, section 2.3.3: 12 hours, 15 minutes idle.
    pub const NIST_AAL3: Self = Self::seconds(900, 12 * 3_600);

    /// For the absolute timeout: none. (NIST SP 800-63B and OWASP ASVS 7.3.2 want one; systems that this one lives beside may
    /// have none.)
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

/// Caps on one session. What would exceed them is an error to the handler, and nothing is written. Values nest at most 256
/// levels deep.
///
/// ```
/// use cloakroom_core::{Config, Limits};
///
/// let limits = Limits { record_bytes: 8 * 1024, ..Limits::default() };
/// let config = Config::builder().limits(limits).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The whole record, in bytes. Default 262,144; Memcached takes 1,048,576 at most, including its own overhead.
    pub record_bytes: usize,
    /// The number of values. Default 1,024.
    pub values: usize,
}

impl Limits {
    /// For what this library itself adds to a record that is within the limits.
    pub(crate) const NONE: Self = Self {
        record_bytes: usize::MAX,
        values: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 262_144,
            values: 1_024,
        }
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
    /// Sent when another site's link leads here, not on its posts or embedded requests.
    #[default]
    Lax,
    /// Always sent. Needs Secure.
    None,
    /// No SameSite attribute, for living beside a system that sends none. What that means is each user agent's: Chromium takes it
    /// for Lax, but for two minutes also sends the cookie on posts of other sites; Firefox and Safari take it for None. So rely on
    /// the CSRF token.
    Absent,
}
