//! The cases' environment: the servers, the Flask of each release, and the Rust application.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::AbortHandle;

use super::client::Browser;
use super::plan::{Backend, Setup};
use super::rust;
use super::venv::{self, Release};
use crate::program::{Failure, Process, example, fail};
use cloakroom_servers::{MariaDb, Memcached, MongoDb, Postgres, Redis, Standalone, Tls};

pub(super) struct Environment {
    /// In the order of the releases.
    flask: Vec<SocketAddr>,
    rust: SocketAddr,
    client: reqwest::Client,
    pythons: [PathBuf; 3],
    /// The guide's `main.rs`, if a case runs it.
    shop: Option<PathBuf>,
    /// Ends the Rust application.
    abort: AbortHandle,
    _flask: Vec<Process>,
    places: Places,
}

/// Each backend's address and server, or the reason why it is missing.
pub(super) struct Places {
    redis: io::Result<Redis>,
    redis_tls: io::Result<Standalone<Tls>>,
    memcached: io::Result<Memcached>,
    memcacheds: io::Result<Vec<Memcached>>,
    mongodb: io::Result<MongoDb>,
    postgres: io::Result<Postgres>,
    mariadb: io::Result<MariaDb>,
    directory: TempDir,
}

impl Places {
    /// Those that some setup needs.
    fn start(setups: &[Setup]) -> io::Result<Self> {
        fn needed<T>(
            setups: &[Setup],
            backend: Backend,
            start: impl FnOnce() -> io::Result<T>,
        ) -> io::Result<T> {
            match setups.iter().any(|setup| setup.backend == backend) {
                true => start(),
                false => Err(io::Error::other("no case needs it")),
            }
        }
        Ok(Self {
            redis: needed(setups, Backend::Redis, Redis::new),
            redis_tls: needed(setups, Backend::RedisTls, Standalone::start),
            memcached: needed(setups, Backend::Memcached, || Memcached::new(&[])),
            memcacheds: needed(setups, Backend::Memcacheds, || {
                (0..3).map(|_| Memcached::new(&[])).collect()
            }),
            mongodb: needed(setups, Backend::MongoDb, MongoDb::new),
            postgres: needed(setups, Backend::Postgres, Postgres::new),
            mariadb: needed(setups, Backend::MariaDb, MariaDb::new),
            directory: tempfile::Builder::new()
                .prefix("cloakroom-flask-")
                .tempdir()?,
        })
    }

    /// The backend's URL or directory for an application.
    pub(super) fn of(&self, backend: Backend) -> Result<String, &io::Error> {
        let directory = self.directory.path().display();
        Ok(match backend {
            Backend::Cookie => String::new(),
            Backend::Redis => {
                let redis = self.redis.as_ref()?;
                format!("redis://{}", redis.server())
            }
            Backend::RedisTls => {
                let redis = self.redis_tls.as_ref()?;
                let options = redis.certificates();
                let options = options.map(|made| made.options()).unwrap_or_default();
                format!("rediss://{}?{options}", redis.server())
            }
            Backend::Memcached => self.memcached.as_ref()?.server().to_string(),
            Backend::Memcacheds => {
                let servers = self.memcacheds.as_ref()?.iter();
                let servers = servers.map(|server| server.server().to_string());
                servers.collect::<Vec<_>>().join(",")
            }
            Backend::Filesystem => format!("{directory}/files"),
            Backend::MongoDb => {
                let mongodb = self.mongodb.as_ref()?;
                mongodb.by(mongodb.server())
            }
            Backend::Sqlite => format!("sqlite:///{directory}/shop.db"),
            Backend::Postgres => {
                let server = &self.postgres.as_ref()?.0;
                let url = server.by(server.server());
                url.replacen("postgres://", "postgresql+psycopg2://", 1)
            }
            Backend::MariaDb => {
                let server = &self.mariadb.as_ref()?.0;
                let url = server.by(server.server());
                url.replacen("mysql://", "mysql+pymysql://", 1)
            }
        })
    }
}

impl Places {
    /// Returns which of the three servers has the key. Exactly one does.
    pub(super) async fn memcacheds_with(&self, key: &str) -> Result<Option<usize>, Failure> {
        let servers = match &self.memcacheds {
            Ok(servers) => servers,
            Err(error) => return fail(error.to_string()),
        };
        let mut having = Vec::new();
        for (at, server) in servers.iter().enumerate() {
            let mut connection = BufReader::new(TcpStream::connect(server.server()).await?);
            let question = format!("mg {key}\r\n");
            connection.write_all(question.as_bytes()).await?;
            let mut answer = String::new();
            connection.read_line(&mut answer).await?;
            if answer.starts_with("HD") {
                having.push(at);
            }
        }
        match &having[..] {
            [one] => Ok(Some(*one)),
            several => fail(format!("{} of the servers have it", several.len())),
        }
    }
}

impl Environment {
    /// `programs`: whether the guide's files are run as programs of their own too.
    pub(super) async fn new(setups: &[Setup], programs: bool) -> Result<Self, Missing> {
        // Servers end with the thread that started them: this one.
        let places = Places::start(setups)?;
        let pythons = tokio::task::spawn_blocking(venv::pythons).await;
        let pythons = pythons.map_err(|_| io::Error::other("the installation panicked"))??;
        let mut configured: [Map<String, Value>; 3] = Default::default();
        let mut here = Vec::new();
        for setup in setups {
            let Ok(place) = places.of(setup.backend) else {
                continue;
            };
            let keys = setup.configuration(&place);
            configured[setup.release as usize].insert(setup.name(), keys.clone().into());
            here.push((*setup, keys));
        }
        let directory = places.directory.path();
        let mut flask = Vec::new();
        for release in Release::ALL {
            let at = release as usize;
            flask.push(start(&pythons[at], &configured[at], release, directory)?);
        }
        let mut addresses = Vec::new();
        for process in &mut flask {
            let port = process.says(|line| line.strip_prefix("port ")?.parse().ok());
            addresses.push((Ipv4Addr::LOCALHOST, port.await?).into());
        }
        let shop = match programs {
            true => Some(example("shop").await?),
            false => None,
        };
        // Flask first: it makes the tables.
        let (rust, abort) = rust::serve(here).await?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Failure::from)?;
        Ok(Self {
            flask: addresses,
            rust,
            client,
            pythons,
            shop,
            abort,
            _flask: flask,
            places,
        })
    }

    /// A visitor's browser, for the two applications of this setup.
    pub(super) fn browser(&self, setup: &Setup) -> Browser {
        let flask = self.flask[setup.release as usize];
        let (rust, name) = (self.rust, setup.name());
        let mut browser = self.browser_at(
            format!("http://{flask}/{name}"),
            format!("http://{rust}/{name}"),
        );
        browser.name = setup.cookie_name();
        browser
    }

    /// A visitor's browser for two applications elsewhere.
    pub(super) fn browser_at(&self, flask: String, rust: String) -> Browser {
        Browser::new(&self.client, flask, rust)
    }

    pub(super) fn python(&self, release: Release) -> &Path {
        &self.pythons[release as usize]
    }

    pub(super) fn shop(&self) -> Option<&Path> {
        self.shop.as_deref()
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

fn start(
    python: &Path,
    configurations: &Map<String, Value>,
    release: Release,
    directory: &Path,
) -> Result<Process, Missing> {
    let file = directory.join(format!("{}.json", release.name()));
    fs::write(&file, Value::Object(configurations.clone()).to_string())?;
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flask/serve.py"))
        .arg(app_py())
        .arg(file)
        // Failures are in its answers.
        .stderr(Stdio::null());
    Ok(Process::start("Flask", &mut command)?)
}

/// The guide's application in Flask.
pub(super) fn app_py() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stores/flask/examples/shop/app.py")
}

/// Returns the required programs and servers.
pub(super) enum Missing {
    /// Not on this machine.
    Here(String),
    /// It should be there.
    Broken(String),
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Unsupported => Self::Here(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<Failure> for Missing {
    fn from(Failure(what): Failure) -> Self {
        Self::Broken(what)
    }
}

/// Fails unless the text is this.
pub(super) fn is(what: &str, got: &str, want: &str) -> Result<(), Failure> {
    match got == want {
        true => Ok(()),
        false => fail(format!("{what}: expected {want:?}, got {got:?}")),
    }
}
