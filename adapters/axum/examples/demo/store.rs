//! The stores that `--store` can name: all there are.

use cloakroom_any::Opened;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The default directory is in `target/`. In `/tmp`, another user of the machine could create
    /// it first.
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
        // Errors do not repeat the URL: it may hold a password.
        let opened = opened.map_err(|error| {
            // A store that has a name was found by its URL, and then could not be opened.
            let help = match error.store() {
                "session" => "; --help lists what it takes, and `cargo demo-all` has all of it",
                _ => "",
            };
            format!("--store: {error}{help}")
        })?;
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

/// Returns the scheme of a URL, or the directory that it names. The rest may hold a password.
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

#[cfg(test)]
mod tests {
    use super::{Choice, place};

    #[test]
    fn the_place_of_sessions_is_shown_without_a_password() {
        assert_eq!(
            place("redis://:secret@localhost/0"),
            "redis, kept over restarts of the shop"
        );
        assert!(place("file:/a/b:c").contains("/a/b:c"));
        assert!(place("memory:").contains("memory"));
    }

    #[tokio::test]
    async fn an_unknown_store_is_refused_with_the_known_ones() {
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
