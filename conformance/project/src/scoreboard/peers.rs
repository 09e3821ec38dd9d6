//! Builds and starts the other libraries' pages of `conformance/peers`, in a directory next to the
//! build's own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cloakroom_conformance::{Suite, endpoint};
use tokio::process::Command;

use crate::workspace;
use cloakroom_servers::say;
use cloakroom_servers::{Redis, Server, free_port, program};

/// A peer, and how its page is started at a port.
pub(super) struct Peer {
    pub(super) name: &'static str,
    page: Page,
    /// Whether two of its servers share a store, or each keeps its own in memory.
    shared: bool,
}

#[derive(Clone, Copy)]
enum Page {
    Rust,
    Python,
    Node,
}

pub(super) const ALL: &[Peer] = &[
    Peer {
        name: "tower-sessions",
        page: Page::Rust,
        shared: false,
    },
    Peer {
        name: "tower-sessions-redis",
        page: Page::Rust,
        shared: true,
    },
    Peer {
        name: "axum_session",
        page: Page::Rust,
        shared: true,
    },
    Peer {
        name: "actix-session",
        page: Page::Rust,
        shared: true,
    },
    Peer {
        name: "flask-session",
        page: Page::Python,
        shared: true,
    },
    Peer {
        name: "express-session",
        page: Page::Node,
        shared: true,
    },
];

/// The servers and tools of the pages.
pub(super) struct Environment {
    redis: Redis,
    /// Where the pages are.
    pages: PathBuf,
    /// Where they are built.
    built: PathBuf,
}

/// Where peers are built. `target/debug/conformance`: that is `target/peers`.
pub(crate) fn built() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    let built = target.unwrap_or_else(|| Path::new("target")).join("peers");
    std::fs::create_dir_all(&built)?;
    Ok(built)
}

/// Builds the program of the peers in Rust.
pub(crate) async fn build(built: &Path) -> io::Result<PathBuf> {
    let mut build = workspace::cargo();
    build
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(pages().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(built);
    finished("building the peers in Rust", &mut build).await?;
    Ok(built.join("release/peers"))
}

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers")
}

impl Environment {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            redis: Redis::new()?,
            pages: pages(),
            built: built()?,
        })
    }

    fn redis(&self) -> String {
        self.redis.by(self.redis.server())
    }
}

impl Peer {
    /// Builds and starts it, twice where that makes sense. The servers end when they are dropped.
    pub(super) async fn start(
        &self,
        environment: &Environment,
    ) -> io::Result<(Suite, Vec<Server>)> {
        let (program, arguments) = match self.page {
            Page::Rust => rust(environment).await?,
            Page::Python => python(environment).await?,
            Page::Node => node(environment).await?,
        };
        let (mut servers, mut urls) = (Vec::new(), Vec::new());
        for _ in 0..if self.shared { 2 } else { 1 } {
            let port = free_port()?;
            let with = |argument: &String| {
                argument
                    .replace("{peer}", self.name)
                    .replace("{port}", &port.to_string())
                    .replace("{redis}", &environment.redis())
            };
            servers.push(Server::start(&program, arguments.iter().map(with), port)?);
            urls.push(format!("http://127.0.0.1:{port}"));
        }
        let second = urls.get(1).map(String::as_str);
        let suite = endpoint::suite(self.name, &urls[0], second).map_err(io::Error::other)?;
        Ok((suite, servers))
    }
}

type Started = (PathBuf, Vec<String>);

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

async fn rust(environment: &Environment) -> io::Result<Started> {
    let program = build(&environment.built).await?;
    let arguments = words(["page", "{peer}", "{port}", "{redis}"]);
    Ok((program, arguments))
}

async fn python(environment: &Environment) -> io::Result<Started> {
    let (pages, home) = (
        environment.pages.join("flask"),
        environment.built.join("flask"),
    );
    let gunicorn = home.join("bin/gunicorn");
    if !gunicorn.is_file() {
        let mut venv = Command::new(program("python3", "python3-venv", &[])?);
        finished(
            "making a place for Flask",
            venv.args(["-m", "venv"]).arg(&home),
        )
        .await?;
        let mut pip = Command::new(home.join("bin/pip"));
        let wanted = pages.join("requirements.txt");
        pip.args(["install", "--quiet", "--requirement"])
            .arg(wanted);
        finished("installing Flask-Session", &mut pip).await?;
    }
    let mut arguments = words([
        "--bind=127.0.0.1:{port}",
        "--worker-class=gthread",
        "--threads=64",
        "--env=REDIS_URL={redis}",
    ]);
    arguments.push(format!("--chdir={}", pages.display()));
    arguments.push("page:app".to_owned());
    Ok((gunicorn, arguments))
}

async fn node(environment: &Environment) -> io::Result<Started> {
    let (pages, home) = (
        environment.pages.join("express"),
        environment.built.join("express"),
    );
    let node = program("node", "nodejs", &[])?;
    if !home.join("node_modules").is_dir() {
        std::fs::create_dir_all(&home)?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(pages.join(file), home.join(file))?;
        }
        let mut npm = Command::new(program("npm", "npm", &[])?);
        npm.args(["ci", "--silent"]).current_dir(&home);
        finished("installing express-session", &mut npm).await?;
    }
    // Modules are looked up in the page's directory.
    std::fs::copy(pages.join("page.js"), home.join("page.js"))?;
    let page = home.join("page.js").display().to_string();
    Ok((node, vec![page, "{port}".to_owned(), "{redis}".to_owned()]))
}

async fn finished(what: &str, command: &mut Command) -> io::Result<()> {
    say(format_args!("peers   {what} …"));
    let status = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{what} failed: {status}"))),
    }
}
