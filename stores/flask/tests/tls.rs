//! The TLS options in SESSION_REDIS and SESSION_SQLALCHEMY. `cargo conformance` has cases with real
//! servers.
#![cfg(any(feature = "redis", feature = "postgres", feature = "mysql"))]
#![cfg_attr(
    not(all(feature = "redis", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "some stores are not there")
)]

use std::time::Duration;

use cloakroom_store::StoreError;

/// Where nothing listens. R11: the password is in no error.
const PLACE: &str = "://ada:hunter2@127.0.0.1:1";

/// sqlx tries as long as it may.
const LIMIT: Duration = Duration::from_millis(200);

async fn refusal(url: &str) -> StoreError {
    let error = match url.starts_with("redis") {
        #[cfg(feature = "redis")]
        true => cloakroom_flask_stores::RedisStore::builder(url)
            .timeout(LIMIT)
            .connect()
            .await
            .unwrap_err(),
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        false => cloakroom_flask_stores::SqlAlchemyStore::builder(url)
            .timeout(LIMIT)
            .connect()
            .await
            .unwrap_err(),
        #[allow(unreachable_patterns, reason = "with all features there is no other")]
        _ => unreachable!("{url}"),
    };
    assert!(!error.to_string().contains("hunter2"), "{url}: {error}");
    error
}

/// Each URL is refused for good, in words with these in them.
async fn check(cases: &[(&str, &str, &str)]) {
    for (scheme, options, expected) in cases {
        let url = format!("{scheme}{PLACE}/1?{options}");
        let error = refusal(&url).await;
        assert!(!error.is_transient(), "{url}: {error}");
        assert!(error.to_string().contains(expected), "{url}: {error}");
    }
}

/// Each URL is taken, and nothing listens there.
async fn check_taken(cases: &[(&str, &str)]) {
    for (scheme, options) in cases {
        let url = format!("{scheme}{PLACE}/1?{options}");
        let error = refusal(&url).await;
        assert!(error.is_transient(), "{url}: {error}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn options_for_tls_want_a_scheme_with_tls() {
    check(&[
        ("redis", "ssl_ca_certs=/ca.pem", "without the scheme rediss"),
        ("redis", "ssl=true", "without the scheme rediss"),
    ])
    .await;
    check_taken(&[("redis", "ssl_ca_certs=&socket_timeout=5")]).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_database_is_not_passed_over_with_tls_either() {
    check(&[("rediss", "db=2", "SESSION_REDIS has its database")]).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_without_tls_can_be_asked_for() {
    check_taken(&[
        ("postgresql+psycopg2", "sslmode=disable"),
        ("postgresql", "sslmode=prefer&channel_binding=prefer"),
        ("postgresql", "sslmode="),
    ])
    .await;
}

#[cfg(feature = "mysql")]
#[tokio::test]
async fn mysql_without_tls_can_be_asked_for() {
    check_taken(&[
        ("mysql+mysqldb", "ssl_mode=DISABLED"),
        ("mysql+pymysql", "charset=utf8mb4"),
    ])
    .await;
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn without_the_feature_a_url_with_tls_names_the_feature() {
    const NEEDED: &str = "a URL with TLS needs the feature `tls`";
    #[cfg(feature = "redis")]
    check(&[
        ("rediss", "", NEEDED),
        ("rediss", "ssl_ca_certs=/ca.pem", NEEDED),
    ])
    .await;
    #[cfg(feature = "postgres")]
    check(&[
        ("postgresql", "sslmode=require", NEEDED),
        ("postgresql", "sslrootcert=/ca.pem", NEEDED),
        ("postgresql", "sslmode=prefer&sslcert=/me.pem", NEEDED),
    ])
    .await;
    #[cfg(feature = "mysql")]
    check(&[
        ("mysql", "ssl_ca=/ca.pem", NEEDED),
        ("mysql", "ssl_check_hostname=true", NEEDED),
        ("mysql", "ssl_disabled=true", NEEDED),
    ])
    .await;
}

#[cfg(feature = "tls")]
mod with_the_feature {
    use super::*;

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn redis_is_not_reached_unverified() {
        check(&[
            (
                "rediss",
                "ssl_cert_reqs=none",
                "ssl_cert_reqs must be `required`",
            ),
            (
                "rediss",
                "ssl_cert_reqs=hunter2",
                "ssl_cert_reqs must be `required`",
            ),
            (
                "rediss",
                "ssl_check_hostname=False",
                "ssl_check_hostname=false is refused",
            ),
            (
                "rediss",
                "ssl_check_hostname=hunter2",
                "must be true or false",
            ),
            (
                "rediss",
                "ssl_min_version=771",
                "supported are ssl_ca_certs",
            ),
            (
                "rediss",
                "ssl_ca_path=/hunter2",
                "supported are ssl_ca_certs",
            ),
            (
                "rediss",
                "ssl_cert_reqs=required&ssl_cert_reqs=none",
                "twice",
            ),
        ])
        .await;
        check_taken(&[
            ("rediss", ""),
            (
                "rediss",
                "ssl_cert_reqs=required&ssl_check_hostname=true&socket_timeout=5",
            ),
            ("rediss", "ssl_cert_reqs=optional"),
        ])
        .await;
    }

    /// To the client used here `#insecure` means that anybody's certificate is taken; to Python's,
    /// nothing.
    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn a_fragment_is_ignored() {
        check_taken(&[("rediss", "#insecure"), ("rediss", "#x?ssl_cert_reqs=none")]).await;
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn postgres_gets_the_options_of_psycopg2_or_a_refusal() {
        check(&[
            ("postgresql", "sslmode=hunter2", "sslmode must be disable"),
            (
                "postgresql",
                "sslrootcert=/nowhere/hunter2",
                "sslrootcert names cannot be read",
            ),
            (
                "postgresql",
                "sslmode=prefer&sslrootcert=system",
                "turns TLS off",
            ),
            (
                "postgresql",
                "sslmode=require&sslcrl=/hunter2",
                "PostgreSQL has sslmode",
            ),
            (
                "postgresql",
                "sslmode=require&sslpassword=hunter2",
                "PostgreSQL has sslmode",
            ),
            (
                "postgresql",
                "ssl-mode=verify-full",
                "PostgreSQL has sslmode",
            ),
            (
                "postgresql",
                "sslmode=require&channel_binding=require",
                "channel_binding",
            ),
            ("postgresql", "sslkey=/hunter2", "sslkey needs sslcert"),
        ])
        .await;
        check_taken(&[
            ("postgresql+psycopg2", "sslmode=require"),
            (
                "postgresql+psycopg",
                "sslmode=verify-full&sslrootcert=system",
            ),
        ])
        .await;
    }

    #[cfg(feature = "mysql")]
    #[tokio::test]
    async fn mysql_gets_the_options_of_its_drivers_or_a_refusal() {
        check(&[
            (
                "mysql+pymysql",
                "ssl_ca=/nowhere/hunter2",
                "ssl_ca names cannot be read",
            ),
            (
                "mysql+pymysql",
                "ssl_check_hostname=false",
                "ssl_check_hostname=false is refused",
            ),
            (
                "mysql+mysqlconnector",
                "ssl_verify_cert=0",
                "ssl_verify_cert=false is refused",
            ),
            ("mysql+mysqldb", "ssl_mode=hunter2", "ssl_mode must be"),
            (
                "mysql+mysqldb",
                "ssl_mode=DISABLED&ssl_ca=/hunter2",
                "turns TLS off",
            ),
            (
                "mysql+pymysql",
                "ssl_capath=/hunter2",
                "PostgreSQL has sslmode",
            ),
            (
                "mysql+mysqlconnector",
                "tls_versions=TLSv1.3",
                "PostgreSQL has sslmode",
            ),
            ("mysql", "ssl_key=/hunter2", "ssl_key needs ssl_cert"),
        ])
        .await;
        check_taken(&[
            ("mysql+mysqldb", "ssl_mode=REQUIRED"),
            ("mariadb+pymysql", "ssl_check_hostname=true"),
        ])
        .await;
    }

    #[tokio::test]
    async fn an_options_file_must_have_the_right_contents() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let empty = file("empty.pem", "hunter2");
        let broken = file(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\n=hunter2=\n-----END CERTIFICATE-----\n",
        );
        // PEM, if nothing more.
        let whole = file(
            "whole.pem",
            "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
        );
        let mut cases = Vec::new();
        let names = [
            (
                cfg!(feature = "redis"),
                ["rediss", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"],
            ),
            (
                cfg!(feature = "postgres"),
                ["postgresql", "sslrootcert", "sslcert", "sslkey"],
            ),
            (
                cfg!(feature = "mysql"),
                ["mysql", "ssl_ca", "ssl_cert", "ssl_key"],
            ),
        ];
        for (_, [scheme, roots, chain, key]) in names.into_iter().filter(|(there, _)| *there) {
            let certificates = format!("the file of {roots} has no readable certificates");
            cases.push((scheme, format!("{roots}={empty}"), certificates.clone()));
            cases.push((scheme, format!("{roots}={broken}"), certificates));
            let of_chain = format!("the file of {chain} has no readable private key");
            cases.push((scheme, format!("{chain}={whole}"), of_chain));
            let of_key = format!("the file of {key} has no readable private key");
            cases.push((scheme, format!("{chain}={whole}&{key}={empty}"), of_key));
        }
        for (scheme, options, expected) in &cases {
            check(&[(scheme, options, expected)]).await;
        }
    }
}
