//! Cloakroom sessions in Redis or Valkey. Every operation is one atomic step on the server, and all
//! processes see it at once.
//!
//! ```no_run
//! use cloakroom_redis::RedisStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let url = "redis://127.0.0.1:6379/0";
//! let store = RedisStore::builder(url).prefix("shop:").connect().await?;
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! Choose it when several processes or machines share sessions, and an answer should take a
//! fraction of a millisecond. The server's settings decide how safe the sessions are: see below. If
//! sessions must survive the loss of any one machine, use an SQL database with synchronous
//! replicas.
//!
//! # What it guarantees
//!
//! - **Compare-and-swap.** Each write carries a 64-bit number of its own. `replace` and `delete`
//!   run a script that compares it and acts in the same step. Where the server compares in its
//!   `SET` (`IFEQ`: Valkey 8.1, Redis 8.4), a replace without a subject is that one command.
//! - **One step.** Value, expiry and subject are one Redis string. A reader sees all of a write or
//!   nothing of it.
//! - **Expired is absent**, by the server's clock. The server removes what has expired by itself,
//!   so there is nothing to sweep.
//! - **Sent once.** A write whose connection breaks fails with a transient error. Its outcome is
//!   unknown, and the session machine resolves it. A read is retried once on a new connection, and
//!   so is a write of which the system had sent nothing. So no operation fails behind a proxy or
//!   server that closes idle connections. A cluster's client cannot detect that. So there a write
//!   first reads a byte of its key if no answer for the key's slot came within the last second. A
//!   command that a cluster's server redirects did not happen, and is sent to the server that has
//!   the record.
//! - **Bounded.** Every operation ends within 2 s ([`Builder::timeout`]). A list ends within that
//!   time for each of its round trips, and a write with a subject in a cluster for each of its two.
//!   A connection whose answer is late is closed. All waiting operations share one connection, or
//!   one attempt to make it.
//! - **Cancelled requests cost others nothing.** A handshake goes on when its request is cancelled.
//!   While more than 8 sent commands belong to cancelled requests, new ones queue.
//! - **An outage is an error**, for each operation, at once if the server refuses connections. The
//!   store goes on by itself when the server is back.
//! - **Found at the start.** [`Builder::connect`] tries every command that the store uses, as the
//!   user that it is. A missing permission, a renamed command, a replica and a proxy that spreads
//!   keys are found there.
//! - **Secrets stay.** No error contains a password, a key or a value: of a server's answer, only
//!   the code is kept.
//!
//! An error is permanent where a retry cannot help: a refused login or certificate, a missing
//! permission or command, a wrong database, no memory. It is transient where it can: nothing
//! listens, no answer, an unknown host name, too many clients, a failover under way.
//!
//! The server decides the fate of the data:
//!
//! - **Durability.** With `appendfsync always` an acknowledged write outlasts a crash. With
//!   `everysec`, the default of `appendonly yes`, the last second may be lost, and with snapshots
//!   alone the last minutes. A lost sign-out makes its session live again until it expires.
//! - **Failover.** Replication does not wait. When a replica takes over, under Sentinel or in a
//!   cluster, acknowledged writes that had not reached it are lost, with the same effect. No write
//!   is done twice, and replicated writes are there. `min-replicas-to-write 1` makes a master
//!   without a replica refuse writes (a transient error). That makes the window smaller and does
//!   not close it. While there is no master, operations end with a transient error. The store finds
//!   the new one by itself.
//! - **Eviction.** With a `maxmemory-policy` other than `noeviction` a full server drops sessions,
//!   and their users are signed out. With `noeviction` (the default) it refuses writes: a permanent
//!   error, which leaves every record as it was. Signing out still works, also for a process that
//!   starts then. Lists of subjects can be evicted too, so that a session lives but is not listed.
//!   Use `noeviction` if users end their other sessions.
//!
//! # URLs
//!
//! | URL | leads to | feature |
//! |---|---|---|
//! | `redis://user:password@host:6379/2` | a server; user, password, port and database (2) are optional | |
//! | `unix:///run/redis.sock?db=2&user=…&pass=…` | the same by a socket | |
//! | `rediss://…` | the same with TLS (rustls), checked against the system's or the given certificates | `tls` |
//! | `redis+sentinel://user:password@host,host/name/2` | the master `name` of the sentinels at these hosts (port 26379) | `sentinel` |
//! | `redis+cluster://user:password@host,host` | a Redis Cluster, found by any of these nodes | `cluster` |
//! | `rediss+sentinel://…`, `rediss+cluster://…` | both with TLS | `tls` |
//!
//! `valkey://` and `valkeys://` are other names of `redis://` and `rediss://`. Percent-encode
//! special characters of user and password. The only option of a server's URL is `protocol=resp3`;
//! a socket's has those of the table too. Any other option is an error, as is `?db=2` for a server.
//! Certificates, and the login for the sentinels themselves, are settings of the [`Builder`].
//!
//! A `redis://` URL never leads to a cluster, nor a `redis+cluster://` URL to a single server:
//! either is a permanent error that names the cause. Name at least two nodes or sentinels: one must
//! answer each time the store connects. Each new connection asks the sentinels which server is
//! master. An answer that the server is a replica makes a new connection.
//!
//! # A client or a password of your own
//!
//! [`RedisStore::with_client`] takes a client of the `redis` crate instead of a URL.
//! [`Builder::credentials`] takes a function that returns user and password, for passwords that
//! change while the process runs.
//!
//! # Keys on the server
//!
//! All begin with the [prefix](Builder::prefix), by default `cloakroom:`.
//!
//! | key | type | value |
//! |---|---|---|
//! | prefix + key of the record | string | `crm` and the number 1; the end in seconds since 1970 (8 bytes, big-endian as all); the number of the write (8); the length of the subject (4; 2³² − 1 for none); subject; record |
//! | prefix + `subject ` + subject | sorted set | the keys of this subject's records, by the second from which the entry is of no use |
//! | prefix + `probe ` … | any | what [`Builder::connect`] tries; ends after ten seconds |
//!
//! No key of a record contains a space, so none is taken for another row. A list may name records
//! that are gone or another subject's. The record has its subject in it, so such entries are never
//! shown. They leave the list when their time is over, and the list leaves the server with the last
//! of them. A user who may read the database may read the sessions and the subjects in it.
//!
//! In a cluster, and behind a proxy that spreads keys (twemproxy), record and list are on different
//! servers, and no script can write both in one step. There a create or replace writes the list
//! first: a crash in between leaves an entry too many, never one too few. A touch extends the
//! record first. An entry outlives its record by as much as the record lives, so that the next
//! touch is in time.
//!
//! A foreign value under the store's keys is a permanent error, and is neither served nor
//! overwritten.
//!
//! # Round trips
//!
//! | operation | command | round trips | in a cluster, with a subject |
//! |---|---|---|---|
//! | load | `GET` | 1 | 1 |
//! | create | `SET NX PXAT`; with a subject, or in a cluster, a script | 1 | 2 |
//! | replace | script; with `IFEQ` `SET` | 1; with `IFEQ` 2 if it is not stored | 2 |
//! | touch | script | 1 | 2 |
//! | delete | script | 1 | 1 |
//! | list | `ZRANGE`, then `MGET` of 64 records each | 2 or more | `GET`s, 64 at once |
//!
//! With [`Builder::announce_ends`] the script of delete publishes the record's key. That costs no
//! round trip more. [`Feed::listen`](cloakroom_store::Feed::listen) opens a connection of its own.
//!
//! The script of replace and delete sends only the number of the old write. `IFEQ` sends the old
//! record, so records over 16 KiB are left to the script. An entry in a subject's list is written
//! when it is missing or has less than half of its time left. Scripts are called by their digest. A
//! server without them (a restart, `SCRIPT FLUSH`, a failover) costs one more round trip, once for
//! each script.
//!
//! One connection (in a cluster, one for each node) carries all operations of a store and of its
//! clones, at the same time.
//!
//! [`Track::track`](cloakroom_store::Track::track), for `cloakroom-near`, opens one too, and in a
//! cluster one to each master. There the server sends the name of every record of the prefix that
//! any process changes. So its traffic grows with the writes times the processes. A cache asks it
//! four times in each lease whether it is still the master, and each master of a cluster which
//! masters there are. Without a right, behind twemproxy and with a cluster's client of your own the
//! cache has its lease alone.
//!
//! # What it needs
//!
//! Redis 6.2 or newer, or Valkey. The suite runs with Redis 7.0, Valkey 8.1 and Valkey 9.1. As a
//! user of its own (`role`, `cluster|slots` and `asking` only under Sentinel and in a cluster,
//! `scan` and `info` only for `Enumerate`; `client|tracking`, `role` and `info`, in a cluster
//! `cluster|nodes` and `cluster|info`, for a near cache that listens), in one line:
//!
//! ```text
//! ACL SETUSER sessions on >password ~shop:* +get +mget +set +setrange +getrange +del +pttl
//!     +pexpireat +expireat +zadd +zrem +zscore +zrange +zremrangebyscore +eval +evalsha
//!     +hello +ping +select +role +cluster|slots +cluster|nodes +cluster|info +asking
//!     +scan +info +client|tracking
//! ```
//!
//! With [`Builder::announce_ends`] also `&shop:ended +publish +subscribe`.
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
//! The application, with a server's certificate from an authority of your own (`cargo add
//! cloakroom-redis --features tls`):
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn open() -> Result<cloakroom_redis::RedisStore, Box<dyn std::error::Error>> {
//! let url = "rediss://sessions:password@redis.example/0";
//! let store = cloakroom_redis::RedisStore::builder(url)
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
//! It runs on a Tokio runtime with time and I/O.
//!
//! # Limits
//!
//! A record with its subject has at most 512 MB (`proto-max-bulk-len`). Time has the resolution of
//! a second. The clocks of application and server should agree: the server decides when a record
//! ends.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod client;
#[cfg(feature = "cluster")]
mod cluster;
mod directory;
mod enumerate;
mod eviction;
mod failure;
mod feed;
#[cfg(feature = "cluster")]
mod heard;
mod inner;
mod layout;
mod link;
mod scripts;
mod store;
#[cfg(feature = "tls")]
mod tls;
mod track;
mod url;
mod versions;
mod way;

pub use builder::Builder;
pub use client::Client;
pub use feed::RedisHints;
pub use redis;
pub use store::RedisStore;
pub use track::RedisChanges;
