//! The cases, by what they are about. Each file has its table first, then the checks in the same order.

mod cancel;
mod create;
mod delete;
mod directory;
mod durable;
mod expiry;
mod keys;
mod outage;
mod race;
mod replace;
mod round_trip;
mod sweep;
mod touch;

use super::context::Context;
use crate::case::Check;

pub(super) fn all() -> impl Iterator<Item = &'static Check<Context>> {
    [
        round_trip::CHECKS,
        create::CHECKS,
        replace::CHECKS,
        touch::CHECKS,
        delete::CHECKS,
        expiry::CHECKS,
        keys::CHECKS,
        race::CHECKS,
        cancel::CHECKS,
        directory::CHECKS,
        sweep::CHECKS,
        durable::CHECKS,
        outage::CHECKS,
    ]
    .into_iter()
    .flatten()
}
