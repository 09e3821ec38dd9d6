//! URLs as sqlx reads them.

use super::builder::SqlAlchemyBuilder;
use super::store::SqlAlchemyStore;

impl SqlAlchemyStore {
    /// Returns a builder of a store at a URL of sqlx, for the tables of Rust libraries:
    /// `postgres://…`, `mysql://…`, `sqlite:path`. The TLS options are sqlx's, too.
    ///
    /// ```
    /// # use cloakroom_flask_stores::{Columns, SqlAlchemyStore};
    /// let builder = SqlAlchemyStore::builder_of_sqlx("sqlite:/var/lib/app/app.db")
    ///     .columns(Columns::AxumSession)
    ///     .table("visits");
    /// ```
    pub fn builder_of_sqlx(url: &str) -> SqlAlchemyBuilder {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Self::builder(&format!("sqlite:///{path}"))
            }
            None => Self::builder(&with_tls_options(url)),
        }
    }
}

/// Writes sqlx's TLS options for MySQL as this store has them.
fn with_tls_options(url: &str) -> String {
    let (true, Some((place, options))) = (url.starts_with("mysql:"), url.split_once('?')) else {
        return url.to_owned();
    };
    let options = options.split('&').map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "sslmode" | "ssl-mode" => format!("ssl_mode={}", value.to_ascii_uppercase()),
            "sslca" | "ssl-ca" => format!("ssl_ca={value}"),
            "sslcert" | "ssl-cert" => format!("ssl_cert={value}"),
            "sslkey" | "ssl-key" => format!("ssl_key={value}"),
            _ => option.to_owned(),
        }
    });
    format!("{place}?{}", options.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::with_tls_options;

    #[test]
    fn tls_options_keep_their_meaning() {
        for (url, expected) in [
            ("mysql://a@b/c", "mysql://a@b/c"),
            (
                "mysql://a@b/c?ssl-mode=verify_identity&sslca=/ca.pem&charset=utf8mb4",
                "mysql://a@b/c?ssl_mode=VERIFY_IDENTITY&ssl_ca=/ca.pem&charset=utf8mb4",
            ),
            (
                "postgres://a@b/c?sslmode=require",
                "postgres://a@b/c?sslmode=require",
            ),
        ] {
            assert_eq!(with_tls_options(url), expected);
        }
    }
}
