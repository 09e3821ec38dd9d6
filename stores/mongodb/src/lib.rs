//! Cloakroom sessions in a collection of a MongoDB database, through the official driver.
//!
//! ```no_run
//! use cloakroom_mongodb::MongoDbStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let store = MongoDbStore::connect("mongodb://localhost/app").await?;
//! store.create_indexes().await?;
//!
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! Choose it when the application has MongoDB already. Sessions then need no further server, and
//! with a replica set they survive the loss of a member without losing a sign-out. For a SQL
//! database use the SQL store. If sessions are most of the reads, Redis answers with less work.
//!
//! # What it guarantees
//!
//! - **Atomic.** Each operation is one statement on one document: value, expiry, subject and
//!   version change together or not at all. No transactions.
//! - **Compare-and-swap by version.** Each write draws a random version of 63 bits, and `replace`
//!   and `delete` name the one they loaded. So a record that was deleted and made again is another
//!   one. `touch` leaves the version alone.
//! - **Expired is absent** at once, removed or not: each statement compares with the [store's
//!   clock](Builder::clock). The TTL index removes documents that ended five minutes ago by the
//!   server's clock. So a server whose clock is a little ahead ends no session. A create replaces
//!   an expired document.
//! - **Durable** on a majority. An acknowledged write is in the journal of most members (`w:
//!   "majority"`, `j: true`), and no failover takes it back. A write that a majority does not
//!   confirm in time ends with a transient error. A URL may ask for less (`w=1`, `journal=false`).
//!   Then a failover can undo the last moment, and a session that was signed out in it is signed in
//!   again. It may not ask for unacknowledged writes (`w=0`).
//! - **Reads see every commit.** They go to the primary alone, whatever the URL's `readPreference`,
//!   with `readConcern: "majority"` by default. A primary that was cut off from the others may
//!   return old records until it notices (about ten seconds). It can write nothing.
//! - **Bounded.** An operation that is not over in 5 s ([`timeout`](Builder::timeout)) ends with a
//!   transient error. That includes waiting for a primary, for a connection and for the majority.
//! - **Cancelled requests cost others nothing.** What a request began goes on when it is cancelled,
//!   and its connection stays open. A load of cancelled requests costs what it would have cost
//!   uncancelled.
//! - **A server that was away** is found again by the driver, and so is a new primary. A read whose
//!   connection breaks is tried a second time. A load that is not answered within a quarter of the
//!   time is asked again on another connection, twice: a connection may have died silently. A
//!   write that was under way ends with a transient error, and whether it happened is open.
//! - **Cancel-safe.** A dropped future leaves the old document or the new one.
//! - **No secret in an error.** Errors hold the code and its name, never the server's message
//!   (which quotes keys) and never the URL.
//!
//! A permanent error means that nothing happened, and that a retry cannot help: a wrong URL, a
//! refused login or certificate, a missing right. A transient one during a write leaves open
//! whether it happened.
//!
//! **Writes are sent once.** The driver's `retryWrites` is turned off, also where the URL turns it
//! on. If the answer of a write is lost, the session machine loads the record and looks for its own
//! mark. The driver's retry needs a replica set whose members keep the answer. Some compatible
//! servers claim that and do not. There the retry of a create returns "the key is taken", and that
//! of a replace "the record has changed", although the first attempt succeeded.
//!
//! # The collection
//!
//! [`MongoDbStore::create_indexes`] makes it where it is missing. A document:
//!
//! ```js
//! {
//!   _id: BinData(0, "…"),                // the key
//!   value: BinData(0, "…"),              // the record
//!   expires_at: ISODate("2026-01-01T00:30:00Z"),
//!   subject: "ada",                      // after sign-in
//!   version: Long("4611686018427387904")
//! }
//! ```
//!
//! The key is `_id`, whose index always exists and is always unique. So no order of start-up lets
//! two records have one key, and there is one index less to write. It is binary because a
//! collection may have a collation, which can equate different texts. To make the indexes by hand:
//!
//! ```js
//! db.cloakroom_sessions.createIndex(
//!   { expires_at: 1 },
//!   { name: "cloakroom_expires_at", expireAfterSeconds: 300 })
//! db.cloakroom_sessions.createIndex(
//!   { subject: 1 },
//!   { name: "cloakroom_subject", sparse: true, collation: { locale: "simple" } })
//! ```
//!
//! Sharded: `sh.shardCollection("app.cloakroom_sessions", { _id: "hashed" })`. Every operation then
//! goes to one shard, except listing and sweeping. No other shard key keeps `_id` unique.
//!
//! To end all sessions: `db.cloakroom_sessions.deleteMany({})`. Those of one user:
//! `db.cloakroom_sessions.deleteMany({ subject: "ada" })`.
//!
//! # What it needs
//!
//! MongoDB 4.2 or later (updates by pipeline), as a replica set, a sharded cluster or a single
//! server, and a Tokio runtime. The role `readWrite` on the database, or less:
//!
//! ```js
//! use app
//! db.createRole({
//!   role: "sessions",
//!   roles: [],
//!   privileges: [{
//!     resource: { db: "app", collection: "cloakroom_sessions" },
//!     // Only `create_indexes` needs the last two.
//!     actions: ["find", "insert", "update", "remove",
//!               "createCollection", "createIndex"]
//!   }]
//! })
//! db.createUser({ user: "app", pwd: passwordPrompt(), roles: ["sessions"] })
//! ```
//!
//! The store suite runs on `mongod` where there is one, and otherwise on SecantusDB, a server of
//! MongoDB's protocol with one member. A failover to another member is not tested there.
//!
//! # URLs
//!
//! `mongodb://user:password@host1:port,host2:port/database?replicaSet=rs0`, and
//! `mongodb+srv://host/database` (feature `srv`, on by default). Percent-encode special characters
//! of a password. The options are MongoDB's: `tls=true`, `tlsCAFile`, `authSource`, `maxPoolSize`,
//! … For TLS the driver brings rustls. The database is that of the URL, unless [the
//! builder](Builder::database) names another.
//!
//! [`Builder::with_client`] takes a client of your own instead of a URL. [`Builder::credentials`]
//! takes a function that returns user and password, for passwords that change while the process
//! runs.
//!
//! A set of three for trying it out:
//!
//! ```sh
//! for n in 1 2 3; do
//!   mkdir -p /var/tmp/rs$n
//!   mongod --replSet rs0 --port 2701$n --dbpath /var/tmp/rs$n \
//!     --fork --logpath /var/tmp/rs$n.log
//! done
//! mongosh --port 27011 --eval 'rs.initiate({_id: "rs0",
//!   members: [1, 2, 3].map(n => ({_id: n, host: "localhost:2701" + n}))})'
//! cargo demo-all --store \
//!   'mongodb://localhost:27011,localhost:27012,localhost:27013/app?replicaSet=rs0'
//! ```
//!
//! # What it costs
//!
//! Round trips while the caller waits:
//!
//! | operation | round trips |
//! |---|---|
//! | load, create, replace, touch | 1, whatever the outcome |
//! | delete | 1; 2 when it is refused (`Changed` or `Gone`: a load tells which) |
//! | list | 1 for each 1000 records |
//! | sweep | 2 for each 250 documents |
//!
//! There are at most 10 connections to each server by default (the URL's `maxPoolSize`, [the
//! builder](Builder::max_connections)), and two more by which the driver watches it. As many
//! operations are under way at once, and the others wait for a turn.
//!
//! # Announcements
//!
//! With `cloakroom::Sessions::with_feed` other processes notice at once that a session has ended
//! ([`Feed`](cloakroom_store::Feed)). The server announces by a change stream, so nothing need be
//! set here and no write costs more. The stream has the `_id` of each removed document, also of
//! those that the TTL index removes, and nothing else of it.
//!
//! - It needs a replica set or a sharded cluster, and the action `changeStream` on the collection
//!   (the role `readWrite` has it). A single server and some compatible servers have no change
//!   streams. Then `listen` is a permanent error, a warning is logged, and the end of a session is
//!   noticed within the lease. The suite's server has them, so this is tested by its error alone.
//! - A process that listens has a client of its own, with one or two connections and those by which
//!   the driver watches the servers. With [`with_client`](Builder::with_client) it uses one
//!   connection of that client instead.
//! - A removal is announced when a majority has it. The driver takes up a stream again whose
//!   connection broke, where it was.
//!
//! # Sweeping
//!
//! The TTL index does it. [`MongoDbStore::sweep_every`] and
//! [`Sweep::sweep`](cloakroom_store::Sweep::sweep) are for users who may not
//! make indexes, or to have the space back at once. Several may sweep at the same time.
//!
//! # Limits
//!
//! A document may have 16 MiB. A larger record is a permanent error, and is not sent.
//!
//! A proxy may close idle connections. The driver detects that only by a failed command. So a write
//! that follows a second without an answer first asks the server for a sign of life: one round trip
//! more. Reads are sent again. Single connections that were idle for 20 s are replaced before they
//! are used. If your proxy closes connections earlier, set `maxIdleTimeMS` in the URL below its
//! limit. An application's own client ([`with_client`](Builder::with_client)) has its own setting.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod document;
mod failure;
mod feed;
mod source;
mod store;
mod table;
mod turns;

pub use builder::Builder;
pub use feed::MongoDbHints;
pub use mongodb;
pub use store::MongoDbStore;
