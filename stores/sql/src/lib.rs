//! Cloakroom sessions in a table of a SQL database: SQLite (feature `sqlite`, on by default), PostgreSQL (`postgres`), MySQL and
//! MariaDB (`mysql`), through [sqlx].
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_store::StoreError> {
//! use cloakroom_sql::SqlStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! let url = "sqlite::memory:"; // or "sqlite:/var/lib/app/sessions.db", "postgres://app@localhost/app", "mysql://…"
//! let store = SqlStore::connect(url).await?;
//! store.migrate().await?;
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
//! When there is a database already: sessions then need no further server, are in its backups, and survive what it survives.
//! SQLite when there is one machine and no server. If sessions are most of what the application reads, Redis answers a load with
//! less work; if nothing may be installed and no C compiled, there is the file store.
//!
//! # What it guarantees
//!
//! - **Atomic.** Each operation is one statement, and so a transaction of its own: value, expiry, subject and version change
//!   together or not at all. It needs no particular isolation level, and works with each.
//! - **Compare and swap by version.** Each write draws a random version of 63 bits; `replace` and `delete` name the one they
//!   loaded. So a record that was deleted and made again is another one.
//! - **Expired is absent** at once, whether or not anybody sweeps: each statement compares with the time of the
//!   [store's clock](Builder::clock) (the database's own clock is never asked). A create takes an expired row over.
//! - **Durable** as the database is: what was answered has been committed. With the store's own SQLite pool that outlasts a power
//!   failure (`synchronous = FULL`). With PostgreSQL `synchronous_commit = off`, with MySQL
//!   `innodb_flush_log_at_trx_commit` other than 1, a crash can take the last moment back. A failover to a replica that
//!   lags does so too; then what was signed out in that moment is signed in again.
//! - **Bounded.** An operation that is not over in 5 s ([`timeout`](Builder::timeout)) ends with a transient error. That
//!   includes waiting for a connection, for locks, and what is tried again. The store's own connections have a limit on the
//!   server too, so that nothing goes on there for long.
//! - **Deadlocks and serialization failures**, of which it is known that nothing happened, are tried again up to four times,
//!   and then are transient errors. They come from elsewhere (an application's triggers or transactions, or
//!   `default_transaction_isolation = serializable`): the store's own statements change one row each.
//! - **A server that was away** is found again: a connection that nobody used for a second is tested before it is used.
//!   One that does not answer the test in a quarter of the timeout is given up, with all that were used last before it.
//!   A read whose connection turns out to be broken is tried again on another one, twice. A write that was under way when the server
//!   went ends with a transient error, and whether it happened is not known.
//! - **A SQLite file that is removed** while it is open is an error from the next operation on (on Unix; elsewhere the system does not
//!   let it be removed), and no empty one is made in its place. Another one that is put there, such as a backup, is taken at once.
//! - **Cancel-safe.** A dropped future leaves the row as it was or as it was to be. Its connection to a server is closed.
//! - **No secret in an error.** Errors hold the database's message where it quotes no value, otherwise its code; never the
//!   URL.
//!
//! A permanent error means that nothing happened. A transient one during a write leaves that open.
//!
//! # The table
//!
//! [`SqlStore::migrate`] makes it where it is missing; [`SqlStore::schema_sql`] is the same as text for those who make tables in
//! another way. In PostgreSQL:
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
//! CREATE INDEX IF NOT EXISTS "cloakroom_sessions_expires_at" ON "cloakroom_sessions" (expires_at);
//! CREATE INDEX IF NOT EXISTS "cloakroom_sessions_subject" ON "cloakroom_sessions" USING hash (subject) WHERE subject IS NOT NULL;
//! ```
//!
//! Times are seconds since 1970. Keys and subjects are bytes because collations take different letters for the same (in MySQL:
//! `VARBINARY(250)` and `MEDIUMBLOB`); to read them, `convert_from(subject, 'UTF8')` in PostgreSQL and
//! `CAST(subject AS CHAR)` elsewhere. `created_at` is when the row was created; nothing reads it. Names may be chosen
//! ([`table`](Builder::table), [`schema`](Builder::schema)).
//!
//! To end all sessions: `DELETE FROM cloakroom_sessions`.
//!
//! # What it needs
//!
//! The rights `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the table; to migrate, those to create tables and indexes. SQLite is
//! compiled in; PostgreSQL 10 or later, MySQL 5.7 or later, MariaDB 10.2 or later (the store suite runs on SQLite, PostgreSQL 15 and MariaDB
//! 10.11). A Tokio runtime with time and I/O.
//!
//! ```sql
//! -- PostgreSQL, when another role has made the table:
//! GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom_sessions TO app;
//! ```
//!
//! # URLs
//!
//! `sqlite:path/to/file` (made if it is missing, unless the URL has a `mode`; `sqlite::memory:` for tests),
//! `postgres://user:password@host:port/database`, `mysql://user:password@host:port/database`. What is special in a password is
//! percent-encoded. Parameters are sqlx's.
//!
//! With the feature `tls` (rustls) connections to a server use TLS where it offers it. That alone keeps nobody out: say that the server must
//! be the one its certificate names.
//!
//! | | the system's certificates | one of your own |
//! |---|---|---|
//! | PostgreSQL | `?sslmode=verify-full` | `?sslmode=verify-full&sslrootcert=/etc/app/db.pem` |
//! | MySQL, MariaDB | `?ssl-mode=VERIFY_IDENTITY` | `?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/app/db.pem` |
//!
//! Another of sqlx's TLS features does as well: `sqlx = { version = "0.9", default-features = false, features = ["tls-native-tls"] }` in
//! the application.
//!
//! Through PgBouncer (tried with 1.18): `pool_mode = session` and `ignore_startup_parameters = extra_float_digits, options`. The limit on
//! the server is then not set; a `statement_timeout` of the role's does the same. With `pool_mode = transaction` and no support of prepared
//! statements every operation is a permanent error (42P05).
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
//! The pool then decides what the store would set on its own: for SQLite `journal_mode = WAL`, `synchronous = FULL` and a busy
//! timeout (without WAL whoever writes keeps readers away); for PostgreSQL `statement_timeout`; for MySQL
//! `innodb_lock_wait_timeout` and `autocommit` (without it nothing is kept, and the store does not notice); and when a connection is tested: sqlx does so before each use, which is a round trip more,
//! unless `test_before_acquire(false)` is said.
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
//! One more where a connection was idle for a second. A statement is prepared once on each connection, which is one or two more.
//!
//! sqlx's pool asks a connection whether it is still there each time that it is given back. So the store keeps the connections of
//! its own pool at hand, and gives back those that nobody has needed for a second, and each of them once a minute, for the pool to
//! close those that are old. Of an application's pool it keeps nothing: there that question is one round trip more, for which no
//! caller waits.
//!
//! In SQLite a load that is the only operation on the store waits for SQLite's thread without sleeping, for 30 us at most: to
//! sleep and be woken takes longer than the load.
//!
//! In SQLite one connection writes at a time. Writers of one process queue in order; those of several processes are kept apart by
//! the busy timeout.
//!
//! # Sweeping
//!
//! Call [`Sweep::sweep`](cloakroom_store::Sweep::sweep) every few minutes, from one process or several. It deletes in batches of
//! 250 rows found by the index on `expires_at`, each a transaction of its own. PostgreSQL skips rows that are locked; MySQL reads
//! the keys without locks and then locks only those rows; in SQLite other writers wait for one batch.
//!
//! What that costs the others, measured by `cargo conformance bench sweep` on a table of 1,000,000 rows of which 100,000 had expired, with
//! 64 workers (four loads for each replace) on the store's 10 connections:
//!
//! | | 99th percentile without a sweep | with one | the sweep took |
//! |---|---|---|---|
//! | PostgreSQL 15 | 53 ms | 48 ms | 12 s |
//! | MariaDB 10.11 | 60 ms | 61 ms | 43 s |
//! | SQLite | 100 ms | 105 ms | 28 s |
//!
//! On two cores that servers, workers and other programs shared, so compare across, not down. In SQLite it is writers waiting for their turn in both.
//!
//! # Limits
//!
//! What the database sets for a value: 1 GB in PostgreSQL, `max_allowed_packet` in MySQL (16 MiB to 64 MiB as installed), 1 GB
//! in SQLite. More is an error.

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!(
    "cloakroom-sql needs a database: turn on one of its features `sqlite`, `postgres`, `mysql`"
);

mod builder;
mod check;
mod connections;
mod database;
mod failure;
#[cfg(feature = "sqlite")]
mod file;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    expect(dead_code, reason = "SQLite's connections lead nowhere else")
)]
mod health;
#[cfg(feature = "mysql")]
mod mysql;
mod name;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod store;

pub use builder::Builder;
pub use database::Pool;
pub use sqlx;
pub use store::SqlStore;
