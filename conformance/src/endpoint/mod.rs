//! The black-box suite: what can be seen of sessions from outside, over HTTP, on any server in any language. Needs the feature
//! `adapter`.
//!
//! The server offers one small endpoint, which does with its session what a request's script says; `ENDPOINT.md` of this crate is
//! the whole description, and a page of code in most languages. There is no fake clock, no access to the store, and nothing of
//! the server's is stopped: what needs that is in the suites [`adapter`](crate::adapter) and [`store`](crate::store). Races are
//! played all the same: a script may say that the handler waits until the suite lets it go on.
//!
//! A case is `n/a` where the server's endpoint answers that it does not have an operation, and skipped where the suite was not told
//! what the case needs: a second server on the same store.

mod cases;
mod client;

use std::sync::Arc;

use crate::case::{Case, Check};
use crate::runner::{Suite, Trial};
use client::{Context, Site};

/// The cases on the server at this URL, called `name` in the output. With `second`, also those that need two servers on the same
/// store.
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

/// Every case of the suite, in the order in which they run.
///
/// ```
/// use cloakroom_conformance::endpoint;
///
/// assert!(endpoint::cases().all(|case| case.id.starts_with("http/")));
/// ```
pub fn cases() -> impl Iterator<Item = Case> {
    cases::all().map(|check| check.case)
}
