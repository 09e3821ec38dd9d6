//! Cloakroom sessions in one table of a SQL database, through [sqlx]: SQLite (feature `sqlite`, on
//! by default), PostgreSQL (`postgres`), MySQL and MariaDB (`mysql`).
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_store::StoreError> {
//! use cloakroom_sql::SqlStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//! use std::time::Duration;
//!
//! // Or "sqlite:/var/lib/app/sessions.db", "postgres://app@localhost/app",
//! // "mysql://…".
//! let store = SqlStore::connect("sqlite::memory:").await?;
//! store.migrate().await?;
//! let store = store.sweep_every(Duration::from_secs(300))?;
//!
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # When to choose it
//!
//! Choose it if there is a database already. Sessions then need no further server and are in its
//! backups. Choose SQLite for one machine without a server. Choose Redis if sessions are most of
//! what the application reads: a load costs less there. Choose the file store if nothing may be
//! installed and no C compiled.
//!
//! # What it guarantees
//!
//! - **Atomic.** Each operation is one statement and so one transaction, under any isolation level.
//!   Value, expiry, subject and version change together.
//! - **Compare-and-swap by version.** Each write draws a random version of 63 bits. `replace` and
//!   `delete` name the version that was loaded.
//! - **Expired is absent** at once, whether or not anybody sweeps. Each statement compares with the
//!   [store's clock](Builder::clock), and never with the database's. A create takes over an expired
//!   row.
//! - **Durable** as the database is: an answered write has been committed. With the store's own
//!   SQLite connections that outlasts a power failure (`synchronous = FULL`). With PostgreSQL's
//!   `synchronous_commit = off`, or MySQL's `innodb_flush_log_at_trx_commit` other than 1, a crash
//!   can take the last moment back. A failover to a replica that lags does so too.
//! - **Bounded.** An operation ends after 5 s ([`timeout`](Builder::timeout)) with a transient
//!   error. That includes waiting for connections and locks, and retries. The store's own
//!   connections have the limit on the server too.
//! - **Cancel-safe.** A dropped future leaves the old row or the new one. The statement and the
//!   handshake go on in a task, so aborting clients cost the others no connection. Requests that
//!   still wait for a connection leave the queue.
//! - **Conflicts are retried.** Deadlocks and serialization failures, after which nothing has
//!   happened, are tried again up to four times. They come from an application's triggers and
//!   transactions: the store's own statements change one row each.
//! - **A server that was away is found again.** A connection that was idle for a second is tested
//!   before use. One that does not answer within a quarter of the timeout is closed, with all that
//!   were last used before it. A read on a broken connection is retried twice, on other
//!   connections. A write under way ends with a transient error, and its outcome is unknown.
//! - **A removed SQLite file** is an error from the next operation on (on Unix), and no empty file
//!   takes its place. Another file in its place, such as a backup, is opened at once.
//! - **Errors name the cause** and hold no secret: the database's message where it quotes no value,
//!   otherwise its code, and never the URL. A permanent error means that nothing happened and that
//!   trying again cannot help. A transient error during a write leaves open whether it happened.
//!
//! # The table
//!
//! [`SqlStore::migrate`] makes the table where it is missing, and [`SqlStore::schema_sql`] returns
//! the same SQL as text. In PostgreSQL:
//!
//! ```sql
//! CREATE TABLE IF NOT EXISTS "cloakroom_sessions" (
//!   session_key bytea NOT NULL PRIMARY KEY,
//!   value bytea NOT NULL,
//!   expires_at bigint NOT NULL,
//!   subject bytea,
//!   version bigint NOT NULL,
//!   created_at bigint NOT NULL
//! );
//! CREATE INDEX IF NOT EXISTS "cloakroom_sessions_expires_at"
//!   ON "cloakroom_sessions" (expires_at);
//! CREATE INDEX IF NOT EXISTS "cloakroom_sessions_subject"
//!   ON "cloakroom_sessions" USING hash (subject) WHERE subject IS NOT NULL;
//! ```
//!
//! Times are seconds since 1970. Keys and subjects are bytes, because collations take different
//! letters for the same. To read a subject, use `convert_from(subject, 'UTF8')` in PostgreSQL and
//! `CAST(subject AS CHAR)` elsewhere. Subjects of any length fit. Nothing reads `created_at`. You
//! can choose the [`table`](Builder::table) and the [`schema`](Builder::schema).
//!
//! To end all sessions: `DELETE FROM cloakroom_sessions`.
//!
//! # What it needs
//!
//! PostgreSQL 10, MySQL 5.7 or MariaDB 10.2, or later. SQLite is compiled in. The store suite runs
//! on SQLite, PostgreSQL 15, MySQL 9.7 and MariaDB 10.11. A Tokio runtime with time and I/O.
//!
//! The rights `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table are enough. `migrate` needs no
//! other where the table and its indexes are there.
//!
//! ```sql
//! -- PostgreSQL, if another role made the table:
//! GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom_sessions TO app;
//! ```
//!
//! One process opens up to 10 connections ([`max_connections`](Builder::max_connections)). If the
//! server allows fewer, the store works with those, and tries again after a minute.
//!
//! # URLs
//!
//! - `sqlite:path/to/file`, made if it is missing and the URL has no `mode`; `sqlite::memory:` for
//!   tests
//! - `postgres://user:password@host:port/database`
//! - `mysql://user:password@host:port/database`
//!
//! Percent-encode special characters in a password. The options are sqlx's. Others are refused.
//!
//! With the feature `tls` (rustls) connections to a server use TLS where it offers it. That alone
//! does not keep an attacker out: require a verified certificate.
//!
//! | | the system's certificates | in addition, for one of your own |
//! |---|---|---|
//! | PostgreSQL | `?sslmode=verify-full` | `&sslrootcert=/etc/app/db.pem` |
//! | MySQL, MariaDB | `?ssl-mode=VERIFY_IDENTITY` | `&ssl-ca=/etc/app/db.pem` |
//!
//! Another of sqlx's TLS features does as well:
//! `sqlx = { version = "0.9", default-features = false, features = ["tls-native-tls"] }`.
//!
//! # PgBouncer and other poolers
//!
//! | `pool_mode` | prepared statements | what happens |
//! |---|---|---|
//! | `session` | any | works; one server connection for each of the store's |
//! | `transaction` | kept (1.21 and later, `max_prepared_statements` above 0) | works |
//! | `transaction` | not kept (before 1.21, or 0) | works, with 4 round trips for 1 |
//! | `statement` | kept | works |
//! | `statement` | not kept | each operation is a permanent error that names the setting |
//!
//! No answer is ever that of another statement: each statement executes only with a proof that it
//! is the one meant, and returns it. The store suite runs through PgBouncer 1.18 in the modes
//! `transaction` and `session`. No start-up parameter need be ignored. A pooler that refuses
//! `options` keeps no limit on the server: set `statement_timeout` for the role.
//!
//! In the mode `session` one process needs `default_pool_size` of at least
//! [`max_connections`](Builder::max_connections), which is 10, and each further process as many
//! more. A second process waits otherwise.
//!
//! # Announcements
//!
//! With [`Builder::announce_ends`], PostgreSQL announces each deleted record, and
//! `cloakroom::Sessions::with_feed` notices at once what another process ended
//! ([`Feed`](cloakroom_store::Feed)). SQLite and MySQL announce nothing: there the end of a session
//! is noticed within the lease.
//!
//! - The statement that deletes calls `pg_notify`, so it costs no round trip. PostgreSQL commits
//!   transactions with a notification one after the other. So only deletes have one: no create, no
//!   save and no sweep waits for another.
//! - The channel is the table's name and `_ended`, with a named [`schema`](Builder::schema) and a
//!   point before it, where 63 letters suffice. All processes need the same settings.
//! - A notification has the record's key and nothing else. A key is a digest, from which no token
//!   can be made. Every role that may connect to the database can listen and notify. A false
//!   notification costs a look.
//! - A process that listens has one connection more, also beside an application's pool. It
//!   announces something by another connection and waits for it, before it relies on the channel.
//! - Behind PgBouncer and other poolers `listen` is a permanent error in every mode, a warning is
//!   logged, and the lease is all there is. In the mode `transaction` the server's connection would
//!   go on listening for the next client. Deletes announce through any pooler, and a process that
//!   opens the store at the server's own address hears them.
//! - If a listener's transaction hangs for so long that PostgreSQL's queue of 8 GB is full, deletes
//!   fail. The store's own listener has no transaction open.
//!
//! # With the application's pool
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cloakroom_sql::{SqlStore, sqlx::SqlitePool};
//!
//! let pool = SqlitePool::connect("sqlite::memory:").await?;
//! let store = SqlStore::builder().with_pool(pool.clone())?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! Set on the pool what the store sets on its own connections:
//!
//! - SQLite: `journal_mode = WAL` (without it writers keep readers away), `synchronous = FULL` and
//!   a busy timeout.
//! - PostgreSQL: `statement_timeout`.
//! - MySQL: `innodb_lock_wait_timeout`, and `autocommit` (without it nothing is kept, and the store
//!   does not notice).
//!
//! sqlx's pool tests a connection before each use, which is a round trip more, unless you set
//! `test_before_acquire(false)`. It tests it again when it is given back, for which no caller
//! waits.
//!
//! # What it costs
//!
//! Round trips to the server while the caller waits:
//!
//! | operation | round trips |
//! |---|---|
//! | load, create, touch, list | 1 |
//! | replace, delete | 1; 2 when they are refused (`Changed` or `Gone`: a load tells which) |
//! | sweep | 1 for each 250 rows (MySQL: 2) |
//!
//! One more where a connection was idle for a second. A statement is prepared once on each
//! connection, which is one or two more.
//!
//! The store keeps its connections, closes those that were idle for 10 minutes, and replaces those
//! that are older than 30.
//!
//! In SQLite a load that is the only operation waits up to 30 µs for SQLite's thread without
//! sleeping: sleeping and waking takes longer than the load. One connection writes at a time.
//! Writers of one process queue in order, and the busy timeout keeps several processes apart.
//!
//! # Sweeping
//!
//! [`SqlStore::sweep_every`] removes expired rows in the background. [`Sweep::sweep`] does it once.
//! Both delete in batches of 250 rows, found by the index on `expires_at`, each a transaction of
//! its own. PostgreSQL skips rows that are locked. MySQL reads the keys without locks and then
//! locks those rows only. In SQLite other writers wait for one batch.
//!
//! `cargo conformance bench sweep` measured this on a table of 1,000,000 rows, of which 100,000 had
//! expired. 64 workers (four loads for each replace) shared 10 connections and two cores:
//!
//! | | 99th percentile without a sweep | with one | the sweep took |
//! |---|---|---|---|
//! | PostgreSQL 15 | 53 ms | 48 ms | 12 s |
//! | MariaDB 10.11 | 60 ms | 61 ms | 43 s |
//! | SQLite | 100 ms | 105 ms | 28 s |
//!
//! # Limits
//!
//! The database limits a value: 1 GB in PostgreSQL, `max_allowed_packet` in MySQL (16 to 64 MiB as
//! installed), 1 GB in SQLite. A longer one is an error.
//!
//! [`Sweep::sweep`]: cloakroom_store::Sweep::sweep

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!(
    "cloakroom-sql needs a database: turn on one of its features `sqlite`, `postgres`, `mysql`"
);

mod builder;
mod check;
mod connections;
mod database;
mod deadline;
mod failure;
mod feed;
#[cfg(feature = "sqlite")]
mod file;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    expect(dead_code, reason = "SQLite's connections lead nowhere else")
)]
mod health;
mod kept;
mod listing;
mod migration;
#[cfg(feature = "mysql")]
mod mysql;
mod name;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod proof;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod store;
mod turns;
mod url;

pub use builder::Builder;
pub use database::Pool;
pub use feed::SqlHints;
pub use sqlx;
pub use store::SqlStore;
