//! Files as a store finds them: Flask-Session's three layouts, the JSON file of the tutorials, and
//! this library's own.

use cloakroom_core::{Created, Key, UnixTime, Write};
use cloakroom_file::FileStore;
use cloakroom_flask_stores::{FileLayout, FileSystemStore, JsonFileStore};
use cloakroom_store::{SharedStore, Store as _, StoreError};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const END: UnixTime = UnixTime::from_secs(1_700_000_060);
/// A session of the tutorials has to be JSON; to the other stores it is as good as any.
const FIRST: &[u8] = br#"{"of":"the first session"}"#;
const SECOND: &[u8] = br#"{"of":"the second one"}"#;

struct Place {
    store: SharedStore,
    /// Where it keeps the record.
    file: PathBuf,
}

struct Environment {
    runtime: Runtime,
    places: Vec<Place>,
    /// Removed with all that is in it when the thread ends.
    _root: tempfile::TempDir,
}

thread_local! {
    static GROUND: Environment = Environment::new();
}

/// Reads the bytes as a record's file, in the layout that the first byte selects. The result is no
/// record, one that is no longer than the file, or a typed error. A later write there is read back
/// or refused.
pub(crate) fn files(data: &[u8]) {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    GROUND.with(|environment| {
        let place = &environment.places[usize::from(*first) % environment.places.len()];
        fs::write(&place.file, data).expect("a file");
        let done = environment.runtime.block_on(place.use_it(data.len()));
        // A store's error about a foreign file.
        let _: Result<(), StoreError> = done;
    });
}

impl Place {
    async fn use_it(&self, len: usize) -> Result<(), StoreError> {
        let (key, write) = (key(), write(SECOND));
        let found = self.store.load(&key).await?;
        if let Some(found) = found {
            assert!(found.bytes.len() <= len, "a record longer than its file");
            // A comparison accepts the loaded record.
            let replaced = self.store.replace(&key, &found, &write).await?;
            let is = self.store.load(&key).await?;
            let second = is.is_some_and(|is| is.bytes == SECOND);
            let stored = replaced == cloakroom_core::Replaced::Stored;
            assert_eq!(stored, second, "replaced by what is not there");
        } else if self.store.create(&key, &write).await? == Created::Stored {
            let is = self.store.load(&key).await?;
            assert_eq!(is.map(|is| is.bytes.to_vec()).as_deref(), Some(SECOND));
        }
        Ok(())
    }
}

impl Environment {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let mut places = Vec::new();
        for layout in [
            FileLayout::CacheLib,
            FileLayout::CacheLibMd5,
            FileLayout::Werkzeug,
        ] {
            let dir = root.path().join(format!("{layout:?}"));
            let builder = FileSystemStore::builder(&dir).layout(layout);
            let store = builder.clock(|| NOW).open().expect("a store");
            places.push((SharedStore::new(store), dir));
        }
        let dir = root.path().join("json");
        fs::create_dir(&dir).expect("a directory");
        let store = JsonFileStore::with_clock(dir.join("sessions.json"), || NOW);
        places.push((SharedStore::new(store), dir));
        let dir = root.path().join("own");
        let builder = FileStore::builder(&dir).fsync(false);
        let store = builder.clock(|| NOW).open().expect("a store");
        places.push((SharedStore::new(store), dir));
        let places = places.into_iter().map(|(store, dir)| {
            let created = runtime.block_on(store.create(&key(), &write(FIRST)));
            assert_eq!(created.expect("a record"), Created::Stored);
            let file = holding(&dir, FIRST).expect("the file of the record");
            Place { store, file }
        });
        let places = places.collect();
        Self {
            runtime,
            places,
            _root: root,
        }
    }
}

fn key() -> Key {
    Key::new("session-of-any-bytes").expect("a key")
}

fn write(bytes: &'static [u8]) -> Write {
    Write::new(bytes, END, None)
}

/// The file below this directory that has these bytes in it.
fn holding(dir: &Path, bytes: &[u8]) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    entries.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holding(&path, bytes);
        }
        let content = fs::read(&path).unwrap_or_default();
        let mut parts = content.windows(bytes.len().saturating_sub(1));
        // In the JSON file the end stands before the closing brace.
        let found = parts.any(|part| part == &bytes[..bytes.len() - 1]);
        found.then_some(path)
    })
}
