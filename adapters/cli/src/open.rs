//! Opening the store, without making one by mistake.

use std::path::Path;

use cloakroom_any::Opened;
use cloakroom_store::SharedDirectory;

use crate::args::Args;
use crate::failure::Failure;

/// Opens the store that the arguments name. It makes no table, no index and no directory, and
/// sweeps nothing on its own.
pub(crate) async fn open(args: &Args) -> Result<Opened, Failure> {
    let Some(url) = &args.store else {
        return Err(Failure::usage(
            "which store? Pass --store URL, or set CLOAKROOM_STORE",
        ));
    };
    open_url(url, args.name.as_deref()).await
}

pub(crate) async fn open_url(url: &str, name: Option<&str>) -> Result<Opened, Failure> {
    exists(url, name)?;
    let mut builder = cloakroom_any::builder(url).migrate(false).sweep_every(None);
    if let Some(name) = name {
        builder = builder.name(name);
    }
    Ok(builder.open().await?)
}

/// The store as one that lists the sessions of a subject.
pub(crate) fn directory(opened: &Opened) -> Result<&SharedDirectory, Failure> {
    opened.directory.as_ref().ok_or_else(|| {
        Failure::unable(
            "Memcached has no list of its keys, so the sessions of a subject cannot be found in it; \
             every other store can list them",
        )
    })
}

/// Returns the scheme of a URL, in lower case.
pub(crate) fn scheme(url: &str) -> String {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.to_ascii_lowercase()
}

/// Where a URL leads, for comparing two of them: the same text, or the same file.
pub(crate) fn place(url: &str, name: Option<&str>) -> String {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
    let path = match (&*scheme(url), name) {
        ("file", Some(name)) => path.join(name),
        ("file" | "sqlite", _) => path.to_owned(),
        _ => return url.to_owned(),
    };
    let path = path.canonicalize().unwrap_or(path);
    format!("{}:{}", scheme(url), path.display())
}

/// A store of files makes its directory where it is missing, and SQLite its file. A command that
/// looks must not: a mistyped path would look like an empty store.
fn exists(url: &str, name: Option<&str>) -> Result<(), Failure> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    match &*scheme(url) {
        "memory" => Err(Failure::usage(
            "sessions in memory belong to the process of the application; no command can reach them",
        )),
        "file" => {
            let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
            let path = name.map_or_else(|| path.to_owned(), |name| path.join(name));
            match path.join("records").is_dir() {
                true => Ok(()),
                false => Err(Failure::refused(
                    "the directory of the URL has no store of files; check the path and --name",
                )),
            }
        }
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            match Path::new(path).is_file() {
                true => Ok(()),
                false => Err(Failure::refused(
                    "there is no SQLite database at the path of the URL; check the path",
                )),
            }
        }
        _ => Ok(()),
    }
}
