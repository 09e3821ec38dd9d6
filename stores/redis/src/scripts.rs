//! The scripts. Each is one atomic step on the server, and names every key that it always uses.
//! Running it twice for one write has the effect of once: it recognises its own write by the number
//! in it.

use std::sync::LazyLock;

/// A script and the digest by which servers find it.
pub(crate) struct Script {
    pub(crate) code: String,
    pub(crate) digest: String,
}

/// Reads a record's header into `there`. Returns early if there is none, or another value.
///
/// No script defines functions, because Redis would create them at every call.
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

/// Adds a record to a subject's list: a sorted set of keys by the time when the entry may be
/// removed. Leaves an entry that lasts long enough alone.
const ENTERS: &str = "
local entered = redis.call('ZSCORE', LIST, MEMBER)
if not entered or tonumber(entered) < tonumber(ENOUGH) then
  redis.call('ZADD', LIST, 'GT', NEEDED, MEMBER)
  redis.call('ZREMRANGEBYSCORE', LIST, '-inf', '(' .. NOW)
  if redis.call('PTTL', LIST) < (NEEDED - NOW) * 1000 then
    redis.call('EXPIREAT', LIST, NEEDED)
  end
end
";

/// KEYS: record [, list]. ARGV: value, end in ms [, and those of the entry].
/// Returns 1 stored, 0 taken.
pub(crate) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    let enters = enters("KEYS[2]", 3);
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

/// KEYS: record [, list]. ARGV: the version to replace, value, end in ms [, and those of the
/// entry]. Returns 1 stored, 2 changed, 0 gone, 3 not a record.
pub(crate) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    let header = header(["0", "3"]);
    let enters = enters("KEYS[2]", 4);
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

/// KEYS: record. ARGV: expiry as in the header, expiry in ms, the lists' prefix or nothing, and
/// those of the entry. Returns {1} extended, {1, subject} extended and the list is still to be, {0}
/// gone, {3} not a record.
pub(crate) static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    let header = header(["{0}", "{3}"]);
    let enters = enters("list", 4);
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

/// KEYS: record. ARGV: the version to delete, the lists' prefix or nothing, member [, the channel
/// that announces it]. Returns 1 deleted, 2 changed, 0 gone, 3 not a record.
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
if ARGV[4] then
  redis.pcall('PUBLISH', ARGV[4], ARGV[3])
end
return 1
"
    ))
});

/// KEYS: list. ARGV: those of the entry.
pub(crate) static ENTER: LazyLock<Script> = LazyLock::new(|| {
    let enters = enters("KEYS[1]", 1);
    script(&format!("{enters}return 1\n"))
});

/// Tries every command that the others use, on a key that it removes again. Writes the further keys
/// for ten seconds.
///
/// KEYS: one to try commands on, further ones. ARGV: the moment in ten seconds, in s and in ms [,
/// the channel].
/// Returns {} all can be done, {'', 'IFEQ'} that too, {command, 'NOPERM' or 'UNKNOWN'} it cannot,
/// {'', code} nothing can be written now.
pub(crate) static PROBE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "
local tries = {
  {'SET', KEYS[1], 'a', 'NX', 'PXAT', ARGV[2]},
  {'GETRANGE', KEYS[1], 0, 23},
  {'SETRANGE', KEYS[1], 0, 'b'},
  {'PEXPIREAT', KEYS[1], ARGV[2]},
  {'PTTL', KEYS[1]},
  {'DEL', KEYS[1]},
  {'ZADD', KEYS[1], 'GT', 1, 'a'},
  {'ZSCORE', KEYS[1], 'a'},
  {'ZREMRANGEBYSCORE', KEYS[1], '-inf', '(0'},
  {'EXPIREAT', KEYS[1], ARGV[1]},
  {'ZREM', KEYS[1], 'a'},
}
if ARGV[3] then
  table.insert(tries, {'PUBLISH', ARGV[3], ''})
end
for _, try in ipairs(tries) do
  local done = redis.pcall(unpack(try))
  if type(done) == 'table' and done.err then
    local err = done.err
    if string.find(err, '^-?READONLY') then
      return {'', 'READONLY'}
    elseif string.find(err, 'ermission') or string.find(err, 'NOPERM')
       or string.find(err, \"can't\") then
      return {string.lower(try[1]), 'NOPERM'}
    elseif string.find(err, 'nknown') then
      return {string.lower(try[1]), 'UNKNOWN'}
    end
    return {'', string.match(err, '^-?(%u+)') or 'ERR'}
  end
end
for index = 2, #KEYS do
  redis.call('SET', KEYS[index], ARGV[2], 'PXAT', ARGV[2])
end
redis.call('SET', KEYS[1], 'a', 'PXAT', ARGV[2])
local done = redis.pcall('SET', KEYS[1], 'b', 'IFEQ', 'a', 'PXAT', ARGV[2])
redis.call('DEL', KEYS[1])
if type(done) == 'table' and done.ok == 'OK' then
  return {'', 'IFEQ'}
end
return {}
",
    )
});

/// Does nothing. It is sent as text, because a script that the server has already is called by its
/// digest, for which the user needs another permission.
pub(crate) static NOTHING: &str = "return 1";

fn header([gone, foreign]: [&str; 2]) -> String {
    HEADER.replace("GONE", gone).replace("FOREIGN", foreign)
}

/// The arguments of the entry are four: member, needed until, enough until, now.
fn enters(list: &str, first: usize) -> String {
    let argument = |index: usize| format!("ARGV[{}]", first + index);
    ENTERS
        .replace("LIST", list)
        .replace("MEMBER", &argument(0))
        .replace("NEEDED", &argument(1))
        .replace("ENOUGH", &argument(2))
        .replace("NOW", &argument(3))
}

fn script(code: &str) -> Script {
    Script {
        code: code.to_owned(),
        digest: redis::Script::new(code).get_hash().to_owned(),
    }
}
