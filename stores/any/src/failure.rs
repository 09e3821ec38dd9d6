use cloakroom_store::StoreError;

use crate::scheme::{self, Known};

const STORE: &str = "session";

pub(crate) fn unknown_scheme() -> StoreError {
    let list = |on: bool| {
        let known = scheme::KNOWN.iter();
        let known = known.filter(|known| known.missing().is_none() == on);
        known
            .map(|known| known.shown)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (on, off) = (list(true), list(false));
    let known = match (on.as_str(), off.as_str()) {
        (on, "") => format!("known are {on}"),
        ("", off) => format!("known are, with features of cloakroom-any that are off here, {off}"),
        (on, off) => {
            format!("known are {on}, and, with features of cloakroom-any that are off here, {off}")
        }
    };
    // Errors do not repeat the URL, because it may hold a password. Even the text before its first
    // colon may be one.
    permanent(format!("the URL begins with no known scheme; {known}"))
}

pub(crate) fn wrapped() -> StoreError {
    permanent(
        "the URL has quotes or white space around it; remove them (some readers of env files keep \
         quotes, and a file ends with a newline)",
    )
}

pub(crate) fn missing_feature(known: &Known, feature: &str) -> StoreError {
    permanent(format!(
        "a URL that begins with {} needs the feature `{feature}` of cloakroom-any, which is off here",
        known.shown
    ))
}

pub(crate) fn name() -> StoreError {
    permanent("a name is at most 48 letters, digits and underscores of ASCII, no digit first")
}

pub(crate) fn near() -> StoreError {
    permanent(
        "the option `near` of the URL is a time of 100ms to 30s, such as near=1s or near=250ms, and \
         stands there once",
    )
}

pub(crate) fn near_is_off() -> StoreError {
    permanent(
        "the option `near` of a URL needs the feature `near` of cloakroom-any, which is off here",
    )
}

#[cfg(feature = "memory")]
pub(crate) fn memory() -> StoreError {
    permanent("nothing follows the colon of memory:")
}

#[cfg(feature = "file")]
pub(crate) fn file() -> StoreError {
    permanent("a URL of files is file:DIRECTORY or file:///DIRECTORY, and names no host")
}

#[cfg(feature = "file")]
pub(crate) fn file_options() -> StoreError {
    permanent(
        "a URL of files takes no options, and no `?` or `#` in its path; remove what follows them, \
         and set options with cloakroom_file::FileStore::builder",
    )
}

pub(crate) fn no_directory() -> StoreError {
    permanent("this store cannot list a user's sessions; use any store but Memcached")
}

fn permanent(what: impl Into<String>) -> StoreError {
    StoreError::permanent(STORE, what.into())
}
