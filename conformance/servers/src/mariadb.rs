//! MariaDB, or with `MYSQL_URL` what that names.

use std::fs;
use std::io;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::process::version;
use crate::sql::{Dialect, Sql, execute_once, prepare};
use crate::user::User;

/// MariaDB, or with `MYSQL_URL` what that names.
pub type MariaDb = Sql<Own>;

/// The server, and the programs that prepare its directory.
const PACKAGES: &str = "mariadb-server-core mariadb-client-core";

/// MariaDB's part of the common SQL server.
pub struct Own;

impl Dialect for Own {
    const NAME: &'static str = "mariadb";
    const VARIABLE: &'static str = "MYSQL_URL";
    const AROUND: [&'static str; 2] = ["mysql://root@", "/cloakroom"];
    const PORT: u16 = 3306;

    fn start(directory: &Path, tls: bool) -> io::Result<Server> {
        let server = program("mariadbd", PACKAGES, &[])?;
        let install = program("mariadb-install-db", PACKAGES, &[])?;
        say(format_args!("server  {}", version(&server)?));
        let user = User::other_than_root(&["mysql", "nobody"])?;
        user.own(directory)?;
        let path = |name: &str| directory.join(name).display().to_string();
        let data = format!("--datadir={}", path("data"));
        // Its own: a server that starts removes what it takes for remains of another, also those of
        // one that runs.
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
        let [certificate, key] = crate::sql::certificate(directory, &user, tls)?;
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

    fn clean(url: String, namespace: &str) {
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
    }
}
