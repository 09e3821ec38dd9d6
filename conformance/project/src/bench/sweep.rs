//! Measures what a sweep of many rows costs the requests that run meanwhile.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_conformance::Tally;
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, SqliteConnection,
};
use cloakroom_store::{Key, Replaced, Store, Sweep, UnixTime, Write};
use tokio::task::JoinSet;

use crate::builders;
use cloakroom_servers::say;
use cloakroom_servers::{MariaDb, Postgres};

const ROWS: u64 = 1_000_000;
/// One in so many has expired.
const EXPIRED: u64 = 10;
const WORKERS: u64 = 64;
/// How long it is measured without a sweep, and with one at most.
const SPAN: Duration = Duration::from_secs(10);
/// One operation in so many is a replace, the others are loads.
const WRITES: u64 = 5;
const VALUE: usize = 300;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Opening = Pin<Box<dyn Future<Output = Result<Environment, Failure>>>>;
type Open = fn() -> Opening;

/// A store on a table with all the rows.
struct Environment {
    store: SqlStore,
    /// The server, or the directory of the file.
    _beneath: Box<dyn Any>,
}

const DATABASES: [(&str, Open); 3] = [
    ("sqlite", || Box::pin(sqlite())),
    ("postgres", || Box::pin(postgres())),
    ("mariadb", || Box::pin(mariadb())),
];

pub(super) async fn run(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    for (name, open) in DATABASES {
        let full = format!("bench/sweep[{name}]");
        if !parts.iter().all(|part| full.contains(part.as_str())) {
            continue;
        }
        let outcome = match open().await {
            Ok(environment) => measure(environment.store.clone()).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(result) => {
                say(format_args!("ok      {full}\n{result}"));
                tally.passed += 1;
            }
            Err(error) if is_unsupported(&error) => {
                say(format_args!("skipped {full}: {error}"));
                tally.skipped += 1;
            }
            Err(error) => {
                say(format_args!("FAILED  {full}\n        {error}"));
                tally.failed += 1;
            }
        }
    }
    tally
}

fn is_unsupported(error: &Failure) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::Unsupported)
}

async fn measure(store: SqlStore) -> Result<String, Failure> {
    // So that what is read for the first time is not measured.
    work(&store, Duration::from_secs(2), std::future::ready(())).await?;
    let (without, ()) = work(&store, SPAN, std::future::ready(())).await?;
    let sweeper = store.clone();
    let sweep = async move {
        let begin = Instant::now();
        (sweeper.sweep(usize::MAX).await, begin.elapsed())
    };
    let (with, (swept, took)) = work(&store, Duration::ZERO, sweep).await?;
    let swept = swept?;
    if swept as u64 != ROWS / EXPIRED {
        return Err(format!("{swept} rows were swept").into());
    }
    let ratio = with.at(99).as_secs_f64() / without.at(99).as_secs_f64();
    Ok(format!(
        "        {WORKERS} workers on {ROWS} rows, one operation in {WRITES} a replace, the others loads\n        \
         without a sweep                {without}\n        \
         with one of {swept} rows in {:4.1} s {with}\n        \
         the 99th percentile is {ratio:.2} times what it is without",
        took.as_secs_f64(),
    ))
}

/// How long each operation took.
struct Latencies {
    sorted: Vec<Duration>,
    span: Duration,
}

impl Latencies {
    fn at(&self, percent: usize) -> Duration {
        let index = self.sorted.len() * percent / 100;
        self.sorted.get(index).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.sorted.len() as f64 / self.span.as_secs_f64();
        let [median, high] = [50, 99].map(|percent| self.at(percent).as_secs_f64() * 1000.0);
        write!(
            f,
            "{rate:8.0} operations/s, 50 % within {median:6.2} ms, 99 % within {high:6.2} ms"
        )
    }
}

/// Lets the workers work while something else happens, and for this long at least.
async fn work<T>(
    store: &SqlStore,
    least: Duration,
    other: impl Future<Output = T>,
) -> Result<(Latencies, T), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(one(store.clone(), worker, Arc::clone(&stop)));
    }
    let (outcome, ()) = tokio::join!(other, tokio::time::sleep(least));
    let span = begin.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut sorted = Vec::new();
    while let Some(times) = workers.join_next().await {
        sorted.extend(times??);
    }
    sorted.sort_unstable();
    Ok((Latencies { sorted, span }, outcome))
}

async fn one(
    store: SqlStore,
    worker: u64,
    stop: Arc<AtomicBool>,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ (worker + 1);
    while !stop.load(Ordering::Relaxed) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let row = random % ROWS + 1;
        // Expired records have no subject.
        let row = if row.is_multiple_of(EXPIRED) {
            row - 1
        } else {
            row
        };
        let key = Key::new(&format!("bench:{row}")).ok_or("no key")?;
        let begin = Instant::now();
        let found = store.load(&key).await?.ok_or("a living record is gone")?;
        times.push(begin.elapsed());
        if random.is_multiple_of(WRITES - 1) {
            let write = Write::new(vec![7; VALUE], UnixTime::from_secs(4_000_000_000), None);
            let begin = Instant::now();
            if store.replace(&key, &found, &write).await? == Replaced::Gone {
                return Err("a living record is gone".into());
            }
            times.push(begin.elapsed());
        }
    }
    Ok(times)
}

async fn sqlite() -> Result<Environment, Failure> {
    let directory = tempfile::Builder::new()
        .prefix("cloakroom-bench-")
        .tempdir()?;
    let url = format!("sqlite:{}/bench.db", directory.path().display());
    let store = SqlStore::connect(&url).await?;
    store.migrate().await?;
    let mut connection = SqliteConnection::connect(&url).await?;
    let fill = format!(
        "WITH RECURSIVE rows(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows WHERE n < {ROWS}) \
         INSERT INTO cloakroom_sessions SELECT CAST('bench:' || n AS BLOB), randomblob({VALUE}), \
         CASE n % {EXPIRED} WHEN 0 THEN 1000000000 + n ELSE 4000000000 END, CAST('subject' || n % 100000 AS BLOB), n, 1 FROM rows"
    );
    connection.execute(AssertSqlSafe(fill)).await?;
    connection.close().await?;
    Ok(Environment {
        store,
        _beneath: Box::new(directory),
    })
}

async fn postgres() -> Result<Environment, Failure> {
    let server = Postgres::new()?;
    let url = server.0.by(server.0.server());
    let store = builders::sql(&server.0, "bench").connect(&url).await?;
    store.migrate().await?;
    let mut connection = PgConnection::connect(&url).await?;
    let table = server.0.full_table("bench");
    let fill = format!(
        "INSERT INTO {table} SELECT convert_to('bench:' || n, 'UTF8'), decode(repeat('ab', {VALUE}), 'hex'), \
         CASE n % {EXPIRED} WHEN 0 THEN 1000000000 + n ELSE 4000000000 END, convert_to('subject' || n % 100000, 'UTF8'), n, 1 \
         FROM generate_series(1, {ROWS}) AS n"
    );
    connection.execute(AssertSqlSafe(fill)).await?;
    connection
        .execute(AssertSqlSafe(format!("VACUUM ANALYZE {table}")))
        .await?;
    connection.execute("CHECKPOINT").await?;
    connection.close().await?;
    Ok(Environment {
        store,
        _beneath: Box::new(server),
    })
}

async fn mariadb() -> Result<Environment, Failure> {
    let server = MariaDb::new()?;
    let url = server.0.by(server.0.server());
    let store = builders::sql(&server.0, "bench").connect(&url).await?;
    store.migrate().await?;
    let mut connection = MySqlConnection::connect(&url).await?;
    let table = server.0.full_table("bench");
    let fill = format!(
        "INSERT INTO {table} SELECT CONCAT('bench:', seq), REPEAT('x', {VALUE}), \
         IF(seq % {EXPIRED} = 0, 1000000000 + seq, 4000000000), CONCAT('subject', seq % 100000), seq, 1 FROM seq_1_to_{ROWS}"
    );
    connection.execute(AssertSqlSafe(fill)).await?;
    connection
        .execute(AssertSqlSafe(format!("ANALYZE TABLE {table}")))
        .await?;
    connection.close().await?;
    Ok(Environment {
        store,
        _beneath: Box::new(server),
    })
}
