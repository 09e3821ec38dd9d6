use std::fmt;
use std::time::Duration;

use cloakroom_beside::{CookieIds, IdShape, UserValue};
use cloakroom_core::{Config, ConfigBuilder, KeyFormat, Lifetimes, SameSite};
use cookie::Key;
use serde_json::Value;

use crate::format::Data;

/// The settings of axum_session's `SessionConfig`, and the configuration that adopts its sessions.
///
/// ```
/// use cloakroom_axum_session::Settings;
///
/// let config = Settings::new().builder().build()?;
/// assert_eq!(config.cookie_name(), "session");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Settings {
    name: String,
    key: Option<Key>,
    user: Option<UserValue>,
}

/// The default of axum_session_auth's `AuthConfig::with_session_id`.
const AXUM_SESSION_AUTH: &str = "user_auth_session_id";

/// The defaults of `with_lifetime` and, for long-term sessions, `with_max_lifetime`.
const LIFETIME: Duration = Duration::from_secs(6 * 3_600);
const LONG_LIFETIME: Duration = Duration::from_secs(60 * 86_400);

impl Settings {
    /// Returns the defaults of `SessionConfig`: a plain cookie `session`.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// let settings = Settings::new();
    /// ```
    pub fn new() -> Self {
        Self {
            name: "session".into(),
            key: None,
            user: None,
        }
    }

    /// Sets the name of `with_session_name`. Default: `session`. With `with_prefix_with_host` the
    /// cookie's name begins with `__Host-`.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// let settings = Settings::new().cookie_name("shop");
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the key of `with_key`: only ids with a genuine signature count.
    ///
    /// The signature is of the id alone, as with `with_ip_and_user_agent(false)`. By default
    /// axum_session signs the client's address and its User-Agent, too. Then also put
    /// [`BoundCookies`](crate::BoundCookies) before the session layer. Without it such cookies are
    /// not genuine, and their visitors sign in again.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// let settings = Settings::new().signed(cookie::Key::from(&[7; 64]));
    /// ```
    pub fn signed(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Makes the user whom axum_session_auth logged in the session's subject: an integer or a text
    /// in the value `user_auth_session_id`. Zero and an empty text are nobody, as there.
    ///
    /// As long as that value names a user, it decides.
    /// [`authenticated_at`](cloakroom_core::Session::authenticated_at) is `None` then. A sign-in of
    /// Cloakroom as another user removes the value.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// let settings = Settings::new().axum_session_auth();
    /// ```
    pub fn axum_session_auth(self) -> Self {
        self.user(UserValue::new(AXUM_SESSION_AUTH, |id| match id {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) if id.as_f64() != Some(0.0) => Some(id.to_string()),
            _ => None,
        }))
    }

    /// Makes the user whom a value names the session's subject, as
    /// [`axum_session_auth`](Self::axum_session_auth) does: for another `with_session_id`, an id
    /// that is neither an integer nor a text, or an anonymous user's id that is kept.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// use cloakroom_axum_session::UserValue;
    ///
    /// let user =
    ///     UserValue::new("user", |id| id.as_str().map(str::to_owned));
    /// let settings = Settings::new().user(user);
    /// ```
    pub fn user(mut self, user: UserValue) -> Self {
        self.user = Some(user);
        self
    }

    /// Returns a builder with these settings. Set the rest as `SessionConfig` has it: `path`,
    /// `domain`, `same_site`.
    ///
    /// It has `SameSite=Lax`, no absolute timeout, and no prefix of keys. The idle timeout is six
    /// hours ([`idle_timeout_until_closed`](ConfigBuilder::idle_timeout_until_closed)), and 60 days
    /// ([`idle_timeout`](ConfigBuilder::idle_timeout)) for a session that axum_session has as
    /// `longterm`: here one whose cookie is persistent. It cannot seal values, so
    /// [`seal_values`](ConfigBuilder::seal_values) is an error.
    ///
    /// ```
    /// # use cloakroom_axum_session::Settings;
    /// // `with_lifetime(Duration::hours(1))`
    /// let hour = std::time::Duration::from_secs(3_600);
    /// let builder = Settings::new().builder().idle_timeout_until_closed(hour);
    /// # builder.build()?;
    /// # let sealed = Settings::new().builder().seal_values(true).build();
    /// # assert!(sealed.unwrap_err().to_string().contains("another format"));
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn builder(self) -> ConfigBuilder {
        let ids = match self.key {
            None => CookieIds::plain(IdShape::Uuid),
            Some(key) => CookieIds::signed(IdShape::Uuid, &self.name, key),
        };
        Config::builder()
            .cookie_name(self.name)
            .same_site(SameSite::Lax)
            .key_format(KeyFormat::Plain)
            .key_prefix("")
            .token_scheme(ids)
            .format(Data { user: self.user })
            .idle_timeout_until_closed(LIFETIME)
            .lifetimes(Lifetimes {
                idle: LONG_LIFETIME,
                absolute: Lifetimes::UNLIMITED,
            })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("is_signed", &self.key.is_some())
            .field("user", &self.user)
            .finish()
    }
}
