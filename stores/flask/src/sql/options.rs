//! The options of SQLAlchemy's URLs, by the names of libpq (psycopg2), `PyMySQL` and mysqlclient.
//!
//! sqlx passes over options that it does not have, and writes their values into the log. So it
//! receives none of them. Those without effect here are left out; any other is an error, as it is
//! in Python.

use cloakroom_store::StoreError;

use super::STORE;
use crate::failure::permanent;

/// The options of a database.
struct Known {
    /// Those of sqlx.
    kept: &'static [&'static str],
    /// Those of sqlx under another name.
    renamed: &'static [(&'static str, &'static str)],
    /// Those that set nothing that this store has: its own settings and the driver decide.
    left_out: &'static [&'static str],
}

#[cfg(feature = "postgres")]
const POSTGRES: Known = Known {
    kept: &[
        "application_name",
        "dbname",
        "host",
        "hostaddr",
        "options",
        "password",
        "port",
        "statement-cache-capacity",
        "user",
    ],
    renamed: &[],
    left_out: &[
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "tcp_user_timeout",
    ],
};

#[cfg(feature = "mysql")]
const MYSQL: Known = Known {
    kept: &["charset", "collation", "socket", "statement-cache-capacity"],
    renamed: &[("unix_socket", "socket")],
    left_out: &[
        "autocommit",
        "binary_prefix",
        "compress",
        "connect_timeout",
        "local_infile",
        "max_allowed_packet",
        "program_name",
        "read_timeout",
        "use_unicode",
        "write_timeout",
    ],
};

/// Returns a PostgreSQL URL with the options that sqlx has.
#[cfg(feature = "postgres")]
pub(super) fn for_postgres(url: &str) -> Result<String, StoreError> {
    POSTGRES.of(url)
}

/// Returns a MySQL URL with the options that sqlx has.
#[cfg(feature = "mysql")]
pub(super) fn for_mysql(url: &str) -> Result<String, StoreError> {
    MYSQL.of(url)
}

impl Known {
    fn of(&self, url: &str) -> Result<String, StoreError> {
        let Some((place, options)) = url.split_once('?') else {
            return Ok(url.to_owned());
        };
        let mut kept = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if self.kept.contains(&name) || self.is_setting(name) {
                kept.push(option.to_owned());
            } else if let Some((_, new)) = self.renamed.iter().find(|(old, _)| *old == name) {
                kept.push(format!("{new}={value}"));
            } else if !self.left_out.contains(&name) {
                return Err(self.refused());
            }
        }
        Ok(format!("{place}?{}", kept.join("&")))
    }

    /// `options[statement_timeout]=...`, of PostgreSQL alone.
    fn is_setting(&self, name: &str) -> bool {
        name.starts_with("options[") && self.kept.contains(&"options")
    }

    /// The name may be a part of a password with a `?` in it.
    fn refused(&self) -> StoreError {
        let renamed = self.renamed.iter().map(|(old, _)| old);
        let all: Vec<_> = self.kept.iter().chain(renamed).copied().collect();
        let why = format!(
            "the URL has an option that this store does not have: remove it, or write a ? in a \
             password as %3F; beside the TLS options it has {}",
            all.join(", ")
        );
        permanent(STORE, why)
    }
}

#[cfg(all(test, feature = "postgres", feature = "mysql"))]
mod tests {
    use super::{MYSQL, POSTGRES, for_mysql, for_postgres};

    #[test]
    fn sqlx_receives_only_options_that_it_has() {
        for (url, expected) in [
            ("//db/app", "//db/app"),
            (
                "//db/app?connect_timeout=10&host=/run",
                "//db/app?host=/run",
            ),
            (
                "//db/app?options[statement_timeout]=5s&keepalives=1",
                "//db/app?options[statement_timeout]=5s",
            ),
        ] {
            assert_eq!(for_postgres(url).unwrap(), expected);
        }
        let url = for_mysql("//db/app?charset=utf8mb4&unix_socket=/run/my.sock").unwrap();
        assert_eq!(url, "//db/app?charset=utf8mb4&socket=/run/my.sock");
    }

    #[test]
    fn an_unknown_option_is_refused_without_its_name_and_value() {
        for option in [
            "target_session_attrs=read-write",
            "passfile=hunter2",
            "Host=hunter2",
            "hunter2",
            "autocomit=hunter2",
        ] {
            for known in [POSTGRES, MYSQL] {
                let url = format!("//u:secret@db/app?connect_timeout=1&{option}");
                let text = known.of(&url).unwrap_err().to_string();
                let name = option.split('=').next().unwrap_or_default();
                assert!(!text.contains(name) && !text.contains("hunter2"), "{text}");
                assert!(text.contains("remove it"), "{text}");
            }
        }
    }
}
