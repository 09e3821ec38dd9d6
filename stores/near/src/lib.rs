//! A cache in this process before any Cloakroom session store.
//!
//! [`Near::new(store)`](Near::new) is a store. It answers a `load` from memory for up to a *lease*
//! after the store returned the record. Default: 1 second. Everything else goes to the store.
//!
//! ```
//! use cloakroom::Sessions;
//! use cloakroom_memory::MemoryStore;
//! use cloakroom_near::Near;
//!
//! let store = Near::new(MemoryStore::new());
//! let sessions = Sessions::new(store.clone());
//! // For a gauge: store.numbers().hits
//! # drop(sessions);
//! ```
//!
//! # What it promises
//!
//! - **A session that was ended at T is refused everywhere from T + lease on.** T is the moment at
//!   which the sign-out, the revocation or any other change was acknowledged, by any process. It
//!   rests on each process's monotonic clock alone: no message has to arrive. In the process that
//!   ended the session it is refused at once.
//! - **No write is lost, doubled or brought back.** The store compares every write with what it
//!   has. Commits reload past the cache, with
//!   [`Store::load_fresh`](cloakroom_store::Store::load_fresh).
//! - **A new session is found at once.** A missing record is never cached.
//! - **A process reads its own writes.** Its write replaces or drops the record in memory. A load
//!   that was in flight meanwhile is not kept.
//! - **Memory is bounded**: see [`Builder::max_bytes`].
//!
//! The lease begins before the load is sent to the store. So a slow answer, a paused process and a
//! wrong wall clock make it no longer. A monotonic clock that stands still while the machine sleeps
//! does: Linux's does not count the time of a suspended machine.
//!
//! # Announcements
//!
//! With [`Builder::build_tracked`] the cache also listens to the store's announcements of changes
//! ([`Track`](cloakroom_store::Track)), on a connection of its own. What another process changes is
//! then dropped when its announcement arrives, and what nobody changes is used for many leases. Of
//! the stores here Redis and Valkey have them.
//!
//! - **No message has to arrive.** Twice in each lease the cache asks whether it has heard of all
//!   changes. Without an answer, leases are no longer renewed, and end as without announcements.
//! - **A lost connection empties the cache.** So does the new one, because nobody has heard of the
//!   changes in between.
//! - **A load that an announcement overtakes is not kept.** Neither is one that was in flight while
//!   a connection was lost or made.
//! - **What this process wrote is not renewed.** It stays in memory although its own announcement
//!   arrives, and is loaded again after a lease.
//!
//! In a Redis Cluster the cache listens to every master. A master that is lost, added or replaced
//! and a slot that moves count as a lost connection. A replica takes over only after a vote, which
//! the other masters show before. So the bound holds there too, except after
//! `CLUSTER FAILOVER TAKEOVER`, which asks no master: then it is the lease and the time until they
//! have heard of it.
//!
//! Renewed leases rest on the order of one TCP connection. Behind a proxy that removes
//! announcements from it and passes answers, use [`Builder::build`].
//!
//! Behind a proxy that spreads keys, on Redis 5, without the permission for `CLIENT TRACKING` and
//! with a cluster's client of your own the lease alone counts. [`Numbers::tracking`] shows which.
//!
//! Each process receives the name of every record of the prefix that any process writes. Where
//! writes are far more than reads, [`Builder::build`] costs less.
//!
//! # When not to use it
//!
//! Where a session that another process ended must be refused at once, not after a lease. Then use
//! the store alone: a look at the store is what it costs.
//!
//! # Costs
//!
//! | operation | store calls |
//! |---|---|
//! | load, within the lease, or a renewed one | 0 |
//! | load, otherwise | 1 |
//! | write | 1 |
//! | load after this process's write | 0 on the memory store and Redis, which return the version that a write got; 1 on the others |
//!
//! `tests/calls.rs` counts them.
//!
//! Without announcements only requests that come within a lease of each other save anything: an
//! application with many
//! visitors and one request per minute from each saves nothing. A page with ten requests saves
//! nine loads.

mod builder;
mod cache;
mod clocks;
mod follow;
mod mutant;
mod near;
mod numbers;
#[cfg(test)]
mod schedules;
mod shard;

pub use builder::Builder;
pub use near::Near;
pub use numbers::Numbers;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
