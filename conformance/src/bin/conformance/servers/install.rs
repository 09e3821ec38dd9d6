//! Finds a server's program, and installs it where that is possible without asking.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::say;

/// Where Debian puts servers that are not on everybody's `PATH`.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// The path of `name`, which the Debian package `package` contains.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with what to do, if it is neither there nor can be installed from here.
pub(crate) fn program(name: &str, package: &str, more: &[PathBuf]) -> io::Result<PathBuf> {
    if let Some(path) = find(name, more) {
        return Ok(path);
    }
    if may_install() {
        self::package(package)?;
        if let Some(path) = find(name, more) {
            return Ok(path);
        }
    }
    let message =
        format!("{name} is not on the PATH; install it (on Debian: apt-get install {package})");
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Installs a package of Debian, where that is possible without asking.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] if it is not.
pub(super) fn package(name: &str) -> io::Result<()> {
    if !may_install() {
        let message = format!("{name} cannot be installed from here");
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    say(format_args!("server  installing {name} …"));
    install(name)
}

pub(super) fn find(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(PLACES.into_iter().map(PathBuf::from))
        .chain(more.iter().cloned())
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn may_install() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root() && Path::new("/etc/debian_version").exists();
    #[cfg(not(unix))]
    false
}

fn install(package: &str) -> io::Result<()> {
    // A file that says "no" to every package that wants to start what it brings. One that is there already stays.
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let forbidden = !policy.exists();
    if forbidden {
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        #[cfg(unix)]
        fs::set_permissions(policy, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    let installed = apt(&["update", "--quiet"]).and_then(|()| {
        apt(&[
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            package,
        ])
    });
    if forbidden {
        fs::remove_file(policy)?;
    }
    installed
}

fn apt(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    let message = format!("apt-get {} failed: {status}", arguments.join(" "));
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}
