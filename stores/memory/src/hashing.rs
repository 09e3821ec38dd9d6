//! Hashes of keys and subjects, seeded by the operating system's randomness.

use std::hash::{BuildHasher, Hasher, RandomState};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// The server mints the keys of stored records. A client can only look up keys of its choice, which
/// moves nothing in a table. So a fast hash with secret seeds suffices. Subjects may be names that
/// users choose, so they get SipHash.
pub(crate) struct Hashing {
    seed: u64,
    shared: SharedSeed,
    subjects: RandomState,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        let subjects = RandomState::new();
        Self {
            seed: RandomState::new().hash_one(0),
            shared: SharedSeed::from_u64(RandomState::new().hash_one(1)),
            subjects,
        }
    }

    pub(crate) fn key(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }

    pub(crate) fn subject(&self, subject: &[u8]) -> u32 {
        let mut hasher = self.subjects.build_hasher();
        hasher.write(subject);
        hasher.finish() as u32
    }
}
