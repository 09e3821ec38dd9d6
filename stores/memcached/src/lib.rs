//! Cloakroom sessions in Memcached: its own compare-and-swap, one round trip for each operation, one server or several.
//!
//! ```no_run
//! use cloakroom_memcached::MemcachedStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let store = MemcachedStore::builder("memcached://cache-1,cache-2,cache-3").prefix("shop:").connect().await?;
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! When Memcached is there already, and a session that is lost costs a sign-in and no more. It keeps sessions in memory alone and
//! may drop any of them. Where users' devices are to be listed and signed out (`Directory`), a session must outlast a restart, or
//! a sign-out must hold whatever happens, take Redis or an SQL database.
//!
//! # What it guarantees
//!
//! - **Compare and swap** by Memcached's own CAS number, which each write changes and a touch does not.
//! - **One step.** Value and expiry change together or not at all, and the server removes what has expired by itself: there
//!   is nothing to sweep.
//! - **Sent once.** A write whose connection breaks ends with a transient error: whether it happened is open, and the session
//!   machine finds out. Only a load is sent once more, on a new connection. `noreply` is never used.
//! - **Bounded.** Every operation ends within 2 s ([`Builder::timeout`]). There are at most 10 connections to each server
//!   ([`Builder::max_connections`]); who needs another waits for it within that time.
//! - **An outage is an error**, at once if the server refuses connections, and for the records of that server only. No record is
//!   ever looked for on another server. The store goes on by itself when the server is back.
//! - **A record that does not fit** (over the server's item limit, or no memory left) is an error, and the old one stays.
//! - **Cancel-safe.** A dropped future leaves the record as it was or as it was to be. Its connection is closed.
//! - **Secrets stay.** No error contains a key, a value, or what a server said.
//!
//! # What is lost, and what that means
//!
//! - **A restart** loses all records of that server. Their users are signed out, and nobody is signed in who was not.
//! - **Eviction.** A full server drops what was not used for longest, living sessions too: those users are signed out.
//!   `stats` counts `evictions`; give it memory until that stays 0. A server started with `-M` refuses new records instead, which
//!   is a transient error.
//! - **A sign-out stays a sign-out.** It removes the record; there is no tombstone that could be evicted, and nothing in
//!   flight can bring a record back that is gone: compare-and-swap finds nothing to swap.
//! - **A rotation** leaves the old record, retired, for the grace (30 s), with the key of the new one in it. If the retired one is evicted,
//!   requests that still carry the old token find no session, and a sign-out among them does not reach the new one. If the new one
//!   is evicted, the old token is dead with it. In neither case does a token reach more than it did.
//! - **A CAS number counts from 1 again after a restart.** That a record from before it is replaced by mistake would take another one
//!   under the same key with the same number. Keys come from 256 random bits and are created once, so there is none.
//!
//! # Several servers
//!
//! Each record is on one server, chosen by the weighted Ketama of libmemcached with equal weights: 160 points for each server on a
//! circle of 32 bits, from MD5. PHP calls it `OPT_LIBKETAMA_COMPATIBLE`, pylibmc `ketama_weighted`. A server's place depends on its name
//! as the URL has it (without the port if that is 11211), not on the order in the URL.
//!
//! Give every process the same servers under the same names. When one is gone, its share of the sessions is not available,
//! and the others are as before; it is *not* taken over, because then the records would be back, signed out or not, when the server is.
//! For the same reason restart all servers (or `flush_all`) after the list has changed: with one server more or less, a part
//! of the sessions is looked for elsewhere, and would be found again once the list is the old one.
//!
//! # Records on the server
//!
//! | key | value | flags | expiry |
//! |---|---|---|---|
//! | prefix + key of the record | the record, nothing else | 0 | see below |
//! | prefix + `sha256.` + digest of the key in base64url, where that has more than 250 bytes | the same | 0 | |
//!
//! The prefix is `cloakroom:` unless [said otherwise](Builder::prefix). Lives of up to 30 days are told as seconds from now, so that
//! it does not matter what time it is for the server; longer ones as a moment, which Memcached knows up to 2038-01-19.
//! [`UnixTime::MAX`](cloakroom_store::UnixTime::MAX) is no expiry.
//!
//! Memcached's clock ticks once in a second: a record may end up to a second early, and the end that a load reports may be a second off.
//!
//! # Round trips
//!
//! | operation | command | round trips |
//! |---|---|---|
//! | load | `mg … v c t` | 1 |
//! | create | `add` | 1 |
//! | replace | `cas` | 1 |
//! | touch | `touch` | 1 |
//! | delete | `md … C` | 1 |
//!
//! # What it needs
//!
//! Memcached 1.6.12 or newer (the suite runs on 1.6.18), with its compare-and-swap (not `-C`), by its text protocol over TCP.
//! Whoever can reach the port can read and write all sessions: bind it to a private network. There is no authentication and no
//! TLS. A Tokio runtime with time and I/O.
//!
//! A set-up for sessions:
//!
//! ```text
//! memcached --listen=10.0.0.5 --memory-limit=256 --conn-limit=4096
//! ```
//!
//! A record takes about 100 bytes more than its length. Connections: 10 for each process and server.
//!
//! # Limits
//!
//! A record has at most what the server takes for an item: 1 MiB less about 300 bytes, or what its option `-I` says; the store
//! sends and reads up to 64 MiB.
//!
//! # Why a protocol of its own
//!
//! The store speaks the five commands itself, because no client in Rust offers all of them. `async-memcached`, the best-kept one, has
//! the newer `ms` in place of `add` and `cas`, and `ms` *removes* the record that is there when the new one does not fit, even
//! when it was not to be replaced; it also connects by IPv4 alone. `memcache` is async in its experimental part alone, by `ms`
//! too. `memcache-async` has `cas`, but no delete that compares. `mcmc-rs` has all the commands, and brings OpenSSL and the whole
//! of Tokio.

mod builder;
mod connection;
mod failure;
mod life;
mod name;
mod node;
mod protocol;
mod ring;
mod store;
mod url;

pub use builder::Builder;
pub use store::MemcachedStore;
