//! MySQL itself, which no release of Debian has.

use std::fs;
use std::io;
use std::path::Path;

use crate::install::unstable_program;
use crate::mariadb;
use crate::output::say;
use crate::ports::free_port;
use crate::process::{Server, version};
use crate::sql::{Dialect, prepare};
use crate::user::User;

/// MySQL's part of the common SQL server.
pub struct Own;

impl Own {
    /// Returns whether a server is given or can be unpacked here. If not, says why.
    #[must_use]
    pub fn is_possible() -> bool {
        if std::env::var_os(Self::VARIABLE).is_some() {
            return true;
        }
        let program = program();
        if let Err(error) = &program {
            say(format_args!("server  no MySQL, so no cases on it: {error}"));
        }
        program.is_ok()
    }
}

fn program() -> io::Result<std::path::PathBuf> {
    let program = unstable_program("mysqld", "mysql-server-core")?;
    // Whether it runs here is seen by its answer.
    version(&program)?;
    Ok(program)
}

impl Dialect for Own {
    const NAME: &'static str = "mysql";
    const VARIABLE: &'static str = "MYSQL_9_URL";
    const AROUND: [&'static str; 2] = mariadb::Own::AROUND;
    const PORT: u16 = mariadb::Own::PORT;

    fn start(directory: &Path, tls: bool) -> io::Result<Server> {
        let server = program()?;
        say(format_args!("server  {}", version(&server)?));
        let user = User::other_than_root(&["mysql", "nobody"])?;
        user.own(directory)?;
        let path = |name: &str| directory.join(name).display().to_string();
        let data = format!("--datadir={}", path("data"));
        // Its default is a directory of the installed package.
        let without_files = "--secure-file-priv=NULL";
        let initialize = "--initialize-insecure";
        let arguments = ["--no-defaults", initialize, &data, without_files];
        prepare(&user, &server, &arguments)?;
        fs::write(
            directory.join("first.sql"),
            "CREATE DATABASE IF NOT EXISTS cloakroom;\n",
        )?;
        let [certificate, key] = crate::sql::certificate(directory, &user, tls)?;
        let port = free_port()?;
        let ssl = match tls {
            true => vec![
                format!("--ssl-cert={certificate}"),
                format!("--ssl-key={key}"),
                "--require-secure-transport=ON".to_owned(),
            ],
            false => vec!["--auto-generate-certs=OFF".to_owned()],
        };
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            data,
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("pid")),
            format!("--init-file={}", path("first.sql")),
            "--max-connections=400".to_owned(),
            without_files.to_owned(),
            // Another protocol, on another port.
            "--mysqlx=OFF".to_owned(),
        ];
        arguments.extend(ssl);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (program, arguments) = user.run(&server, &arguments);
        Server::start(&program, arguments, port)
    }

    fn clean(url: String, namespace: &str) {
        mariadb::Own::clean(url, namespace);
    }
}
