//! An operator, who runs the command and reads all that it prints.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{Ran, SECRET_VALUE, command, until};
use crate::crowd::Secrets;
use crate::servers::Server;

pub(crate) struct Desk<'a> {
    pub(crate) server: &'a Server,
    pub(crate) secrets: Secrets,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(server: &'a Server, secrets: &Secrets) -> Self {
        Self {
            server,
            secrets: Secrets::clone(secrets),
        }
    }

    /// The command on this store.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("CLOAKROOM_STORE", &self.server.url);
        command
    }

    /// The command that moves between two stores.
    pub(crate) fn migrate(&self, from: &str, to: &str, further: &[&str]) -> Command {
        let mut command = command(&[&["--json", "migrate"], further].concat());
        command.env("CLOAKROOM_FROM", from).env("CLOAKROOM_TO", to);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.finished(&mut self.command(args))
    }

    /// Runs a command that prints values.
    pub(crate) fn exported(&self, args: &[&str]) -> Ran {
        let ran = self.command(args).output().unwrap().into();
        self.read(&ran);
        ran
    }

    pub(crate) fn finished(&self, command: &mut Command) -> Ran {
        let ran = command.output().unwrap().into();
        self.read(&ran);
        self.lacks(&ran, SECRET_VALUE);
        ran
    }

    /// Runs a command that changes nothing, for people and for programs, and returns its JSON.
    pub(crate) fn both(&self, args: &[&str], status: i32) -> Value {
        self.run(args).ended(status, &[], &[]);
        let ran = self.run(&[&["--json"], args].concat());
        ran.ended(status, &[], &[]);
        ran.json()
    }

    /// Runs a command for which the store lacks the ability.
    pub(crate) fn unable(&self, args: &[&str], why: &str) {
        self.run(args).ended(5, &[], &[why]);
        let ran = self.run(&[&["--json"], args].concat());
        ran.ended(5, &[], &[why]);
        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(error["status"], 5);
    }

    /// Runs a command, and sends it the signal of Ctrl-C as soon as it is in the middle of its
    /// work.
    pub(crate) async fn interrupted(
        &self,
        command: &mut Command,
        has_begun: impl AsyncFn(u32) -> bool,
    ) -> Ran {
        let running = command.spawn().unwrap();
        let id = running.id();
        until("it is at work", async || has_begun(id).await).await;
        let pid = Pid::from_raw(id.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let ran: Ran = running.wait_with_output().unwrap().into();
        self.read(&ran);
        self.lacks(&ran, SECRET_VALUE);
        ran.ended(130, &[], &["The next run goes on"]);
        assert_eq!(ran.json()["done"], false, "{ran:?}");
        ran
    }

    /// R90: no token, no key, and no part of a URL that may have a password.
    #[track_caller]
    fn read(&self, ran: &Ran) {
        for secret in self.secrets.lock().unwrap().iter() {
            self.lacks(ran, secret);
        }
        self.lacks(ran, &self.server.url);
    }

    #[track_caller]
    fn lacks(&self, ran: &Ran, secret: &str) {
        let found = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!found, "a secret is in {ran:?}");
    }
}
