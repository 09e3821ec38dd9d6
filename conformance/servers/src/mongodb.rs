//! MongoDB, or with `MONGODB_URL` what that names; where there is no `mongod`, SecantusDB, which
//! speaks its protocol.

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::mongodb::bson::{Document, doc};
use ::mongodb::{Client, Collection, Database, error};
use tempfile::TempDir;

use crate::install::find;
use crate::output::say;
use crate::ports::free_port;
use crate::process::Server;
use crate::process::version;
use crate::proxy::Mode;
use crate::pypi::venv;
use crate::ways::Ways;

/// A MongoDB for this run, or the one that `MONGODB_URL` names.
pub struct MongoDb {
    /// Up to the host, and from behind the port on: a way has another host and port.
    url: [String; 2],
    server: SocketAddr,
    /// The database of this run.
    namespace: String,
    ways: Ways,
    directory: PathBuf,
    /// In the process that started it, if it is not another's server.
    own: Option<Server>,
    /// In the process that made it: removes it at the end.
    remove: Option<TempDir>,
}

impl MongoDb {
    /// Starts a server, or connects to the one that is named.
    pub fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-mongodb-")
            .tempdir()?;
        let (url, server, own) = match env::var("MONGODB_URL") {
            Ok(url) => {
                let (url, server) = split(&url)?;
                say(format_args!("server  mongodb at {server}, by MONGODB_URL"));
                (url, server, None)
            }
            Err(_) => {
                let own = start(directory.path())?;
                let url = ["mongodb://".to_owned(), format!("/?{OPTIONS}")];
                (url, own.address(), Some(own))
            }
        };
        Ok(Self {
            url,
            server,
            namespace: namespace(&directory),
            ways: Ways::new(server, &directory.path().join("ways"))?,
            directory: directory.path().to_owned(),
            own,
            remove: Some(directory),
        })
    }

    /// Returns the address of the server itself.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Returns the server, if it is this run's own.
    pub fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// Returns the directory with the data of a server that is this run's own.
    pub fn data(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|_| self.directory.join("data"))
    }

    /// The server by the way of this place.
    pub async fn url(&self, place: &str) -> io::Result<String> {
        Ok(self.by(self.ways.address(place).await?))
    }

    /// The database of this run.
    pub fn database(&self) -> &str {
        &self.namespace
    }

    /// The server by this way, which may be its own address.
    pub fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        format!("{before}{way}{after}")
    }

    /// The server by the name that it has as a member of its replica set, for a client that looks
    /// for the primary. It looks twice a second: not every server tells its clients of a change.
    pub async fn member(&self) -> error::Result<String> {
        let admin = self.admin().await?;
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        let set = hello.get_str("setName").unwrap_or_default();
        let options = format!("replicaSet={set}&heartbeatFrequencyMS=500");
        Ok(format!("mongodb://{}/?{options}", self.server))
    }

    /// Makes the primary stand back, for a second at least.
    pub async fn step_down(&self) -> error::Result<()> {
        let command = doc! { "replSetStepDown": 1, "force": true };
        self.admin().await?.run_command(command).await.map(drop)
    }

    async fn admin(&self) -> error::Result<Database> {
        let client = Client::with_uri_str(self.by(self.server)).await?;
        Ok(client.database("admin"))
    }

    /// A collection of this run's own, by the driver.
    pub async fn collection(&self, name: &str) -> error::Result<Collection<Document>> {
        let client = Client::with_uri_str(self.by(self.server)).await?;
        Ok(client.database(&self.namespace).collection(name))
    }

    /// Changes what happens on the way of this place.
    pub fn set(&self, place: &str, mode: Mode) -> io::Result<()> {
        self.ways.set(place, mode)
    }
}

impl Drop for MongoDb {
    fn drop(&mut self) {
        // A server of this run ends with all its data. A server that another process attached goes
        // on.
        if self.own.is_some() || self.remove.is_none() {
            return;
        }
        let (url, namespace) = (self.by(self.server), self.namespace.clone());
        let dropped = wait_for(async move {
            let client = Client::with_uri_str(url).await?;
            client.database(&namespace).drop().await
        });
        if dropped.is_err() {
            say("server  the database that this run made in mongodb could not be removed");
        }
    }
}

/// The random name of this run's directory, which no other run has.
fn namespace(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    name.to_string_lossy().replace('.', "_")
}

/// Connects to the server at the end of the way, whatever its own name is, with short timeouts.
const OPTIONS: &str = "directConnection=true&serverSelectionTimeoutMS=700";

/// The text around host and port, and these as an address. One server only: the ways of the cases
/// lead to one, which must be the primary.
fn split(url: &str) -> io::Result<([String; 2], SocketAddr)> {
    let wrong = || {
        io::Error::other(
            "MONGODB_URL is to be mongodb://user:password@host:port/database?options, of one server",
        )
    };
    let rest = url.strip_prefix("mongodb://").ok_or_else(wrong)?;
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..path].rfind('@').map_or(0, |at| at + 1);
    let name = match &rest[host..path] {
        name if name.contains(':') => name.to_owned(),
        name => format!("{name}:27017"),
    };
    let server = name.to_socket_addrs()?.next().ok_or_else(wrong)?;
    let path = &rest[path..];
    let (database, options) = path.split_once('?').unwrap_or((path, ""));
    let database = if database.is_empty() { "/" } else { database };
    let around = [
        format!("mongodb://{}", &rest[..host]),
        format!("{database}?{options}&{OPTIONS}").replace("?&", "?"),
    ];
    Ok((around, server))
}

/// A server of this run's own that lets in users with a password alone.
pub struct WithUsers {
    server: Server,
    login: String,
    _directory: TempDir,
}

impl MongoDb {
    /// Starts a server with this user, with all permissions.
    pub fn with_user(user: &'static str, password: &'static str) -> io::Result<WithUsers> {
        let directory = tempfile::Builder::new()
            .prefix("cloakroom-mongodb-")
            .tempdir()?;
        let data = directory.path().join("data");
        fs::create_dir(&data)?;
        // The server allows the first user to be created without a sign-in.
        let server = start_secantus(&data, &[])?;
        let url = format!("mongodb://{}/?{OPTIONS}", server.address());
        let command = doc! { "createUser": user, "pwd": password, "roles": ["root"] };
        let made = wait_for(async move {
            let admin = Client::with_uri_str(url).await?.database("admin");
            admin.run_command(command).await?;
            // The server is about to be killed, and the user must outlive it.
            admin.run_command(doc! { "fsync": 1 }).await.map(drop)
        });
        made.map_err(io::Error::other)?;
        drop(server);
        Ok(WithUsers {
            server: start_secantus(&data, &["--auth"])?,
            login: format!("{user}:{password}"),
            _directory: directory,
        })
    }
}

impl WithUsers {
    /// The server, for a client that has a login of its own.
    pub fn url(&self) -> String {
        format!("mongodb://{}/?{OPTIONS}", self.server.address())
    }

    /// Gives a user another password.
    pub async fn set_password(&self, user: &str, new: &str) -> error::Result<()> {
        let (login, server) = (&self.login, self.server.address());
        let url = format!("mongodb://{login}@{server}/?{OPTIONS}");
        let admin = Client::with_uri_str(url).await?.database("admin");
        let command = doc! { "updateUser": user, "pwd": new };
        admin.run_command(command).await.map(drop)
    }
}

fn start(directory: &Path) -> io::Result<Server> {
    let port = free_port()?;
    let port_text = port.to_string();
    let data = directory.join("data");
    fs::create_dir(&data)?;
    let data = data.display().to_string();
    if let Some(program) = find("mongod", &[]) {
        say(format_args!("server  {}", version(&program)?));
        let arguments = [
            "--dbpath",
            &data,
            "--port",
            &port_text,
            "--bind_ip",
            "127.0.0.1",
            "--replSet",
            "cloakroom",
        ];
        let server = Server::start(&program, arguments, port)?;
        initiate(server.address())?;
        return Ok(server);
    }
    start_secantus(Path::new(&data), &[])
}

fn start_secantus(data: &Path, more: &[&str]) -> io::Result<Server> {
    let program = secantus()?;
    say(format_args!("server  SecantusDB {SECANTUS} as mongodb"));
    let port = free_port()?;
    let (port_text, data) = (port.to_string(), data.display().to_string());
    let mut arguments = vec![
        "--host",
        "127.0.0.1",
        "--port",
        &port_text,
        "--storage-path",
        &data,
        "--log-level",
        "ERROR",
    ];
    arguments.extend(more);
    Server::start(&program, arguments, port)
}

/// The only member of a replica set becomes its primary.
fn initiate(server: SocketAddr) -> io::Result<()> {
    let url = format!("mongodb://{server}/?{OPTIONS}");
    let member = doc! { "_id": 0, "host": server.to_string() };
    let initiate = doc! { "replSetInitiate": { "_id": "cloakroom", "members": [member] } };
    let primary = wait_for(async move {
        let admin = Client::with_uri_str(url).await?.database("admin");
        admin.run_command(initiate).await?;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            let answer: Document = admin.run_command(doc! { "hello": 1 }).await?;
            if answer.get_bool("isWritablePrimary").unwrap_or_default() {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    });
    match primary {
        Ok(true) => Ok(()),
        Ok(false) => Err(io::Error::other("mongod did not become the primary")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The version that was tried. It is a test tool, under the GPL, that runs as a program of its own.
const SECANTUS: &str = "0.7.0b3";

/// Returns `SecantusDB`'s program, from PyPI.
fn secantus() -> io::Result<PathBuf> {
    let name = format!("secantusdb-{SECANTUS}");
    let place = venv(&name, &[&format!("secantusdb=={SECANTUS}")]).map_err(|error| {
        let message =
            format!("there is no mongod, and {error}; install mongod, or set MONGODB_URL");
        io::Error::new(error.kind(), message)
    })?;
    Ok(place.join("bin/secantusd-py"))
}

/// Waits for a piece of work from where one cannot wait otherwise.
fn wait_for<T: Send + 'static>(
    work: impl Future<Output = error::Result<T>> + Send + 'static,
) -> error::Result<T> {
    let done = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work)
    });
    done.join()
        .unwrap_or_else(|_| Err(error::Error::custom("the work panicked")))
}

impl MongoDb {
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

    /// The server that [`describe`](Self::describe) describes, in another process.
    #[must_use]
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
            own: None,
            remove: None,
        }
    }
}
