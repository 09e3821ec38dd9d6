//! When a cluster's servers answered last. The cluster's client detects only by a failed command
//! that a proxy or server has closed an idle connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::{Arg, Cmd};

/// How long no answer may have come before a write asks whether the connection is still there.
const QUIET: Duration = Duration::from_secs(1);

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

/// For each slot, the milliseconds until the last answer, and 0 before the first.
pub(crate) struct Heard {
    begin: Instant,
    slots: Box<[AtomicU64]>,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Notes an answer of the server that has the command's key.
    pub(crate) fn note(&self, command: &Cmd) {
        if let Some(slot) = key(command).map(slot) {
            self.slots[slot].store(self.now(), Ordering::Relaxed);
        }
    }

    /// Returns a harmless command with the same key if the server was quiet.
    pub(crate) fn question(&self, command: &Cmd) -> Option<Cmd> {
        let key = key(command)?;
        let last = self.slots[slot(key)].load(Ordering::Relaxed);
        let quiet = Duration::from_millis(self.now().saturating_sub(last));
        if last > 0 && quiet < QUIET {
            return None;
        }
        let mut question = redis::cmd("GETRANGE");
        question.arg(key).arg(0).arg(0);
        Some(question)
    }

    fn now(&self) -> u64 {
        let since = self.begin.elapsed().as_millis() + 1;
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// The first key. Before a script's keys stand the script and their number.
fn key(command: &Cmd) -> Option<&[u8]> {
    let text = |at: usize| match command.args_iter().nth(at) {
        Some(Arg::Simple(text)) => Some(text),
        _ => None,
    };
    match text(0)? {
        b"EVAL" | b"EVALSHA" => text(3),
        _ => text(1),
    }
}

/// Returns the key's slot, as Redis Cluster's specification has it: a CRC of the part in braces, if
/// there is one.
fn slot(key: &[u8]) -> usize {
    let tagged = || {
        let rest = &key[key.iter().position(|byte| *byte == b'{')? + 1..];
        let end = rest.iter().position(|byte| *byte == b'}')?;
        Some(&rest[..end]).filter(|tag| !tag.is_empty())
    };
    let crc = tagged().unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    usize::from(crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::{Heard, slot};

    /// The values of `CLUSTER KEYSLOT`.
    #[test]
    fn slots_are_those_of_the_server() {
        for (key, expected) in [
            ("", 0),
            ("123456789", 0x31C3),
            ("foo", 12_182),
            ("{foo}bar", 12_182),
            ("bar", 5_061),
            ("a{}b", slot(b"a{}b")),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_ne!(slot(b"a{}b"), slot(b""));
    }

    #[test]
    fn only_a_server_that_was_quiet_is_asked() {
        let heard = Heard::new();
        let mut set = redis::cmd("SET");
        set.arg("a").arg("b");
        let question = heard.question(&set).expect("nothing was heard");
        let text = question.get_packed_command();
        assert!(text.windows(8).any(|part| part == b"GETRANGE"));
        heard.note(&set);
        // The clock stands for this test.
        heard.slots[slot(b"a")].store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
        assert!(heard.question(&set).is_none());
        // Another server may be the one of another key.
        let mut script = redis::cmd("EVALSHA");
        script.arg("digest").arg(1).arg("b");
        assert!(heard.question(&script).is_some());
    }
}
