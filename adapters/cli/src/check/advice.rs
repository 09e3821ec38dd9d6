//! Warnings of faults to come, as far as the kind of the store shows them.

use std::time::Duration;

use cloakroom_any::Opened;

/// A load that takes this long is felt in each request.
const SLOW: Duration = Duration::from_millis(20);

pub(super) fn on(scheme: &str, url: &str, opened: &Opened, median: Duration) -> Vec<String> {
    let mut advice = Vec::new();
    if median > SLOW {
        advice.push(format!(
            "Each request that uses its session waits {} ms for its load. Move the store closer to \
             the application.",
            median.as_millis()
        ));
    }
    if opened.directory.is_none() {
        advice.push(
            "This store cannot list the sessions of a subject. `list`, `revoke` and `export` need \
             another one."
                .to_owned(),
        );
    }
    let kind = scheme.split('+').next().unwrap_or_default();
    match kind {
        "redis" | "valkey" if !scheme.ends_with("+unix") && !is_local(url) => advice.push(
            "The connection is not encrypted. Use rediss:// across a network that others share."
                .to_owned(),
        ),
        "memcached" => advice.push(
            "Memcached drops sessions when it is full or restarts, and their users are signed out."
                .to_owned(),
        ),
        "file" => advice.push(
            "All processes must run on this host. Expired sessions stay until the application's \
             sweeper or `cloakroom purge` removes them."
                .to_owned(),
        ),
        "sqlite" => advice.push(
            "All processes must run on this host, and the file must be on a local disk. Expired \
             sessions stay until the application's sweeper or `cloakroom purge` removes them."
                .to_owned(),
        ),
        "postgres" | "postgresql" | "mysql" | "mariadb" => advice.push(
            "Expired sessions stay until the application's sweeper or `cloakroom purge` removes \
             them."
                .to_owned(),
        ),
        _ => {}
    }
    advice
}

/// Says what the policy of a Redis server comes to, unless it drops nothing.
pub(super) fn on_eviction(policies: Option<&[String]>) -> Option<String> {
    match policies {
        Some([policy]) if policy == "noeviction" => None,
        Some(policies) => Some(format!(
            "The server's `maxmemory-policy` is `{}`, so a full server drops sessions and signs \
             their users out. Set it to `noeviction`.",
            policies.join("`, `")
        )),
        None => Some(
            "The server's `maxmemory-policy` should be `noeviction`. With another one a full \
             server signs users out. It could not be read: run `CONFIG GET maxmemory-policy`."
                .to_owned(),
        ),
    }
}

/// Returns whether every host of the URL is this machine.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    hosts.split(',').all(|host| {
        let name = match host.strip_prefix('[') {
            Some(host) => host.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name == "localhost" || name == "::1" || name.starts_with("127.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_drops_sessions_is_named() {
        let of = |policies: &[&str]| {
            let policies: Vec<String> = policies.iter().map(|&name| name.to_owned()).collect();
            on_eviction(Some(&policies))
        };
        assert_eq!(of(&["noeviction"]), None);
        assert!(of(&["allkeys-lru"]).unwrap().contains("`allkeys-lru`"));
        let both = of(&["allkeys-lru", "noeviction"]).unwrap();
        assert!(both.contains("`allkeys-lru`, `noeviction`"), "{both}");
        assert!(on_eviction(None).unwrap().contains("CONFIG GET"));
    }

    #[test]
    fn hosts_of_this_machine_are_local() {
        for url in [
            "redis://localhost/0",
            "redis://app:pass@127.0.0.1:6379",
            "redis://[::1]:6379/0",
            "redis+cluster://localhost:1,127.0.0.1:2",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in ["redis://10.0.0.1/0", "redis+cluster://localhost:1,db:2"] {
            assert!(!is_local(url), "{url}");
        }
    }
}
