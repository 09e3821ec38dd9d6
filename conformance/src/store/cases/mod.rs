//! The cases, by what they are about. Each file has its table first, then the checks in the same
//! order.

mod cancel;
mod cancelled_load;
mod create;
mod delete;
mod directory;
mod durable;
mod enumerate;
mod epoch;
mod expiry;
mod feed;
mod keys;
mod outage;
mod place;
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
        epoch::CHECKS,
        cancel::CHECKS,
        cancelled_load::CHECKS,
        directory::CHECKS,
        sweep::CHECKS,
        enumerate::CHECKS,
        feed::CHECKS,
        durable::CHECKS,
        outage::CHECKS,
        place::CHECKS,
    ]
    .into_iter()
    .flatten()
}
