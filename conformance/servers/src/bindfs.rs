//! A file system in user space, on which a rename over a file is not atomic to readers.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

use crate::install::program;
use crate::output::say;
use crate::process::{command, version};

/// How long it may take until it is mounted, or no longer is.
const LIMIT: Duration = Duration::from_secs(60);

/// A directory behind bindfs. Unmounted when dropped, and when this process ends in whatever way.
///
/// FUSE moves a file that is open out of the way before a rename replaces it. A reader that comes
/// between the two finds nothing.
#[derive(Debug)]
pub struct Bindfs {
    child: Child,
    directory: TempDir,
}

impl Bindfs {
    /// Returns whether this process may mount file systems in user space. Most containers may not.
    ///
    /// It mounts one that has no files, and unmounts it at once.
    #[must_use]
    pub fn is_possible() -> bool {
        may_mount().is_ok()
    }

    /// Mounts an empty directory.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if bindfs cannot be had here. Another one if it cannot mount.
    pub fn mount() -> io::Result<Self> {
        let bindfs = program("bindfs", "bindfs", &[])?;
        say(format_args!("server  {}", version(&bindfs)?));
        let directory = TempDir::with_prefix("cloakroom-bindfs-")?;
        let (source, mounted) = (directory.path().join("source"), mounted(directory.path()));
        fs::create_dir(&source)?;
        fs::create_dir(&mounted)?;
        let log = NamedTempFile::with_prefix("cloakroom-log-")?;
        // It unmounts when it is asked to end, and not when it is killed.
        let child = command(&bindfs, "TERM")
            .arg("-f")
            .args([&source, &mounted])
            .stdin(Stdio::null())
            .stdout(log.as_file().try_clone()?)
            .stderr(log.as_file().try_clone()?)
            .spawn()?;
        let mut bindfs = Self { child, directory };
        let begin = Instant::now();
        while fs::metadata(bindfs.path())?.dev() == fs::metadata(&source)?.dev() {
            let why = match bindfs.child.try_wait()? {
                Some(status) => format!("bindfs ended: {status}"),
                None if begin.elapsed() > LIMIT => "bindfs mounts nothing".to_owned(),
                None => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            let said = fs::read_to_string(log.path()).unwrap_or_default();
            return Err(io::Error::other(format!("{why}; it said: {said}")));
        }
        Ok(bindfs)
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        mounted(self.directory.path())
    }

    fn unmount(&mut self) -> io::Result<()> {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(id, Signal::TERM)?;
        }
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > LIMIT {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Bindfs {
    fn drop(&mut self) {
        // The directory behind it is removed after this, and not through it.
        let _ = self.unmount();
    }
}

fn mounted(directory: &Path) -> PathBuf {
    directory.join("mounted")
}

fn may_mount() -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let device = rustix::fs::open("/dev/fuse", flags, Mode::empty())?;
    let directory = TempDir::with_prefix("cloakroom-fuse-")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0\0",
        device.as_raw_fd()
    );
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes());
    let options = options.map_err(io::Error::other)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    rustix::mount::mount("cloakroom", directory.path(), "fuse", flags, Some(options))?;
    // Nobody answers on it any more.
    drop(device);
    Ok(rustix::mount::unmount(
        directory.path(),
        UnmountFlags::DETACH,
    )?)
}

#[cfg(test)]
mod tests {
    use super::Bindfs;

    #[test]
    fn what_is_written_is_behind_it_and_nothing_stays_mounted() {
        if !Bindfs::is_possible() {
            return;
        }
        let bindfs = Bindfs::mount().expect("it mounts");
        let (path, source) = (bindfs.path(), bindfs.directory.path().join("source/file"));
        std::fs::write(path.join("file"), "here").expect("written");
        assert_eq!(std::fs::read(source).expect("it is there"), b"here");
        drop(bindfs);
        let mounts = std::fs::read_to_string("/proc/mounts").expect("the mounts");
        assert!(!mounts.contains(path.to_str().expect("a name")), "{mounts}");
        assert!(!path.exists());
    }
}
