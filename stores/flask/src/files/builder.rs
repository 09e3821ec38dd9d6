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

/// Configures a [`FileSystemStore`]. From [`FileSystemStore::builder`].
///
/// ```no_run
/// use cloakroom_flask_stores::{FileLayout, FileSystemStore};
///
/// let store = FileSystemStore::builder("flask_session")
///     .layout(FileLayout::CacheLib)
///     .threshold(10_000)
///     .open()?;
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

    /// Sets the layout. Default: the layout that the directory has signs of, or the newest in an
    /// empty directory. The sign is a file that counts the others: each version gives it another
    /// name and form.
    ///
    /// ```
    /// # use cloakroom_flask_stores::{FileLayout, FileSystemStore};
    /// let builder =
    ///     FileSystemStore::builder("flask_session").layout(FileLayout::CacheLibMd5);
    /// ```
    pub fn layout(mut self, layout: FileLayout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// Sets the number of files above which a create first removes expired ones
    /// (`SESSION_FILE_THRESHOLD`). If that is not enough, it removes **living sessions**, as Flask
    /// does, those that expire soonest first. Default: 500, as in Flask. 0 means no limit.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// let builder = FileSystemStore::builder("flask_session").threshold(0);
    /// ```
    pub fn threshold(mut self, files: usize) -> Self {
        self.threshold = files;
        self
    }

    /// Sets the permission bits of the files (`SESSION_FILE_MODE`). Default: `0o600`. On Unix.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// // Flask runs as another user of the same group.
    /// let builder = FileSystemStore::builder("flask_session").mode(0o660);
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the clock by which records expire. Default: the system's clock.
    ///
    /// ```
    /// # use cloakroom_flask_stores::FileSystemStore;
    /// # use cloakroom_store::UnixTime;
    /// let builder = FileSystemStore::builder("flask_session")
    ///     .clock(|| UnixTime::from_secs(1_700_000_000));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Opens the store. It makes a missing directory, detects the layout, and counts the files, as
    /// Flask does at its start. Blocking.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made or read, or has signs of two layouts and none was named.
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
            // The two with MD5 have one name for it, but one begins with four zeros and the other
            // with a pickle.
            if let Some((UnixTime::MAX, _)) = head.and_then(|head| layout.decode(&head)) {
                found.push(layout);
            }
        }
        match found[..] {
            [] => Ok(FileLayout::CacheLib),
            [layout] => Ok(layout),
            _ => Err(failure::permanent(
                STORE,
                "two versions of cachelib have used the directory; choose the layout with the \
                 builder",
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
