use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::{self, Failure, Process, fail};

/// How long a demo that is to refuse its work may take to do so.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The demo's program.
pub(super) struct Demo {
    program: PathBuf,
}

impl Demo {
    pub(super) async fn build() -> Result<Self, Failure> {
        let program = program::example("demo").await?;
        Ok(Self { program })
    }

    /// Runs it with arguments for which it is to end by itself.
    pub(super) async fn refuse(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match timeout(TIMEOUT, command.output()).await {
            Ok(output) => Ok(output?),
            Err(_) => fail(format!("with {arguments:?} it went on running")),
        }
    }

    /// Opens it on a free port, with sessions in files of their own.
    pub(super) async fn open(&self) -> Result<Site, Failure> {
        let files = tempfile::Builder::new()
            .prefix("cloakroom-demo-")
            .tempdir()?;
        let store = format!("file:{}", files.path().display());
        self.start(store, Some(files)).await
    }

    /// Opens it on a free port, with sessions in this store.
    pub(super) async fn open_on(&self, store: &str) -> Result<Site, Failure> {
        self.start(store.to_owned(), None).await
    }

    /// Opens it over https, with sessions in memory. Returns the SHA-256 of its public key too.
    pub(super) async fn open_https(&self) -> Result<(Site, String), Failure> {
        let store = "memory:".to_owned();
        let mut command = Command::new(&self.program);
        command.args(["--https", "--listen", "127.0.0.1:0", "--store", &store]);
        let mut process = Process::start("the demo", &mut command)?;
        let word = |start: &'static str| {
            move |line: &str| {
                let mut words = line.split_whitespace();
                let word = words.find(|word| word.starts_with(start));
                word.map(str::to_owned)
            }
        };
        let url = process.says(word("https://")).await?;
        let pin = process.says(word("--ignore-certificate")).await?;
        let site = Site {
            process,
            url,
            store,
            files: None,
        };
        Ok((site, pin))
    }

    /// Closes it, and opens it again on the same sessions.
    pub(super) async fn reopen(&self, site: Site) -> Result<Site, Failure> {
        site.process.interrupt().await?;
        self.start(site.store, site.files).await
    }

    async fn start(&self, store: String, files: Option<TempDir>) -> Result<Site, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["--listen", "127.0.0.1:0", "--store", &store]);
        let mut process = Process::start("the demo", &mut command)?;
        let url = |line: &str| {
            let word = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"));
            word.map(str::to_owned)
        };
        let url = process.says(url).await?;
        Ok(Site {
            process,
            url,
            store,
            files,
        })
    }
}

/// A demo that runs. Ends when dropped.
pub(super) struct Site {
    // First, so that it has ended when its files are removed.
    process: Process,
    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`
    url: String,
    store: String,
    /// Its directory, if it is to be removed at the end.
    files: Option<TempDir>,
}

impl Site {
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// `127.0.0.1:PORT`
    pub(super) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}
