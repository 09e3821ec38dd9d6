//! The common part of the tests.

mod apps;
mod beside;
mod browser;
mod client;
mod live;
mod mongodb;
mod redis;
mod visitor;

pub use apps::{Cookie, KEY, ours, settings, their_redis, theirs};
pub use beside::{
    a_sign_in_survives_their_writes, cancelled_requests_starve_no_others,
    each_reads_and_writes_what_the_other_one_wrote,
    ours_loses_nothing_of_what_runs_at_the_same_time,
    their_request_overwrites_what_was_saved_meanwhile,
};
pub use browser::{Browser, encoded, values};
pub use client::Client;
pub use live::{Seen, adopting, our_shop, their_shop};
pub use mongodb::{Newer, theirs_0_11};
pub use redis::Redis;
pub use visitor::{Door, Visitor};
