//! Cloakroom sessions in the memory of the process.
//!
//! ```
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let key = Key::new("session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
//! let write = Write::new(b"a coat".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! assert_eq!(store.load(&key).await?.unwrap().bytes, "a coat");
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! For one process that may forget its sessions when it ends: a small site, a tool for a few users, development, tests. It is
//! the fastest store there is and needs nothing. Not for several processes or machines (each would have its own sessions, and
//! a sign-out in one would not reach the others), and not where a restart or a deployment must not sign everybody out: take a
//! store on a server, or the file store, for that.
//!
//! # What it guarantees
//!
//! - Every operation is atomic among all handles (clones) of a store. Comparison is by a version that no two writes of a store
//!   share, also not after a delete and a create of the same key.
//! - An expired record is invisible from the first second on (`now >= expires_at`), whether or not it has been removed.
//! - A living record leaves only by `delete`, or with the process. None is evicted to make room.
//! - Nothing survives the process. There is no way to save or restore the contents.
//! - If the clock jumps forward, what it calls expired may be removed for good, as it would be in any store. If it jumps back,
//!   records live until their time has come again; the session's own limits do not depend on that.
//!
//! # Costs
//!
//! No round trips, no tasks, no boxes; each future is ready at the first poll. Locks (one for each of 128 parts) are held for
//! short synchronous sections and never across an `await`. Per record: its bytes and its key in one allocation, and about 100
//! bytes around it. A load copies no bytes: what it returns shares the store's allocation, and keeps that alive after the
//! record is gone.
//!
//! Expired records cost nothing but their memory until they are removed: each write removes a few in passing, and
//! [`Sweep::sweep`](cloakroom_store::Sweep) removes as many as it is told. Either finds them without looking at records whose
//! end is not near. A store that is written to therefore needs no sweeper; for one that may fall idle while full there is
//! [`MemoryStore::sweep_every`].
//!
//! `list` visits all 128 parts; the other operations visit one.
//!
//! # When it is full
//!
//! There is no bound unless one is set: [`Builder::max_entries`], [`Builder::max_bytes`], or both. An operation that would
//! exceed it first removes expired records, as many as it needs. If that is not enough, it fails with a permanent
//! [`StoreError`](cloakroom_store::StoreError) that says so, and changes nothing: `create` leaves no record, `replace` leaves
//! the old one.
//!
//! Living sessions are not evicted. If they were, anybody who sends enough requests without a cookie could sign out every
//! user. Nor may such a flood keep users from signing in: the last eighth of each bound is for the creation of records with a
//! subject. Keep the flood itself away from the store: create no session before there is something to keep, limit requests,
//! give anonymous sessions a short idle timeout.

mod builder;
mod data;
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
pub use store::MemoryStore;
