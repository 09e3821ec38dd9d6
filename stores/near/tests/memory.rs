//! The bytes that the cache counts for its records are at least what its allocations ask for.
//!
//! A binary of its own, because the allocator counts for the whole process.

use std::alloc::System;

use cloakroom_near::Near;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MAX: usize = 16 << 20;
/// Of the empty cache and the test itself.
const FIXED: usize = 64 << 10;

/// Holds nothing, and has a record of this size under every key.
struct Made(usize);

impl Store for Made {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(Some(Stored::new(vec![0; self.0], UnixTime::MAX, 1)))
    }

    async fn create(&self, _: &Key, _: &Write) -> Result<Created, StoreError> {
        Ok(Created::Taken)
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        Ok(Replaced::Gone)
    }

    async fn touch(&self, _: &Key, _: UnixTime) -> Result<Touched, StoreError> {
        Ok(Touched::Gone)
    }

    async fn delete(&self, _: &Key, _: &Stored) -> Result<Deleted, StoreError> {
        Ok(Deleted::Gone)
    }
}

#[tokio::test(flavor = "current_thread")]
async fn records_take_no_more_memory_than_is_counted_for_them() {
    for (key_len, len) in [(20, 0), (51, 100), (64, 1_040), (250, 300), (51, 20_000)] {
        let region = Region::new(ALLOCATOR);
        let near = Near::builder(Made(len)).max_bytes(MAX).build();
        // Until each part has been full several times.
        for number in 0.. {
            let key = Key::new(&format!("{number:0key_len$}")).expect("a key");
            near.load(&key).await.expect("no fault");
            if number % 64 > 0 {
                continue;
            }
            let (change, numbers) = (region.change(), near.numbers());
            let held = change.bytes_allocated - change.bytes_deallocated;
            assert!(numbers.bytes <= MAX);
            assert!(
                held <= numbers.bytes + FIXED,
                "{held} bytes for {numbers:?}, keys of {key_len}, records of {len}"
            );
            if numbers.evicted > 3 * numbers.entries as u64 {
                break;
            }
        }
    }
}
