//! The schemes of URLs and the features that they need.

use cloakroom_store::StoreError;

use crate::failure;

pub(crate) struct Known {
    schemes: &'static [&'static str],
    /// How they are shown to people.
    pub(crate) shown: &'static str,
    pub(crate) store: Kind,
    /// The features, and which of them are on.
    needs: &'static [(&'static str, bool)],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Memory,
    File,
    Sql,
    Redis,
    Memcached,
    MongoDb,
}

/// Returns whether quotes or white space stand around a URL.
pub(crate) fn is_wrapped(url: &str) -> bool {
    let mark = |end: char| end.is_whitespace() || "\"'`\u{201c}\u{201d}\u{feff}".contains(end);
    url.starts_with(mark) || url.ends_with(|end: char| end.is_whitespace())
}

pub(crate) const KNOWN: &[Known] = &[
    Known {
        schemes: &["memory"],
        shown: "memory:",
        store: Kind::Memory,
        needs: &[("memory", cfg!(feature = "memory"))],
    },
    Known {
        schemes: &["file"],
        shown: "file:",
        store: Kind::File,
        needs: &[("file", cfg!(feature = "file"))],
    },
    Known {
        schemes: &["sqlite"],
        shown: "sqlite:",
        store: Kind::Sql,
        needs: &[("sqlite", cfg!(feature = "sqlite"))],
    },
    Known {
        schemes: &["postgres", "postgresql"],
        shown: "postgres://",
        store: Kind::Sql,
        needs: &[("postgres", cfg!(feature = "postgres"))],
    },
    Known {
        schemes: &["mysql", "mariadb"],
        shown: "mysql://",
        store: Kind::Sql,
        needs: &[("mysql", cfg!(feature = "mysql"))],
    },
    Known {
        schemes: &["redis", "valkey"],
        shown: "redis://",
        store: Kind::Redis,
        needs: REDIS,
    },
    Known {
        schemes: &["rediss", "valkeys"],
        shown: "rediss://",
        store: Kind::Redis,
        needs: REDIS_TLS,
    },
    Known {
        schemes: &["redis+cluster"],
        shown: "redis+cluster://",
        store: Kind::Redis,
        needs: REDIS,
    },
    Known {
        schemes: &["rediss+cluster"],
        shown: "rediss+cluster://",
        store: Kind::Redis,
        needs: REDIS_TLS,
    },
    Known {
        schemes: &["redis+sentinel"],
        shown: "redis+sentinel://",
        store: Kind::Redis,
        needs: REDIS,
    },
    Known {
        schemes: &["rediss+sentinel"],
        shown: "rediss+sentinel://",
        store: Kind::Redis,
        needs: REDIS_TLS,
    },
    Known {
        schemes: &["redis+unix", "valkey+unix"],
        shown: "redis+unix://",
        store: Kind::Redis,
        needs: REDIS,
    },
    Known {
        schemes: &["memcached"],
        shown: "memcached://",
        store: Kind::Memcached,
        needs: MEMCACHED,
    },
    Known {
        schemes: &["memcached+unix"],
        shown: "memcached+unix://",
        store: Kind::Memcached,
        needs: MEMCACHED,
    },
    Known {
        schemes: &["mongodb"],
        shown: "mongodb://",
        store: Kind::MongoDb,
        needs: MONGODB,
    },
    Known {
        schemes: &["mongodb+srv"],
        shown: "mongodb+srv://",
        store: Kind::MongoDb,
        needs: MONGODB,
    },
];

const REDIS: &[(&str, bool)] = &[("redis", cfg!(feature = "redis"))];
const REDIS_TLS: &[(&str, bool)] = &[
    ("redis", cfg!(feature = "redis")),
    ("tls", cfg!(feature = "tls")),
];
const MEMCACHED: &[(&str, bool)] = &[("memcached", cfg!(feature = "memcached"))];
const MONGODB: &[(&str, bool)] = &[("mongodb", cfg!(feature = "mongodb"))];

impl Known {
    /// The first feature that is off.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let off = self.needs.iter().find(|(_, on)| !on);
        off.map(|(feature, _)| *feature)
    }
}

/// Returns the store that a URL names, if its feature is on, and the text behind the first colon.
pub(crate) fn of(url: &str) -> Result<(Kind, &str), StoreError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(failure::unknown_scheme());
    };
    let known = KNOWN.iter().find(|known| known.schemes.contains(&scheme));
    let known = known.ok_or_else(failure::unknown_scheme)?;
    match known.missing() {
        Some(feature) => Err(failure::missing_feature(known, feature)),
        None => Ok((known.store, rest)),
    }
}

/// The URL with its scheme in lower case. In which it is makes no difference (RFC 3986, section
/// 3.1), but does to some who read it.
pub(crate) fn in_lower_case(url: &str) -> Box<str> {
    let mut url: Box<str> = url.into();
    let end = str::find(&url, ':').unwrap_or(0);
    if let Some(scheme) = str::get_mut(&mut url, ..end) {
        scheme.make_ascii_lowercase();
    }
    url
}

/// Whether a URL, with its scheme in lower case, is a Redis Cluster's.
#[cfg(feature = "redis")]
pub(crate) fn is_cluster(url: &str) -> bool {
    url.split_once(':')
        .is_some_and(|(scheme, _)| scheme.ends_with("+cluster"))
}
