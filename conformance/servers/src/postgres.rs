//! PostgreSQL.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

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

/// The longest start.
const READY: Duration = Duration::from_secs(60);

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
        let server = Server::start(&program, arguments, port)?;
        wait(&server)?;
        Ok(server)
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

/// Waits until it lets clients in: it listens before that, and a pooler passes on its refusal.
fn wait(server: &Server) -> io::Result<()> {
    let begin = Instant::now();
    while is_starting(server.address())? {
        if begin.elapsed() > READY {
            let seconds = READY.as_secs();
            let why = format!("PostgreSQL lets nobody in after {seconds} s");
            return Err(io::Error::other(why));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Asks for a connection, and returns whether the answer is `cannot_connect_now`.
fn is_starting(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READY))?;
    let mut message = vec![0, 0, 0, 0, 0, 3, 0, 0];
    message.extend_from_slice(b"user\0cloakroom\0database\0postgres\0\0");
    message[3] = u8::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&message)?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer)?;
    let code = b"C57P03\0";
    Ok(answer[..length]
        .windows(code.len())
        .any(|part| part == code))
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
