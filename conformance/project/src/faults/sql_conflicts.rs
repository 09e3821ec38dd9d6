//! Statements that a database gives up because others are at it at the same time: deadlocks and
//! serialization failures.
//!
//! A statement of the store changes one row and so is part of no deadlock by itself. Triggers make
//! it one: such as an application may have for its own ends.

use std::time::Duration;

use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _,
};
use cloakroom_store::{Replaced, Store, StoreError, Touched, UnixTime};
use tokio::task::JoinHandle;

use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene, sql_server};
use crate::builders;
use cloakroom_servers::{MariaDb, Postgres, SqlServer};

const DEADLOCK: &str = "R54: a statement of the store that the database ends because of a deadlock is tried again, and its answer is that of \
                        the try that was carried out";
const SERIALIZATION: &str = "R53: with serializable transactions, a statement that fails to \
                             serialize is retried on the present row";
const EXHAUSTED: &str = "R54: a conflict that does not end is a transient error after five tries, and nothing has changed";

pub(super) fn postgres() -> [Scene<Postgres>; 3] {
    [
        Scene {
            id: "faults/deadlock",
            requirement: DEADLOCK,
            own: true,
            run: |postgres| Box::pin(postgres_deadlock(&postgres.0)),
        },
        Scene {
            id: "faults/serialization-failure",
            requirement: SERIALIZATION,
            own: true,
            run: |postgres| Box::pin(postgres_serialization(&postgres.0)),
        },
        Scene {
            id: "faults/endless-conflict",
            requirement: EXHAUSTED,
            own: true,
            run: |postgres| Box::pin(postgres_exhausted(&postgres.0)),
        },
    ]
}

pub(super) fn mariadb() -> [Scene<MariaDb>; 3] {
    [
        Scene {
            id: "faults/autocommit-off",
            requirement: "R61: acknowledged writes are committed even if the server's autocommit \
                          is off",
            own: true,
            run: |mariadb| Box::pin(mariadb_without_autocommit(&mariadb.0)),
        },
        Scene {
            id: "faults/deadlock",
            requirement: DEADLOCK,
            own: true,
            run: |mariadb| Box::pin(mariadb_deadlock(&mariadb.0)),
        },
        Scene {
            id: "faults/endless-conflict",
            requirement: EXHAUSTED,
            own: true,
            run: |mariadb| Box::pin(mariadb_exhausted(&mariadb.0)),
        },
    ]
}

/// The trigger takes a second lock, which another transaction holds. That transaction then waits
/// for the row.
async fn postgres_deadlock(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "deadlock";
    let (store, table) = seeded(server, NAME).await?;
    let mut other = PgConnection::connect(&server.by(server.server())).await?;
    let make = format!(
        "CREATE SEQUENCE {table}_tries; \
         CREATE FUNCTION {table}_lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           PERFORM nextval('{table}_tries'); PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$; \
         CREATE TRIGGER second_lock AFTER UPDATE ON {table} FOR EACH ROW \
           WHEN (current_setting('application_name') = 'store') EXECUTE FUNCTION {table}_lock()"
    );
    other.execute(AssertSqlSafe(make)).await?;
    other
        .execute("BEGIN; SELECT pg_advisory_xact_lock(4711)")
        .await?;
    // After a second of waiting a statement checks for deadlocks and gives up. Here that is the
    // store's statement, which began to wait first.
    let touch = touching(&store);
    waiting(&mut other, "locktype = 'advisory'").await?;
    let update = format!("UPDATE {table} SET created_at = created_at + 1");
    other.execute(AssertSqlSafe(update)).await?;
    other.execute("COMMIT").await?;
    extended(touch).await?;
    let tries = format!("SELECT last_value FROM {table}_tries");
    let tries = other.fetch_one(AssertSqlSafe(tries)).await?;
    tried(tries.try_get(0)?, 2)
}

async fn postgres_serialization(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "serialization";
    let (store, table) = seeded(server, NAME).await?;
    let old = store.load(&key("a")).await?.ok_or("no record")?;
    let mut other = PgConnection::connect(&server.by(server.server())).await?;
    let hold = format!("BEGIN; UPDATE {table} SET created_at = created_at + 1");
    for _ in 0..3 {
        // Of the row that it waits for the statement sees a version that is over when the wait is.
        other.execute(AssertSqlSafe(hold.clone())).await?;
        let touch = touching(&store);
        waiting(&mut other, ROWS).await?;
        other.execute("COMMIT").await?;
        extended(touch).await?;
    }
    let change = format!("BEGIN; UPDATE {table} SET version = 1");
    other.execute(AssertSqlSafe(change)).await?;
    let writer = store.clone();
    let replace =
        tokio::spawn(async move { writer.replace(&key("a"), &old, &write("late")).await });
    waiting(&mut other, ROWS).await?;
    other.execute("COMMIT").await?;
    match replace.await?? {
        Replaced::Changed => {}
        answer => {
            return Err(format!("a replace of another version was answered {answer:?}").into());
        }
    }
    // The database's errors for the store, observed from outside.
    other.execute(AssertSqlSafe(hold)).await?;
    let mut plain = PgConnection::connect(&serializable(server)).await?;
    let touch = format!("UPDATE {table} SET expires_at = expires_at + 1");
    let touch = tokio::spawn(async move { plain.execute(AssertSqlSafe(touch)).await.map(drop) });
    waiting(&mut other, ROWS).await?;
    other.execute("COMMIT").await?;
    let error = touch.await?.err().ok_or("nothing was provoked")?;
    let error = error
        .into_database_error()
        .ok_or("it was no error of the database")?;
    match error.code().as_deref() {
        Some("40001") => Ok(()),
        code => Err(format!("something else was provoked: {code:?}").into()),
    }
}

async fn postgres_exhausted(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "exhausted";
    let (store, table) = seeded(server, NAME).await?;
    let mut other = PgConnection::connect(&server.by(server.server())).await?;
    let make = format!(
        "CREATE SEQUENCE {table}_tries; \
         CREATE FUNCTION {table}_fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           PERFORM nextval('{table}_tries'); RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure'; END $$; \
         CREATE TRIGGER failing AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_fail()"
    );
    other.execute(AssertSqlSafe(make)).await?;
    refused(&store).await?;
    let tries = format!("SELECT last_value FROM {table}_tries");
    let tries = other.fetch_one(AssertSqlSafe(tries)).await?;
    tried(tries.try_get(0)?, 5)
}

/// As with PostgreSQL. InnoDB notices at once, and gives up the transaction that has changed less.
async fn mariadb_deadlock(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "deadlock";
    let (store, table) = seeded(server, NAME).await?;
    let mut other = MySqlConnection::connect(&server.by(server.server())).await?;
    for statement in [
        format!("CREATE TABLE {table}_second (id INT PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB"),
        format!("INSERT INTO {table}_second SELECT seq, 0 FROM seq_1_to_100"),
        format!(
            "CREATE TRIGGER {table}_lock AFTER UPDATE ON {table} FOR EACH ROW BEGIN \
             IF NEW.created_at = OLD.created_at THEN UPDATE {table}_second SET n = n + 1 WHERE id = 1; END IF; END"
        ),
        "BEGIN".to_owned(),
        format!("UPDATE {table}_second SET n = n + 1"),
    ] {
        other.execute(AssertSqlSafe(statement)).await?;
    }
    let before = deadlocks(&mut other).await?;
    let touch = touching(&store);
    let waits = "SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS";
    until(async || {
        let row = other.fetch_one(waits).await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    })
    .await?;
    let update = format!("UPDATE {table} SET created_at = created_at + 1");
    other.execute(AssertSqlSafe(update)).await?;
    other.execute("COMMIT").await?;
    extended(touch).await?;
    match deadlocks(&mut other).await? == before + 1 {
        true => Ok(()),
        false => Err("there was no deadlock".into()),
    }
}

/// `autocommit = 0` of the server is that of each connection made meanwhile.
async fn mariadb_without_autocommit(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "autocommit";
    // With a setting of its own, which outlives the other.
    let mut other = MySqlConnection::connect(&server.by(server.server())).await?;
    other.execute("SET GLOBAL autocommit = 0").await?;
    let store = sql_server::open(server, server.server(), NAME).await;
    other.execute("SET GLOBAL autocommit = 1").await?;
    store?.create(&key("a"), &write("a")).await?;
    let table = server.full_table(NAME);
    let count = format!("SELECT COUNT(*) FROM {table}");
    let row = other.fetch_one(AssertSqlSafe(count)).await?;
    match row.try_get::<i64, _>(0)? {
        1 => Ok(()),
        _ => Err("the record is nowhere but in the store's own transaction".into()),
    }
}

async fn deadlocks(other: &mut MySqlConnection) -> Result<i64, Failure> {
    let row = other
        .fetch_one("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        .await?;
    Ok(row.try_get::<String, _>(1)?.parse()?)
}

async fn mariadb_exhausted(server: &SqlServer) -> Result<(), Failure> {
    const NAME: &str = "exhausted";
    let (store, table) = seeded(server, NAME).await?;
    let mut other = MySqlConnection::connect(&server.by(server.server())).await?;
    for statement in [
        format!("CREATE TABLE {table}_tries (n INT NOT NULL) ENGINE = MyISAM"),
        format!("INSERT INTO {table}_tries VALUES (0)"),
        format!(
            "CREATE TRIGGER {table}_fail AFTER UPDATE ON {table} FOR EACH ROW BEGIN \
             UPDATE {table}_tries SET n = n + 1; \
             SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'again'; END"
        ),
    ] {
        other.execute(AssertSqlSafe(statement)).await?;
    }
    refused(&store).await?;
    let tries = format!("SELECT n FROM {table}_tries");
    let tries: i32 = other.fetch_one(AssertSqlSafe(tries)).await?.try_get(0)?;
    tried(tries.into(), 5)
}

/// A store with one record, and its table. In PostgreSQL its transactions are serializable.
async fn seeded(server: &SqlServer, name: &str) -> Result<(SqlStore, String), Failure> {
    let plain = sql_server::open(server, server.server(), name).await?;
    plain.create(&key("a"), &write("a")).await?;
    let url = serializable(server);
    let store = builders::sql(server, name)
        .timeout(TIMEOUT * 5)
        .connect(&url)
        .await?;
    Ok((store, server.full_table(name)))
}

/// Where the server is; in PostgreSQL, for serializable transactions.
fn serializable(server: &SqlServer) -> String {
    let url = server.by(server.server());
    match url.starts_with("postgres") {
        true => format!(
            "{url}?application_name=store&options=-c%20default_transaction_isolation%3Dserializable"
        ),
        false => url,
    }
}

fn touching(store: &SqlStore) -> JoinHandle<Result<Touched, StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.touch(&key("a"), UnixTime::MAX).await })
}

async fn extended(touch: JoinHandle<Result<Touched, StoreError>>) -> Result<(), Failure> {
    match touch.await?? {
        Touched::Extended => Ok(()),
        Touched::Gone => Err("the touch was answered as one of nothing".into()),
    }
}

async fn refused(store: &SqlStore) -> Result<(), Failure> {
    let before = store.load(&key("a")).await?.ok_or("no record")?;
    let replaced = store.replace(&key("a"), &before, &write("b")).await;
    match replaced {
        Err(error) if error.is_transient() => {}
        other => return Err(format!("instead of a transient error: {other:?}").into()),
    }
    match store.load(&key("a")).await? {
        Some(after) if after == before => Ok(()),
        _ => Err("the record is another".into()),
    }
}

fn tried(times: i64, expected: i64) -> Result<(), Failure> {
    match times == expected {
        true => Ok(()),
        false => Err(format!("it was tried {times} times, and not {expected}").into()),
    }
}

/// The locks of a statement that waits for a row which another transaction has changed.
const ROWS: &str = "locktype IN ('transactionid', 'tuple')";

/// Waits until a statement waits for one of these locks. pg_stat_activity keeps its first answer
/// until the transaction ends, and pg_locks answers again each time.
async fn waiting(other: &mut PgConnection, locks: &str) -> Result<(), Failure> {
    let waits = format!("SELECT count(*) FROM pg_locks WHERE {locks} AND NOT granted");
    until(async || {
        let row = other.fetch_one(AssertSqlSafe(waits.clone())).await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    })
    .await
}

/// Asks until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    for _ in 0..400 {
        if is_so().await? {
            return Ok(());
        }
        // InnoDB refreshes its list of locks only after a tenth of a second without queries.
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    Err("the awaited state did not come".into())
}
