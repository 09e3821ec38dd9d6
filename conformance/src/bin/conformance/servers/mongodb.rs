//! MongoDB, or with `MONGODB_URL` what that names; where there is no `mongod`, SecantusDB, which speaks its protocol.

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_conformance::store::{Attach, Claims, Fixture, FixtureError, Outage, Place};
use cloakroom_mongodb::mongodb::bson::{Document, doc};
use cloakroom_mongodb::mongodb::{Client, Collection, Database, error};
use cloakroom_mongodb::{Builder, MongoStore};
use tempfile::TempDir;

use super::install::{find, package};
use super::process::version;
use super::{Server, Ways, free_port};
use crate::proxy::Mode;
use crate::say;

pub(crate) struct MongoDb {
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
    pub(crate) fn new() -> io::Result<Self> {
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

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) fn own(&self) -> Option<&Server> {
        self.own.as_ref()
    }

    /// The server by the way of this place.
    pub(crate) async fn url(&self, place: &Place) -> Result<String, FixtureError> {
        Ok(self.by(self.ways.address(place).await?))
    }

    /// The database of this run.
    pub(crate) fn database(&self) -> &str {
        &self.namespace
    }

    /// The server by this way, which may be its own address.
    pub(crate) fn by(&self, way: SocketAddr) -> String {
        let [before, after] = &self.url;
        format!("{before}{way}{after}")
    }

    /// The server by the name that it has as a member of its replica set, for a client that looks for the primary.
    pub(crate) async fn member(&self) -> error::Result<String> {
        let admin = self.admin().await?;
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        let set = hello.get_str("setName").unwrap_or_default();
        Ok(format!("mongodb://{}/?replicaSet={set}", self.server))
    }

    /// Makes the primary stand back, for a second at least.
    pub(crate) async fn step_down(&self) -> error::Result<()> {
        let command = doc! { "replSetStepDown": 1, "force": true };
        self.admin().await?.run_command(command).await.map(drop)
    }

    async fn admin(&self) -> error::Result<Database> {
        let client = Client::with_uri_str(self.by(self.server)).await?;
        Ok(client.database("admin"))
    }

    /// A collection of this run's own, by the driver.
    pub(crate) async fn collection(&self, name: &str) -> error::Result<Collection<Document>> {
        let client = Client::with_uri_str(self.by(self.server)).await?;
        Ok(client.database(&self.namespace).collection(name))
    }

    /// A store in a collection of this run's own.
    pub(crate) fn builder(&self, name: &str) -> Builder {
        let builder = MongoStore::builder().database(&self.namespace);
        builder.collection(name)
    }
}

impl Drop for MongoDb {
    fn drop(&mut self) {
        // A server of this run's own goes with all that is in it; and what another process attached is not over yet.
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

/// What no other run has: the random name of its directory.
fn namespace(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    name.to_string_lossy().replace('.', "_")
}

/// To the server at the end of the way, whatever name it has for itself; and when it is gone, say so soon.
const OPTIONS: &str = "directConnection=true&serverSelectionTimeoutMS=700";

/// What stands around host and port, and these as an address. One server only: the ways that the cases take lead to one, and it
/// must be the primary.
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
    let program = secantus()?;
    say(format_args!("server  SecantusDB {SECANTUS} as mongodb"));
    let arguments = [
        "--host",
        "127.0.0.1",
        "--port",
        &port_text,
        "--storage-path",
        &data,
        "--log-level",
        "ERROR",
    ];
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

/// The program of SecantusDB, from PyPI, in a directory beside what cargo builds, which is there for the next run too.
fn secantus() -> io::Result<PathBuf> {
    let unsupported = |what: &str| io::Error::new(io::ErrorKind::Unsupported, what);
    let missing =
        "there is neither mongod nor python3 on the PATH; install one, or set MONGODB_URL";
    let python = find("python3", &[]).ok_or_else(|| unsupported(missing))?;
    let built = env::current_exe()?;
    let Some(target) = built.parent().and_then(Path::parent) else {
        return Err(unsupported(
            "there is no directory to install SecantusDB in",
        ));
    };
    let place = target
        .join("conformance")
        .join(format!("secantusdb-{SECANTUS}"));
    let (program, complete) = (place.join("bin/secantusd-py"), place.join("complete"));
    if complete.exists() {
        return Ok(program);
    }
    say(format_args!("server  installing SecantusDB {SECANTUS} …"));
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let venv = || {
        // What an interrupted run left behind.
        let _ = fs::remove_dir_all(&place);
        run(&python, &["-m", "venv", &place.display().to_string()])
    };
    let made = venv() || (package("python3-venv").is_ok() && venv());
    if !made {
        return Err(unsupported(
            "there is no mongod, and for SecantusDB no python3-venv; install one, or set MONGODB_URL",
        ));
    }
    let release = format!("secantusdb=={SECANTUS}");
    let install = ["-m", "pip", "install", "--quiet", &release];
    if !run(&place.join("bin/python"), &install) {
        return Err(unsupported(
            "there is no mongod, and pip could not install SecantusDB in its stead; install one, or set MONGODB_URL",
        ));
    }
    fs::write(complete, "")?;
    Ok(program)
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

impl Fixture for MongoDb {
    type Store = MongoStore;
    const NAME: &'static str = "mongodb";

    async fn open(&self, place: &Place) -> Result<MongoStore, FixtureError> {
        let clock = place.clock().clone();
        let url = self.by(self.ways.address(place).await?);
        let builder = self
            .builder(place.name())
            .clock(move || clock.now())
            .max_connections(4);
        let store = builder.connect(&url).await?;
        store.create_indexes().await?;
        Ok(store)
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

impl Attach for MongoDb {
    fn address(&self) -> String {
        let [before, after] = &self.url;
        let (server, directory) = (
            self.server.to_string(),
            self.directory.display().to_string(),
        );
        [before, after, &server, &self.namespace, &directory]
            .map(String::as_str)
            .join("\n")
    }

    fn attach(address: &str) -> Self {
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
            own: None,
            remove: None,
        }
    }
}

impl Outage for MongoDb {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Cut)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.ways.set(place, Mode::Pass)
    }
}
