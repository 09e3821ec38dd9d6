use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, Store, StoreError, Stored, Sweep, Swept, Touched,
    UnixTime, Write,
};

use super::Blocking;
use super::builder::FileSystemBuilder;
use super::engine::{Engine, STORE};
use super::layout::FileLayout;

/// Sessions in the files of Flask-Session's `filesystem`. A handle: clones share everything.
///
/// A record's bytes are the pickled dict that follows the expiry in its file.
///
/// Among the processes that use this store the whole contract holds, because they take a lock.
/// Flask takes no lock and overwrites blindly. A write of Flask between this store's comparison and
/// its rename is lost. A later write of Flask overwrites this store's record. Both sides replace
/// files by renames, so no process ever reads half a record. As in Flask, nothing is flushed to the
/// disk: a power failure may undo the last moments.
///
/// Sessions expire in 2106 at the latest, because cachelib writes 32 bits. Sessions without an
/// expiry (0 in the file) have `UnixTime::MAX`.
///
/// Its futures must run inside a Tokio runtime, whose blocking threads do the work.
///
/// ```
/// use cloakroom_flask_stores::FileSystemStore;
/// use cloakroom_store::{Created, Key, Store, UnixTime, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let store = FileSystemStore::open(dir.join("flask_session"))?;
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// let pickled = b"\x80\x02}U\x04nameU\x03Zoes.";
///
/// let write = Write::new(&pickled[..], UnixTime::from_secs(4_000_000_000), None);
/// assert_eq!(store.create(&key, &write).await?, Created::Stored);
/// assert_eq!(store.load(&key).await?.unwrap().bytes, &pickled[..]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileSystemStore {
    inner: Arc<Blocking<Engine>>,
    place: Place,
}

impl FileSystemStore {
    /// Opens the store in `dir` (`SESSION_FILE_DIR`) with the defaults of the
    /// [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// Those of [`FileSystemBuilder::open`].
    ///
    /// ```no_run
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// let store = FileSystemStore::open("flask_session")?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder(dir).open()
    }

    /// Returns a builder of a store in `dir`.
    ///
    /// ```no_run
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// let store = FileSystemStore::builder("flask_session").threshold(500).open()?;
    /// # Ok::<(), cloakroom_store::StoreError>(())
    /// ```
    pub fn builder(dir: impl Into<PathBuf>) -> FileSystemBuilder {
        FileSystemBuilder::new(dir.into())
    }

    /// Returns the layout that was named or detected.
    ///
    /// ```
    /// # use cloakroom_flask_stores::{FileLayout, FileSystemStore};
    /// # let dir = tempfile::tempdir()?;
    /// assert_eq!(FileSystemStore::open(dir.path())?.layout(), FileLayout::CacheLib);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn layout(&self) -> FileLayout {
        self.inner.engine.layout
    }

    /// Starts a task that removes expired records at this interval (at least a second). It ends
    /// with the last handle on the returned store. Of several processes one sweeps at a time: see
    /// [`Swept`](cloakroom_store::Swept).
    ///
    /// # Errors
    ///
    /// Permanent, outside of a Tokio runtime.
    ///
    /// ```no_run
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// use std::time::Duration;
    ///
    /// # fn example() -> Result<(), cloakroom_store::StoreError> {
    /// let store = FileSystemStore::open("flask_session")?;
    /// let store = store.sweep_every(Duration::from_secs(300))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sweep_every(self, interval: Duration) -> Result<Swept<Self>, StoreError> {
        Swept::new(self, interval)
    }

    pub(super) fn new(engine: Engine) -> Self {
        // By whatever path it was opened.
        let dir = engine.dir.canonicalize();
        let dir = dir.unwrap_or_else(|_| engine.dir.clone());
        Self {
            place: Place::new(STORE, [&*dir.to_string_lossy()]),
            inner: Arc::new(Blocking::new(STORE, engine)),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let locked = move |engine: &Engine| {
            let _lock = engine.lock()?;
            job(engine)
        };
        self.inner.write(locked).await
    }
}

impl Store for FileSystemStore {
    fn place(&self) -> Option<Place> {
        Some(self.place.clone())
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = {
            let key = key.clone();
            self.inner.read(move |engine| engine.load(&key)).await?
        };
        if found.is_some() {
            return Ok(found);
        }
        // Some file systems (those in user space) do not replace a file at once: a reader may find
        // nothing for a moment.
        let key = key.clone();
        self.write(move |engine| engine.load(&key)).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let (key, write) = (key.clone(), write.clone());
        self.write(move |engine| engine.create(&key, &write)).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let (key, old, write) = (key.clone(), old.clone(), write.clone());
        self.write(move |engine| engine.replace(&key, &old, &write))
            .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        let key = key.clone();
        self.write(move |engine| engine.touch(&key, expires_at))
            .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let (key, old) = (key.clone(), old.clone());
        self.write(move |engine| engine.delete(&key, &old)).await
    }
}

impl Sweep for FileSystemStore {
    /// Opens every file of the directory, and keeps writers waiting meanwhile.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.write(move |engine| engine.sweep(limit)).await
    }
}

impl fmt::Debug for FileSystemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSystemStore")
            .field("dir", &self.inner.engine.dir)
            .field("layout", &self.layout())
            .finish_non_exhaustive()
    }
}
