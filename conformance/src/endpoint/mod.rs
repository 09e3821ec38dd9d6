//! The black-box suite: checks sessions from outside, over HTTP, on any server in any language.
//! Needs the feature `adapter`.
//!
//! The server offers one small endpoint that runs a request's script on its session. `ENDPOINT.md`
//! of this crate describes it in full. The endpoint takes a page of code in most languages.
//!
//! This suite has no fake clock and no access to the store, and stops nothing of the server's.
//! Cases that need this are in the suites [`adapter`](crate::adapter) and [`store`](crate::store).
//! Races are reproduced all the same: a script can hold the handler until the suite releases it.
//!
//! A case is `n/a` if the server's endpoint answers that it lacks an operation. It is skipped if
//! the suite was not given what the case needs: a second server on the same store.

mod cases;
mod client;

use std::sync::Arc;

use crate::case::{Case, Check};
use crate::runner::{Suite, Trial};
use client::{Context, Site};

/// Returns the cases for the server at this URL, called `name` in the output. `second` adds the
/// cases that need two servers on the same store.
///
/// # Errors
///
/// When the URL is not `http://host:port`.
///
/// ```
/// use cloakroom_conformance::endpoint;
///
/// # fn main() -> Result<(), String> {
/// let suite = endpoint::suite("shop", "http://127.0.0.1:3000", None)?;
/// assert!(suite.names().any(|name| name == "http/two-tabs[shop]"));
/// # Ok(())
/// # }
/// ```
pub fn suite(name: &str, url: &str, second: Option<&str>) -> Result<Suite, String> {
    let site = Arc::new(Site::new(url, second)?);
    let trial = |check: &'static Check<Context>| {
        let context = Context::new(Arc::clone(&site));
        Trial::new(check.case, name.to_owned(), move || (check.run)(context))
    };
    Ok(Suite::new(cases::all().map(trial).collect()))
}

/// Returns every case of the suite, in the order in which they run.
///
/// ```
/// use cloakroom_conformance::endpoint;
///
/// assert!(endpoint::cases().all(|case| case.id.starts_with("http/")));
/// ```
pub fn cases() -> impl Iterator<Item = Case> {
    cases::all().map(|check| check.case)
}
