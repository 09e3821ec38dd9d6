//! PostgreSQL.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::process::version;
use crate::sql::{Dialect, Sql, execute_once};
use crate::user::User;

/// PostgreSQL, or with `POSTGRES_URL` what that names.
pub type Postgres = Sql<Own>;

/// The server in each version that Debian has.
const PACKAGES: &str = "^postgresql-[0-9]+$";

/// PostgreSQL's part of the common SQL server.
pub struct Own;

impl Dialect for Own {
    const NAME: &'static str = "postgres";
    const VARIABLE: &'static str = "POSTGRES_URL";
    const AROUND: [&'static str; 2] = ["postgres://cloakroom@", "/postgres"];
    const PORT: u16 = 5432;

    fn start(directory: &Path, tls: bool) -> io::Result<Server> {
        let places = installed();
        let server = program("postgres", PACKAGES, &places)?;
        let initdb = program("initdb", PACKAGES, &installed())?;
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
        crate::sql::prepare(&user, &initdb, &arguments)?;
        let [certificate, key] = crate::sql::certificate(directory, &user, tls)?;
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

    fn clean(url: String, namespace: &str) {
        // All of this run's tables are in one schema.
        let sql = format!("DROP SCHEMA IF EXISTS {namespace} CASCADE");
        execute_once(async move {
            let mut connection = PgConnection::connect(&url).await?;
            connection.execute(AssertSqlSafe(sql)).await?;
            connection.close().await
        });
    }
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
