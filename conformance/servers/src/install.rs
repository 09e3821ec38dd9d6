//! Finds a server's program. Where it is missing, unpacks it from Debian's packages.
//!
//! Packages are downloaded and unpacked next to cargo's output. That needs no root, changes nothing
//! outside of the checkout, and starts no service. Packages that only work where they are installed
//! (a browser, an interpreter) are installed. That needs root and is announced.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::output::say;

/// Where Debian puts servers that are not on everybody's `PATH`.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// Returns the path of `name`, which the Debian packages `packages` contain (as apt-get takes them:
/// names with spaces between them, or a pattern).
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with what to do, if it is neither there nor can be unpacked here.
pub fn program(name: &str, packages: &str, more: &[PathBuf]) -> io::Result<PathBuf> {
    if env::var_os("CONFORMANCE_SERVERS").is_none_or(|choice| choice != "unpacked")
        && let Some(path) = find(name, more)
    {
        return Ok(path);
    }
    let missing = |why: String| {
        let advice = format!("install it (on Debian: apt-get install {packages})");
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{name} is not on the PATH; {why}{advice}"),
        )
    };
    if !is_debian() {
        return Err(missing(String::new()));
    }
    unpacked(name, packages, Distribution::Installed).map_err(|error| missing(format!("{error}; ")))
}

/// Returns the path of `name`, which only Debian's unstable distribution has. It runs with the
/// loader and the libraries from there.
///
/// # Errors
///
/// When it cannot be unpacked here.
pub fn unstable_program(name: &str, packages: &str) -> io::Result<PathBuf> {
    match is_debian() {
        true => unpacked(name, packages, Distribution::Unstable),
        false => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{packages} is unpacked on Debian only"),
        )),
    }
}

/// Where packages come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Distribution {
    /// The one that is installed.
    Installed,
    /// The one in which new packages appear first, from the same mirror.
    Unstable,
}

/// Installs a package of Debian that does not work when it is only unpacked.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] if that is not possible without asking.
pub fn package(name: &str) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() || !is_debian() {
        let message = format!("{name} cannot be installed from here");
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    say(format_args!(
        "server  installing {name} by apt-get, as it cannot be unpacked beside the build …"
    ));
    let apt = |arguments: &[&str]| run(Command::new("apt-get").args(arguments));
    apt(&["update", "--quiet"])?;
    apt(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        name,
    ])
}

/// Finds a program on the `PATH`, where Debian puts servers, or in one of `more`.
pub fn find(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(PLACES.into_iter().map(PathBuf::from))
        .chain(more.iter().cloned())
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Returns a directory next to cargo's output that later runs find too.
///
/// # Errors
///
/// When this program was not built by cargo.
pub(crate) fn beside_the_build() -> io::Result<PathBuf> {
    let built = env::current_exe()?;
    let target = built
        .ancestors()
        .find(|above| above.join("CACHEDIR.TAG").exists());
    let target = target.ok_or_else(|| io::Error::other("there is no target directory"))?;
    Ok(target.join("conformance"))
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

/// Unpacks `packages` and their dependencies. Returns a script that runs `name` from there.
fn unpacked(name: &str, packages: &str, from: Distribution) -> io::Result<PathBuf> {
    let place = beside_the_build()?.join(match from {
        Distribution::Installed => "debian",
        Distribution::Unstable => "debian-unstable",
    });
    let (root, scripts) = (place.join("root"), place.join("bin"));
    let script = scripts.join(name);
    fs::create_dir_all(&scripts)?;
    // Several test programs may want the same package at once.
    let lock = fs::File::create(place.join("lock"))?;
    lock.lock()?;
    if script.exists() {
        return Ok(script);
    }
    if within(&root, name).is_none() {
        say(format_args!(
            "server  unpacking {packages} to {} …",
            place.display()
        ));
        download(&place, packages, from)?;
    }
    let archives = place.join("cache/archives");
    for archive in fs::read_dir(&archives)? {
        let archive = archive?.path();
        if archive
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            run(Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&archive)
                .arg(&root))?;
            fs::remove_file(archive)?;
        }
    }
    let real = within(&root, name)
        .ok_or_else(|| io::Error::other(format!("{packages} does not contain {name}")))?;
    let libraries = libraries(&root)?;
    // The servers of MariaDB and MySQL find their messages and tables from the base directory.
    let more = match ["mariadbd", "mariadb-install-db", "mysqld"].contains(&name) {
        true => format!(" --basedir={}", root.join("usr").display()),
        false => String::new(),
    };
    let real = real.display();
    let run = match from {
        Distribution::Installed => format!("export LD_LIBRARY_PATH='{libraries}'\nexec '{real}'"),
        // Its C library is newer than the installed one, and has a loader of its own.
        Distribution::Unstable => {
            let loader = root.join("usr/lib64/ld-linux-x86-64.so.2");
            let loader = loader.display();
            format!("exec '{loader}' --library-path '{libraries}' '{real}'")
        }
    };
    let text = format!("#!/bin/sh\n{run} \"$@\"{more}\n");
    let new = scripts.join(format!("{name}.new"));
    fs::write(&new, text)?;
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::rename(new, &script)?;
    Ok(script)
}

/// Downloads packages and their dependencies, with package lists and a cache of our own.
fn download(place: &Path, packages: &str, from: Distribution) -> io::Result<()> {
    let (state, cache) = (place.join("state"), place.join("cache"));
    fs::create_dir_all(state.join("lists/partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    let mut sources = vec!["--option=Dir::State::status=/var/lib/dpkg/status".to_owned()];
    if from == Distribution::Unstable {
        let (list, status) = (place.join("sources.list"), state.join("status"));
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let mirror = mirror()?;
        fs::write(&list, format!("deb [signed-by={keys}] {mirror} sid main\n"))?;
        // Of what is installed, nothing counts.
        fs::write(&status, "")?;
        sources = vec![
            format!("--option=Dir::State::status={}", status.display()),
            format!("--option=Dir::Etc::sourcelist={}", list.display()),
            "--option=Dir::Etc::sourceparts=-".to_owned(),
        ];
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .arg(format!("--option=Dir::State={}", state.display()))
            .args(&sources)
            .arg(format!("--option=Dir::Cache={}", cache.display()))
            .arg("--option=Debug::NoLocking=true")
            .arg("--option=APT::Sandbox::User=")
            .args(arguments);
        run(&mut command)
    };
    apt(&["update", "--quiet"])?;
    // `--reinstall`: the program was not found, whatever dpkg's list says.
    let options = [
        "install",
        "--download-only",
        "--reinstall",
        "--yes",
        "--quiet",
    ];
    let mut arguments = [&options[..], &["--no-install-recommends"]].concat();
    arguments.extend(packages.split(' '));
    apt(&arguments)
}

/// Returns the mirror from which this machine has its Debian.
fn mirror() -> io::Result<String> {
    let release = fs::read_to_string("/etc/os-release")?;
    let mut lines = release.lines();
    let codename = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let format = "$(RELEASE) $(REPO_URI)";
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", format])
        .stdin(Stdio::null())
        .output()?;
    let targets = String::from_utf8_lossy(&output.stdout);
    let of_release = |line: &str| match line.split_once(' ') {
        Some((release, mirror)) if Some(release) == codename => Some(mirror.to_owned()),
        _ => None,
    };
    let mirror = targets.lines().find_map(of_release);
    mirror.ok_or_else(|| io::Error::other("apt-get knows no mirror of Debian"))
}

/// Finds a program in an unpacked tree: where users' and administrators' programs are, or in a
/// directory of its version, as PostgreSQL has it.
fn within(root: &Path, name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("usr/lib/postgresql"))
        .into_iter()
        .flatten()
        .flatten();
    let mut places: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    places.sort();
    places.reverse();
    let usual = ["usr/bin", "usr/sbin", "bin", "sbin"].map(|directory| root.join(directory));
    let mut all = usual.into_iter().chain(places);
    all.find_map(|directory| Some(directory.join(name)).filter(|file| file.exists()))
}

/// The directories with libraries, as the dynamic linker takes them.
fn libraries(root: &Path) -> io::Result<String> {
    let mut found = Vec::new();
    for directory in ["usr/lib", "lib"] {
        let directory = root.join(directory);
        for below in fs::read_dir(&directory).into_iter().flatten() {
            let path = below?.path();
            if path.is_dir()
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
            {
                // A package may keep its private libraries one level deeper.
                let deeper = fs::read_dir(&path)?.flatten().map(|entry| entry.path());
                let deeper: Vec<_> = deeper.filter(|path| path.is_dir()).collect();
                found.push(path);
                found.extend(deeper);
            }
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Ok(found.join(":"))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    let last = printed.lines().last().unwrap_or("it printed nothing");
    let message = format!("{}: {last}", command.get_program().display());
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_runs_from_where_it_is_unpacked() {
        if !is_debian() {
            return;
        }
        // A server with libraries of its own, and one that finds its files from where it stands.
        for (name, packages) in [("memcached", "memcached"), ("pgbouncer", "pgbouncer")] {
            let program = unpacked(name, packages, Distribution::Installed).expect("unpacked");
            assert!(program.starts_with(beside_the_build().expect("a place")));
            let output = Command::new(program)
                .arg("--version")
                .output()
                .expect("it runs");
            assert!(output.status.success(), "{output:?}");
        }
    }
}
