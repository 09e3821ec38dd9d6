//! The stores that `--store` can name: all there are.

use std::time::Duration;

use cloakroom_any::{Opened, Sweeper};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Files beside the program: in `target/`, so no other user of the machine can be there first, as in `/tmp`.
    #[default]
    Beside,
    Url(String),
}

impl Choice {
    /// The store, and where the sessions are, for people.
    pub(crate) async fn open(self) -> Result<(Opened, String), String> {
        let url = match self {
            Self::Beside => beside()?,
            Self::Url(url) => url,
        };
        let opened = cloakroom_any::builder(&url).open().await;
        // Whatever is wrong with the URL, it is not repeated: it may hold a password.
        let opened = opened.map_err(|error| {
            // A store that has a name was found by its URL, and then could not be opened.
            let help = match error.store() {
                "session" => "; --help lists what it takes, and `cargo demo-all` has all of it",
                _ => "",
            };
            format!("--store: {error}{help}")
        })?;
        if let Some(sweeper) = opened.sweeper.clone() {
            tokio::spawn(sweep(sweeper));
        }
        Ok((opened, place(&url)))
    }
}

fn beside() -> Result<String, String> {
    let problem = "cannot find a place for sessions; name one with --store file:DIR";
    let program = std::env::current_exe().map_err(|error| format!("{problem} ({error})"))?;
    let directory = program.with_file_name("demo-sessions");
    let directory = directory.to_str().ok_or(problem)?;
    Ok(format!("file:{directory}"))
}

/// Of a URL that has been opened no more than its scheme, unless it names a directory.
fn place(url: &str) -> String {
    match url.split_once(':') {
        Some(("memory", _)) => "in memory, gone when it ends".to_owned(),
        Some(("file", directory)) => {
            let directory = directory.strip_prefix("//").unwrap_or(directory);
            let whole = std::path::absolute(directory);
            let whole = whole.unwrap_or_else(|_| directory.into());
            format!("files in {}, kept over restarts", whole.display())
        }
        Some((scheme, _)) => format!("{scheme}, kept over restarts of the shop"),
        None => String::new(),
    }
}

/// Removes expired sessions, a few at a time. A sweep that fails is not the last.
async fn sweep(sweeper: Sweeper) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tick.tick().await;
        match sweeper.sweep(1000).await {
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
    use super::{Choice, place};

    #[test]
    fn where_sessions_are_is_said_without_a_password() {
        assert_eq!(
            place("redis://:secret@localhost/0"),
            "redis, kept over restarts of the shop"
        );
        assert!(place("file:/a/b:c").contains("/a/b:c"));
        assert!(place("memory:").contains("memory"));
    }

    #[tokio::test]
    async fn what_is_no_store_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "memory",
            "memory:x",
            "file",
            "file:",
            "nonsense",
            "http://:secret@localhost",
        ] {
            let error = Choice::Url(text.to_owned()).open().await.err().unwrap();
            assert!(error.starts_with("--store: "), "{error}");
            assert!(
                error.contains("file:") || error.contains("memory:"),
                "{error}"
            );
            assert!(error.contains("--help"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_opened_is_no_matter_of_help() {
        // Below a file there is no place for one.
        let url = concat!("file:", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/sessions");
        let error = Choice::Url(url.to_owned()).open().await.err().unwrap();
        assert!(error.contains("cannot open a store in"), "{error}");
        assert!(!error.contains("--help"), "{error}");
    }
}
