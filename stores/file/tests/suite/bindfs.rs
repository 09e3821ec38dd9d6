//! The suite on bindfs, where a rename over a file is not atomic to readers.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use cloakroom_conformance::Suite;
use cloakroom_conformance::store;
use cloakroom_servers::Bindfs;

use crate::{Files, Ground};

impl Ground for Bindfs {
    const NAME: &'static str = "file-bindfs";

    fn new() -> io::Result<Self> {
        Self::mount()
    }

    fn path(&self) -> PathBuf {
        Self::path(self)
    }
}

/// Adds the suite where file systems in user space can be mounted. In most containers they cannot,
/// and there is nothing that could be installed.
pub(crate) fn added_to(suite: Suite, ground: &Arc<OnceLock<Bindfs>>) -> Suite {
    match Bindfs::is_possible() {
        // The store makes the same calls as elsewhere. Readers and writers may be in several
        // processes.
        true => suite.and(
            store::suite(Files::<Bindfs>::on(ground))
                .only(|name| name.ends_with("/direct]") || name.contains("-hides-nothing[")),
        ),
        false => {
            // Not to standard output, where a list of the cases may be expected.
            let _ = writeln!(
                io::stderr(),
                "nothing of [file-bindfs/…]: this process may mount no file system in user space"
            );
            suite
        }
    }
}
