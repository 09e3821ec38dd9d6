//! PostgreSQL behind PgBouncer: Debian's version 1.18, which does not support prepared statements,
//! or a newer program that `PGBOUNCER` names, and the newest version, which does.

use std::env;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::install::{program, unstable_program};
use crate::output::say;
use crate::ports::free_port;
use crate::postgres;
use crate::process::{Server, version};
use crate::sql::{Dialect, Sql};
use crate::user::User;

/// A store suite on PostgreSQL behind PgBouncer, in one of its modes.
pub type PgBouncer<M> = Sql<Behind<M>>;

/// PostgreSQL behind PgBouncer.
pub struct Behind<M>(PhantomData<fn() -> M>);

/// When PgBouncer gives the connection to the server to the next client.
pub trait PoolMode: Send + Sync + 'static {
    /// The suites' name for PostgreSQL behind PgBouncer.
    const NAME: &'static str;
    /// `pool_mode`.
    const MODE: &'static str;
    /// How many connections to the server there are: as few as make clients meet, or as many as
    /// there are clients.
    const SIZE: usize;
    /// Further lines of its configuration.
    const MORE: &'static str = "";

    /// Finds its program, or unpacks it.
    fn program() -> io::Result<PathBuf> {
        usual_program()
    }
}

/// After each transaction.
pub struct Transactions;

impl PoolMode for Transactions {
    const NAME: &'static str = "postgres-pgbouncer";
    const MODE: &'static str = "transaction";
    const SIZE: usize = 6;
}

/// After each transaction, in a version that prepares statements on each connection to the server.
pub struct Prepared;

impl PoolMode for Prepared {
    const NAME: &'static str = "postgres-pgbouncer-prepared";
    const MODE: &'static str = "transaction";
    const SIZE: usize = 6;
    const MORE: &'static str = "\nmax_prepared_statements = 200";

    fn program() -> io::Result<PathBuf> {
        let program = unstable_program("pgbouncer", "pgbouncer")?;
        // Whether it runs here is seen by its answer.
        version(&program)?;
        Ok(program)
    }
}

impl Prepared {
    /// Returns whether it can be unpacked here. If not, says why.
    #[must_use]
    pub fn is_possible() -> bool {
        let program = Self::program();
        if let Err(error) = &program {
            let what = "no newer PgBouncer, so no cases on it";
            say(format_args!("server  {what}: {error}"));
        }
        program.is_ok()
    }
}

/// When the client goes.
pub struct Sessions;

impl PoolMode for Sessions {
    const NAME: &'static str = "postgres-pgbouncer-session";
    const MODE: &'static str = "session";
    const SIZE: usize = 250;
}

/// After each statement.
pub struct Statements;

impl PoolMode for Statements {
    const NAME: &'static str = "postgres-pgbouncer-statement";
    const MODE: &'static str = "statement";
    const SIZE: usize = 6;
}

impl<M: PoolMode> Dialect for Behind<M> {
    const NAME: &'static str = M::NAME;
    const VARIABLE: &'static str = "POSTGRES_PGBOUNCER_URL";
    const AROUND: [&'static str; 2] = postgres::Own::AROUND;
    const PORT: u16 = 6432;

    fn start(directory: &Path, tls: bool) -> io::Result<Server> {
        let server = postgres::Own::start(directory, tls)?;
        let more = format!("default_pool_size = {}{}", M::SIZE, M::MORE);
        let pooler = start(&M::program()?, &server, directory, M::MODE, &more)?;
        Ok(pooler.upon(server))
    }

    fn clean(url: String, namespace: &str) {
        postgres::Own::clean(url, namespace);
    }
}

/// A PgBouncer before this server, with more lines of its configuration.
///
/// # Errors
///
/// When it is not there, or does not start.
pub fn before(server: &Server, directory: &Path, mode: &str, more: &str) -> io::Result<Server> {
    start(&usual_program()?, server, directory, mode, more)
}

fn usual_program() -> io::Result<PathBuf> {
    match env::var_os("PGBOUNCER") {
        Some(program) => Ok(PathBuf::from(program)),
        None => program("pgbouncer", "pgbouncer", &[]),
    }
}

fn start(
    program: &Path,
    server: &Server,
    directory: &Path,
    mode: &str,
    more: &str,
) -> io::Result<Server> {
    say(format_args!("server  {}, {mode}", version(program)?));
    let user = User::other_than_root(&["postgres", "nobody"])?;
    let port = free_port()?;
    let beneath = server.address().port();
    let users = directory.join(format!("users-{port}"));
    fs::write(&users, "\"cloakroom\" \"\"\n\"few\" \"\"\n")?;
    let configuration = directory.join(format!("pgbouncer-{port}.ini"));
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={beneath}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
         pool_mode = {mode}\nmax_client_conn = 2000\n{more}\n",
        users.display(),
    );
    fs::write(&configuration, text)?;
    for file in [&users, &configuration] {
        user.own(file)?;
    }
    let configuration = configuration.display().to_string();
    let (program, arguments) = user.run(program, &[&configuration]);
    Server::start(&program, arguments, port)
}
