//! Servers that refuse to run as root run as another user.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The user that a server runs as, if it differs from the user of this program.
pub(crate) struct User(Option<(u32, u32)>);

impl User {
    /// Returns the first of these users that exists, if this program runs as root.
    pub(crate) fn other_than_root(names: &[&str]) -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let known = fs::read_to_string("/etc/passwd")?;
        let find = |name: &&str| {
            let mut fields = known.lines().map(|line| line.split(':'));
            let mut user =
                fields.find_map(|mut user| (user.next() == Some(*name)).then_some(user))?;
            Some((user.nth(1)?.parse().ok()?, user.next()?.parse().ok()?))
        };
        match names.iter().find_map(find) {
            Some(ids) => Ok(Self(Some(ids))),
            None => {
                let message = format!(
                    "the server does not run as root, and there is no user {}",
                    names.join(" or ")
                );
                Err(io::Error::new(io::ErrorKind::Unsupported, message))
            }
        }
    }

    #[cfg(feature = "sql")]
    /// Gives the directory to the user.
    pub(crate) fn own(&self, directory: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => std::os::unix::fs::chown(directory, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// The program and its arguments, so that it runs as the user.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> (PathBuf, Vec<String>) {
        let mut all = Vec::new();
        let first = match self.0 {
            Some((user, group)) => {
                all.extend([
                    format!("--reuid={user}"),
                    format!("--regid={group}"),
                    "--clear-groups".to_owned(),
                ]);
                // A change of user resets the parent-death signal.
                all.extend(["--pdeathsig", "KILL", "--"].map(String::from));
                all.push(program.display().to_string());
                PathBuf::from("/usr/bin/setpriv")
            }
            None => program.to_owned(),
        };
        all.extend(arguments.iter().copied().map(String::from));
        (first, all)
    }
}
