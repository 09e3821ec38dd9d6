use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom_store::{StoreError, UnixTime};

use super::disk;
use super::engine::{Clock, Engine, STORE, failed};
use super::layout::FileLayout;
use super::store::FileSystemStore;
use crate::failure;

/// How a [`FileSystemStore`] is to work. From [`FileSystemStore::builder`].
///
/// ```no_run
/// use cloakroom_flask_stores::{FileLayout, FileSystemStore};
///
/// let store = FileSystemStore::builder("flask_session").layout(FileLayout::CacheLib).threshold(10_000).open()?;
/// # Ok::<(), cloakroom_store::StoreError>(())
/// ```
#[must_use = "a builder does nothing until `open`"]
pub struct FileSystemBuilder {
    dir: PathBuf,
    layout: Option<FileLayout>,
    threshold: usize,
    mode: u32,
    clock: Clock,
}

impl FileSystemBuilder {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            layout: None,
            threshold: 500,
            mode: 0o600,
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// The layout. Unless said otherwise the one of which the directory has signs (each version keeps a file that counts the
    /// others, under a name and in a form of its own), and in an empty directory the newest.
    ///
    /// ```
    /// # use cloakroom_flask_stores::{FileLayout, FileSystemStore};
    /// let builder = FileSystemStore::builder("flask_session").layout(FileLayout::CacheLibMd5);
    /// ```
    pub fn layout(mut self, layout: FileLayout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// `SESSION_FILE_THRESHOLD`: with more files than this a create first removes what has expired, and if that is not enough,
    /// **sessions that are alive**, those that end soonest first, as Flask does. 500 unless said otherwise, as there; 0 for no
    /// limit.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// let builder = FileSystemStore::builder("flask_session").threshold(0);
    /// ```
    pub fn threshold(mut self, files: usize) -> Self {
        self.threshold = files;
        self
    }

    /// `SESSION_FILE_MODE`: the permission bits of the files; `0o600` unless said otherwise. On Unix.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// let builder = FileSystemStore::builder("flask_session").mode(0o660); // Flask runs as another user of the group
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The clock by which records end; the system's unless said otherwise.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = FileSystemStore::builder("flask_session").clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// The store. Makes the directory if it is missing, finds out the layout, and counts the files, as Flask does at its start.
    /// Blocking.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made or read; when it has signs of two layouts and none was named.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// # let dir = tempfile::tempdir()?;
    /// let store = FileSystemStore::builder(dir.path().join("flask_session")).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(self) -> Result<FileSystemStore, StoreError> {
        fs::create_dir_all(&self.dir).map_err(failed)?;
        let layout = match self.layout {
            Some(layout) => layout,
            None => self.detect()?,
        };
        let engine = Engine {
            dir: self.dir,
            layout,
            mode: self.mode,
            threshold: self.threshold,
            clock: self.clock,
        };
        let lock = engine.lock()?;
        engine.recount()?;
        drop(lock);
        Ok(FileSystemStore::new(engine))
    }

    fn detect(&self) -> Result<FileLayout, StoreError> {
        let mut found = Vec::new();
        for layout in FileLayout::ALL {
            let counter = self.dir.join(layout.counter());
            let head = disk::head(&counter, FileLayout::HEAD).map_err(failed)?;
            // The two with MD5 have one name for it, but one begins with four zeros and the other with a pickle.
            if let Some((UnixTime::MAX, _)) = head.and_then(|head| layout.decode(&head)) {
                found.push(layout);
            }
        }
        match found[..] {
            [] => Ok(FileLayout::CacheLib),
            [layout] => Ok(layout),
            _ => Err(failure::permanent(
                STORE,
                "the directory has been used by two versions of cachelib; say which layout is meant",
            )),
        }
    }
}

impl fmt::Debug for FileSystemBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSystemBuilder")
            .field("dir", &self.dir)
            .field("layout", &self.layout)
            .field("threshold", &self.threshold)
            .field("mode", &format_args!("{:o}", self.mode))
            .finish_non_exhaustive()
    }
}
