//! Every way in which a Flask application keeps its sessions that is tested.

use serde_json::{Map, Value, json};

use super::venv::Release;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    /// Flask's own: everything in the cookie.
    Cookie,
    Redis,
    /// By TLS, on which both sides show certificates.
    RedisTls,
    Memcached,
    /// Three servers.
    Memcacheds,
    Filesystem,
    MongoDb,
    Sqlite,
    Postgres,
    MariaDb,
}

impl Backend {
    pub(super) const STORED: [Self; 7] = [
        Self::Redis,
        Self::Memcached,
        Self::Filesystem,
        Self::MongoDb,
        Self::Sqlite,
        Self::Postgres,
        Self::MariaDb,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Redis => "redis",
            Self::RedisTls => "redis-tls",
            Self::Memcached => "memcached",
            Self::Memcacheds => "memcacheds",
            Self::Filesystem => "filesystem",
            Self::MongoDb => "mongodb",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }

    fn session_type(self) -> Option<&'static str> {
        match self {
            Self::Cookie => None,
            Self::Redis | Self::RedisTls => Some("redis"),
            Self::Memcached | Self::Memcacheds => Some("memcached"),
            Self::Filesystem => Some("filesystem"),
            Self::MongoDb => Some("mongodb"),
            Self::Sqlite | Self::Postgres | Self::MariaDb => Some("sqlalchemy"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pickle,
    Msgpack,
    Json,
    /// In the cookie.
    Tagged,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pickle => "pickle",
            Self::Msgpack => "msgpack",
            Self::Json => "json",
            Self::Tagged => "tagged",
        }
    }

    /// Its values beyond the common ones, by their name in `serve.py`.
    pub(super) fn types(self) -> &'static [&'static str] {
        match self {
            Self::Pickle => &[
                "bytes", "tuple", "set", "frozen", "huge", "uuid", "uuid1", "date", "day", "span",
                "money", "time", "zoned", "pytz", "local", "array", "complex", "file", "infinite",
            ],
            Self::Msgpack => &["date"],
            Self::Json => &[],
            Self::Tagged => &["bytes", "tuple", "uuid", "markup", "date", "tagged"],
        }
    }
}

/// Keys beyond those of the plan, for a case of its own.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    /// Keys, and their values in JSON; `null` takes one of the plan away.
    pub(super) keys: &'static [(&'static str, &'static str)],
}

/// The setting with which Flask-Session 0.8 only writes changed sessions.
pub(super) static QUIET: Variant = Variant {
    name: "quiet",
    keys: &[("SESSION_REFRESH_EACH_REQUEST", "false")],
};

/// A copy of the snippet instead of Flask-Session.
pub(super) static SNIPPET: Variant = Variant {
    name: "snippet",
    keys: &[],
};

/// One configuration, of which there is an application in Flask and one in Rust.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) release: Release,
    pub(super) backend: Backend,
    pub(super) format: Format,
    pub(super) signed: bool,
    pub(super) permanent: bool,
    pub(super) variant: Option<&'static Variant>,
}

impl Setup {
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for release in Release::ALL {
            for backend in Backend::STORED.into_iter().chain([Backend::Cookie]) {
                let formats: &[Format] = match (backend, release) {
                    (Backend::Cookie, _) => &[Format::Tagged],
                    // cachelib uses pickles, whatever the configuration says.
                    (Backend::Filesystem, _) | (_, Release::V0_3_1 | Release::V0_5_0) => {
                        &[Format::Pickle]
                    }
                    (_, Release::V0_8_0) => &[Format::Msgpack, Format::Json],
                };
                for format in formats {
                    for signed in [false, true] {
                        // Flask's own cookie is always signed.
                        if backend == Backend::Cookie && !signed {
                            continue;
                        }
                        for permanent in [true, false] {
                            all.push(Self {
                                release,
                                backend,
                                format: *format,
                                signed,
                                permanent,
                                variant: None,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    /// Its name in the output and in the applications' paths.
    pub(super) fn name(&self) -> String {
        format!(
            "{}-{}-{}-{}-{}{}{}",
            self.backend.name(),
            self.release.name(),
            self.format.name(),
            if self.signed { "signed" } else { "bare" },
            if self.permanent {
                "permanent"
            } else {
                "browser"
            },
            if self.variant.is_some() { "-" } else { "" },
            self.variant.map_or("", |variant| variant.name),
        )
    }

    /// Its row of the table.
    pub(super) fn row(&self) -> String {
        format!(
            "{:<11} {:<6} {}",
            self.backend.name(),
            self.release.name(),
            self.format.name()
        )
    }

    /// Before 0.6, Flask writes no expiry for a session that is not permanent, and then fails on
    /// its own row (a comparison of `None` with a date).
    pub(super) fn breaks_in_flask(&self) -> bool {
        let by_date = matches!(
            self.backend,
            Backend::MongoDb | Backend::Sqlite | Backend::Postgres | Backend::MariaDb
        );
        by_date && !self.permanent && self.release != Release::V0_8_0
    }

    /// The configuration of both applications, by Flask's keys; `place` is where the backend is.
    pub(super) fn configuration(&self, place: &str) -> Map<String, Value> {
        if self.is_snippet() {
            // Not a key of Flask's: `serve.py` has the snippet, Rust the settings for it.
            let mut keys = Map::new();
            keys.insert("SNIPPET".into(), json!(place));
            return keys;
        }
        let mut keys = self.planned(place);
        for (key, text) in self.variant.map_or(&[][..], |variant| variant.keys) {
            let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            keys.insert((*key).to_owned(), value);
        }
        keys
    }

    pub(super) fn cookie_name(&self) -> &'static str {
        let mut keys = self.variant.map_or(&[][..], |variant| variant.keys).iter();
        let name = keys.find(|(key, _)| *key == "SESSION_COOKIE_NAME");
        name.map_or("session", |(_, text)| text.trim_matches('"'))
    }

    pub(super) fn is_snippet(&self) -> bool {
        self.variant
            .is_some_and(|variant| variant.name == SNIPPET.name)
    }

    fn planned(&self, place: &str) -> Map<String, Value> {
        let mut keys = Map::new();
        let mut set = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        set("SECRET_KEY", json!("dev-secret-key-0123456789abcdef"));
        let Some(session_type) = self.backend.session_type() else {
            return keys;
        };
        set("SESSION_TYPE", json!(session_type));
        set("SESSION_PERMANENT", json!(self.permanent));
        set("SESSION_USE_SIGNER", json!(self.signed));
        if let Some(format) = self.format_key() {
            set("SESSION_SERIALIZATION_FORMAT", json!(format));
        }
        if self.signed {
            // A custom prefix, on both sides.
            set("SESSION_KEY_PREFIX", json!("shop/"));
        }
        match self.backend {
            Backend::Cookie => None,
            Backend::Redis | Backend::RedisTls => set("SESSION_REDIS", json!(place)),
            Backend::Memcached | Backend::Memcacheds => set("SESSION_MEMCACHED", json!(place)),
            Backend::Filesystem => {
                let release = self.release.name();
                set("SESSION_FILE_DIR", json!(format!("{place}/{release}")))
            }
            Backend::MongoDb => set("SESSION_MONGODB", json!(place)),
            Backend::Sqlite | Backend::Postgres | Backend::MariaDb => {
                let table = format!("sessions_{}", self.release.name().replace('.', "_"));
                set("SESSION_SQLALCHEMY_TABLE", json!(table));
                set("SQLALCHEMY_TRACK_MODIFICATIONS", json!(false));
                set("SESSION_SQLALCHEMY", json!(place))
            }
        };
        keys
    }

    /// A setting for Rust, for a release that always pickles and does not have the key.
    fn format_key(&self) -> Option<&'static str> {
        match (self.format, self.backend) {
            (_, Backend::Filesystem) => None,
            (Format::Json, _) => Some("json"),
            (Format::Pickle, Backend::Memcached) => Some("pickle0"),
            (Format::Pickle, _) => Some("pickle"),
            (Format::Msgpack | Format::Tagged, _) => None,
        }
    }
}
