//! The cases, by what they are about. Each file has its table first, then the checks in the same order.

mod attempts;
mod bytes;
mod caching;
mod calls;
mod cookie;
mod cycle;
mod damage;
mod lifetime;
mod lost;
mod newer;
mod outage;
mod page;
mod race;
mod set_cookie;
mod sign_in;
mod sign_out;
mod token;
mod values;
mod wire;

use super::world::Context;
use crate::case::Check;

type Checks = &'static Check<Context>;

/// What a transport needs no headers for.
pub(super) fn neutral() -> impl Iterator<Item = Checks> {
    [
        calls::CHECKS,
        values::CHECKS,
        token::CHECKS,
        lifetime::CHECKS,
        sign_in::CHECKS,
        sign_out::CHECKS,
        race::CHECKS,
        lost::CHECKS,
        outage::CHECKS,
        damage::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// What every version of HTTP has.
pub(super) fn http() -> impl Iterator<Item = Checks> {
    [
        cookie::CHECKS,
        set_cookie::CHECKS,
        caching::CHECKS,
        cycle::CHECKS,
        attempts::CHECKS,
        page::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// What only a transport without headers has.
pub(super) fn messages() -> impl Iterator<Item = Checks> {
    neutral().chain(newer::CHECKS)
}

/// What HTTP/1.1 has, where a suite's client can write every byte.
pub(super) fn http1() -> impl Iterator<Item = Checks> {
    neutral()
        .chain(http())
        .chain(bytes::CHECKS)
        .chain(wire::CHECKS)
}

pub(super) fn all() -> impl Iterator<Item = Checks> {
    http1().chain(newer::CHECKS)
}
