//! The policy by which a full server drops keys.

use std::collections::BTreeSet;

use cloakroom_store::StoreError;
use redis::Value;

use crate::failure;
use crate::link::Does;
use crate::store::RedisStore;

impl RedisStore {
    /// Returns the `maxmemory-policy` of the server, in a cluster each one that a master has.
    ///
    /// With another one than `noeviction` a full server drops sessions, and their users are signed
    /// out. For tools and for a test at an application's start. The user needs the command `INFO`.
    /// One round trip, in a cluster one to each master.
    ///
    /// # Errors
    ///
    /// Permanent if the user may not send `INFO`, or if a proxy answers without a policy. Otherwise
    /// those of every operation.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # async fn example(store: RedisStore) -> Result<(), cloakroom_store::StoreError> {
    /// if store.eviction_policies().await? != ["noeviction"] {
    ///     eprintln!("a full server will sign users out");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn eviction_policies(&self) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let answer: Value = self.inner.link.command(command, Does::Read).await?;
        let mut policies = BTreeSet::new();
        collect(&answer, &mut policies);
        match policies.is_empty() {
            true => Err(failure::answer()),
            false => Ok(policies.into_iter().collect()),
        }
    }
}

/// A server answers with a text, and a cluster's client with one for each master.
fn collect(answer: &Value, policies: &mut BTreeSet<String>) {
    match answer {
        Value::BulkString(text) => find(&String::from_utf8_lossy(text), policies),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => find(text, policies),
        Value::Array(values) => values.iter().for_each(|value| collect(value, policies)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, policies)),
        _ => {}
    }
}

fn find(text: &str, policies: &mut BTreeSet<String>) {
    let found = text
        .lines()
        .filter_map(|line| line.strip_prefix("maxmemory_policy:"));
    policies.extend(found.map(|policy| policy.trim().to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_of_a_cluster_is_found_once() {
        let node = |address: &str, policy: &str| {
            let text = format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\n");
            (
                Value::BulkString(address.into()),
                Value::BulkString(text.into_bytes()),
            )
        };
        let answer = Value::Map(vec![
            node("h:1", "noeviction"),
            node("h:2", "allkeys-lru"),
            node("h:3", "noeviction"),
        ]);
        let mut policies = BTreeSet::new();
        collect(&answer, &mut policies);
        assert_eq!(
            policies.into_iter().collect::<Vec<_>>(),
            ["allkeys-lru", "noeviction"]
        );
    }
}
