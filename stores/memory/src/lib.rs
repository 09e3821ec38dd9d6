//! Cloakroom sessions in the memory of the process.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let key =
//!     Key::new("session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
//! let write = Write::new(b"a coat".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! assert_eq!(store.load(&key).await?.unwrap().bytes, "a coat");
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! Choose it for one process that may lose its sessions when it ends: a small site, a tool for a
//! few users, development, tests. It is the fastest store and needs nothing. Several processes do
//! not share its sessions, and a restart signs everybody out. If that matters, use the file store
//! or a store on a server.
//!
//! Two applications on one store accept each other's tokens if their key prefixes are equal, and
//! list each other's users. Give each its own `MemoryStore`, or its own cookie name or key prefix.
//!
//! # What it guarantees
//!
//! - Every operation is atomic among all clones of a store. It compares versions, and no two writes
//!   of a store have the same one.
//! - An expired record is invisible from its first second on (`now >= expires_at`), whether or not
//!   it has been removed.
//! - A living record leaves only by `delete`, or with the process. The store evicts none.
//! - Nothing survives the process.
//! - If the clock jumps forward, records that expire by it may be removed for good. If it jumps
//!   back, records live until it reaches their expiry again. The session's own limits do not depend
//!   on that.
//!
//! # Costs
//!
//! There are no round trips, no tasks and no boxed futures: each future is ready at the first poll.
//! Each of 128 shards has a lock, which is held for short synchronous sections and never across an
//! `await`. A record takes its bytes and its key in one allocation, and about 100 bytes more. A
//! load copies no bytes: it shares the store's allocation and keeps it alive.
//!
//! Expired records cost only memory until they are removed. Each write removes a few in passing,
//! and [`Sweep::sweep`](cloakroom_store::Sweep) as many as you ask for. A store that is written to
//! needs no sweeper. For one that may fall idle while full there is [`MemoryStore::sweep_every`].
//!
//! `list` visits all 128 parts, the other operations visit one.
//!
//! # When it is full
//!
//! There is no bound by default. Set [`Builder::max_entries`], [`Builder::max_bytes`] or both. An
//! operation that would exceed a bound first removes as many expired records as it needs. If that
//! is not enough, it fails with a permanent [`StoreError`](cloakroom_store::StoreError) and changes
//! nothing.
//!
//! The store evicts no living session: otherwise anybody who sends enough requests without a cookie
//! could sign out every user. The last eighth of each bound is for signed-in users, so that such a
//! flood cannot keep them from signing in:
//!
//! - Records without a subject are created, and grow, only within seven eighths of each bound.
//! - Records with a subject may use all of it. So may the record that a sign-in or rotation leaves
//!   behind for the grace, which ends soon.
//!
//! A page with a form costs a stranger no record: see `csrf_token` of the session. Keep other
//! floods away from the store too. Create no session before there is something to keep, limit
//! requests, and give anonymous sessions a short idle timeout.

mod builder;
mod data;
mod feed;
mod hashing;
mod index;
mod limits;
mod record;
mod shard;
mod slab;
mod store;
mod sweeper;
#[cfg(test)]
mod tests;
mod wheel;

pub use builder::Builder;
pub use feed::MemoryHints;
pub use store::MemoryStore;
