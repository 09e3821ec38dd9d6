//! The stores that `--store` can name.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cloakroom_file::FileStore;
use cloakroom_memory::MemoryStore;
use cloakroom_store::{SharedDirectory, Sweep};

/// Any store that can list a user's sessions, chosen when the program starts. An application with one store names its type
/// instead, and saves an allocation for each operation.
pub(crate) type AnyStore = SharedDirectory;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Files beside the program: in `target/`, so no other user of the machine can be there first, as in `/tmp`.
    #[default]
    Beside,
    Files(PathBuf),
    Memory,
}

pub(crate) struct Opened {
    pub(crate) store: AnyStore,
    /// Where the sessions are, for people.
    pub(crate) place: String,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", dir)) if !dir.is_empty() => Ok(Self::Files(dir.into())),
            Some(("memory", "")) => Ok(Self::Memory),
            _ => Err(format!(
                "{text:?} is not a store: --store takes file:DIR or memory:"
            )),
        }
    }
}

impl Choice {
    pub(crate) async fn open(self) -> Result<Opened, String> {
        match self {
            Self::Beside => {
                let program = std::env::current_exe();
                let program = program.map_err(|error| {
                    format!(
                        "cannot find a place for sessions ({error}); name one with --store file:DIR"
                    )
                })?;
                files(program.with_file_name("demo-sessions"))
            }
            Self::Files(dir) => files(dir),
            Self::Memory => {
                let store = SharedDirectory::new(MemoryStore::new());
                let place = "in memory, gone when it ends".to_owned();
                Ok(Opened { store, place })
            }
        }
    }
}

fn files(dir: PathBuf) -> Result<Opened, String> {
    let store = FileStore::open(&dir)
        .map_err(|error| format!("{error}; name another directory with --store file:DIR"))?;
    tokio::spawn(sweep(store.clone()));
    let dir = dir.canonicalize().unwrap_or(dir);
    let place = format!("files in {}, kept over restarts", dir.display());
    Ok(Opened {
        store: SharedDirectory::new(store),
        place,
    })
}

/// Removes the files of expired sessions, a few at a time. One that fails is not the last.
async fn sweep(store: impl Sweep) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tick.tick().await;
        match store.sweep(1000).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "swept expired sessions"),
            Err(error) => {
                tracing::warn!(%error, "expired sessions could not be swept, trying again in a minute");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    #[test]
    fn a_store_is_named_by_a_scheme() {
        assert_eq!("memory:".parse(), Ok(Choice::Memory));
        assert_eq!("file:a/b:c".parse(), Ok(Choice::Files("a/b:c".into())));
    }

    #[test]
    fn what_is_no_store_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "memory",
            "memory:x",
            "file",
            "file:",
            "redis://localhost",
            "nonsense",
        ] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(
                error.contains("file:DIR") && error.contains("memory:"),
                "{error}"
            );
        }
    }
}
