//! The scripts. Each is one atomic step on the server, names every key it always uses, and does the same if it is done twice
//! for one write: it knows its own write by the number in it.

use std::sync::LazyLock;

/// A script and the digest by which servers know it.
pub(crate) struct Script {
    pub(crate) code: String,
    pub(crate) digest: String,
}

/// The header of a record, as `there`. Returns if there is none, or something else is there. No script defines functions: each of
/// them would be made anew at every call.
const HEADER: &str = "
local there = redis.call('GETRANGE', KEYS[1], 0, 23)
if there == '' then
  return GONE
elseif #there < 24 or string.sub(there, 1, 4) ~= 'crm\\1' then
  return FOREIGN
end
";

/// Its subject, as `owner`: nil if it has none.
const OWNER: &str = "
local a, b, c, d = string.byte(there, 21, 24)
local length = ((a * 256 + b) * 256 + c) * 256 + d
local owner
if length == 0 then
  owner = ''
elseif length < 4294967295 then
  owner = redis.call('GETRANGE', KEYS[1], 24, 23 + length)
end
";

/// Enters a record into a subject's list: a sorted set of keys by the moment from which nobody needs the entry any more.
const ENTERS: &str = "
redis.call('ZADD', LIST, 'GT', NEEDED, MEMBER)
redis.call('ZREMRANGEBYSCORE', LIST, '-inf', '(' .. NOW)
if redis.call('PTTL', LIST) < (NEEDED - NOW) * 1000 then
  redis.call('EXPIREAT', LIST, NEEDED)
end
";

/// KEYS: record [, list]. ARGV: value, end in ms [, member, needed until, now].
/// Returns 1 stored, 0 taken.
pub(crate) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    let enters = enters("KEYS[2]", ["ARGV[3]", "ARGV[4]", "ARGV[5]"]);
    script(&format!(
        "
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', ARGV[2])
   and redis.call('GETRANGE', KEYS[1], 12, 19) ~= string.sub(ARGV[1], 13, 20) then
  return 0
end
if KEYS[2] then {enters} end
return 1
"
    ))
});

/// KEYS: record [, list]. ARGV: the version to replace, value, end in ms [, member, needed until, now].
/// Returns 1 stored, 2 changed, 0 gone, 3 not a record.
pub(crate) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    let header = header(["0", "3"]);
    let enters = enters("KEYS[2]", ["ARGV[4]", "ARGV[5]", "ARGV[6]"]);
    script(&format!(
        "{header}
local version = string.sub(there, 13, 20)
if version == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
elseif version ~= string.sub(ARGV[2], 13, 20) then
  return 2
end
if KEYS[2] then {enters} end
return 1
"
    ))
});

/// KEYS: record. ARGV: end as in the header, end in ms, what lists begin with or nothing, member, needed until, now.
/// Returns {1} extended, {1, subject} extended and the list is still to be, {0} gone, {3} not a record.
pub(crate) static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    let header = header(["{0}", "{3}"]);
    let enters = enters("list", ["ARGV[4]", "ARGV[5]", "ARGV[6]"]);
    script(&format!(
        "{header}{OWNER}
redis.call('SETRANGE', KEYS[1], 4, ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
if not owner then
  return {{1}}
elseif ARGV[3] == '' then
  return {{1, owner}}
end
local list = ARGV[3] .. owner
{enters}
return {{1}}
"
    ))
});

/// KEYS: record. ARGV: the version to delete, what lists begin with or nothing, member.
/// Returns 1 deleted, 2 changed, 0 gone, 3 not a record.
pub(crate) static DELETE: LazyLock<Script> = LazyLock::new(|| {
    let header = header(["0", "3"]);
    script(&format!(
        "{header}
if string.sub(there, 13, 20) ~= ARGV[1] then
  return 2
end
if ARGV[2] ~= '' then {OWNER}
  if owner then
    redis.call('ZREM', ARGV[2] .. owner, ARGV[3])
  end
end
redis.call('DEL', KEYS[1])
return 1
"
    ))
});

/// KEYS: list. ARGV: member, needed until, now.
#[cfg(feature = "cluster")]
pub(crate) static ENTER: LazyLock<Script> = LazyLock::new(|| {
    let enters = enters("KEYS[1]", ["ARGV[1]", "ARGV[2]", "ARGV[3]"]);
    script(&format!("{enters}return 1\n"))
});

fn header([gone, foreign]: [&str; 2]) -> String {
    HEADER.replace("GONE", gone).replace("FOREIGN", foreign)
}

fn enters(list: &str, [member, needed, now]: [&str; 3]) -> String {
    ENTERS
        .replace("LIST", list)
        .replace("MEMBER", member)
        .replace("NEEDED", needed)
        .replace("NOW", now)
}

fn script(code: &str) -> Script {
    Script {
        code: code.to_owned(),
        digest: redis::Script::new(code).get_hash().to_owned(),
    }
}
