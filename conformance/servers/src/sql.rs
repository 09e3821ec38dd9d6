//! The common part of the SQL servers.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::output::say;
use crate::process::Server;
use crate::proxy::Mode;
use crate::user::User;
use crate::ways::Ways;

/// A database that has a server.
pub trait Dialect: Send + Sync + 'static {
    /// The suites' name for it.
    const NAME: &'static str;
    /// In the environment: a given server.
    const VARIABLE: &'static str;
    /// The text before and after host and port in the URL of a server of this run.
    const AROUND: [&'static str; 2];
    /// The port of a given server whose URL names none.
    const PORT: u16;

    /// A server of this run's own, with its data here. With TLS it has the certificate
    /// `server.pem`, also here, and takes no connection without it.
    fn start(directory: &Path, tls: bool) -> io::Result<Server>;

    /// Removes from a given server what is in this namespace.
    fn clean(url: String, namespace: &str);
}

/// A store suite on a database that has a server.
pub struct Sql<D>(pub SqlServer, PhantomData<fn() -> D>);

impl<D: Dialect> Sql<D> {
    /// Starts a server, or takes the one that is named.
    pub fn new() -> io::Result<Self> {
        Ok(Self(SqlServer::new::<D>()?, PhantomData))
    }

    /// The server that [`SqlServer::describe`] describes, in another process.
    #[must_use]
    pub fn attach(description: &str) -> Self {
        Self(SqlServer::attach(description), PhantomData)
    }
}

/// A server for this run, or the part of a given one that this run has.
pub struct SqlServer {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    /// The prefix of this run's tables or schema.
    namespace: String,
    ways: Ways,
    directory: PathBuf,
    /// On a given server: removes what this run made there.
    clean: Option<Clean>,
    /// In the process that started it.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    _remove: Option<TempDir>,
}

type Clean = fn(String, &str);

impl SqlServer {
    fn new<D: Dialect>() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-sql-")
            .tempdir()?;
        let (url, server, own) = match env::var(D::VARIABLE) {
            Ok(url) => {
                let (url, server) = split(&url, D::VARIABLE, D::PORT)?;
                say(format_args!("server  {server}, by {}", D::VARIABLE));
                (url, server, None)
            }
            Err(_) => {
                let own = D::start(directory.path(), false)?;
                (D::AROUND.map(String::from), own.address(), Some(own))
            }
        };
        Ok(Self {
            url,
            server,
            namespace: format!("cloakroom_{:x}", std::process::id()),
            ways: Ways::new(server, &directory.path().join("ways"))?,
            directory: directory.path().to_owned(),
            clean: own.is_none().then_some(D::clean),
            own,
            _remove: Some(directory),
        })
    }

    /// How SQL calls the table of a store with this name.
    pub fn full_table(&self, name: &str) -> String {
        let namespace = &self.namespace;
        match self.url[0].starts_with("postgres") {
            true => format!("{namespace}.{name}"),
            false => format!("{namespace}_{name}"),
        }
    }

    /// Returns the schema, where there are some, and the table for a store of this run's own.
    pub fn schema_and_table(&self, name: &str) -> (Option<&str>, String) {
        match self.url[0].starts_with("postgres") {
            true => (Some(&self.namespace), name.to_owned()),
            false => (None, self.table(name)),
        }
    }

    /// The server by this place's way.
    pub async fn url(&self, place: &str) -> io::Result<String> {
        Ok(self.by(self.ways.address(place).await?))
    }

    /// The pattern of this run's table names.
    pub fn table(&self, name: &str) -> String {
        format!("{}_{name}", self.namespace)
    }

    /// The server by this way, which may be its own address.
    pub fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        format!("{before}{way}{after}")
    }

    /// Returns the address of the server itself.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The server, if it is this run's own.
    pub fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// Changes what happens on the way of this place.
    pub fn set(&self, place: &str, mode: Mode) -> io::Result<()> {
        self.ways.set(place, mode)
    }

    /// Returns what another process needs to attach to this server.
    #[must_use]
    pub fn describe(&self) -> String {
        let [before, after] = &self.url;
        let (server, directory) = (
            self.server.to_string(),
            self.directory.display().to_string(),
        );
        [before, after, &server, &self.namespace, &directory]
            .map(String::as_str)
            .join("\n")
    }

    /// The same server, in another process.
    pub fn attach(description: &str) -> Self {
        let mut lines = description.split('\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let url = [line(), line()];
        #[expect(clippy::expect_used, reason = "this program wrote it")]
        let server = line().parse().expect("an address");
        let (namespace, directory) = (line(), PathBuf::from(line()));
        Self {
            url,
            server,
            namespace,
            ways: Ways::find(server, &directory.join("ways")),
            directory,
            clean: None,
            own: None,
            _remove: None,
        }
    }
}

impl Drop for SqlServer {
    fn drop(&mut self) {
        if let Some(clean) = self.clean {
            clean(self.by(self.server), &self.namespace);
        }
    }
}

/// The text around host and port, and these as an address.
fn split(url: &str, variable: &str, port: u16) -> io::Result<([String; 2], SocketAddr)> {
    let wrong = || {
        io::Error::other(format!(
            "{variable} is to be scheme://user:password@host:port/database"
        ))
    };
    let scheme = url.find("://").map(|end| end + 3).ok_or_else(wrong)?;
    let path = url[scheme..]
        .find(['/', '?'])
        .map_or(url.len(), |path| scheme + path);
    let host = url[..path].rfind('@').map_or(scheme, |at| at + 1);
    let name = match &url[host..path] {
        name if name.contains(':') => name.to_owned(),
        name => format!("{name}:{port}"),
    };
    let server = name.to_socket_addrs()?.next().ok_or_else(wrong)?;
    Ok(([url[..host].to_owned(), url[path..].to_owned()], server))
}

/// Makes a self-signed certificate, if there is to be one. Returns the paths of certificate and
/// key.
pub(crate) fn certificate(directory: &Path, user: &User, tls: bool) -> io::Result<[String; 2]> {
    let paths = ["server.pem", "server.key"].map(|name| directory.join(name));
    if tls {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let signed = signed.map_err(io::Error::other)?;
        fs::write(&paths[0], signed.cert.pem())?;
        fs::write(&paths[1], signed.signing_key.serialize_pem())?;
        // PostgreSQL takes no key that others might read.
        fs::set_permissions(&paths[1], Permissions::from_mode(0o600))?;
        user.own(&paths[1])?;
    }
    Ok(paths.map(|path| path.display().to_string()))
}

/// Runs what makes a server's data directory, to its end.
pub(crate) fn prepare(user: &User, program: &Path, arguments: &[&str]) -> io::Result<()> {
    let (program, arguments) = user.run(program, arguments);
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    Err(io::Error::other(format!(
        "the data directory could not be made: {}: {}",
        output.status,
        printed.trim()
    )))
}

/// Waits for a piece of work on a given server, from where one cannot wait for it otherwise. Says
/// what went wrong.
pub(crate) fn execute_once(work: impl Future<Output = sqlx::Result<()>> + Send + 'static) {
    let done = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .map_err(sqlx::Error::Io)
            .and_then(|runtime| runtime.block_on(work))
    });
    if let Ok(Err(error)) = done.join() {
        say(format_args!(
            "what this run made on the given server could not be removed: {error}"
        ));
    }
}
