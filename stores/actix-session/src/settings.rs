use std::fmt;
use std::time::Duration;

use cloakroom_beside::{CookieIds, IdShape, UserValue};
use cloakroom_core::{Config, ConfigBuilder, KeyFormat, Lifetimes, SameSite};
use cookie::Key;

use crate::format::State;

/// The settings of actix-session's `SessionMiddleware`, and the configuration that shares its
/// sessions.
///
/// ```
/// use cloakroom_actix_session::Settings;
///
/// let key = cookie::Key::from(&[7; 64]);
/// let config = Settings::new(key).builder().build()?;
/// assert_eq!(config.cookie_name(), "id");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Settings {
    name: String,
    key: Key,
    signed: bool,
    prefix: String,
    user: Option<UserValue>,
}

/// The default of actix-identity's `id_key`.
const ACTIX_IDENTITY: &str = "actix_identity.user_id";

/// `BrowserSession::state_ttl`, by default one day.
const IDLE: Duration = Duration::from_secs(86_400);

impl Settings {
    /// Returns the defaults of `SessionMiddleware::new` with its key: a private cookie `id`.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// let settings = Settings::new(cookie::Key::from(&[7; 64]));
    /// ```
    pub fn new(key: Key) -> Self {
        Self {
            name: "id".into(),
            key,
            signed: false,
            prefix: String::new(),
            user: None,
        }
    }

    /// Sets the name of `cookie_name`. Default: `id`.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// # let key = cookie::Key::from(&[7; 64]);
    /// let settings = Settings::new(key).cookie_name("shop");
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets `CookieContentSecurity::Signed`. Default: private.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// # let key = cookie::Key::from(&[7; 64]);
    /// let settings = Settings::new(key).signed();
    /// ```
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Sets what `cache_keygen` puts before the session's key. Default: nothing.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// # let key = cookie::Key::from(&[7; 64]);
    /// // .cache_keygen(|key| format!("session:{key}"))
    /// let settings = Settings::new(key).key_prefix("session:");
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Makes the user whom actix-identity logged in the session's subject: the value
    /// `actix_identity.user_id`.
    ///
    /// As long as that value names a user, it decides: a login by actix-identity as another user
    /// changes the subject. [`authenticated_at`](cloakroom_core::Session::authenticated_at) is
    /// `None` after it. A sign-in of Cloakroom as another user removes the value. For
    /// actix-identity the visitor is then logged out.
    ///
    /// `visit_deadline` and `login_deadline` are not looked at. Set an idle and an absolute
    /// timeout.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// # let key = cookie::Key::from(&[7; 64]);
    /// let settings = Settings::new(key).actix_identity();
    /// ```
    pub fn actix_identity(self) -> Self {
        self.user(UserValue::new(ACTIX_IDENTITY, |id| {
            id.as_str().map(str::to_owned)
        }))
    }

    /// Makes the user whom a value names the session's subject, as
    /// [`actix_identity`](Self::actix_identity) does: for an `id_key`.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// use cloakroom_actix_session::UserValue;
    ///
    /// # let key = cookie::Key::from(&[7; 64]);
    /// let user =
    ///     UserValue::new("user", |id| id.as_str().map(str::to_owned));
    /// let settings = Settings::new(key).user(user);
    /// ```
    pub fn user(mut self, user: UserValue) -> Self {
        self.user = Some(user);
        self
    }

    /// Returns a builder with these settings. Set the rest as the middleware has it: `path`,
    /// `domain`, the idle timeout of `state_ttl` or `session_ttl`.
    ///
    /// It has `SameSite=Lax`, an idle timeout of one day that only writes extend, and no absolute
    /// timeout. For `TtlExtensionPolicy::OnEveryRequest` set
    /// [`extend_on_read`](ConfigBuilder::extend_on_read) to true.
    ///
    /// ```
    /// # use cloakroom_actix_session::Settings;
    /// # let key = cookie::Key::from(&[7; 64]);
    /// let hour = std::time::Duration::from_secs(3_600);
    /// let config = Settings::new(key.clone()).builder().idle_timeout(hour).build()?;
    /// # // R89: actix-session cannot read sealed values.
    /// # let sealed = Settings::new(key).builder().seal_values(true).build();
    /// # assert!(sealed.unwrap_err().to_string().contains("another format"));
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn builder(self) -> ConfigBuilder {
        let shape = IdShape::ActixSession;
        let ids = match self.signed {
            true => CookieIds::signed(shape, &self.name, self.key),
            false => CookieIds::private(shape, &self.name, self.key),
        };
        Config::builder()
            .cookie_name(self.name)
            .same_site(SameSite::Lax)
            .key_format(KeyFormat::Plain)
            .key_prefix(self.prefix)
            .token_scheme(ids)
            .format(State { user: self.user })
            .extend_on_read(false)
            .lifetimes(Lifetimes {
                idle: IDLE,
                absolute: Lifetimes::UNLIMITED,
            })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}
