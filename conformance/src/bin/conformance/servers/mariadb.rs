//! MariaDB, or with `MYSQL_URL` what that names.

use std::fs;
use std::io;
use std::path::Path;

use cloakroom_conformance::store::{Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _,
};

use super::process::version;
use super::sql::{SqlServer, execute_once, prepare};
use super::user::User;
use super::{Server, free_port, program};
use crate::proxy::Mode;
use crate::say;

pub(crate) struct MariaDb(pub(crate) SqlServer);

impl MariaDb {
    pub(crate) fn new() -> io::Result<Self> {
        let server = SqlServer::new(
            "MYSQL_URL",
            ["mysql://root@", "/cloakroom"],
            3306,
            |directory| start(directory, false),
            |url, namespace| {
                // All of this run's tables begin alike.
                let find = format!("SHOW TABLES LIKE '{}\\_%'", namespace.replace('_', "\\_"));
                execute_once(async move {
                    let mut connection = MySqlConnection::connect(&url).await?;
                    for row in connection.fetch_all(AssertSqlSafe(find)).await? {
                        let table: String = row.try_get(0)?;
                        connection
                            .execute(AssertSqlSafe(format!("DROP TABLE `{table}`")))
                            .await?;
                    }
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
    let server = program("mariadbd", "mariadb-server", &[])?;
    let install = program("mariadb-install-db", "mariadb-server", &[])?;
    say(format_args!("server  {}", version(&server)?));
    let user = User::other_than_root(&["mysql", "nobody"])?;
    user.own(directory)?;
    let path = |name: &str| directory.join(name).display().to_string();
    let data = format!("--datadir={}", path("data"));
    // Its own: a server that starts removes what it takes for remains of another, also those of one that runs.
    let temporary = format!("--tmpdir={}", path("tmp"));
    fs::create_dir(directory.join("tmp"))?;
    user.own(&directory.join("tmp"))?;
    let arguments = [
        "--no-defaults",
        &data,
        &temporary,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ];
    prepare(&user, &install, &arguments)?;
    fs::write(
        directory.join("first.sql"),
        "CREATE DATABASE IF NOT EXISTS cloakroom;\n",
    )?;
    let [certificate, key] = super::sql::certificate(directory, &user, tls)?;
    let port = free_port()?;
    let ssl = match tls {
        true => [
            format!("--ssl-cert={certificate}"),
            format!("--ssl-key={key}"),
            "--require-secure-transport=ON".to_owned(),
        ],
        false => ["--skip-ssl"; 3].map(String::from),
    };
    let arguments = [
        "--no-defaults",
        &data,
        &temporary,
        &format!("--port={port}"),
        "--bind-address=127.0.0.1",
        &format!("--socket={}", path("socket")),
        &format!("--pid-file={}", path("pid")),
        &format!("--init-file={}", path("first.sql")),
        "--max-connections=400",
        &ssl[0],
        &ssl[1],
        &ssl[2],
    ];
    let (program, arguments) = user.run(&server, &arguments);
    Server::start(&program, arguments, port)
}

impl Fixture for MariaDb {
    type Store = SqlStore;
    const NAME: &'static str = "mariadb";

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

impl Attach for MariaDb {
    fn address(&self) -> String {
        self.0.address()
    }

    fn attach(address: &str) -> Self {
        Self(SqlServer::attach(address))
    }
}

impl Outage for MariaDb {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Pass)
    }
}
