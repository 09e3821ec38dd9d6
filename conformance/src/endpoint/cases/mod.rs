//! The cases, by what they are about. Each file has its table first, then the checks in the same
//! order.

mod cookie;
mod identity;
mod race;
mod values;

use super::client::Context;
use crate::case::Check;

pub(super) fn all() -> impl Iterator<Item = &'static Check<Context>> {
    [
        values::CHECKS,
        race::CHECKS,
        identity::CHECKS,
        cookie::CHECKS,
    ]
    .into_iter()
    .flatten()
}
