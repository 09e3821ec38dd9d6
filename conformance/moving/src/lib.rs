//! The common part of the tests.

mod apps;
mod beside;
mod browser;
mod live;
mod redis;
mod visitor;

pub use apps::{Cookie, KEY, ours, settings, their_redis, theirs};
pub use beside::each_reads_and_writes_what_the_other_one_wrote;
pub use browser::{Browser, encoded, values};
pub use live::{Seen, adopting, our_shop, their_shop};
pub use redis::Redis;
pub use visitor::{Door, Visitor};
