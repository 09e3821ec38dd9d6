//! Programs that come as Python packages, next to cargo's output, where the next run finds them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::install::{beside_the_build, find, package};
use crate::output::say;

/// Returns a directory with the files of this release of a package.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with the cause, if there is no Python, or the package cannot be
/// had.
pub fn pypi(package: &str, release: &str) -> io::Result<PathBuf> {
    let name = format!("{package}-{release}");
    once(&name, |place| {
        let release = format!("{package}=={release}");
        let target = place.display().to_string();
        let options = ["-m", "pip", "install", "--no-deps", "--only-binary=:all:"];
        let arguments = [&options[..], &["--target", &target, &release]].concat();
        run(&python()?, &arguments, &release)
    })
}

/// Returns a virtual environment with `packages`, in a directory called `name`.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with the cause, if there is no Python with `venv`, or the
/// packages cannot be had.
pub fn venv(name: &str, packages: &[&str]) -> io::Result<PathBuf> {
    once(name, |place| {
        let path = place.display().to_string();
        let venv = || run(&python()?, &["-m", "venv", "--clear", &path], "a venv");
        venv().or_else(|error| match package("python3-venv") {
            Ok(()) => venv(),
            Err(_) => Err(error),
        })?;
        let arguments = [&["-m", "pip", "install", "--quiet"], packages].concat();
        run(&place.join("bin/python"), &arguments, &packages.join(", "))
    })
}

/// Fills the directory `name`, unless an earlier run completed it. Other test programs that want it
/// at the same time wait.
fn once(name: &str, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let root = beside_the_build()?;
    fs::create_dir_all(&root)?;
    let lock = fs::File::create(root.join(format!("{name}.lock")))?;
    lock.lock()?;
    let place = root.join(name);
    let complete = place.join("complete");
    if !complete.exists() {
        say(format_args!("server  installing {name} …"));
        // Left by an interrupted run.
        let _ = fs::remove_dir_all(&place);
        fill(&place)?;
        fs::write(complete, "")?;
    }
    Ok(place)
}

fn python() -> io::Result<PathBuf> {
    find("python3", &[]).ok_or_else(|| {
        let message = "python3 is not on the PATH; install it";
        io::Error::new(io::ErrorKind::Unsupported, message)
    })
}

fn run(program: &Path, arguments: &[&str], what: &str) -> io::Result<()> {
    let missing = |why: String| {
        let message = format!("{what} could not be installed: {why}");
        io::Error::new(io::ErrorKind::Unsupported, message)
    };
    let output = Command::new(program)
        .args(arguments)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    // `venv` prints to standard output, pip to standard error.
    let printed = [output.stderr, output.stdout].concat();
    let printed = String::from_utf8_lossy(&printed);
    let last = printed.lines().rfind(|line| !line.trim().is_empty());
    Err(missing(last.unwrap_or_default().to_owned()))
}
