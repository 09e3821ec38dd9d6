//! Cloakroom sessions in a collection of a MongoDB database, through the official driver.
//!
//! ```no_run
//! use cloakroom_mongodb::MongoStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # async fn example() -> Result<(), cloakroom_store::StoreError> {
//! let store = MongoStore::connect("mongodb://localhost/app").await?;
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
//! When the application has MongoDB already: sessions then need no further server, and with a replica set they survive the loss of a
//! member without losing a sign-out. Where the database is a SQL one, there is the SQL store; where sessions are most of what is
//! read, Redis answers with less work.
//!
//! # What it guarantees
//!
//! - **Atomic.** Each operation is one statement on one document: value, expiry, subject and version change together or not at
//!   all. No transactions.
//! - **Compare and swap by version.** Each write draws a random version of 63 bits; `replace` and `delete` name the one they
//!   loaded. So a record that was deleted and made again is another one. `touch` leaves the version alone.
//! - **Expired is absent** at once, whether or not anybody has removed it: each statement compares with the time of the
//!   [store's clock](Builder::clock). The TTL index removes what ended five minutes ago by the server's clock, so that a server
//!   whose clock is a little ahead ends nobody's session. A create takes an expired document over.
//! - **Durable** on a majority: what was answered is in the journal of most members (`w: "majority"`, `j: true`), and no failover takes
//!   it back. A write that a majority does not confirm in time ends with a transient error. A URL may ask for less (`w=1`,
//!   `journal=false`): then a failover can undo the last moment, and what was signed out in it is signed in again. It may not ask
//!   for unacknowledged writes (`w=0`).
//! - **Reads see every commit**: from the primary alone, whatever the URL's `readPreference`, with `readConcern: "majority"` unless the URL
//!   says otherwise. A primary that has been cut off from the others may, until it notices (about ten seconds), still answer a
//!   load with what was there before; it can write nothing.
//! - **Bounded.** An operation that is not over in 5 s ([`timeout`](Builder::timeout)) ends with a transient error. That includes
//!   waiting for a primary, for a connection and for the majority.
//! - **A server that was away** is found again by the driver, and so is a new primary. A read whose connection breaks is tried a second
//!   time; a load that is not answered within a quarter of the time (a connection may have died without a word) is asked again on
//!   another connection, twice. A write that was under way ends with a transient error, and whether it happened is not known.
//! - **Cancel-safe.** A dropped future leaves the document as it was or as it was to be. Its connection is closed.
//! - **No secret in an error.** Errors hold the code and its name, never the server's message (which quotes keys) and never the URL.
//!
//! A permanent error means that nothing happened. A transient one during a write leaves that open.
//!
//! **Writes are sent once.** The driver's `retryWrites` is turned off, also where the URL turns it on. A write whose answer is lost is
//! what Cloakroom's machine deals with in any case: it loads the record and looks for its own mark. The driver's way needs a
//! replica set whose members remember the answer; a server that only pretends to (there are compatible ones that do) answers
//! the second attempt of a create with "the key is taken", and that of a replace with "the record has changed", by one's own hand.
//!
//! # The collection
//!
//! [`MongoStore::create_indexes`] makes it where it is missing. A document:
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
//! The key is `_id`, because the index on it is always there and always unique: no order of starting up lets two records have one key, and
//! there is one index less to write. It is binary because a collection may have a collation, by which two texts are the same. The
//! same for those who make indexes by hand:
//!
//! ```js
//! db.cloakroom_sessions.createIndex({ expires_at: 1 }, { name: "cloakroom_expires_at", expireAfterSeconds: 300 })
//! db.cloakroom_sessions.createIndex({ subject: 1 }, { name: "cloakroom_subject", sparse: true, collation: { locale: "simple" } })
//! ```
//!
//! Sharded: `sh.shardCollection("app.cloakroom_sessions", { _id: "hashed" })`. Every operation then goes to one shard, except listing and
//! sweeping. No other shard key keeps `_id` unique.
//!
//! To end all sessions: `db.cloakroom_sessions.deleteMany({})`; those of one user: `db.cloakroom_sessions.deleteMany({ subject: "ada" })`.
//!
//! # What it needs
//!
//! MongoDB 4.2 or later (updates by pipeline), as a replica set, a sharded cluster or a single server; a Tokio runtime. The role `readWrite` on the
//! database, or less:
//!
//! ```js
//! use app
//! db.createRole({
//!   role: "sessions",
//!   roles: [],
//!   privileges: [{
//!     resource: { db: "app", collection: "cloakroom_sessions" },
//!     actions: ["find", "insert", "update", "remove", "createCollection", "createIndex"] // the last two for `create_indexes` alone
//!   }]
//! })
//! db.createUser({ user: "app", pwd: passwordPrompt(), roles: ["sessions"] })
//! ```
//!
//! The store suite runs on `mongod` where there is one, and otherwise on SecantusDB, a server of MongoDB's protocol with one
//! member. What that cannot play is a failover to another member.
//!
//! # URLs
//!
//! `mongodb://user:password@host1:port,host2:port/database?replicaSet=rs0`, and `mongodb+srv://host/database` (feature `srv`, on by default). What is
//! special in a password is percent-encoded. The options are MongoDB's: `tls=true`, `tlsCAFile`, `authSource`, `maxPoolSize`, … For TLS the
//! driver brings rustls. The database is that of the URL, unless [the builder](Builder::database) names another.
//!
//! A set of three for trying it out:
//!
//! ```console
//! $ for n in 1 2 3; do mkdir -p /var/tmp/rs$n; mongod --replSet rs0 --port 2701$n --dbpath /var/tmp/rs$n --fork --logpath /var/tmp/rs$n.log; done
//! $ mongosh --port 27011 --eval 'rs.initiate({_id: "rs0", members: [1, 2, 3].map(n => ({_id: n, host: "localhost:2701" + n}))})'
//! $ cargo demo-all --store 'mongodb://localhost:27011,localhost:27012,localhost:27013/app?replicaSet=rs0'
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
//! There are at most 10 connections to each server unless the URL's `maxPoolSize` or [the builder](Builder::max_connections) says otherwise,
//! and two more by which the driver watches it. At most 10 operations, or what was said instead, are under way at once; the others wait
//! for a turn.
//!
//! # Sweeping
//!
//! The TTL index does it. [`Sweep::sweep`](cloakroom_store::Sweep::sweep) is for those who may not make indexes, or want the space back at
//! once. Several may sweep at the same time.
//!
//! # Limits
//!
//! A document may have 16 MiB; a larger record is a permanent error, and is not sent.

mod builder;
mod document;
mod failure;
mod store;

pub use builder::Builder;
pub use mongodb;
pub use store::MongoStore;
