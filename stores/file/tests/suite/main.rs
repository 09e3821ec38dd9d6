//! The whole store suite on the file store, on the usual file system and on one in user space.

#[cfg(target_os = "linux")]
mod bindfs;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use cloakroom_conformance::store::{
    self, Ability, Attach, Claims, Fixture, FixtureError, Outage, Place,
};
use cloakroom_file::FileStore;
use tempfile::TempDir;

fn main() -> ExitCode {
    store::worker::<Files<TempDir>>();
    #[cfg(target_os = "linux")]
    store::worker::<Files<cloakroom_servers::Bindfs>>();
    // Removed after the last case. On a slow disk that takes longer than a case may.
    let ground = Arc::default();
    let suite = store::suite(Files::<TempDir>::on(&ground));
    #[cfg(target_os = "linux")]
    let in_user_space = Arc::default();
    #[cfg(target_os = "linux")]
    let suite = bindfs::added_to(suite, &in_user_space);
    suite.main()
}

/// The place of a suite's directories.
trait Ground: Sized + Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> io::Result<Self>;

    fn path(&self) -> PathBuf;
}

/// The system's directory for temporary files.
impl Ground for TempDir {
    const NAME: &'static str = "file";

    fn new() -> io::Result<Self> {
        Self::with_prefix("cloakroom-")
    }

    fn path(&self) -> PathBuf {
        Self::path(self).to_owned()
    }
}

/// A directory of directories, one for each place.
struct Files<G> {
    root: OnceLock<PathBuf>,
    /// In the process that made it.
    ground: Arc<OnceLock<G>>,
}

impl<G: Ground> Files<G> {
    fn on(ground: &Arc<OnceLock<G>>) -> Self {
        Self {
            root: OnceLock::new(),
            ground: Arc::clone(ground),
        }
    }

    fn directory(&self, place: &Place) -> PathBuf {
        #[expect(clippy::expect_used, reason = "a suite prepares its fixture first")]
        let root = self.root.get().expect("`prepare` comes first");
        root.join(place.name())
    }
}

impl<G: Ground> Fixture for Files<G> {
    type Store = FileStore;
    const NAME: &'static str = G::NAME;

    async fn prepare(&self) -> Result<(), FixtureError> {
        if self.ground.get().is_none() {
            let ground = G::new()?;
            let _ = self.root.set(ground.path());
            let _ = self.ground.set(ground);
        }
        Ok(())
    }

    async fn open(&self, place: &Place) -> Result<FileStore, FixtureError> {
        let clock = place.clock().clone();
        Ok(FileStore::builder(self.directory(place))
            .clock(move || clock.now())
            .open()?)
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims
            .handles_by_open()
            .durable()
            .shared()
            .survives_kill()
            .outage()
            .directory()
            .sweep()
            .enumerate()
            .never(Ability::Feed, "files announce nothing")
    }
}

impl<G: Ground> Attach for Files<G> {
    fn address(&self) -> String {
        let root = self.root.get().map(|root| root.display().to_string());
        root.unwrap_or_default()
    }

    fn attach(address: &str) -> Self {
        Self {
            root: PathBuf::from(address).into(),
            ground: Arc::default(),
        }
    }
}

impl<G: Ground> Outage for Files<G> {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.directory(place);
        Ok(fs::rename(&directory, directory.with_extension("away"))?)
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        let directory = self.directory(place);
        Ok(fs::rename(directory.with_extension("away"), &directory)?)
    }
}
