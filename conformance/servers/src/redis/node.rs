//! A server's process, as each of them is started here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::output::say;
use crate::process::Server;
use crate::process::version;

/// The store's page, which lists the permissions that it needs.
const PAGE: &str = include_str!("../../../../stores/redis/src/lib.rs");

/// A server to be started, and where its data and rules go.
pub struct Node {
    program: PathBuf,
    directory: PathBuf,
    acl: Vec<String>,
}

impl Node {
    /// One that keeps its data in this directory, where a user who may touch the keys of this
    /// namespace is known.
    pub fn new(program: PathBuf, directory: &Path, namespace: &str) -> Self {
        Self {
            program,
            directory: directory.to_owned(),
            acl: acl(namespace),
        }
    }

    /// Says what is started.
    pub fn say(&self) -> io::Result<()> {
        say(format_args!("server  {}", version(&self.program)?));
        Ok(())
    }

    /// With TLS at this port, if the options include TLS and no TLS port of their own.
    pub fn start(&self, port: u16, more: Vec<String>) -> io::Result<Server> {
        fs::create_dir_all(&self.directory)?;
        let told = |name: &str| more.iter().any(|word| word == name);
        let tls = told("--tls-cert-file") && !told("--tls-port");
        let (plain, with_tls) = if tls { (0, port) } else { (port, 0) };
        let mut arguments: Vec<_> = [
            "--bind",
            "127.0.0.1",
            "--port",
            &plain.to_string(),
            "--dir",
            &self.directory.display().to_string(),
            "--unixsocket",
            &self.directory.join("redis.sock").display().to_string(),
            "--save",
            "",
            // Acknowledged writes survive a kill.
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--daemonize",
            "no",
            "--user",
        ]
        .map(String::from)
        .to_vec();
        arguments.extend(self.acl.iter().cloned());
        if tls {
            arguments.extend(["--tls-port".to_owned(), with_tls.to_string()]);
        }
        arguments.extend(more);
        Server::start(&self.program, arguments, port)
    }
}

/// The user of the page's ACL line, for this namespace.
fn acl(namespace: &str) -> Vec<String> {
    let lines = PAGE.lines().map(|line| line.trim_start_matches("//!"));
    let rule = lines
        .skip_while(|line| !line.trim_start().starts_with("ACL SETUSER "))
        .take_while(|line| !line.contains("```"))
        .flat_map(str::split_whitespace)
        .skip(2);
    let words = rule.map(|word| match word.starts_with('~') {
        true => format!("~{namespace}*"),
        false => word.to_owned(),
    });
    words.collect()
}

/// Runs a command as a user with all permissions, and returns the server's reply.
pub fn query<T: redis::FromRedisValue>(url: &str, command: &str) -> redis::RedisResult<T> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    command.arg(words.collect::<Vec<_>>());
    command.query(&mut connection)
}

/// Sends a command, and returns its answer.
pub fn execute(url: &str, command: &str) -> redis::RedisResult<()> {
    query(url, command)
}

#[cfg(test)]
mod tests {
    use super::acl;

    #[test]
    fn the_user_has_the_permissions_that_the_page_names_and_the_keys_of_the_run() {
        let acl = acl("run:").join(" ");
        assert!(acl.starts_with("sessions on >password "), "{acl}");
        assert!(acl.contains(" ~run:* "), "{acl}");
        assert!(acl.contains(" +evalsha "), "{acl}");
        assert!(!acl.contains('\n') && !acl.contains("shop"), "{acl}");
    }
}
