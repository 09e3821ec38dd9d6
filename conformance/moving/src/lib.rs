//! The common part of the tests.

mod actix;
mod apps;
mod beside;
mod browser;
mod client;
mod live;
mod redis;
mod served;
mod versions;
mod visitor;

pub use actix::{Halfway, their_actix, their_actix_0_10};
pub use apps::{Cookie, KEY, ours, ours_with, settings, theirs, theirs_0_11, theirs_0_15};
pub use beside::{
    a_sign_in_survives_their_writes, cancelled_requests_starve_no_others,
    each_reads_and_writes_what_the_other_one_wrote,
    ours_loses_nothing_of_what_runs_at_the_same_time,
    their_request_of_0_15_overwrites_what_was_saved_meanwhile,
    their_request_overwrites_what_was_saved_meanwhile,
};
pub use browser::{Browser, encoded, values};
pub use client::Client;
pub use live::{Seen, adopting, our_shop, their_shop};
pub use redis::Redis;
pub use served::{App, Served};
pub use versions::{For0_14, For0_15, their_redis, their_redis_0_15};
pub use visitor::{Door, Visitor};
