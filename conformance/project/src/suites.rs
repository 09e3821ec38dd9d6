//! The suites that run from the crates of their stores and adapters.

use cloakroom_conformance::{Case, Tally, adapter, endpoint, store};

use crate::workspace;

/// A suite in the test `suite` of a package.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The text in brackets in the names of its cases.
    pub(crate) name: &'static str,
    package: &'static str,
    needs_server: bool,
}

const fn local(name: &'static str, package: &'static str) -> Entry {
    Entry {
        name,
        package,
        needs_server: false,
    }
}

const fn on_server(name: &'static str, package: &'static str) -> Entry {
    Entry {
        name,
        package,
        needs_server: true,
    }
}

pub(crate) const STORES: &[Entry] = &[
    local("memory", "cloakroom-memory"),
    local("file", "cloakroom-file"),
    on_server("file-bindfs", "cloakroom-file"),
    local("sqlite", "cloakroom-sql"),
    on_server("postgres", "cloakroom-sql"),
    on_server("postgres-pgbouncer", "cloakroom-sql"),
    on_server("postgres-pgbouncer-session", "cloakroom-sql"),
    on_server("postgres-pgbouncer-prepared", "cloakroom-sql"),
    on_server("mariadb", "cloakroom-sql"),
    on_server("mysql", "cloakroom-sql"),
    on_server("redis", "cloakroom-redis"),
    on_server("redis-idle", "cloakroom-redis"),
    on_server("redis-haproxy", "cloakroom-redis"),
    on_server("valkey-9", "cloakroom-redis"),
    on_server("redis-tls", "cloakroom-redis"),
    on_server("redis-sentinel", "cloakroom-redis"),
    on_server("redis-cluster", "cloakroom-redis"),
    on_server("valkey", "cloakroom-redis"),
    on_server("memcached", "cloakroom-memcached"),
    on_server("mongodb", "cloakroom-mongodb"),
    local("any", "cloakroom-any"),
    local("near-memory", "cloakroom-near"),
    local("near-file", "cloakroom-near"),
    on_server("near-redis", "cloakroom-near"),
    on_server("near-redis-tracked", "cloakroom-near"),
    local("flask-filesystem", "cloakroom-flask-stores"),
    local("flask-cachelib-md5", "cloakroom-flask-stores"),
    local("flask-werkzeug", "cloakroom-flask-stores"),
    local("flask-json-file", "cloakroom-flask-stores"),
    on_server("flask-redis", "cloakroom-flask-stores"),
    on_server("flask-memcached", "cloakroom-flask-stores"),
    on_server("flask-mongodb", "cloakroom-flask-stores"),
    local("flask-sqlite", "cloakroom-flask-stores"),
    on_server("flask-postgres", "cloakroom-flask-stores"),
    on_server("flask-postgres-pgbouncer", "cloakroom-flask-stores"),
    on_server("flask-mariadb", "cloakroom-flask-stores"),
    on_server("tower-sessions-redis", "cloakroom-tower-sessions"),
    on_server("tower-sessions-mongodb", "cloakroom-tower-sessions"),
    local("tower-sessions-sqlite", "cloakroom-tower-sessions"),
    on_server("tower-sessions-postgres", "cloakroom-tower-sessions"),
    on_server("tower-sessions-mariadb", "cloakroom-tower-sessions"),
];

pub(crate) const ADAPTERS: &[Entry] = &[
    local("direct", "cloakroom"),
    local("tower", "cloakroom-tower"),
    local("axum", "cloakroom-axum"),
    local("hyper", "cloakroom-hyper"),
    local("warp", "cloakroom-warp"),
    local("poem", "cloakroom-poem"),
    local("rocket", "cloakroom-rocket"),
    local("actix", "cloakroom-actix"),
    local("actix-cancelling", "cloakroom-actix"),
    local("salvo", "cloakroom-salvo"),
    local("tcp", "cloakroom"),
    local("websocket", "cloakroom"),
    on_server("nats", "cloakroom"),
];

/// Every case of every published suite.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    store::cases()
        .chain(adapter::cases())
        .chain(endpoint::cases())
}

/// Runs the cases of one suite whose names contain each of `parts`, as `cargo test` would.
pub(crate) async fn test(entry: &Entry, parts: &[String]) -> Tally {
    let mut command = workspace::cargo();
    command
        .args(["test", "--quiet", "--package", entry.package])
        .args(["--test", "suite", "--", "--only", &entry.pattern()]);
    for part in parts {
        command.args(["--only", part]);
    }
    workspace::run(command).await
}

/// The arguments that leave out every suite that needs a server.
pub(crate) fn without_servers() -> impl Iterator<Item = String> {
    let needing = STORES.iter().chain(ADAPTERS);
    let needing = needing.filter(|entry| entry.needs_server);
    needing.flat_map(|entry| ["--skip".to_owned(), entry.pattern()])
}

impl Entry {
    /// A part of the names of its cases that no other suite's have.
    fn pattern(&self) -> String {
        format!("[{}/", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{ADAPTERS, STORES};

    /// The name of a suite is `const NAME` of a fixture, or in a table of them.
    #[test]
    fn every_suite_is_in_the_crate_that_the_table_names() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut sources = std::collections::BTreeMap::<String, String>::new();
        for kind in ["stores", "adapters"] {
            for directory in std::fs::read_dir(root.join(kind)).unwrap() {
                let directory = directory.unwrap().path();
                let Ok(manifest) = std::fs::read_to_string(directory.join("Cargo.toml")) else {
                    continue;
                };
                let name = manifest.split('"').nth(1).unwrap().to_owned();
                let mut source = String::new();
                let suite = directory.join("tests/suite");
                let files = std::fs::read_dir(&suite).into_iter().flatten().flatten();
                let files = files.map(|file| file.path());
                for file in files.chain([suite.with_extension("rs")]) {
                    source += &std::fs::read_to_string(file).unwrap_or_default();
                }
                sources.insert(name, source);
            }
        }
        let servers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/src");
        let mut names_of_servers = String::new();
        for file in [
            "redis/flavor.rs",
            "postgres.rs",
            "pgbouncer.rs",
            "mariadb.rs",
            "mysql.rs",
        ] {
            names_of_servers += &std::fs::read_to_string(servers.join(file)).unwrap();
        }
        for entry in STORES.iter().chain(ADAPTERS) {
            let source = &sources[entry.package];
            let name = format!("\"{}\"", entry.name);
            assert!(
                source.contains(&name) || names_of_servers.contains(&name),
                "{entry:?}"
            );
            assert!(source.contains("fn main()"), "{entry:?}");
        }
        // A crate with a suite is in the table.
        for (package, source) in sources {
            let mut entries = STORES.iter().chain(ADAPTERS);
            assert!(
                source.is_empty() || entries.any(|entry| entry.package == package),
                "{package} has a suite that `cargo conformance` does not know"
            );
        }
    }
}
