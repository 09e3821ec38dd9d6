//! The scripts. Each is one atomic step on the server.

use std::sync::LazyLock;

/// A script and the digest by which servers know it.
pub(super) struct Script {
    pub(super) code: &'static str,
    pub(super) digest: String,
}

/// Returns the value and its expiry in seconds, -1 for never. Returns nothing if there is none.
///
/// The end is made of the server's time and the time that is left, which together are a millisecond
/// off at most.
pub(super) static LOAD: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local value = redis.call('GET', KEYS[1])
if not value then
  return nil
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  return {value, -1}
end
local now = redis.call('TIME')
local ends = now[1] * 1000 + now[2] / 1000 + left
return {value, math.floor((ends + 10) / 1000)}
",
    )
});

/// ARGV: value, end in ms. Returns 1 stored, 0 taken.
pub(super) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return 1
",
    )
});

/// ARGV: old value, value, end in ms. Returns 1 stored, 2 changed, 0 gone.
pub(super) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local there = redis.call('GET', KEYS[1])
if not there then
  return 0
end
if there ~= ARGV[1] then
  return 2
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
",
    )
});

/// ARGV: end in ms. Returns 1 extended, 0 gone.
pub(super) static TOUCH: LazyLock<Script> =
    LazyLock::new(|| script("return redis.call('PEXPIREAT', KEYS[1], ARGV[1])"));

/// ARGV: old value. Returns 1 deleted, 2 changed, 0 gone.
pub(super) static DELETE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local there = redis.call('GET', KEYS[1])
if not there then
  return 0
end
if there ~= ARGV[1] then
  return 2
end
redis.call('DEL', KEYS[1])
return 1
",
    )
});

fn script(code: &'static str) -> Script {
    let digest = redis::Script::new(code).get_hash().to_owned();
    Script { code, digest }
}
