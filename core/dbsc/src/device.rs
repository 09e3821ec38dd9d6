//! The settings of device-bound sessions.

use std::time::Duration;

use cloakroom_core::{Config, ConfigError};

/// Device-bound sessions of one configuration: its paths, its cookie and their lives. The methods
/// are the protocol.
///
/// The bound cookie has a name of its own, which comes from the session cookie's.
///
/// ```
/// use cloakroom_core::Config;
/// use cloakroom_dbsc::DeviceBinding;
/// use std::time::Duration;
///
/// let binding = DeviceBinding::new(&Config::default())?
///     .with_paths("/bind", "/bind/refresh")?
///     .with_lives(Duration::from_secs(300), Duration::from_secs(3_600))?;
/// assert_eq!(binding.cookie_name(), "__Host-session-bound");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeviceBinding {
    cookie: Box<str>,
    pub(crate) attributes: Box<str>,
    register_path: Box<str>,
    refresh_path: Box<str>,
    pub(crate) cookie_life: Duration,
    pub(crate) challenge_life: Duration,
}

const COOKIE_LIFE: Duration = Duration::from_secs(600);
const CHALLENGE_LIFE: Duration = Duration::from_secs(3_600);
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST_COOKIE: Duration = Duration::from_secs(86_400);
const LONGEST_CHALLENGE: Duration = Duration::from_secs(7 * 86_400);
/// The browser drops the cookie this much before the server does.
const LONGEST_MARGIN: u64 = 30;

impl DeviceBinding {
    /// Makes the settings for a configuration. The paths are `/dbsc/register` and `/dbsc/refresh`.
    /// The bound cookie lives for 10 minutes, and a challenge for an hour.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the configuration's sessions cannot be bound:
    ///
    /// - Tokens in a header, because browsers bind cookies only.
    /// - Sessions in the cookie itself: an older copy of it is a session without the binding.
    /// - A cookie without Secure, with a Domain, or Partitioned.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let config = Config::builder()
    ///     .cookie_name("session")
    ///     .insecure_for_development()
    ///     .build()?;
    /// assert!(DeviceBinding::new(&config).is_err());
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        const FIELD: &str = "device_binding";
        let attributes = config.cookie_attributes();
        let has = |name: &str| {
            let mut parts = attributes.split(';').map(str::trim);
            parts.any(|part| part.split('=').next() == Some(name))
        };
        let problem = if config.header().is_some() {
            Some("needs the token in a cookie; remove `carrier`, or do not bind these sessions")
        } else if config.is_in_cookie() {
            Some("needs a store; remove the envelope, or do not bind these sessions")
        } else if config.is_insecure() {
            Some("needs https; remove `insecure_for_development`, or do not bind these sessions")
        } else if has("Domain") {
            Some("needs a cookie of one host; remove `domain`, or do not bind these sessions")
        } else if has("Partitioned") {
            Some("does not work with `partitioned` in any browser; remove one of the two")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(ConfigError::new(FIELD, problem));
        }
        let same_site = attributes.split(';').map(str::trim);
        let same_site = same_site.filter(|part| part.starts_with("SameSite="));
        let same_site = same_site.map(|part| format!("; {part}")).next();
        let same_site = same_site.unwrap_or_default();
        Ok(Self {
            cookie: format!("__Host-{}-bound", bare(config.cookie_name())).into(),
            attributes: format!("Path=/; Secure; HttpOnly{same_site}").into(),
            register_path: "/dbsc/register".into(),
            refresh_path: "/dbsc/refresh".into(),
            cookie_life: COOKIE_LIFE,
            challenge_life: CHALLENGE_LIFE,
        })
    }

    /// Sets the paths of the two endpoints, on the host of the session's cookie. The session's
    /// cookie must be sent there.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if they are equal, do not begin with `/`, are longer than 256 characters, or
    /// contain other characters than letters, digits, `/`, `-`, `_`, `.` and `~`.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// assert!(binding.clone().with_paths("/a", "/b").is_ok());
    /// assert!(binding.with_paths("/a", "https://elsewhere").is_err());
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn with_paths(mut self, register: &str, refresh: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "device_binding_paths";
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        for path in [register, refresh] {
            let good = path.starts_with('/') && !path.starts_with("//") && path.len() <= 256;
            if !good || !path.bytes().all(plain) {
                let problem = "must begin with one `/`, and have letters, digits, `/-_.~` only";
                return Err(ConfigError::new(FIELD, problem));
            }
        }
        if register == refresh {
            return Err(ConfigError::new(FIELD, "must differ; use two paths"));
        }
        (self.register_path, self.refresh_path) = (register.into(), refresh.into());
        Ok(self)
    }

    /// Sets the life of the bound cookie and of a challenge, in whole seconds.
    ///
    /// A copied cookie jar works for the life of the cookie. A browser that has been idle for
    /// longer than a challenge lives needs one more round trip for its next refresh.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the cookie's life is not between 10 seconds and a day, or the challenge's
    /// is not longer than the cookie's, or longer than 7 days.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// # use std::time::Duration;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let minute = Duration::from_secs(60);
    /// assert!(binding.with_lives(minute, minute).is_err());
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn with_lives(
        mut self,
        cookie: Duration,
        challenge: Duration,
    ) -> Result<Self, ConfigError> {
        const FIELD: &str = "device_binding_lives";
        let problem = if !(SHORTEST..=LONGEST_COOKIE).contains(&cookie) {
            Some("must be between 10 seconds and a day for the cookie")
        } else if challenge <= cookie || challenge > LONGEST_CHALLENGE {
            Some("must be longer for a challenge than for the cookie, and at most 7 days")
        } else if cookie.subsec_nanos() != 0 || challenge.subsec_nanos() != 0 {
            Some("must be whole seconds")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(ConfigError::new(FIELD, problem));
        }
        (self.cookie_life, self.challenge_life) = (cookie, challenge);
        Ok(self)
    }

    /// Returns the name of the bound cookie.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let config = Config::builder().cookie_name("__Secure-shop").build()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// assert_eq!(binding.cookie_name(), "__Host-shop-bound");
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.cookie
    }

    /// Returns the path that [`register`](Self::register) answers, by POST.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// assert_eq!(binding.register_path(), "/dbsc/register");
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn register_path(&self) -> &str {
        &self.register_path
    }

    /// Returns the path that [`refresh`](Self::refresh) answers, by POST.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// assert_eq!(binding.refresh_path(), "/dbsc/refresh");
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn refresh_path(&self) -> &str {
        &self.refresh_path
    }

    /// Returns the Max-Age of the bound cookie in seconds. It is a tenth shorter than its life, by
    /// at most 30 seconds, so that a request that is under way when the browser drops the cookie
    /// arrives in time.
    pub(crate) fn max_age(&self) -> u64 {
        let life = self.cookie_life.as_secs();
        life - (life / 10).clamp(1, LONGEST_MARGIN)
    }
}

/// Returns a cookie's name without the prefixes of RFC 10025, section 4.1.3.
fn bare(name: &str) -> &str {
    for prefix in ["__Host-", "__Secure-"] {
        let head = name.get(..prefix.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(prefix)) {
            return name.get(prefix.len()..).unwrap_or_default();
        }
    }
    name
}
