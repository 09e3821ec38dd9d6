//! What the SQL servers have in common.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use cloakroom_conformance::store::{Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_sql::{Builder, SqlStore, sqlx};
use tempfile::TempDir;

use super::user::User;
use super::{Server, Ways};
use crate::proxy::Mode;
use crate::say;

/// A database that has a server.
pub(crate) trait Dialect: Send + Sync + 'static {
    const NAME: &'static str;
    /// In the environment: a given server.
    const VARIABLE: &'static str;
    /// What stands in the URL of a server of this run's own, before and after host and port.
    const AROUND: [&'static str; 2];
    const PORT: u16;

    /// A server of this run's own, with its data here. With TLS it has the certificate `server.pem`, also here, and takes no
    /// connection without it.
    fn start(directory: &Path, tls: bool) -> io::Result<Server>;

    /// Removes from a given server what is in this namespace.
    fn clean(url: String, namespace: &str);
}

pub(crate) struct Sql<D>(pub(crate) SqlServer, PhantomData<fn() -> D>);

impl<D: Dialect> Sql<D> {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(SqlServer::new::<D>()?, PhantomData))
    }
}

impl<D: Dialect> Fixture for Sql<D> {
    type Store = SqlStore;
    const NAME: &'static str = D::NAME;

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

impl<D: Dialect> Attach for Sql<D> {
    fn address(&self) -> String {
        self.0.address()
    }

    fn attach(address: &str) -> Self {
        Self(SqlServer::attach(address), PhantomData)
    }
}

impl<D: Dialect> Outage for Sql<D> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.0.set(place, Mode::Pass)
    }
}

/// A server for this run, or the part of a given one that this run has.
pub(crate) struct SqlServer {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    /// What the names of this run's tables or their schema begin with.
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
    pub(crate) fn full_table(&self, name: &str) -> String {
        let namespace = &self.namespace;
        match self.url[0].starts_with("postgres") {
            true => format!("{namespace}.{name}"),
            false => format!("{namespace}_{name}"),
        }
    }

    /// A store of this run's own: in a schema, or where there is none, in a table whose name begins as all of this run's do.
    pub(crate) fn builder(&self, name: &str) -> Builder {
        let (builder, namespace) = (SqlStore::builder(), &self.namespace);
        match self.url[0].starts_with("postgres") {
            true => builder.schema(namespace).table(name),
            false => builder.table(format!("{namespace}_{name}")),
        }
    }

    /// A store on this place.
    pub(crate) async fn open(&self, place: &Place) -> Result<SqlStore, FixtureError> {
        let clock = place.clock().clone();
        let url = self.url(place).await?;
        // With few connections, because many cases run at once, and each has handles of its own.
        let builder = self
            .builder(place.name())
            .clock(move || clock.now())
            .max_connections(4);
        let store = builder.connect(&url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// The server by this place's way.
    pub(crate) async fn url(&self, place: &Place) -> Result<String, FixtureError> {
        Ok(self.by(self.ways.address(place).await?))
    }

    /// What the name of a table of this run may be.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}_{name}", self.namespace)
    }

    /// The server by this way, which may be its own address.
    pub(crate) fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        format!("{before}{way}{after}")
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    /// The server, if it is this run's own.
    pub(crate) fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    pub(crate) fn set(&self, place: &Place, mode: Mode) -> Result<(), FixtureError> {
        self.ways.set(place, mode)
    }

    pub(crate) fn address(&self) -> String {
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
    pub(crate) fn attach(address: &str) -> Self {
        let mut lines = address.split('\n');
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

/// What stands around host and port, and these as an address.
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

/// Makes a certificate that its own key has signed, if there is to be one, and says where both are.
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
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(io::Error::other(format!(
        "the data directory could not be made: {}: {}",
        output.status,
        said.trim()
    )))
}

/// Waits for a piece of work on a given server, from where one cannot wait for it otherwise. Says what went wrong.
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
