//! TLS connections to servers whose authority only the URL names.

use std::io;
use std::path::Path;

use cloakroom_sql::SqlStore;
use cloakroom_store::Store;

use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene};
use cloakroom_servers::{Dialect as _, MariaDb, Postgres, Server, mariadb, postgres};

const REQUIREMENT: &str = "a URL that verifies the server reaches only the one that the \
                           certificate names, and a server with TLS is not reached without";

pub(super) fn postgres() -> Scene<Postgres> {
    Scene {
        id: "faults/tls",
        requirement: REQUIREMENT,
        own: true,
        run: |_| {
            Box::pin(verified(
                postgres::Own::start,
                "postgres://cloakroom@",
                "postgres",
                ["sslmode=verify-full&sslrootcert", "sslmode=disable"],
            ))
        },
    }
}

pub(super) fn mariadb() -> Scene<MariaDb> {
    Scene {
        id: "faults/tls",
        requirement: REQUIREMENT,
        own: true,
        run: |_| {
            Box::pin(verified(
                mariadb::Own::start,
                "mysql://root@",
                "cloakroom",
                ["ssl-mode=VERIFY_IDENTITY&ssl-ca", "ssl-mode=DISABLED"],
            ))
        },
    }
}

async fn verified(
    start: fn(&Path, bool) -> io::Result<Server>,
    user: &str,
    database: &str,
    [verify, without]: [&str; 2],
) -> Result<(), Failure> {
    let directory = tempfile::Builder::new()
        .prefix("cloakroom-sql-")
        .tempdir()?;
    let other = tempfile::tempdir()?;
    let server = start(directory.path(), true)?;
    let port = server.address().port();
    let certificate = directory.path().join("server.pem");
    // One that has signed nothing here.
    let stranger = other.path().join("stranger.pem");
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(&stranger, signed.cert.pem())?;

    let url = |host: &str, parameters: &str| format!("{user}{host}:{port}/{database}?{parameters}");
    let by = |certificate: &Path| format!("{verify}={}", certificate.display());
    let connect = |url: String| async move {
        let store = SqlStore::builder().timeout(TIMEOUT).connect(&url).await?;
        store.migrate().await?;
        Ok::<_, Failure>(store)
    };
    let store = connect(url("127.0.0.1", &by(&certificate))).await?;
    store.create(&key("a"), &write("a")).await?;
    if store.load(&key("a")).await?.is_none() {
        return Err("a created record is missing".into());
    }
    for (what, url) in [
        ("without TLS", url("127.0.0.1", without)),
        ("by another's certificate", url("127.0.0.1", &by(&stranger))),
        ("under another name", url("localhost", &by(&certificate))),
    ] {
        if connect(url).await.is_ok() {
            return Err(format!("the server was reached {what}").into());
        }
    }
    Ok(())
}
