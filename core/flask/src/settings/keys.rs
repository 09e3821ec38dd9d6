//! The settings by Flask's keys: from a map, the environment, or any format of serde.

use cloakroom_core::{ConfigError, SameSite};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Secret, SessionType, Settings};
use crate::{Serializer, Value};

/// The reason why settings are rejected: the key, and what to change. It quotes no value.
///
/// ```
/// use cloakroom_flask::{Settings, Value};
///
/// let error = Settings::from_map([("SESSION_COKIE_NAME", Value::from("shop"))])
///     .unwrap_err();
/// assert_eq!(error.key(), "SESSION_COKIE_NAME");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    key: Box<str>,
    problem: Box<str>,
}

impl SettingsError {
    fn new(key: &str, problem: impl Into<Box<str>>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }

    /// Returns the key, by Flask's name.
    ///
    /// ```
    /// # use cloakroom_flask::{Settings, Value};
    /// let error =
    ///     Settings::from_map([("SESSION_TYPE", Value::from("gopher"))]).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_TYPE");
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flask's settings, `{}`: {}", self.key, self.problem)
    }
}

impl std::error::Error for SettingsError {}

/// Keys that only one SESSION_TYPE has.
const OF_STORES: [(&str, SessionType); 12] = [
    ("SESSION_REDIS", SessionType::Redis),
    ("SESSION_MEMCACHED", SessionType::Memcached),
    // This project's own.
    ("SESSION_MEMCACHED_CLIENT", SessionType::Memcached),
    ("SESSION_FILE_DIR", SessionType::Filesystem),
    ("SESSION_FILE_THRESHOLD", SessionType::Filesystem),
    ("SESSION_FILE_MODE", SessionType::Filesystem),
    ("SESSION_MONGODB", SessionType::Mongodb),
    ("SESSION_MONGODB_DB", SessionType::Mongodb),
    ("SESSION_MONGODB_COLLECT", SessionType::Mongodb),
    ("SESSION_SQLALCHEMY", SessionType::Sqlalchemy),
    ("SESSION_SQLALCHEMY_TABLE", SessionType::Sqlalchemy),
    ("SESSION_CLEANUP_N_REQUESTS", SessionType::Sqlalchemy),
];
/// Keys that only Flask-Session has, whatever the SESSION_TYPE.
const OF_FLASK_SESSION: [&str; 6] = [
    "SESSION_PERMANENT",
    "SESSION_USE_SIGNER",
    "SESSION_KEY_PREFIX",
    "SESSION_ID_LENGTH",
    // This project's own.
    "SESSION_ID_UUID",
    "SESSION_SERIALIZATION_FORMAT",
];
/// Keys of both Flask and Flask-Session.
const OF_FLASK: [&str; 13] = [
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "SESSION_TYPE",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_PARTITIONED",
    "PERMANENT_SESSION_LIFETIME",
    "SESSION_REFRESH_EACH_REQUEST",
    "APPLICATION_ROOT",
];
/// Keys of Flask-Session for features that are not supported here.
const UNSUPPORTED: [&str; 6] = [
    "SESSION_CACHELIB",
    "SESSION_DYNAMODB",
    "SESSION_DYNAMODB_TABLE",
    "SESSION_SQLALCHEMY_SEQUENCE",
    "SESSION_SQLALCHEMY_SCHEMA",
    "SESSION_SQLALCHEMY_BIND_KEY",
];
/// An unknown key with one of these prefixes is an error. Other keys belong to the rest of the
/// application.
const OURS: [&str; 3] = ["SESSION_", "SECRET_KEY", "PERMANENT_SESSION_"];

fn is_known(key: &str) -> bool {
    OF_FLASK.contains(&key)
        || OF_FLASK_SESSION.contains(&key)
        || OF_STORES.iter().any(|(known, _)| *known == key)
        || UNSUPPORTED.contains(&key)
}

impl Settings {
    /// Reads the settings from a map with Flask's keys, such as `app.config`. Skips keys of the
    /// rest of the application.
    ///
    /// Types are Flask's, but a client object (SESSION_REDIS, SESSION_MEMCACHED, SESSION_MONGODB,
    /// SESSION_SQLALCHEMY) is a URL here. `None` equals an absent key. Without SESSION_TYPE these
    /// are the settings of Flask's own session, in the cookie.
    ///
    /// # Errors
    ///
    /// A [`SettingsError`] for an unknown key with one of these prefixes, a value of another type,
    /// or keys that contradict one another. Also for everything that [`config`](Settings::config)
    /// would reject.
    ///
    /// ```
    /// use cloakroom_flask::{SessionType, Settings, Value};
    ///
    /// let settings = Settings::from_map([
    ///     ("SESSION_TYPE", Value::from("redis")),
    ///     ("SESSION_REDIS", Value::from("redis://localhost:6379")),
    ///     ("PERMANENT_SESSION_LIFETIME", Value::from(3_600)),
    ///     ("DEBUG", Value::from(true)),
    /// ])?;
    /// assert_eq!(settings.session_type, SessionType::Redis);
    /// # Ok::<(), cloakroom_flask::SettingsError>(())
    /// ```
    pub fn from_map<K: Into<String>>(
        entries: impl IntoIterator<Item = (K, Value)>,
    ) -> Result<Self, SettingsError> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let key = key.into();
            if OURS.iter().any(|start| key.starts_with(start)) && !is_known(&key) {
                return Err(SettingsError::new(&key, "is not known; check its spelling"));
            }
            if UNSUPPORTED.contains(&&*key) && value != Value::None {
                return Err(SettingsError::new(&key, "is not supported here; remove it"));
            }
            if is_known(&key) && value != Value::None {
                unquoted(&key, &value)?;
                map.insert(key, value);
            }
        }
        Self::of(Keys(map))
    }

    /// Reads the settings from environment variables: `FLASK_` and the key, like
    /// `app.config.from_prefixed_env()`, or the key alone. Values are parsed as JSON where that
    /// works (`true`, `3600`), and are texts otherwise.
    ///
    /// Without the prefix an unknown variable counts as another program's (such as a desktop's
    /// `SESSION_MANAGER`) and is skipped, so a misspelt one goes unnoticed. With the prefix it is
    /// an error: use the prefix in production.
    ///
    /// A text in quotes (`SECRET_KEY="…"`) is an error, because Flask would keep them too. With
    /// the prefix Flask takes the quotes away, and so does this function.
    ///
    /// # Errors
    ///
    /// As [`from_map`](Settings::from_map). Also if a variable is set with the prefix and without,
    /// to different values.
    ///
    /// ```
    /// use cloakroom_flask::{SessionType, Settings};
    ///
    /// let variables = [
    ///     ("FLASK_SESSION_TYPE", "filesystem"),
    ///     ("SESSION_COOKIE_SECURE", "true"),
    ///     ("PATH", "/bin"),
    /// ];
    /// let settings = Settings::from_env(variables)?; // std::env::vars()
    /// assert!(settings.session_cookie_secure);
    /// # Ok::<(), cloakroom_flask::SettingsError>(())
    /// ```
    pub fn from_env<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingsError> {
        let mut map = BTreeMap::new();
        for (name, text) in variables {
            let (name, text) = (name.into(), text.into());
            let key = match name.strip_prefix("FLASK_") {
                Some(key) => key,
                // Variables of other programs may begin alike.
                None if is_known(&name) => &name,
                None => continue,
            };
            if key == name && text.contains('"') {
                // Flask takes the quotes away only with the prefix, as JSON.
                check_text(key, &text)?;
            }
            let value = Serializer::Json
                .loads(text.as_bytes())
                .unwrap_or(Value::Str(text));
            match map.get(key) {
                Some(known) if *known != value => {
                    let problem = "is set twice, with `FLASK_` and without; remove one of the two";
                    return Err(SettingsError::new(key, problem));
                }
                _ => _ = map.insert(key.to_owned(), value),
            }
        }
        Self::from_map(map)
    }

    fn of(mut keys: Keys) -> Result<Self, SettingsError> {
        let session_type = keys.session_type()?;
        keys.fit(session_type)?;
        let defaults = Self::new(session_type);
        let settings = Self {
            session_type,
            secret_key: keys.secret("SECRET_KEY")?,
            secret_key_fallbacks: keys.secrets("SECRET_KEY_FALLBACKS")?,
            session_permanent: keys.bool("SESSION_PERMANENT", defaults.session_permanent)?,
            session_use_signer: keys.bool("SESSION_USE_SIGNER", defaults.session_use_signer)?,
            session_key_prefix: keys
                .text("SESSION_KEY_PREFIX")?
                .unwrap_or(defaults.session_key_prefix),
            session_id_length: keys
                .number("SESSION_ID_LENGTH")?
                .unwrap_or(defaults.session_id_length),
            session_id_uuid: keys.bool("SESSION_ID_UUID", defaults.session_id_uuid)?,
            session_serialization_format: keys.serializer()?,
            session_redis: keys.text("SESSION_REDIS")?,
            session_memcached: keys.texts("SESSION_MEMCACHED")?,
            session_memcached_client: keys.memcached_client()?,
            session_file_dir: keys
                .text("SESSION_FILE_DIR")?
                .unwrap_or(defaults.session_file_dir),
            session_file_threshold: keys
                .number("SESSION_FILE_THRESHOLD")?
                .unwrap_or(defaults.session_file_threshold),
            session_file_mode: keys
                .number("SESSION_FILE_MODE")?
                .unwrap_or(defaults.session_file_mode),
            session_mongodb: keys.text("SESSION_MONGODB")?,
            session_mongodb_db: keys
                .text("SESSION_MONGODB_DB")?
                .unwrap_or(defaults.session_mongodb_db),
            session_mongodb_collect: keys
                .text("SESSION_MONGODB_COLLECT")?
                .unwrap_or(defaults.session_mongodb_collect),
            session_sqlalchemy: keys.text("SESSION_SQLALCHEMY")?,
            session_sqlalchemy_table: keys
                .text("SESSION_SQLALCHEMY_TABLE")?
                .unwrap_or(defaults.session_sqlalchemy_table),
            session_cleanup_n_requests: keys.number("SESSION_CLEANUP_N_REQUESTS")?,
            session_cookie_name: keys
                .text("SESSION_COOKIE_NAME")?
                .unwrap_or(defaults.session_cookie_name),
            session_cookie_domain: keys.text_or_false("SESSION_COOKIE_DOMAIN")?,
            session_cookie_path: keys.text_or_false("SESSION_COOKIE_PATH")?,
            session_cookie_httponly: keys
                .bool("SESSION_COOKIE_HTTPONLY", defaults.session_cookie_httponly)?,
            session_cookie_secure: keys
                .bool("SESSION_COOKIE_SECURE", defaults.session_cookie_secure)?,
            session_cookie_samesite: keys.same_site()?,
            session_cookie_partitioned: keys.bool(
                "SESSION_COOKIE_PARTITIONED",
                defaults.session_cookie_partitioned,
            )?,
            permanent_session_lifetime: keys
                .lifetime()?
                .unwrap_or(defaults.permanent_session_lifetime),
            transient_session_lifetime: None,
            session_refresh_each_request: keys.bool(
                "SESSION_REFRESH_EACH_REQUEST",
                defaults.session_refresh_each_request,
            )?,
            application_root: keys
                .text("APPLICATION_ROOT")?
                .unwrap_or(defaults.application_root),
        };
        if settings.secret_key.is_none() && !settings.secret_key_fallbacks.is_empty() {
            let problem = "has keys, but there is no SECRET_KEY to sign with; set it";
            return Err(SettingsError::new("SECRET_KEY_FALLBACKS", problem));
        }
        let servers = settings.session_memcached.iter();
        let servers = servers.flat_map(|servers| servers.split(',')).count();
        if servers > 1 && settings.session_memcached_client.is_none() {
            let problem = "must say which Python client spreads the sessions over the servers of SESSION_MEMCACHED: pylibmc, python-memcached or pymemcache";
            return Err(SettingsError::new("SESSION_MEMCACHED_CLIENT", problem));
        }
        match settings.config() {
            Ok(_) => Ok(settings),
            Err(error) => Err(SettingsError::new(error.field(), error.problem())),
        }
    }
}

/// Reads Flask's keys from TOML, JSON, and any other format of serde.
impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Self::from_map(map).map_err(serde::de::Error::custom)
    }
}

/// The keys that are set, but not to `None`.
struct Keys(BTreeMap<String, Value>);

type Read<T> = Result<T, SettingsError>;

impl Keys {
    fn session_type(&mut self) -> Read<SessionType> {
        let Some(name) = self.text("SESSION_TYPE")? else {
            return Ok(SessionType::Cookie);
        };
        match &*name.to_ascii_lowercase() {
            "null" => Ok(SessionType::Null),
            "redis" => Ok(SessionType::Redis),
            "memcached" => Ok(SessionType::Memcached),
            "filesystem" => Ok(SessionType::Filesystem),
            "mongodb" => Ok(SessionType::Mongodb),
            "sqlalchemy" => Ok(SessionType::Sqlalchemy),
            _ => Err(SettingsError::new(
                "SESSION_TYPE",
                "must be null, redis, memcached, filesystem, mongodb or sqlalchemy",
            )),
        }
    }

    /// Rejects settings that such sessions would ignore.
    fn fit(&self, session_type: SessionType) -> Read<()> {
        for key in self.0.keys() {
            let of_store = OF_STORES.iter().find(|(known, _)| known == key);
            let of_extension = of_store.is_some() || OF_FLASK_SESSION.contains(&&**key);
            let problem = match (session_type, of_store) {
                (SessionType::Cookie, _) if of_extension => {
                    "is Flask-Session's, but SESSION_TYPE is not set; set that, or remove this"
                        .into()
                }
                (SessionType::Cookie | SessionType::Null, _) | (_, None) => continue,
                (_, Some((_, owner))) if *owner == session_type => continue,
                (_, Some((_, owner))) => {
                    let owner = format!("{owner:?}").to_ascii_lowercase();
                    format!(
                        "belongs to SESSION_TYPE `{owner}`, which is not the one that is set; remove one of the two"
                    )
                }
            };
            return Err(SettingsError::new(key, problem));
        }
        Ok(())
    }

    fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.0.remove(key) else {
            return Ok(None);
        };
        let read = read(value).ok_or_else(|| SettingsError::new(key, format!("must be {wanted}")));
        read.map(Some)
    }

    fn text(&mut self, key: &str) -> Read<Option<String>> {
        self.take(key, "a text", text)
    }

    /// Older versions of Flask write "none" as `False`.
    fn text_or_false(&mut self, key: &str) -> Read<Option<String>> {
        let found = self.take(key, "a text", |value| match value {
            Value::Bool(false) => Some(None),
            value => text(value).map(Some),
        });
        Ok(found?.flatten())
    }

    fn bool(&mut self, key: &str, default: bool) -> Read<bool> {
        // Not a text: Python treats every text as true, even `False`.
        let value = self.take(
            key,
            "true or false (in the environment: in small letters)",
            |value| match value {
                Value::Bool(value) => Some(value),
                Value::Int(number @ (0 | 1)) => Some(number == 1),
                _ => None,
            },
        );
        Ok(value?.unwrap_or(default))
    }

    fn number<T: TryFrom<i64>>(&mut self, key: &str) -> Read<Option<T>> {
        self.take(
            key,
            "a whole number, and not too large",
            |value| match value {
                Value::Int(number) if number >= 0 => T::try_from(number).ok(),
                _ => None,
            },
        )
    }

    /// Reads one text, or several.
    fn texts(&mut self, key: &str) -> Read<Vec<String>> {
        let texts = self.take(key, "a text or a list of texts", |value| match value {
            Value::List(items) | Value::Tuple(items) => items.into_iter().map(text).collect(),
            value => Some(vec![text(value)?]),
        });
        Ok(texts?.unwrap_or_default())
    }

    fn secret(&mut self, key: &str) -> Read<Option<Secret>> {
        self.take(key, "a text or bytes", secret)
    }

    fn secrets(&mut self, key: &str) -> Read<Vec<Secret>> {
        let secrets = self.take(key, "a list of texts or bytes", |value| match value {
            Value::List(items) | Value::Tuple(items) => items.into_iter().map(secret).collect(),
            _ => None,
        });
        Ok(secrets?.unwrap_or_default())
    }

    fn memcached_client(&mut self) -> Read<Option<String>> {
        let wanted = "pylibmc, python-memcached or pymemcache";
        self.take("SESSION_MEMCACHED_CLIENT", wanted, |value| {
            text(value).filter(|name| {
                matches!(
                    &**name,
                    "pylibmc" | "python-memcached" | "memcache" | "pymemcache"
                )
            })
        })
    }

    fn serializer(&mut self) -> Read<Option<Serializer>> {
        let wanted = "msgpack or json, or for older applications pickle or pickle0";
        self.take(
            "SESSION_SERIALIZATION_FORMAT",
            wanted,
            |value| match &*text(value)? {
                "msgpack" => Some(Serializer::Msgpack),
                "json" => Some(Serializer::Json),
                "pickle" => Some(Serializer::Pickle2),
                "pickle0" => Some(Serializer::Pickle0),
                _ => None,
            },
        )
    }

    fn same_site(&mut self) -> Read<Option<SameSite>> {
        self.take(
            "SESSION_COOKIE_SAMESITE",
            "Lax, Strict or None",
            |value| match &*text(value)?.to_ascii_lowercase() {
                "lax" => Some(SameSite::Lax),
                "strict" => Some(SameSite::Strict),
                "none" => Some(SameSite::None),
                _ => None,
            },
        )
    }

    /// Reads seconds, or a `timedelta`.
    fn lifetime(&mut self) -> Read<Option<Duration>> {
        let wanted = "a whole number of seconds, at least one";
        self.take("PERMANENT_SESSION_LIFETIME", wanted, |value| {
            let seconds = match value {
                Value::Int(seconds) => seconds,
                Value::TimeDelta(delta) if delta.microseconds == 0 => delta.total_seconds(),
                _ => return None,
            };
            u64::try_from(seconds)
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs)
        })
    }
}

/// Rejects texts that an env file's reader has left in quotes.
fn unquoted(key: &str, value: &Value) -> Read<()> {
    match value {
        Value::Str(text) => check_text(key, text),
        Value::List(items) | Value::Tuple(items) => {
            items.iter().try_for_each(|item| unquoted(key, item))
        }
        _ => Ok(()),
    }
}

fn check_text(key: &str, text: &str) -> Read<()> {
    let checked = ConfigError::check_text("", text);
    checked.map_err(|error| SettingsError::new(key, error.problem()))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn secret(value: Value) -> Option<Secret> {
    match value {
        Value::Str(text) => Some(text.into()),
        Value::Bytes(bytes) => Some(bytes.into()),
        _ => None,
    }
}
