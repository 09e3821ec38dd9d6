//! The options that a URL may have.

use cloakroom_store::StoreError;

use crate::failure;

/// Those of sqlx. It writes others into the log, with their values, or passes over them.
#[cfg(feature = "postgres")]
pub(crate) const POSTGRES: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

#[cfg(feature = "mysql")]
pub(crate) const MYSQL: [&str; 14] = [
    "ssl-mode",
    "sslmode",
    "ssl-ca",
    "sslca",
    "ssl-cert",
    "sslcert",
    "ssl-key",
    "sslkey",
    "charset",
    "collation",
    "statement-cache-capacity",
    "socket",
    "timezone",
    "time-zone",
];

#[cfg(feature = "sqlite")]
pub(crate) const SQLITE: [&str; 4] = ["mode", "cache", "immutable", "vfs"];

/// Refuses a URL with another option, before the driver sees it.
pub(crate) fn check(url: &str, known: &[&str]) -> Result<(), StoreError> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let Some((_, query)) = url.split_once('?') else {
        return Ok(());
    };
    let is_known = |option: &str| {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        // `options[statement_timeout]=...`, of PostgreSQL alone
        let is_setting = name.starts_with("options[") && known.contains(&"options");
        name.is_empty() || is_setting || known.contains(&name)
    };
    match query.split('&').all(is_known) {
        true => Ok(()),
        false => Err(failure::unknown_option(known)),
    }
}
