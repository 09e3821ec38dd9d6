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
    // The URL is not repeated: it may hold a password, and what stands before its first colon may be one.
    permanent(format!("the URL begins with no known scheme; {known}"))
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

#[cfg(feature = "memory")]
pub(crate) fn memory() -> StoreError {
    permanent("nothing follows the colon of memory:")
}

#[cfg(feature = "file")]
pub(crate) fn file() -> StoreError {
    permanent("a URL of files is file:DIRECTORY or file:///DIRECTORY, and names no host")
}

pub(crate) fn no_directory() -> StoreError {
    permanent(
        "this store cannot list a user's sessions; Memcached never can, each of the others can",
    )
}

fn permanent(what: impl Into<String>) -> StoreError {
    StoreError::permanent(STORE, what.into())
}
