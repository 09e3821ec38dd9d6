use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use crate::format::{MAX_FILE, PEEK};

/// Every step on the file system that the store takes, one by one: the tests fail or stop each of them.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Permission bits of files (on Unix).
    pub(crate) mode: u32,
    /// Whether an answered write outlasts a power failure.
    pub(crate) fsync: bool,
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<crate::tests::faults::Faults>,
}

impl Disk {
    /// A whole file, or `None` if there is none. What has a name never changes, so it cannot grow meanwhile.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut file = match self.step("open", || File::open(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = self.step("stat", || file.metadata())?.len();
        if len > MAX_FILE {
            // Too long for a record: enough of it to find that out.
            let mut start = vec![0; PEEK];
            self.step("read", || file.read_exact(&mut start))?;
            return Ok(Some(start));
        }
        let mut bytes = vec![0; len as usize];
        self.step("read", || file.read_exact(&mut bytes))?;
        Ok(Some(bytes))
    }

    /// The first bytes of a file, fewer if it is shorter, or `None` if there is none.
    pub(crate) fn peek(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut start = Vec::with_capacity(PEEK);
        let read = self.step("peek", || {
            let file = File::open(path)?;
            file.take(PEEK as u64).read_to_end(&mut start)
        });
        match read {
            Ok(_) => Ok(Some(start)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a file that does not exist.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.mode);
        let file = self.step("create", || options.open(path))?;
        if self.is_shared() {
            self.step("set mode", || set_mode(path, self.mode))?;
        }
        Ok(file)
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.tear(file, bytes)?;
        self.step("write", || file.write_all(bytes))
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        match self.fsync {
            true => self.step("sync", || file.sync_all()),
            false => Ok(()),
        }
    }

    /// Makes names in a directory durable. Only Unix can, and only Unix needs it.
    pub(crate) fn sync_names(&self, dir: &Path) -> io::Result<()> {
        match self.fsync && cfg!(unix) {
            true => self.step("sync names", || File::open(dir)?.sync_all()),
            false => Ok(()),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", || fs::rename(from, to))
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove", || fs::remove_file(path))
    }

    /// Creates a directory; says whether it was missing.
    pub(crate) fn make_dir(&self, path: &Path) -> io::Result<bool> {
        let made = self.step("make directory", || {
            dir_builder(self.dir_mode()).create(path)
        });
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
            Ok(()) if self.is_shared() => {
                self.step("set mode", || set_mode(path, self.dir_mode()))?;
                Ok(true)
            }
            Ok(()) => Ok(true),
        }
    }

    /// Creates a directory and those above it.
    pub(crate) fn make_dirs(&self, path: &Path) -> io::Result<()> {
        if self.is_dir(path)? {
            return Ok(());
        }
        self.step("make directory", || {
            dir_builder(self.dir_mode()).recursive(true).create(path)
        })?;
        match self.is_shared() {
            true => self.step("set mode", || set_mode(path, self.dir_mode())),
            false => Ok(()),
        }
    }

    pub(crate) fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step("remove directory", || fs::remove_dir(path))
    }

    pub(crate) fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match self.step("stat", || fs::metadata(path)) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory.
    pub(crate) fn names(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.step("read directory", || {
            fs::read_dir(dir)?
                .map(|entry| Ok(entry?.file_name()))
                .collect()
        })
    }

    /// Opens a lock file, which is created if missing: never truncated, its contents do not matter.
    pub(crate) fn open_lock(&self, path: &Path) -> io::Result<File> {
        loop {
            match self.step("open lock", || OpenOptions::new().write(true).open(path)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                opened => return opened,
            }
            match self.create(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
    }

    /// Whether the lock could be had at once.
    pub(crate) fn try_lock(&self, file: &File) -> io::Result<bool> {
        self.step("lock", || match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Others than the owner may use the files: the process's umask must not take back what has been configured.
    fn is_shared(&self) -> bool {
        self.mode & 0o077 != 0
    }

    /// Who may read the files may also look for them.
    fn dir_mode(&self) -> u32 {
        self.mode | (self.mode & 0o444) >> 2
    }

    #[cfg(not(test))]
    fn step<T>(&self, _: &'static str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        act()
    }

    #[cfg(test)]
    fn step<T>(&self, name: &'static str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.faults.step(name, act)
    }
}

#[cfg(unix)]
fn dir_builder(mode: u32) -> DirBuilder {
    let mut builder = DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    builder
}

#[cfg(not(unix))]
fn dir_builder(_: u32) -> DirBuilder {
    DirBuilder::new()
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
