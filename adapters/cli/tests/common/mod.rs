//! Stores, the sessions of an application in them, and the command as a program.
#![allow(dead_code, reason = "no test uses all of it")]

use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use cloakroom::{Directive, Directory as _, Sessions};
use cloakroom_any::Opened;
use cloakroom_store::{Key, SharedDirectory, Store as _, UnixTime, Write};
use tempfile::TempDir;

/// The text that no output but that of `export` may contain.
pub(crate) const SECRET_VALUE: &str = "the-colour-of-her-coat";

pub(crate) const KINDS: [&str; 2] = ["file", "sqlite"];

/// A store in a directory of its own.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) opened: Opened,
    pub(crate) sessions: Sessions<SharedDirectory>,
    _directory: TempDir,
}

impl Place {
    pub(crate) async fn new(kind: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        let url = match kind {
            "file" => format!("file:{path}/sessions"),
            _ => format!("sqlite:{path}/sessions.db"),
        };
        Self::at(url, directory).await
    }

    /// The store of this URL. The directory ends with it.
    pub(crate) async fn at(url: String, directory: TempDir) -> Self {
        let builder = cloakroom_any::builder(&url).sweep_every(None);
        let opened = builder.open().await.unwrap();
        let sessions = Sessions::new(opened.directory.clone().unwrap());
        Self {
            url,
            opened,
            sessions,
            _directory: directory,
        }
    }

    /// Signs a visitor in, and returns the token.
    pub(crate) async fn sign_in(&self, subject: &str) -> String {
        let signed_in = self.sessions.with(None, |session| {
            session.insert("coat", SECRET_VALUE)?;
            session.insert("visits", 3)?;
            session.sign_in(subject)
        });
        let (_, outcome) = signed_in.await.unwrap();
        let Directive::Issue(issued) = outcome.directive else {
            panic!("a sign-in issues a token");
        };
        issued.token.expose().to_owned()
    }

    /// Makes an anonymous session, and returns the token.
    pub(crate) async fn visit(&self) -> String {
        let visited = self
            .sessions
            .with(None, |session| session.insert("coat", SECRET_VALUE));
        let (_, outcome) = visited.await.unwrap();
        let Directive::Issue(issued) = outcome.directive else {
            panic!("a first write issues a token");
        };
        issued.token.expose().to_owned()
    }

    pub(crate) async fn visits(&self, token: &str) -> Option<u32> {
        let read = self
            .sessions
            .with(Some(token), |session| session.get("visits"));
        read.await.unwrap().0
    }

    pub(crate) async fn ids(&self, subject: &str) -> Vec<String> {
        let listed = self.sessions.list(subject).await.unwrap();
        listed.iter().map(|listed| listed.id().to_owned()).collect()
    }

    pub(crate) async fn keys(&self, subject: &str) -> Vec<Key> {
        let directory = self.opened.directory.as_ref().unwrap();
        let listed = directory.list(subject).await.unwrap();
        listed.into_iter().map(|(key, _)| key).collect()
    }

    /// Leaves records that have expired.
    pub(crate) async fn leave_expired(&self, number: usize) {
        let over = UnixTime::from_secs(UnixTime::from(SystemTime::now()).as_secs() - 60);
        for index in 0..number {
            let key = Key::new(&format!("__Host-session:expired-{index}")).unwrap();
            let write = Write::new("over", over, None);
            self.opened.store.create(&key, &write).await.unwrap();
        }
    }

    /// Counts all living records.
    pub(crate) async fn records(&self) -> usize {
        let enumerator = self.opened.enumerator.as_ref().unwrap();
        let (mut records, mut after) = (0, None);
        loop {
            let page = enumerator.enumerate(after.as_ref(), 256).await.unwrap();
            records += page.records.len();
            after = page.next;
            if after.is_none() {
                return records;
            }
        }
    }

    /// Removes expired records, and returns how many there were.
    pub(crate) async fn sweep(&self) -> usize {
        let sweeper = self.opened.sweeper.as_ref().unwrap();
        sweeper.sweep(1_000_000).await.unwrap()
    }

    /// The command on this store.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(&[&["--store", &self.url], args].concat())
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("CLOAKROOM_STORE", &self.url);
        command
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the status, and that the stream has these parts.
    #[track_caller]
    pub(crate) fn ended(&self, status: i32, stdout: &[&str], stderr: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for part in stdout {
            assert!(self.stdout.contains(part), "no {part:?} in {self:?}");
        }
        for part in stderr {
            assert!(self.stderr.contains(part), "no {part:?} in {self:?}");
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn run(args: &[&str]) -> Ran {
    command(args).output().unwrap().into()
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command
        .args(args)
        .env_remove("CLOAKROOM_STORE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for an event of another process.
pub(crate) async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened: {what}");
}
