use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloakroom_conformance::store::{Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::process::version;
use super::sql::{SqlServer, execute_once};
use super::user::User;
use super::{Server, free_port, program};
use crate::proxy::Mode;
use crate::say;

pub(crate) struct Postgres(pub(crate) SqlServer);

impl Postgres {
    pub(crate) fn new() -> io::Result<Self> {
        let server = SqlServer::new(
            "POSTGRES_URL",
            ["postgres://cloakroom@", "/postgres"],
            5432,
            |directory| start(directory, false),
            |url, namespace| {
                // All of this run's tables are in one schema.
                let sql = format!("DROP SCHEMA IF EXISTS {namespace} CASCADE");
                execute_once(async move {
                    let mut connection = PgConnection::connect(&url).await?;
                    connection.execute(AssertSqlSafe(sql)).await?;
                    connection.close().await
                });
            },
        )?;
        Ok(Self(server))
    }
}

/// A server of this run's own, with its data here. With TLS it has the certificate `server.pem`, also here, and takes no connection
/// without it.
pub(crate) fn start(directory: &Path, tls: bool) -> io::Result<Server> {
    let places = installed();
    let server = program("postgres", "postgresql", &places)?;
    let initdb = program("initdb", "postgresql", &installed())?;
    say(format_args!("server  {}", version(&server)?));
    let user = User::other_than_root(&["postgres", "nobody"])?;
    user.own(directory)?;
    let data = directory.join("data").display().to_string();
    let arguments = [
        "--pgdata",
        &data,
        "--auth=trust",
        "--username=cloakroom",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ];
    super::sql::prepare(&user, &initdb, &arguments)?;
    let [certificate, key] = super::sql::certificate(directory, &user, tls)?;
    if tls {
        let only = "hostssl all all 127.0.0.1/32 trust\n";
        fs::write(directory.join("data/pg_hba.conf"), only)?;
    }
    let port = free_port()?;
    let port_text = port.to_string();
    let ssl = [
        format!("ssl={}", if tls { "on" } else { "off" }),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    let arguments = [
        "-D",
        &data,
        "-p",
        &port_text,
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=300",
        "-c",
        &ssl[0],
        "-c",
        &ssl[1],
        "-c",
        &ssl[2],
    ];
    let (program, arguments) = user.run(&server, &arguments);
    Server::start(&program, arguments, port)
}

/// Where Debian puts each version, the newest first.
fn installed() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut places: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    places.sort();
    places.reverse();
    places
}

impl Fixture for Postgres {
    type Store = SqlStore;
    const NAME: &'static str = "postgres";

    async fn open(&self, place: &Place) -> Result<SqlStore, FixtureError> {
        self.0.open(place).await
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
    }
}

impl Attach for Postgres {
    fn address(&self) -> String {
        self.0.address()
    }

    fn attach(address: &str) -> Self {
        Self(SqlServer::attach(address))
    }
}

impl Outage for Postgres {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Pass)
    }
}
