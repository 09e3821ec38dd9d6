//! The scripts. Each is one atomic step on the server, names every key it always uses, and does the same if it is done twice
//! for one write: it knows its own write by the random number in it.

use std::sync::LazyLock;

/// A script and the digest by which servers know it.
pub(crate) struct Script {
    pub(crate) code: String,
    pub(crate) digest: String,
}

/// Enters a record into a subject's list: a sorted set of keys by the moment from which nobody needs the entry any more.
const LIST: &str = "
local function enter(list, member, needed, now)
  redis.call('ZADD', list, 'GT', needed, member)
  redis.call('ZREMRANGEBYSCORE', list, '-inf', '(' .. now)
  local left = redis.call('PTTL', list)
  if left < (needed - now) * 1000 then
    redis.call('EXPIREAT', list, needed)
  end
end
";

/// The header of a record, nil if there is none, false if it is not one; and its subject.
const RECORD: &str = "
local function header(record)
  local header = redis.call('GETRANGE', record, 0, 23)
  if header == '' then
    return nil
  end
  if #header < 24 or string.sub(header, 1, 4) ~= 'crm\\1' then
    return false
  end
  return header
end
local function version(header)
  return string.sub(header, 13, 20)
end
local function subject(record, header)
  local a, b, c, d = string.byte(header, 21, 24)
  local length = ((a * 256 + b) * 256 + c) * 256 + d
  if length == 4294967295 then
    return nil
  end
  if length == 0 then
    return ''
  end
  return redis.call('GETRANGE', record, 24, 23 + length)
end
";

/// KEYS: record [, list]. ARGV: value, end in ms [, member, needed until, now].
/// Returns 1 stored, 0 taken.
pub(crate) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', ARGV[2]) then
  local there = redis.call('GETRANGE', KEYS[1], 12, 19)
  if there ~= version(ARGV[1]) then
    return 0
  end
end
if KEYS[2] then
  enter(KEYS[2], ARGV[3], ARGV[4], ARGV[5])
end
return 1
",
    )
});

/// KEYS: record [, list]. ARGV: the version to replace, value, end in ms [, member, needed until, now].
/// Returns 1 stored, 2 changed, 0 gone, 3 not a record.
pub(crate) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local there = header(KEYS[1])
if not there then
  return there == nil and 0 or 3
end
if version(there) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
elseif version(there) ~= version(ARGV[2]) then
  return 2
end
if KEYS[2] then
  enter(KEYS[2], ARGV[4], ARGV[5], ARGV[6])
end
return 1
",
    )
});

/// KEYS: record. ARGV: end as in the header, end in ms, what lists begin with or nothing, member, needed until, now.
/// Returns {1} extended, {1, subject} extended and the list is still to be, {0} gone, {3} not a record.
pub(crate) static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local there = header(KEYS[1])
if not there then
  return {there == nil and 0 or 3}
end
local owner = subject(KEYS[1], there)
redis.call('SETRANGE', KEYS[1], 4, ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
if not owner then
  return {1}
end
if ARGV[3] == '' then
  return {1, owner}
end
enter(ARGV[3] .. owner, ARGV[4], ARGV[5], ARGV[6])
return {1}
",
    )
});

/// KEYS: record. ARGV: the version to delete, what lists begin with or nothing, member.
/// Returns 1 deleted, 2 changed, 0 gone, 3 not a record.
pub(crate) static DELETE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local there = header(KEYS[1])
if not there then
  return there == nil and 0 or 3
end
if version(there) ~= ARGV[1] then
  return 2
end
if ARGV[2] ~= '' then
  local owner = subject(KEYS[1], there)
  if owner then
    redis.call('ZREM', ARGV[2] .. owner, ARGV[3])
  end
end
redis.call('DEL', KEYS[1])
return 1
",
    )
});

/// KEYS: list. ARGV: member, needed until, now.
#[cfg(feature = "cluster")]
pub(crate) static ENTER: LazyLock<Script> =
    LazyLock::new(|| script("enter(KEYS[1], ARGV[1], ARGV[2], ARGV[3])\nreturn 1\n"));

fn script(body: &str) -> Script {
    let code = [LIST, RECORD, body].concat();
    let digest = redis::Script::new(&code).get_hash().to_owned();
    Script { code, digest }
}
