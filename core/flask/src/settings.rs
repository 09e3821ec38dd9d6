//! The settings of a Flask application for its sessions.

mod cookie;
mod keys;

pub use keys::SettingsError;

use cloakroom_core::{Config, ConfigBuilder, ConfigError, KeyFormat, Lifetimes, SameSite};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

use crate::cookie::{NoSessions, SignedCookie};
use crate::format::Dict;
use crate::sid::{self, Sids};
use crate::{Serializer, Signer};

/// Where sessions are kept: SESSION_TYPE of Flask-Session.
///
/// ```
/// use cloakroom_flask::{SessionType, Settings};
///
/// assert_eq!(Settings::new(SessionType::Redis).session_type, SessionType::Redis);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionType {
    /// No SESSION_TYPE: Flask's own session, in the cookie, without a store. Without a SECRET_KEY
    /// such a session is empty, and writing to it is an error.
    Cookie,
    /// `null`: nowhere. The session is empty, and writing to it is an error.
    Null,
    /// `redis`
    Redis,
    /// `memcached`
    Memcached,
    /// `filesystem`
    Filesystem,
    /// `mongodb`
    Mongodb,
    /// `sqlalchemy`
    Sqlalchemy,
}

/// A SECRET_KEY: a text or bytes. Wiped when dropped; `Debug` does not show it.
///
/// [`Settings::config`] rejects a text with quotes or white space around it. If Flask's key really
/// has them, give it as bytes.
///
/// ```
/// use cloakroom_flask::Secret;
///
/// let secret = Secret::from("dev-secret-key");
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// ```
#[derive(Clone)]
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    is_text: bool,
}

impl Secret {
    fn check(&self, setting: &'static str) -> Result<(), ConfigError> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) if self.is_text => ConfigError::check_text(setting, text),
            _ => Ok(()),
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self {
            is_text: true,
            ..text.into_bytes().into()
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
            is_text: false,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The settings of a Flask application for its sessions, with the names (in small letters) and
/// defaults of Flask and Flask-Session. [`config`](Settings::config) builds a configuration from
/// them, with which a Rust application shares the sessions.
///
/// ```
/// use cloakroom_flask::{SessionType, Settings};
///
/// let mut settings = Settings::new(SessionType::Redis);
/// settings.session_cookie_name = "shop".into();
/// settings.session_cookie_secure = true;
/// let config = settings.config()?;
/// assert_eq!(config.cookie_name(), "shop");
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// SECRET_KEY.
    pub secret_key: Option<Secret>,
    /// SECRET_KEY_FALLBACKS: verify, do not sign.
    pub secret_key_fallbacks: Vec<Secret>,
    /// SESSION_TYPE.
    pub session_type: SessionType,
    /// SESSION_PERMANENT: whether new sessions are permanent. Default: `true`. A setting of
    /// Flask-Session: Flask's own sessions start as not permanent.
    pub session_permanent: bool,
    /// SESSION_USE_SIGNER: whether ids are signed. Default: `false`.
    pub session_use_signer: bool,
    /// SESSION_KEY_PREFIX. Default: `session:`.
    pub session_key_prefix: String,
    /// SESSION_ID_LENGTH: random bytes in the ids made here, 16 to 128. Default: 32. Ids of the
    /// default length and UUIDs are recognised as well.
    pub session_id_length: usize,
    /// SESSION_ID_UUID, a key of this project: whether the ids made here are UUIDs of version 4
    /// (122 random bits), like those of Flask-Session before 0.6. Default: `false`. Every version
    /// accepts the longer ids too.
    pub session_id_uuid: bool,
    /// SESSION_SERIALIZATION_FORMAT, or one of the pickles for older versions of Flask-Session.
    /// `None`: as in Flask-Session 0.8, pickle on files and msgpack elsewhere. Files always hold
    /// pickles. The other formats can always be read.
    pub session_serialization_format: Option<Serializer>,
    /// SESSION_REDIS, as a URL.
    pub session_redis: Option<String>,
    /// SESSION_MEMCACHED, as addresses or URLs.
    pub session_memcached: Vec<String>,
    /// SESSION_MEMCACHED_CLIENT, a key of this project: which Python client spreads the sessions
    /// over several servers, `pylibmc`, `python-memcached` or `pymemcache`.
    pub session_memcached_client: Option<String>,
    /// SESSION_FILE_DIR. Default: `flask_session`, in the working directory.
    pub session_file_dir: String,
    /// SESSION_FILE_THRESHOLD: the number of files above which some are removed. Default: 500.
    pub session_file_threshold: usize,
    /// SESSION_FILE_MODE. Default: 0o600.
    pub session_file_mode: u32,
    /// SESSION_MONGODB, as a URL.
    pub session_mongodb: Option<String>,
    /// SESSION_MONGODB_DB. Default: `flask_session`.
    pub session_mongodb_db: String,
    /// SESSION_MONGODB_COLLECT. Default: `sessions`.
    pub session_mongodb_collect: String,
    /// SESSION_SQLALCHEMY, as a URL.
    pub session_sqlalchemy: Option<String>,
    /// SESSION_SQLALCHEMY_TABLE. Default: `sessions`.
    pub session_sqlalchemy_table: String,
    /// SESSION_CLEANUP_N_REQUESTS: expired rows are removed once in this many requests, on average.
    pub session_cleanup_n_requests: Option<u32>,
    /// SESSION_COOKIE_NAME. Default: `session`.
    pub session_cookie_name: String,
    /// SESSION_COOKIE_DOMAIN. As in Flask, a port after it and dots before it are left out.
    pub session_cookie_domain: Option<String>,
    /// SESSION_COOKIE_PATH, otherwise APPLICATION_ROOT. As in Flask, characters that a path cannot
    /// have are percent-encoded.
    pub session_cookie_path: Option<String>,
    /// SESSION_COOKIE_HTTPONLY. Default: `true`.
    pub session_cookie_httponly: bool,
    /// SESSION_COOKIE_SECURE. Default: `false`, as in Flask. Set it.
    pub session_cookie_secure: bool,
    /// SESSION_COOKIE_SAMESITE. `None`: as in Flask there is no such attribute
    /// ([`SameSite::Absent`] describes what browsers do then). Set it to Lax, in both.
    pub session_cookie_samesite: Option<SameSite>,
    /// SESSION_COOKIE_PARTITIONED, which also makes the cookie Secure. Default: `false`.
    /// Flask-Session does not read it. So with a SESSION_TYPE it has no effect here either:
    /// otherwise browsers would keep two cookies.
    pub session_cookie_partitioned: bool,
    /// PERMANENT_SESSION_LIFETIME. Default: 31 days.
    pub permanent_session_lifetime: Duration,
    /// The lifetime of a session that is not permanent. `None`: the same as for permanent ones. In
    /// the Redis snippet that older applications have copied it is one day.
    pub transient_session_lifetime: Option<Duration>,
    /// SESSION_REFRESH_EACH_REQUEST: whether each request that uses its session extends its life,
    /// and sends the cookie again if the session is permanent. Default: `true`. With `false` only
    /// writing does. A request that does not use its session does nothing.
    pub session_refresh_each_request: bool,
    /// APPLICATION_ROOT. Default: `/`.
    pub application_root: String,
}

impl Settings {
    /// Returns the defaults, with sessions in such a store.
    ///
    /// ```
    /// # use cloakroom_flask::{SessionType, Settings};
    /// assert_eq!(Settings::new(SessionType::Mongodb).session_key_prefix, "session:");
    /// ```
    #[must_use]
    pub fn new(session_type: SessionType) -> Self {
        Self {
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
            session_type,
            session_permanent: true,
            session_use_signer: false,
            session_key_prefix: "session:".into(),
            session_id_length: sid::DEFAULT_BYTES,
            session_id_uuid: false,
            session_serialization_format: None,
            session_redis: None,
            session_memcached: Vec::new(),
            session_memcached_client: None,
            session_file_dir: "flask_session".into(),
            session_file_threshold: 500,
            session_file_mode: 0o600,
            session_mongodb: None,
            session_mongodb_db: "flask_session".into(),
            session_mongodb_collect: "sessions".into(),
            session_sqlalchemy: None,
            session_sqlalchemy_table: "sessions".into(),
            session_cleanup_n_requests: None,
            session_cookie_name: "session".into(),
            session_cookie_domain: None,
            session_cookie_path: None,
            session_cookie_httponly: true,
            session_cookie_secure: false,
            session_cookie_samesite: None,
            session_cookie_partitioned: false,
            permanent_session_lifetime: Duration::from_secs(31 * 86_400),
            transient_session_lifetime: None,
            session_refresh_each_request: true,
            application_root: "/".into(),
        }
    }

    /// Returns the settings of the Redis sessions that many older applications have copied
    /// (flask.pocoo.org/snippets/75). They are pickles, and a session lives for one day unless it
    /// is made permanent. The snippet's `session.new` is
    /// [`Session::is_new`](cloakroom_core::Session::is_new).
    ///
    /// ```
    /// # use cloakroom_flask::{Serializer, Settings};
    /// assert_eq!(Settings::redis_snippet().serializer(), Serializer::Pickle2);
    /// ```
    #[must_use]
    pub fn redis_snippet() -> Self {
        let mut settings = Self::new(SessionType::Redis);
        settings.session_permanent = false;
        settings.session_serialization_format = Some(Serializer::Pickle2);
        settings.transient_session_lifetime = Some(Duration::from_secs(86_400));
        settings
    }

    /// Returns the format in which records are written.
    ///
    /// ```
    /// # use cloakroom_flask::{Serializer, SessionType, Settings};
    /// assert_eq!(
    ///     Settings::new(SessionType::Redis).serializer(),
    ///     Serializer::Msgpack
    /// );
    /// assert_eq!(
    ///     Settings::new(SessionType::Filesystem).serializer(),
    ///     Serializer::Pickle2
    /// );
    /// ```
    #[must_use]
    pub fn serializer(&self) -> Serializer {
        let default = match self.session_type {
            SessionType::Cookie => return Serializer::TaggedJson,
            // Flask-Session's files hold pickles, whatever the configured format.
            SessionType::Filesystem => {
                return match self.session_serialization_format {
                    Some(Serializer::Pickle0) => Serializer::Pickle0,
                    _ => Serializer::Pickle2,
                };
            }
            _ => Serializer::Msgpack,
        };
        self.session_serialization_format.unwrap_or(default)
    }

    /// Builds a configuration with which a Rust application shares the sessions of the Flask
    /// application with these settings.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the setting.
    ///
    /// ```
    /// # use cloakroom_flask::{SessionType, Settings};
    /// let mut settings = Settings::new(SessionType::Redis);
    /// settings.session_use_signer = true;
    /// assert_eq!(settings.config().unwrap_err().field(), "SECRET_KEY");
    /// ```
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.builder()?.build()
    }

    /// Returns a builder with the same settings, for options that Flask does not have.
    ///
    /// # Errors
    ///
    /// As [`config`](Self::config).
    ///
    /// ```
    /// # use cloakroom_flask::{SessionType, Settings};
    /// let config = Settings::new(SessionType::Redis)
    ///     .builder()?
    ///     .clear_site_data(true)
    ///     .build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn builder(&self) -> Result<ConfigBuilder, ConfigError> {
        let fail = |field, problem| Err(ConfigError::new(field, problem));
        if !(sid::MIN_BYTES..=sid::MAX_BYTES).contains(&self.session_id_length) {
            return fail(
                "SESSION_ID_LENGTH",
                "must be 16 (OWASP asks for 128 bits) to 128",
            );
        }
        if self.session_id_uuid && self.session_id_length != sid::DEFAULT_BYTES {
            return fail(
                "SESSION_ID_LENGTH",
                "has no effect on UUIDs; remove it, or SESSION_ID_UUID",
            );
        }
        if let Some(secret) = &self.secret_key {
            secret.check("SECRET_KEY")?;
        }
        for secret in &self.secret_key_fallbacks {
            secret.check("SECRET_KEY_FALLBACKS")?;
        }
        let builder = self.cookie(Config::builder())?;
        let signer = match (self.session_use_signer, self.signer(Signer::FLASK_SESSION)) {
            (true, None) => {
                return fail(
                    "SECRET_KEY",
                    "must be set where SESSION_USE_SIGNER is on; set it, or switch that off",
                );
            }
            (used, signer) => signer.filter(|_| used),
        };
        // Flask's own sessions are not permanent until the application makes them so.
        let permanent = self.session_permanent && self.session_type != SessionType::Cookie;
        let mut builder = builder
            .persistent(permanent)
            .lifetimes(Lifetimes {
                idle: self.permanent_session_lifetime,
                absolute: Lifetimes::UNLIMITED,
            })
            .extend_on_read(self.session_refresh_each_request)
            .touch_interval(Duration::ZERO)
            .renew_cookie(true)
            .delete_when_empty(true)
            .format(Dict {
                serializer: self.serializer(),
            });
        builder = match (self.session_type, self.signer(Signer::COOKIE_SESSION)) {
            (SessionType::Null, _) => builder.envelope(NoSessions {
                missing: "SESSION_TYPE",
            }),
            (SessionType::Cookie, None) => builder.envelope(NoSessions {
                missing: "SECRET_KEY",
            }),
            (SessionType::Cookie, Some(signer)) => builder.envelope(SignedCookie {
                signer,
                lifetime: self.permanent_session_lifetime,
            }),
            _ => builder
                .key_format(KeyFormat::Plain)
                .key_prefix(&*self.session_key_prefix)
                .token_scheme(Sids {
                    bytes: self.session_id_length,
                    uuid: self.session_id_uuid,
                    signer,
                }),
        };
        if let Some(lifetime) = self.transient_session_lifetime {
            builder = builder.idle_timeout_until_closed(lifetime);
        }
        let built = builder.clone().build().map_err(|error| {
            let setting = match error.field() {
                "cookie_name" => "SESSION_COOKIE_NAME",
                "domain" => "SESSION_COOKIE_DOMAIN",
                "path" => self.path_key(),
                "http_only" => "SESSION_COOKIE_HTTPONLY",
                "same_site" => "SESSION_COOKIE_SAMESITE",
                "partitioned" => "SESSION_COOKIE_PARTITIONED",
                "idle_timeout" => "PERMANENT_SESSION_LIFETIME",
                "key_prefix" => "SESSION_KEY_PREFIX",
                other => other,
            };
            error.with_field(setting)
        });
        built.map(|_| builder)
    }

    /// Returns a signer with the secret key and its fallbacks, if there is a key.
    pub(crate) fn signer(&self, salt: &str) -> Option<Signer> {
        let secret = self
            .secret_key
            .as_ref()
            .filter(|secret| !secret.bytes.is_empty())?;
        let signer = Signer::new(&*secret.bytes, salt);
        let fallbacks = self.secret_key_fallbacks.iter();
        Some(fallbacks.fold(signer, |signer, secret| {
            signer.with_fallback(&*secret.bytes)
        }))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("session_type", &self.session_type)
            .field("session_cookie_name", &self.session_cookie_name)
            .finish_non_exhaustive()
    }
}
