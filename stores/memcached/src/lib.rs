//! Cloakroom sessions in Memcached, one server or several: compare-and-swap, one round trip for
//! each operation.
//!
//! ```no_run
//! use cloakroom_memcached::MemcachedStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let url = "memcached://cache-1,cache-2,cache-3";
//! let store = MemcachedStore::builder(url).prefix("shop:").connect().await?;
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! Choose it if Memcached is there already, and a lost session costs only a sign-in. It keeps
//! sessions in memory and may drop any of them. Use Redis or an SQL database to list a user's
//! devices and sign them out (`Directory`). Use them also if sessions must survive a restart, or if
//! a sign-out must hold in any case.
//!
//! # What it guarantees
//!
//! - **Compare-and-swap** by Memcached's own CAS number, which each write changes and a touch does
//!   not.
//! - **One step.** Value and expiry change together or not at all. The server removes what has
//!   expired by itself, so there is nothing to sweep.
//! - **Sent once.** A write whose connection breaks fails with a transient error. Its outcome is
//!   unknown, and the session machine finds out. A load is retried once on a new connection, and so
//!   is a write of which the system had taken nothing. The store detects, before it uses an idle
//!   connection, that the server or a proxy has closed it. It never uses `noreply`.
//! - **Bounded.** Every operation ends within 2 s ([`Builder::timeout`]). There are at most 10
//!   connections to each server ([`Builder::max_connections`]). Further operations wait for one
//!   within that time.
//! - **Cancelled requests cost others nothing.** What a request began goes on when it is cancelled,
//!   with its connection and its handshake. A load of cancelled requests costs what it would have
//!   cost uncancelled.
//! - **An outage is an error**, at once if the server refuses connections, and for the records of
//!   that server only. No record is ever looked for on another server. The store goes on by itself
//!   when the server is back.
//! - **A record that does not fit** (over the server's item limit, or no memory left) is an error,
//!   and the old one stays.
//! - **Cancel-safe.** A dropped future leaves the old record or the new one.
//! - **Secrets stay.** No error contains a key, a value, or the server's message.
//!
//! An error is permanent if a retry cannot help. The record is too large, the user may not open the
//! socket, or the server is unsuitable: older than 1.6.12, not Memcached, with a password, or
//! without compare-and-swap. It is transient if a retry can help: nothing listens, no answer, an
//! unknown host name, no memory, too many connections.
//!
//! # Losses and their effects
//!
//! - **A restart** loses all records of that server. Their users are signed out. It never signs
//!   anybody in.
//! - **Eviction.** A full server drops what was not used for longest, living sessions too: those
//!   users are signed out. `stats` counts `evictions`: add memory until that stays 0. A server
//!   started with `-M` refuses new records instead, which is a transient error.
//! - **A sign-out stays a sign-out.** It removes the record. There is no tombstone that could be
//!   evicted, and nothing in flight can bring a record back: compare-and-swap finds nothing to
//!   swap.
//! - **A rotation** leaves the old record, retired, for the grace (30 s), with the key of the new
//!   one in it. If the retired record is evicted, requests with the old token find no session, and
//!   a sign-out among them does not reach the new one. If the new record is evicted, the old token
//!   is dead too. In neither case does a token reach more than it did.
//! - **A CAS number counts from 1 again after a restart.** An older record could be replaced by
//!   mistake only if another one had the same key and number. Keys come from 256 random bits and
//!   are created once, so there is none.
//!
//! # URLs
//!
//! | URL | leads to |
//! |---|---|
//! | `memcached://host:port,host:port` | one server or several by TCP; the port is 11211 by default |
//! | `memcached+unix:///run/memcached.sock` | one server by a Unix socket |
//!
//! # Several servers
//!
//! Each record is on one server, chosen by the weighted Ketama of libmemcached with equal weights.
//! A server has 160 points, from MD5, on a circle of 32 bits. PHP calls it
//! `OPT_LIBKETAMA_COMPATIBLE`, pylibmc `ketama_weighted`. A server's place depends on its name in
//! the URL (without the port if that is 11211), not on the order in the URL.
//!
//! Give every process the same servers under the same names. If one is gone, its share of the
//! sessions is unavailable, and the others are as before. No other server takes over its share.
//! Otherwise its records, even signed-out ones, would come back with it. For the same reason
//! restart all servers (or `flush_all`) after a change of the list. Otherwise a part of the
//! sessions is sought elsewhere, and comes back with the old list.
//!
//! # Records on the server
//!
//! | key | value | flags | expiry |
//! |---|---|---|---|
//! | prefix + key of the record | the record, nothing else | 0 | see below |
//! | prefix + `sha256.` + digest of the key in base64url, where that has more than 250 bytes | the same | 0 | |
//!
//! The [prefix](Builder::prefix) is `cloakroom:` by default. Lives of up to 30 days are sent as
//! seconds from now, so that the server's clock does not matter. Longer ones are sent as a moment,
//! up to 2038-01-19, Memcached's last. [`UnixTime::MAX`](cloakroom_store::UnixTime::MAX) is no
//! expiry.
//!
//! Memcached's clock ticks once a second. A record may end up to a second early, and a load's
//! expiry may be a second off.
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
//! Memcached 1.6.12 or newer (the suite runs on 1.6.18), with its compare-and-swap (not `-C`), by
//! its text protocol. Everybody who can reach the port can read and write all sessions: bind it to
//! a private network, or use a socket. There is no authentication and no TLS. The store runs on a
//! Tokio runtime with time and I/O.
//!
//! A set-up for sessions:
//!
//! ```text
//! memcached --listen=10.0.0.5 --memory-limit=256 --conn-limit=4096
//! memcached --unix-socket=/run/memcached.sock --unix-mask=0770 --memory-limit=256
//! ```
//!
//! A record takes about 100 bytes more than its length. Connections: 10 for each process and
//! server.
//!
//! # Limits
//!
//! A record must fit into a server's item: 1 MiB less about 300 bytes, or the server's option `-I`.
//! The store sends and reads up to 64 MiB.
//!
//! # Why a protocol of its own
//!
//! The store speaks the five commands itself, because no client in Rust offers all of them.
//! `async-memcached`, the best-kept one, has the newer `ms` in place of `add` and `cas`. `ms`
//! *removes* the record that is there when the new one does not fit, even when it was not to be
//! replaced. It also connects by IPv4 alone. `memcache` is async in its experimental part alone, by
//! `ms` too. `memcache-async` has `cas`, but no delete that compares. `mcmc-rs` has all the
//! commands, and brings OpenSSL and the whole of Tokio.

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
