//! The stores in Flask-Session's layouts by TLS, with URLs as Flask has them.

use std::io;
use std::path::Path;

use cloakroom_flask_stores::{RedisStore, SqlAlchemyStore};
use cloakroom_store::{Created, SharedStore, Store, StoreError};
use tokio::task::block_in_place;

use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene};
use cloakroom_servers::{
    Dialect as _, MariaDb, Postgres, Redis, Server, Standalone, Tls, mariadb, postgres,
};

const ID: &str = "faults/flask-tls";
const REQUIREMENT: &str = "R11: a TLS URL of Python's clients reaches only the server that its \
                           certificate names, and a server with TLS is not reached without; the \
                           error names TLS and holds no password";

pub(super) fn redis() -> Scene<Redis> {
    Scene {
        id: ID,
        requirement: REQUIREMENT,
        own: true,
        run: |plain| Box::pin(on_redis(plain)),
    }
}

pub(super) fn postgres() -> Scene<Postgres> {
    Scene {
        id: ID,
        requirement: REQUIREMENT,
        own: true,
        run: |plain| {
            Box::pin(async {
                let database = Database {
                    start: postgres::Own::start,
                    before: "postgresql+psycopg2://cloakroom",
                    after: "/postgres?",
                    plain: plain.0.server().port(),
                };
                let authority = "sslrootcert=SERVER";
                database
                    .verified(
                        &[
                            &format!("sslmode=verify-full&{authority}"),
                            &format!("sslmode=verify-ca&{authority}"),
                            &format!("sslmode=require&{authority}"),
                            authority,
                            "sslmode=require",
                        ],
                        &[
                            "sslmode=verify-full",
                            "sslmode=verify-full&sslrootcert=system",
                            "sslmode=verify-full&sslrootcert=STRANGER",
                            "sslmode=require&sslrootcert=STRANGER",
                            "sslrootcert=STRANGER",
                            "sslmode=disable",
                        ],
                        &format!("sslmode=verify-ca&{authority}"),
                    )
                    .await
            })
        },
    }
}

pub(super) fn mariadb() -> Scene<MariaDb> {
    Scene {
        id: ID,
        requirement: REQUIREMENT,
        own: true,
        run: |plain| {
            Box::pin(async {
                let database = Database {
                    start: mariadb::Own::start,
                    before: "mysql+pymysql://root",
                    after: "/cloakroom?",
                    plain: plain.0.server().port(),
                };
                database
                    .verified(
                        &[
                            "ssl_ca=SERVER",
                            "ssl_ca=SERVER&ssl_check_hostname=true",
                            "ssl_mode=VERIFY_CA&ssl_ca=SERVER",
                            "ssl_mode=REQUIRED",
                        ],
                        &[
                            "ssl_ca=STRANGER",
                            "ssl_mode=REQUIRED&ssl_ca=STRANGER",
                            "ssl_verify_cert=true",
                            "ssl_check_hostname=true",
                            "ssl_mode=DISABLED",
                        ],
                        "ssl_mode=VERIFY_CA&ssl_ca=SERVER",
                    )
                    .await
            })
        },
    }
}

async fn on_redis(plain: &Redis) -> Result<(), Failure> {
    let server = block_in_place(Standalone::<Tls>::start)?;
    let stranger = stranger()?;
    let stranger = stranger.path().join("stranger.pem");
    let (port, options) = (
        server.server().port(),
        server.certificates().ok_or("no certificates")?.options(),
    );
    let own = |name: &str| {
        let mut all = options.split('&');
        all.find(|option| option.starts_with(name))
            .unwrap_or_default()
    };
    let (authority, client) = (
        own("ssl_ca_certs"),
        format!("{}&{}", own("ssl_certfile"), own("ssl_keyfile")),
    );
    let url = |host: &str, port: u16, options: &str| {
        format!("rediss://default:hunter2@{host}:{port}/3?{options}")
    };
    let taken = [
        url("127.0.0.1", port, &options),
        url(
            "127.0.0.1",
            port,
            &format!("{options}&ssl_cert_reqs=required&ssl_check_hostname=true"),
        ),
    ];
    let other = format!("ssl_ca_certs={}&{client}", stranger.display());
    let refused = [
        ("without the authority", url("127.0.0.1", port, &client)),
        ("by another authority", url("127.0.0.1", port, &other)),
        (
            "without a certificate of the client's",
            url("127.0.0.1", port, authority),
        ),
        ("under another name", url("localhost", port, &options)),
        (
            "without TLS",
            url("127.0.0.1", port, "").replacen("rediss", "redis", 1),
        ),
        (
            "where there is no TLS",
            url("127.0.0.1", plain.server().port(), &options),
        ),
    ];
    check(&taken, &refused).await
}

struct Database {
    start: fn(&Path, bool) -> io::Result<Server>,
    /// The URL as far as the user, and from the database on.
    before: &'static str,
    after: &'static str,
    /// Where there is a server without TLS.
    plain: u16,
}

impl Database {
    /// In the options stands SERVER for the file of the server's certificate, and STRANGER for that
    /// of another one.
    async fn verified(
        &self,
        taken: &[&str],
        refused: &[&'static str],
        by_name: &str,
    ) -> Result<(), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-sql-")
            .tempdir()?;
        let stranger = stranger()?;
        let server = block_in_place(|| (self.start)(directory.path(), true))?;
        let port = server.address().port();
        let files = [
            ("SERVER", directory.path().join("server.pem")),
            ("STRANGER", stranger.path().join("stranger.pem")),
        ];
        let (before, after) = (self.before, self.after);
        let url = |password: &str, host: &str, port: u16, options: &str| {
            let options = files
                .iter()
                .fold(options.to_owned(), |options, (name, file)| {
                    options.replace(name, &file.display().to_string())
                });
            format!("{before}{password}@{host}:{port}{after}{options}")
        };
        let taken: Vec<_> = taken
            .iter()
            .map(|options| url("", "127.0.0.1", port, options))
            .collect();
        let mut refused: Vec<_> = refused
            .iter()
            .map(|options| (*options, url(":hunter2", "127.0.0.1", port, options)))
            .collect();
        refused.extend([
            (
                "under another name",
                url(":hunter2", "localhost", port, by_name),
            ),
            (
                "where there is no TLS",
                url(":hunter2", "127.0.0.1", self.plain, by_name),
            ),
        ]);
        check(&taken, &refused).await
    }
}

/// A directory with a certificate that has signed nothing here.
fn stranger() -> Result<tempfile::TempDir, Failure> {
    let directory = tempfile::tempdir()?;
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(directory.path().join("stranger.pem"), signed.cert.pem())?;
    Ok(directory)
}

/// By the first URL a session is written, and by each of them it is read.
async fn check(taken: &[String], refused: &[(&str, String)]) -> Result<(), Failure> {
    let session = key("session:tls");
    for (at, url) in taken.iter().enumerate() {
        let told = |error: StoreError| format!("by {url}: {error}");
        let store = open(url).await.map_err(told)?;
        if at == 0 && store.create(&session, &write("a")).await? != Created::Stored {
            return Err("the session was there before".into());
        }
        let found = store.load(&session).await?.ok_or("it is not there")?;
        if found.bytes != "a" {
            return Err("it is another one".into());
        }
    }
    for (what, url) in refused {
        let Err(error) = open(url).await else {
            return Err(format!("a server was reached {what}").into());
        };
        let text = error.to_string();
        if !text.contains("TLS") || text.contains("hunter2") {
            return Err(format!("{what} the error is {text}").into());
        }
    }
    Ok(())
}

async fn open(url: &str) -> Result<SharedStore, StoreError> {
    if url.starts_with("redis") {
        let store = RedisStore::builder(url).timeout(TIMEOUT).connect().await?;
        return Ok(SharedStore::new(store));
    }
    let store = SqlAlchemyStore::builder(url).timeout(TIMEOUT);
    let store = store.connect().await?;
    store.create_table().await?;
    Ok(SharedStore::new(store))
}
