//! The TLS options of SQLAlchemy's URLs, by the names of psycopg2, PyMySQL, mysqlclient and MySQL
//! Connector/Python.
//!
//! A URL with an authority gets only the server that its certificate names. sqlx trusts the
//! system's authorities too, so checking the certificate without the name in it (`verify-ca`) would
//! keep nobody out.

use cloakroom_store::StoreError;

use crate::tls::Options;

/// How much verification a URL requires.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    IfOffered,
    /// Encrypted, by whomever.
    Encrypted,
    Verified,
}

#[cfg(feature = "postgres")]
pub(super) fn postgres(
    mut connect: sqlx::postgres::PgConnectOptions,
    mut options: Options,
) -> Result<sqlx::postgres::PgConnectOptions, StoreError> {
    use sqlx::postgres::PgSslMode;

    if options.take("channel_binding").as_deref() == Some("require") {
        return Err(options.refused(
            "channel_binding=require is not supported: remove it, and verify the server with \
             sslmode=verify-full",
        ));
    }
    let mode = match options.take("sslmode").as_deref() {
        None => None,
        Some("disable") => Some(Mode::Plain),
        Some("allow" | "prefer") => Some(Mode::IfOffered),
        Some("require") => Some(Mode::Encrypted),
        Some("verify-ca" | "verify-full") => Some(Mode::Verified),
        Some(_) => {
            return Err(options.refused(
                "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
            ));
        }
    };
    let authority = options.value("sslrootcert").is_some();
    if options.value("sslrootcert") == Some("system") {
        // Those that the system trusts, and no file.
        options.take("sslrootcert");
    }
    let Some(mode) = settled(mode, authority, &options)? else {
        return Ok(connect);
    };
    connect = connect.ssl_mode(match mode {
        Mode::Plain => PgSslMode::Disable,
        Mode::IfOffered => PgSslMode::Prefer,
        Mode::Encrypted => PgSslMode::Require,
        Mode::Verified => PgSslMode::VerifyFull,
    });
    let (roots, client) = files(options, ["sslrootcert", "sslcert", "sslkey"])?;
    if let Some(path) = roots {
        connect = connect.ssl_root_cert(path);
    }
    if let Some([chain, key]) = client {
        connect = connect.ssl_client_cert(chain).ssl_client_key(key);
    }
    Ok(connect)
}

#[cfg(feature = "mysql")]
pub(super) fn mysql(
    mut connect: sqlx::mysql::MySqlConnectOptions,
    mut options: Options,
) -> Result<sqlx::mysql::MySqlConnectOptions, StoreError> {
    use sqlx::mysql::MySqlSslMode;

    let mode = match options.take("ssl_mode").as_deref() {
        None => None,
        Some("DISABLED") => Some(Mode::Plain),
        Some("PREFERRED") => Some(Mode::IfOffered),
        Some("REQUIRED") => Some(Mode::Encrypted),
        Some("VERIFY_CA" | "VERIFY_IDENTITY") => Some(Mode::Verified),
        Some(_) => {
            return Err(options.refused(
                "ssl_mode must be DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY",
            ));
        }
    };
    let mut authority = options.value("ssl_ca").is_some();
    for name in [
        "ssl_check_hostname",
        "ssl_verify_cert",
        "ssl_verify_identity",
    ] {
        match options.switch(name)? {
            None => {}
            Some(true) => authority = true,
            Some(false) => {
                return Err(options.refused(format!(
                    "{name}=false is refused: ssl_ca must have signed the certificate, which must \
                     have the URL's host name; remove the option"
                )));
            }
        }
    }
    let Some(mode) = settled(mode, authority, &options)? else {
        return Ok(connect);
    };
    connect = connect.ssl_mode(match mode {
        Mode::Plain => MySqlSslMode::Disabled,
        Mode::IfOffered => MySqlSslMode::Preferred,
        Mode::Encrypted => MySqlSslMode::Required,
        Mode::Verified => MySqlSslMode::VerifyIdentity,
    });
    let (roots, client) = files(options, ["ssl_ca", "ssl_cert", "ssl_key"])?;
    if let Some(path) = roots {
        connect = connect.ssl_ca(path);
    }
    if let Some([chain, key]) = client {
        connect = connect.ssl_client_cert(chain).ssl_client_key(key);
    }
    Ok(connect)
}

/// Returns the resulting mode, if the URL has any TLS option.
fn settled(
    mode: Option<Mode>,
    authority: bool,
    options: &Options,
) -> Result<Option<Mode>, StoreError> {
    let mode = match mode {
        None if !authority && options.is_empty() => return Ok(None),
        None => Mode::Verified,
        // As libpq has it.
        Some(Mode::Encrypted) if authority => Mode::Verified,
        Some(Mode::Plain | Mode::IfOffered) if authority => {
            return Err(options.refused(
                "the URL names an authority for the server's certificate but turns TLS off; set a \
                 mode that verifies the server",
            ));
        }
        Some(mode) => mode,
    };
    let needed = matches!(mode, Mode::Encrypted | Mode::Verified) || !options.is_empty();
    match needed && !cfg!(feature = "tls") {
        true => Err(options.missing()),
        false => Ok(Some(mode)),
    }
}

/// Where the authorities' certificates are, and the client's with its key.
type Files = (Option<String>, Option<[String; 2]>);

#[cfg(feature = "tls")]
fn files(mut options: Options, [roots, chain, key]: [&str; 3]) -> Result<Files, StoreError> {
    let roots = options.certificates(roots)?;
    let client = options.client(chain, key)?;
    options.end(
        "the URL has an unsupported TLS option; PostgreSQL has sslmode, sslrootcert, sslcert and \
         sslkey, and MySQL ssl_ca, ssl_cert, ssl_key, ssl_mode, ssl_check_hostname, \
         ssl_verify_cert and ssl_verify_identity",
    )?;
    let client = client.map(|pems| pems.map(|pem| pem.path));
    Ok((roots.map(|pem| pem.path), client))
}

#[cfg(not(feature = "tls"))]
fn files(_options: Options, _names: [&str; 3]) -> Result<Files, StoreError> {
    // By now a URL with one has been refused, because the feature is off.
    Ok((None, None))
}
