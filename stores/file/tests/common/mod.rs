//! Helpers of several test files.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_file::{Builder, FileStore};
use cloakroom_store::{Key, UnixTime, Write};

/// A directory that goes when the test ends.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cloakroom-file-test-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a store may be; not there yet.
    pub fn store(&self) -> PathBuf {
        self.0.join("sessions")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that the test advances.
#[derive(Clone, Default)]
pub struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    pub fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A store whose tests have no use for flushing.
pub fn quick(dir: &TempDir, clock: &FakeClock) -> Builder {
    let clock = clock.clone();
    FileStore::builder(dir.store())
        .fsync(false)
        .clock(move || clock.now())
}

pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub fn write(bytes: impl AsRef<[u8]>, expires_at: u64, subject: Option<&str>) -> Write {
    let expires_at = UnixTime::from_secs(expires_at);
    Write::new(bytes.as_ref().to_vec(), expires_at, subject.map(Into::into))
}

/// All files below a directory that hold something.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
