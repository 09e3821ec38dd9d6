//! The policy by which a full server drops keys.

use crate::args::Args;

/// Returns the policies of a Redis server, or of the masters of a cluster. `None`: the store has
/// none, or the command may not read it.
#[cfg(feature = "redis")]
pub(super) async fn policies(args: &Args, scheme: &str) -> Option<Vec<String>> {
    if !is_redis(scheme) {
        return None;
    }
    let mut builder = cloakroom_redis::RedisStore::builder(args.store.as_deref()?);
    if let Some(name) = &args.name {
        builder = builder.prefix(&format!("{name}:"));
    }
    builder.connect().await.ok()?.eviction_policies().await.ok()
}

/// Nothing else has one.
#[cfg(not(feature = "redis"))]
pub(super) async fn policies(_: &Args, _: &str) -> Option<Vec<String>> {
    None
}

/// Whether a URL of this scheme leads to Redis or Valkey.
pub(super) fn is_redis(scheme: &str) -> bool {
    let kind = scheme.split('+').next().unwrap_or_default();
    matches!(kind, "redis" | "valkey" | "rediss" | "valkeys" | "unix")
}
