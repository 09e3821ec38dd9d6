//! The common part of the tests.

mod apps;
mod beside;
mod browser;
mod redis;

pub use apps::{Cookie, KEY, ours, settings, their_redis, theirs};
pub use beside::each_reads_and_writes_what_the_other_one_wrote;
pub use browser::{Browser, encoded, values};
pub use redis::Redis;
