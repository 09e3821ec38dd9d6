//! The cases, by what they are about. Each file has its table first, then the checks in the same
//! order.

mod attempts;
mod bytes;
mod caching;
mod calls;
mod cookie;
mod cycle;
mod damage;
mod ended;
mod ending;
mod header;
mod lifetime;
mod log;
mod lost;
mod newer;
mod outage;
mod page;
mod race;
mod repeated;
mod scope;
mod set_cookie;
mod sign_in;
mod sign_out;
mod token;
mod values;
mod wire;

use super::world::Context;
use crate::case::Check;

type Checks = &'static Check<Context>;

/// Cases that need no headers.
pub(super) fn neutral() -> impl Iterator<Item = Checks> {
    [
        calls::CHECKS,
        values::CHECKS,
        token::CHECKS,
        lifetime::CHECKS,
        sign_in::CHECKS,
        sign_out::CHECKS,
        ended::CHECKS,
        ending::CHECKS,
        race::CHECKS,
        lost::CHECKS,
        outage::CHECKS,
        damage::CHECKS,
        log::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Cases of every version of HTTP.
pub(super) fn http() -> impl Iterator<Item = Checks> {
    [
        cookie::CHECKS,
        set_cookie::CHECKS,
        header::CHECKS,
        caching::CHECKS,
        cycle::CHECKS,
        attempts::CHECKS,
        repeated::CHECKS,
        scope::CHECKS,
        page::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Cases of transports without headers.
pub(super) fn messages() -> impl Iterator<Item = Checks> {
    neutral().chain(newer::CHECKS)
}

/// Cases of HTTP/1.1, where the suite's client writes every byte.
pub(super) fn http1() -> impl Iterator<Item = Checks> {
    neutral()
        .chain(http())
        .chain(bytes::CHECKS)
        .chain(wire::CHECKS)
}

pub(super) fn all() -> impl Iterator<Item = Checks> {
    http1().chain(newer::CHECKS)
}
