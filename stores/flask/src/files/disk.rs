//! The steps on the file system that both file stores take.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use cloakroom_store::StoreError;

use crate::failure;

/// A session file over this size was not written by any application.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Reads a whole file. Returns `None` if there is none. Files are replaced and never changed, so
/// the read is consistent.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(ErrorKind::FileTooLarge.into()),
        false => Ok(Some(bytes)),
    }
}

/// Returns the first bytes of a file, or `None` if there is none.
pub(crate) fn head(path: &Path, len: usize) -> io::Result<Option<Vec<u8>>> {
    match open(OpenOptions::new().read(true), path) {
        Ok(file) => {
            let mut bytes = Vec::with_capacity(len);
            file.take(len as u64).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a regular file. Never waits for the other end of a pipe, follows no link, and refuses
/// whatever else has that name.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let not_a_file = || {
        let what = "a directory, link, pipe, socket or device is in the place of a file; remove it";
        io::Error::new(ErrorKind::InvalidData, what)
    };
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits().cast_signed());
    }
    let file = options.open(path).map_err(|error| {
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            if let Some(Errno::LOOP | Errno::NXIO | Errno::ISDIR) = Errno::from_io_error(&error) {
                return not_a_file();
            }
        }
        error
    })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_a_file()),
    }
}

/// The text for a reader. Permanent, unless a retry can help.
pub(crate) fn failed(store: &'static str, what: &str, error: &io::Error) -> StoreError {
    // Too many open files, in this process (24) or on the machine (23): the same on every Unix.
    let no_descriptors = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; the process's user needs to read and write there"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "; has it been removed, or its volume unmounted? Bring it back"
        }
        _ => "",
    };
    let what = format!("{what}: {error}{advice}");
    match error.kind() {
        _ if no_descriptors => failure::transient(store, what),
        ErrorKind::Interrupted
        | ErrorKind::WouldBlock
        | ErrorKind::TimedOut
        | ErrorKind::OutOfMemory
        | ErrorKind::ResourceBusy
        | ErrorKind::StaleNetworkFileHandle => failure::transient(store, what),
        _ => failure::permanent(store, what),
    }
}

/// Gives root's files in another user's directory to that user, who could not use them otherwise.
pub(crate) fn give(file: &File, dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        if rustix::process::geteuid().is_root() {
            let dir = fs::metadata(dir)?;
            if dir.uid() != 0 {
                fchown(file, Some(dir.uid()), Some(dir.gid()))?;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, dir);
    }
    Ok(())
}

/// Makes `bytes` the contents of `path`, by a rename of `next`, which only the holder of the lock
/// writes.
pub(crate) fn replace(next: &Path, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let write = || {
        let mut file = create(next, mode)?;
        file.write_all(bytes)?;
        set_mode(&file, mode)?;
        path.parent().map_or(Ok(()), |dir| give(&file, dir))
    };
    write()
        .and_then(|()| fs::rename(next, path))
        .inspect_err(|_| {
            // Only to give the space back.
            let _ = fs::remove_file(next);
        })
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    match options.open(path) {
        // A file that a killed writer left.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

/// The process's umask is not to take back what was configured.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// Removes a file. Returns whether it was there.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
