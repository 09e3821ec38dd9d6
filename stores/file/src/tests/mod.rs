//! Tests that need to see, fail or stop single steps on the file system. All others are in
//! `tests/`.

mod again;
pub(crate) mod faults;
mod full;
mod interrupted;
mod order;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a store may be: not there yet, and gone when the test ends.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cloakroom-file-unit-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
