//! The server that has a key, as each of Flask's clients chooses it.

use std::fmt;
use std::str::FromStr;

use cloakroom_store::StoreError;

use super::STORE;
use crate::failure::permanent;

/// The Python client whose way of spreading keys over several servers a
/// [`MemcachedStore`](super::MemcachedStore) follows. Each has another.
///
/// The store follows all of them while every server answers. When a server fails, Python's clients
/// put its sessions elsewhere (python-memcached at once, pymemcache after some attempts). They find
/// the old ones again when it is back. Here a failed server is an error, so that no signed-out
/// session comes back.
///
/// ```
/// use cloakroom_flask_stores::MemcachedClient;
///
/// let client: MemcachedClient = "pymemcache".parse()?; // SESSION_MEMCACHED_CLIENT
/// assert_eq!(client, MemcachedClient::Pymemcache);
/// # Ok::<(), cloakroom_store::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemcachedClient {
    /// `pylibmc.Client([...])` without `behaviors`: the hash "one at a time", modulo the number of
    /// servers. Flask-Session's first choice.
    Pylibmc,
    /// `memcache.Client([...])` of python-memcached, all of one weight: CRC-32, modulo the number
    /// of servers.
    PythonMemcached,
    /// `pymemcache.HashClient([...])`: rendezvous hashing by MurmurHash3.
    Pymemcache,
}

impl FromStr for MemcachedClient {
    type Err = StoreError;

    /// `pylibmc`, `python-memcached` (or `memcache`, its module) or `pymemcache`.
    fn from_str(name: &str) -> Result<Self, StoreError> {
        match name {
            "pylibmc" => Ok(Self::Pylibmc),
            "python-memcached" | "memcache" => Ok(Self::PythonMemcached),
            "pymemcache" => Ok(Self::Pymemcache),
            _ => Err(permanent(
                STORE,
                "SESSION_MEMCACHED_CLIENT must be pylibmc, python-memcached or pymemcache",
            )),
        }
    }
}

impl fmt::Display for MemcachedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pylibmc => "pylibmc",
            Self::PythonMemcached => "python-memcached",
            Self::Pymemcache => "pymemcache",
        })
    }
}

impl MemcachedClient {
    /// The place, among servers with these names (`host:port`), of the one that has the key. There
    /// must be one at least.
    pub(super) fn place<'n>(
        self,
        key: &str,
        names: impl ExactSizeIterator<Item = &'n str>,
    ) -> usize {
        let servers = names.len().max(1);
        match self {
            Self::Pylibmc => one_at_a_time(key.as_bytes()) as usize % servers,
            Self::PythonMemcached => (crc32(key.as_bytes()) >> 16 & 0x7fff) as usize % servers,
            Self::Pymemcache => {
                // Of equal scores the greater name wins.
                let scored = names.map(|name| (murmur3(format!("{name}-{key}").as_bytes()), name));
                let best = scored.enumerate().max_by_key(|(_, score)| *score);
                best.map_or(0, |(at, _)| at)
            }
        }
    }
}

/// Bob Jenkins's, as libmemcached has it.
fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mut hash = 0_u32;
    for byte in bytes {
        hash = hash.wrapping_add(u32::from(*byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// IEEE 802.3's, bit by bit: keys are short.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}

/// MurmurHash3, 32 bits, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |block: u32| {
        let block = block.wrapping_mul(0xcc9e_2d51);
        block.rotate_left(15).wrapping_mul(0x1b87_3593)
    };
    let number = |bytes: &[u8]| {
        let bytes = bytes.iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
    };
    let blocks = bytes.chunks_exact(4);
    let tail = number(blocks.remainder());
    let mut hash = blocks.fold(0_u32, |hash, block| {
        let hash = (hash ^ mix(number(block))).rotate_left(13);
        hash.wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= mix(tail);
    // Keys have at most 250 bytes.
    hash ^= u32::try_from(bytes.len()).unwrap_or_default();
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::MemcachedClient;

    /// Where the real clients put `session:0` to `session:11`.
    #[test]
    fn keys_are_placed_as_the_real_clients_place_them() {
        let names = ["127.0.0.1:11211", "127.0.0.1:11212", "127.0.0.1:11213"];
        for (client, places) in [
            (
                MemcachedClient::PythonMemcached,
                [2, 0, 2, 2, 1, 1, 2, 0, 2, 0, 0, 2],
            ),
            (
                MemcachedClient::Pylibmc,
                [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            ),
            (
                MemcachedClient::Pymemcache,
                [1, 2, 0, 2, 1, 2, 0, 0, 2, 0, 2, 0],
            ),
        ] {
            for (number, place) in places.into_iter().enumerate() {
                let key = format!("session:{number}");
                assert_eq!(
                    client.place(&key, names.into_iter()),
                    place,
                    "{client} {key}"
                );
            }
        }
    }
}
