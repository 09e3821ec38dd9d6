//! Cloakroom sessions in Redis or Valkey: every operation one atomic step on the server, seen by all processes at once.
//!
//! ```no_run
//! use cloakroom_redis::RedisStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let store = RedisStore::builder("redis://127.0.0.1:6379/0").prefix("shop:").connect().await?;
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! When several processes or machines share sessions, and an answer should take a fraction of a millisecond. Sessions are
//! then as safe as the server is set up to be: see below. For sessions that must outlast the loss of any one machine take
//! an SQL database with replicas that it waits for.
//!
//! # What it guarantees
//!
//! - **Compare and swap.** Each write carries a 64-bit number of its own; `replace` and `delete` run a script that compares it
//!   and acts in the same step. Neither the old record nor a digest of it travels.
//! - **One step.** Value, expiry and subject are one Redis string; a reader sees all of a write or nothing of it.
//! - **Expired is absent**, by the server's clock. The server removes what has expired by itself: there is nothing to sweep.
//! - **Sent once.** A write whose connection breaks ends with a transient error: whether it happened is open, and the session
//!   machine finds out. Only what reads is sent once more on a new connection.
//!   What a server of a cluster refused because the record is or moves elsewhere did not happen, and is sent there.
//! - **Bounded.** Every operation ends within 2 s ([`Builder::timeout`]), a list within that time for each of its round trips, and
//!   in a cluster a write with a subject within that time for each of its two. A connection on which an answer did not come in
//!   time is given up, so that the next operation is not lost on it too. All who wait share one connection, or one attempt to make
//!   it.
//! - **An outage is an error**, for each operation, at once if the server refuses connections. The store goes on by itself when
//!   the server is back.
//! - **Secrets stay.** No error contains a password, a key or a value: of what a server says, only the code is kept.
//!
//! What the server does to the data is the server's affair:
//!
//! - **Durability.** With `appendfsync always` what was answered outlasts a crash; with `everysec`, the default of
//!   `appendonly yes`, the last second may be lost; with snapshots alone the last minutes. Lost is also the end of a session: one
//!   that was signed out in that time lives again until it expires.
//! - **Failover.** Replication does not wait. When a replica takes over, under Sentinel or in a cluster, writes that were answered
//!   but had not reached it are gone, with the same effect: an update is lost, a session that was signed out lives again. No write
//!   is done twice, and what had reached the replica is there. `min-replicas-to-write 1` makes a master without a replica refuse
//!   writes (a transient error), which makes that window smaller and does not close it. While there is no master, operations end
//!   with a transient error; the store finds the new one by itself.
//! - **Eviction.** With a `maxmemory-policy` other than `noeviction` a full server drops sessions: their users are signed out.
//!   With `noeviction` (the default) it refuses writes instead, which is a permanent error and leaves every record as it was;
//!   signing out still works.
//!   Lists of subjects can be evicted too, so that a session lives but is not listed: use `noeviction` if users end their
//!   other sessions.
//!
//! # URLs
//!
//! | URL | leads to | feature |
//! |---|---|---|
//! | `redis://user:password@host:6379/2` | a server; user, password, port and database (2) may be left out | |
//! | `unix:///run/redis.sock?db=2&user=…&pass=…` | the same by a socket | |
//! | `rediss://…` | the same with TLS (rustls), checked against the certificates that the system trusts or that are given | `tls` |
//! | `redis+sentinel://user:password@host,host/name/2` | the master `name` as the sentinels at these hosts (port 26379) know it | `sentinel` |
//! | `redis+cluster://user:password@host,host` | a Redis Cluster, found by any of these nodes | `cluster` |
//! | `rediss+sentinel://…`, `rediss+cluster://…` | both with TLS | `tls` |
//!
//! `valkey://` and `valkeys://` are other names of `redis://` and `rediss://`. Special characters of user and password are
//! percent-encoded. Behind a question mark there may be `protocol=resp3`, and by a socket what the table has; any other option is an error,
//! as is `?db=2` for a server. Certificates, and the name and password for the sentinels themselves, are said to the [`Builder`].
//!
//! A `redis://` URL never leads to a cluster, nor a `redis+cluster://` URL to a single server: either is a permanent error that
//! says so. Name at least two nodes or sentinels: one must answer when the store connects, and each time it connects anew. Behind
//! sentinels each new connection asks them anew who is master, and an answer that the server is a replica makes one.
//!
//! # Keys on the server
//!
//! All begin with the prefix, `cloakroom:` unless [said otherwise](Builder::prefix):
//!
//! | key | type | what |
//! |---|---|---|
//! | prefix + key of the record | string | `crm` and the number 1; the end in seconds since 1970 (8 bytes, big-endian as all); the number of the write (8); the length of the subject (4; 2³² − 1 for none); subject; record |
//! | prefix + `subject ` + subject | sorted set | the keys of this subject's records, by the second from which the entry is of no use |
//!
//! No key of a record contains a space, so that none is taken for a list. A list may name records that are gone or another's;
//! the record says whose it is, so that such entries are never shown. They leave the list when their time is over, and the
//! list leaves the server with the last of them. Whoever may read the database may read the sessions and the subjects in it.
//!
//! In a cluster, record and list are on different nodes, which no script can write in one step. There a create or replace
//! writes the list first: a crash in between leaves an entry too many, never one too few. A touch prolongs the record first;
//! an entry outlives its record by as much as the record lives, so that the next touch is in time.
//!
//! A value under the store's keys that it did not write is neither served nor overwritten: it is a permanent error.
//!
//! # Round trips
//!
//! | operation | command | round trips | in a cluster, with a subject |
//! |---|---|---|---|
//! | load | `GET` | 1 | 1 |
//! | create | `SET NX PXAT`; with a subject, or in a cluster, a script | 1 | 2 |
//! | replace | script | 1 | 2 |
//! | touch | script | 1 | 2 |
//! | delete | script | 1 | 1 |
//! | list | `ZRANGE`, then `MGET` of 64 records each | 2 or more | `GET`s, 64 at once |
//!
//! The number of a write is all that replace and delete send of the old record; a digest would be longer, and the old record too.
//! Scripts are called by their digest. A server that has forgotten them (a restart, `SCRIPT FLUSH`, a failover) costs one more
//! round trip, once for each script.
//!
//! One connection (in a cluster, one for each node) carries all operations of a store and of its clones, at the same time.
//!
//! # What it needs
//!
//! Redis 6.2 or newer, or Valkey; tested with Redis 7.0 and Valkey 8.1, between which the store knows no difference. As a user of
//! its own (`ping`, `role`, `cluster|slots` and `asking` only under Sentinel and in a cluster), in one line:
//!
//! ```text
//! ACL SETUSER sessions on >password ~shop:* +get +mget +set +setrange +getrange +del +exists +pttl +pexpireat +expireat
//!     +zadd +zrem +zrange +zremrangebyscore +eval +evalsha +hello +ping +select +role +cluster|slots +asking
//! ```
//!
//! The tests run as this user. A server for sessions that survive a restart, `redis.conf`:
//!
//! ```text
//! appendonly yes
//! appendfsync everysec
//! maxmemory 1gb
//! maxmemory-policy noeviction
//! user default off
//! user sessions on >password ~shop:* …
//! ```
//!
//! and the application, with the server's certificate from an authority of one's own (`cargo add cloakroom-redis --features tls`):
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn open() -> Result<cloakroom_redis::RedisStore, Box<dyn std::error::Error>> {
//! let store = cloakroom_redis::RedisStore::builder("rediss://sessions:password@redis.example/0")
//!     .root_certificates(&std::fs::read("ca.pem")?)
//!     .prefix("shop:")
//!     .connect()
//!     .await?;
//! # Ok(store)
//! # }
//! ```
//!
//! With TLS the process's rustls provider becomes *ring*, unless the application has chosen one.
//!
//! A Tokio runtime with its time and I/O enabled.
//!
//! # Limits
//!
//! A record with its subject has at most 512 MB (`proto-max-bulk-len`). Time has the resolution of a second. The clocks of
//! application and server should agree: the server decides when a record ends.

mod builder;
#[cfg(feature = "cluster")]
mod cluster;
mod failure;
mod layout;
mod link;
mod scripts;
mod store;
mod url;
mod versions;

pub use builder::Builder;
pub use store::RedisStore;
