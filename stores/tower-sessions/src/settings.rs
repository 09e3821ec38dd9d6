use std::time::Duration;

use cloakroom_beside::{CookieIds, IdShape, UserValue};
use cloakroom_core::{Config, ConfigBuilder, KeyFormat, Lifetimes, SameSite};
use cookie::Key;
use serde_json::Value;

use crate::format::Data;

/// The settings of a `SessionManagerLayer`, and the configuration that shares its sessions.
///
/// ```
/// use cloakroom_tower_sessions::Settings;
///
/// let config = Settings::new().builder().build()?;
/// assert_eq!(config.cookie_name(), "id");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    name: String,
    protection: Protection,
    user: Option<UserValue>,
}

#[derive(Clone)]
enum Protection {
    Plain,
    Signed(Key),
    Private(Key),
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Signed(_) => "Signed(..)",
            Self::Private(_) => "Private(..)",
        })
    }
}

/// The default of axum-login's `with_data_key`.
const AXUM_LOGIN: &str = "axum-login.data";

/// How long tower-sessions keeps a record whose `Expiry` is `OnSessionEnd`, the default: two weeks.
const IDLE: Duration = Duration::from_secs(14 * 86_400);

impl Settings {
    /// Returns the defaults of `SessionManagerLayer::new`: a plain cookie `id`.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let settings = Settings::new();
    /// ```
    pub fn new() -> Self {
        Self {
            name: "id".into(),
            protection: Protection::Plain,
            user: None,
        }
    }

    /// Sets the name of `with_name`. Default: `id`.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let settings = Settings::new().cookie_name("shop");
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the key of `with_signed`.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let settings = Settings::new().signed(cookie::Key::from(&[7; 64]));
    /// ```
    pub fn signed(mut self, key: Key) -> Self {
        self.protection = Protection::Signed(key);
        self
    }

    /// Sets the key of `with_private`.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let settings = Settings::new().private(cookie::Key::from(&[7; 64]));
    /// ```
    pub fn private(mut self, key: Key) -> Self {
        self.protection = Protection::Private(key);
        self
    }

    /// Makes the user whom axum-login signed in the session's subject: `user_id`, an integer or a
    /// text, in the value `axum-login.data`.
    ///
    /// As long as that value names a user, it decides: a sign-in by axum-login as another user
    /// changes the subject. [`authenticated_at`](cloakroom_core::Session::authenticated_at) is
    /// `None` after it. A sign-in of Cloakroom as another user removes the value. For
    /// axum-login the visitor is then logged out.
    ///
    /// The value's `auth_hash` is not compared with the user's. After a change of a password end
    /// the user's other sessions yourself.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let settings = Settings::new().axum_login();
    /// ```
    pub fn axum_login(self) -> Self {
        self.user(UserValue::new(AXUM_LOGIN, |data| {
            match data.get("user_id")? {
                Value::String(id) => Some(id.clone()),
                Value::Number(id) => Some(id.to_string()),
                _ => None,
            }
        }))
    }

    /// Makes the user whom a value names the session's subject, as
    /// [`axum_login`](Self::axum_login) does: for a `with_data_key`, or an id that is neither an
    /// integer nor a text.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// use cloakroom_tower_sessions::UserValue;
    ///
    /// let user = UserValue::new("auth", |data| {
    ///     Some(data.get("user_id")?.get("email")?.as_str()?.to_owned())
    /// });
    /// let settings = Settings::new().user(user);
    /// ```
    pub fn user(mut self, user: UserValue) -> Self {
        self.user = Some(user);
        self
    }

    /// Returns a builder with these settings. Set the rest as the layer has it: `path`, `domain`,
    /// the idle timeout of `Expiry::OnInactivity`.
    ///
    /// It has `SameSite=Strict`, an idle timeout of two weeks that only writes extend, no absolute
    /// timeout, and no prefix of keys. Each is what tower-sessions does. It cannot read sealed
    /// values, so [`seal_values`](ConfigBuilder::seal_values) is an error.
    ///
    /// ```
    /// # use cloakroom_tower_sessions::Settings;
    /// let hour = std::time::Duration::from_secs(3_600);
    /// let config = Settings::new().builder().idle_timeout(hour).build()?;
    /// # let sealed = Settings::new().builder().seal_values(true).build();
    /// # assert!(sealed.unwrap_err().to_string().contains("another format"));
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn builder(self) -> ConfigBuilder {
        let shape = IdShape::TowerSessions;
        let ids = match self.protection {
            Protection::Plain => CookieIds::plain(shape),
            Protection::Signed(key) => CookieIds::signed(shape, &self.name, key),
            Protection::Private(key) => CookieIds::private(shape, &self.name, key),
        };
        Config::builder()
            .cookie_name(self.name)
            .same_site(SameSite::Strict)
            .key_format(KeyFormat::Plain)
            .key_prefix("")
            .token_scheme(ids)
            .format(Data { user: self.user })
            .extend_on_read(false)
            .lifetimes(Lifetimes {
                idle: IDLE,
                absolute: Lifetimes::UNLIMITED,
            })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
