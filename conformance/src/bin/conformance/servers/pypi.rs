//! Programs that come as Python packages.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::install::find;
use crate::say;

/// A directory with the files of this release of a package, beside what cargo builds, where the next run finds it too.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] if there is no Python, or the package cannot be had.
pub(crate) fn pypi(package: &str, release: &str) -> io::Result<PathBuf> {
    let unsupported = |what: String| io::Error::new(io::ErrorKind::Unsupported, what);
    let python = find("python3", &[])
        .ok_or_else(|| unsupported(format!("there is no python3 to install {package} with")))?;
    let built = env::current_exe()?;
    let target = built
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| unsupported(format!("there is no directory to install {package} in")))?;
    let place = target
        .join("conformance")
        .join(format!("{package}-{release}"));
    let complete = place.join("complete");
    if complete.exists() {
        return Ok(place);
    }
    say(format_args!("server  installing {package} {release} …"));
    // What an interrupted run left behind.
    let _ = fs::remove_dir_all(&place);
    let release = format!("{package}=={release}");
    let target = place.display().to_string();
    let installed = Command::new(python)
        .args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:"])
        .args(["--target", &target, &release])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        return Err(unsupported(format!("{release} could not be installed")));
    }
    fs::write(complete, "")?;
    Ok(place)
}
