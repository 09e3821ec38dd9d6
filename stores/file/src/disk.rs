use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use crate::failure::{is_full, located};
use crate::format::{MAX_FILE, PEEK};

/// Every step on the file system that the store takes, one by one: the tests fail or stop each of
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Permission bits of files (on Unix).
    pub(crate) mode: u32,
    /// Whether an answered write outlasts a power failure.
    pub(crate) fsync: bool,
    /// The user and group of the store's directory. Files that root creates in another user's store
    /// are given to that user, who could not use them otherwise.
    pub(crate) owner: Option<(u32, u32)>,
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<crate::tests::faults::Faults>,
}

impl Disk {
    /// Reads a whole file. Returns `None` if there is none. A named file never changes, so it
    /// cannot grow meanwhile. Some file systems in user space lose an open file when another one
    /// takes its name (sshfs).
    pub(crate) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self.read_named(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_named(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut file = self.step("open", path, || open(path))?;
        let len = self.step("stat", path, || regular(&file))?;
        if len > MAX_FILE {
            // Too long for a record: enough of it to find that out.
            let mut start = vec![0; PEEK];
            self.step("read", path, || file.read_exact(&mut start))?;
            return Ok(start);
        }
        let mut bytes = vec![0; len as usize];
        self.step("read", path, || file.read_exact(&mut bytes))?;
        Ok(bytes)
    }

    /// Returns the first bytes of a file, fewer if it is shorter, or `None` if there is none.
    pub(crate) fn peek(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut start = Vec::with_capacity(PEEK);
        let read = self.step("peek", path, || {
            let file = open(path)?;
            regular(&file)?;
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
        let file = self.step("create", path, || options.open(path))?;
        if self.is_shared() {
            self.step("set mode", path, || set_mode(path, self.mode))?;
        }
        self.give(path)?;
        Ok(file)
    }

    pub(crate) fn write(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.tear(file, bytes)?;
        self.step("write", path, || file.write_all(bytes))
    }

    pub(crate) fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
        match self.fsync {
            true => self.step("sync", path, || file.sync_all()),
            false => Ok(()),
        }
    }

    /// Makes names in a directory durable. Only Unix can, and only Unix needs it.
    pub(crate) fn sync_names(&self, dir: &Path) -> io::Result<()> {
        match self.fsync && cfg!(unix) {
            true => self.step("sync names", dir, || File::open(dir)?.sync_all()),
            false => Ok(()),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to, || fs::rename(from, to))
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove", path, || fs::remove_file(path))
    }

    /// Creates a directory. Returns whether it was missing.
    pub(crate) fn make_dir(&self, path: &Path) -> io::Result<bool> {
        let made = self.step("make directory", path, || {
            dir_builder(self.dir_mode()).create(path)
        });
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if self.is_shared() {
            self.step("set mode", path, || set_mode(path, self.dir_mode()))?;
        }
        self.give(path)?;
        Ok(true)
    }

    /// Creates a directory and those above it.
    pub(crate) fn make_dirs(&self, path: &Path) -> io::Result<()> {
        if self.is_dir(path)? {
            return Ok(());
        }
        self.step("make directory", path, || {
            dir_builder(self.dir_mode()).recursive(true).create(path)
        })?;
        match self.is_shared() {
            true => self.step("set mode", path, || set_mode(path, self.dir_mode())),
            false => Ok(()),
        }
    }

    pub(crate) fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step("remove directory", path, || fs::remove_dir(path))
    }

    pub(crate) fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match self.step("stat", path, || fs::metadata(path)) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the kind of the entry itself, without following a link. `None` if there is none.
    pub(crate) fn look(&self, path: &Path) -> io::Result<Option<fs::Metadata>> {
        match self.step("stat", path, || fs::symlink_metadata(path)) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory.
    pub(crate) fn names(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.step("read directory", dir, || {
            fs::read_dir(dir)?
                .map(|entry| Ok(entry?.file_name()))
                .collect()
        })
    }

    /// Opens a lock file, which is created if missing: never truncated, its contents do not matter.
    pub(crate) fn open_lock(&self, path: &Path) -> io::Result<File> {
        loop {
            match self.open_existing_lock(path, true)? {
                Some(lock) => return Ok(lock),
                None => match self.create(path) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) if is_full(error.kind()) => self.share_lock(path, error)?,
                    created => return created,
                },
            }
        }
    }

    /// Opens a lock file if there is one. A lock that is shared needs no right to write.
    pub(crate) fn open_existing_lock(&self, path: &Path, write: bool) -> io::Result<Option<File>> {
        let opened = self.step("open lock", path, || {
            let mut options = OpenOptions::new();
            options.write(write).read(!write);
            let file = careful(&mut options).open(path).map_err(not_a_file)?;
            regular(&file)?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Without space for one more file another shard's lock file gets a second name. Their writers
    /// then exclude each other too, which does no harm.
    #[cold]
    fn share_lock(&self, path: &Path, full: io::Error) -> io::Result<()> {
        let Some(dir) = path.parent() else {
            return Err(full);
        };
        for name in self.names(dir)? {
            if Some(OsStr::new(&name)) == path.file_name() {
                return Ok(());
            }
            let other = dir.join(name);
            match self.step("link", path, || fs::hard_link(&other, path)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
                _ => return Ok(()),
            }
        }
        Err(full)
    }

    /// Whether the lock could be had at once.
    pub(crate) fn try_lock(&self, path: &Path, file: &File, shared: bool) -> io::Result<bool> {
        let lock = || match shared {
            true => file.try_lock_shared(),
            false => file.try_lock(),
        };
        self.step("lock", path, || match lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Makes what was just created the property of the store's owner.
    fn give(&self, path: &Path) -> io::Result<()> {
        match self.owner {
            None => Ok(()),
            Some(owner) => self.step("set owner", path, || set_owner(path, owner)),
        }
    }

    /// Others than the owner may use the files: the process's umask must not take back what has
    /// been configured.
    fn is_shared(&self) -> bool {
        self.mode & 0o077 != 0
    }

    /// Adds search permission wherever the mode has read permission.
    fn dir_mode(&self) -> u32 {
        self.mode | (self.mode & 0o444) >> 2
    }

    #[cfg(not(test))]
    fn step<T>(
        &self,
        _: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        act().map_err(|error| located(path, error))
    }

    #[cfg(test)]
    fn step<T>(
        &self,
        name: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let done = self.faults.step(name, act);
        done.map_err(|error| located(path, error))
    }
}

/// Opens a file to read it. Never waits for the other end of a pipe, and follows no link.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    careful(options.read(true)).open(path).map_err(not_a_file)
}

/// Returns the length of a regular file. Anything else that has its name is an error.
fn regular(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(io::Error::new(ErrorKind::InvalidData, NOT_A_FILE)),
    }
}

const NOT_A_FILE: &str = "it is a directory, link, pipe, socket or device, and not a file";

#[cfg(unix)]
fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed())
}

#[cfg(not(unix))]
fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Maps the system's error for a link, for a pipe without a reader, and for a socket.
#[cfg(unix)]
fn not_a_file(error: io::Error) -> io::Error {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => {
            io::Error::new(ErrorKind::InvalidData, NOT_A_FILE)
        }
        _ => error,
    }
}

#[cfg(not(unix))]
fn not_a_file(error: io::Error) -> io::Error {
    error
}

#[cfg(unix)]
fn set_owner(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))
}

#[cfg(not(unix))]
fn set_owner(_: &Path, _: (u32, u32)) -> io::Result<()> {
    Ok(())
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
