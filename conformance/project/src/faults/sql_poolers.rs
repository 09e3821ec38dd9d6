//! A pooler that gives each transaction another connection, and does not keep track of prepared
//! statements.

use crate::builders;
use cloakroom_servers::{Postgres, SqlServer, pgbouncer};
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use cloakroom_sql::sqlx::{self, PgPool};
use cloakroom_store::{Directory, Store, StoreError, UnixTime, Write};
use tokio::task::JoinSet;

use super::environment::{TIMEOUT, key};
use super::{Failure, Scene, sql_server};

/// How many operations each client does.
const TURNS: usize = 60;

/// How many sessions the subject has.
const SESSIONS: usize = 3;

pub(super) fn postgres() -> [Scene<Postgres>; 3] {
    const REQUIREMENT: &str = "R92: behind PgBouncer without prepared statements, with another \
                               application's statements of the same names, loads, lists and \
                               touches are right, on the store's own connections and on a pool's";
    [
        Scene {
            id: "faults/pooled-transactions",
            requirement: REQUIREMENT,
            own: true,
            run: |postgres| Box::pin(pooled(&postgres.0, "transaction", Answers::All)),
        },
        Scene {
            id: "faults/pooled-sessions",
            requirement: REQUIREMENT,
            own: true,
            run: |postgres| Box::pin(pooled(&postgres.0, "session", Answers::All)),
        },
        Scene {
            id: "faults/pooled-statements",
            requirement: "R92: if each statement may use another connection, operations are right \
                          or fail with the setting to change",
            own: true,
            run: |postgres| Box::pin(pooled(&postgres.0, "statement", Answers::RightOrNone)),
        },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Answers {
    /// Each operation succeeds.
    All,
    RightOrNone,
}

async fn pooled(server: &SqlServer, mode: &'static str, answers: Answers) -> Result<(), Failure> {
    let own = server
        .own()
        .ok_or("a server that was given is left alone")?;
    let directory = tempfile::tempdir()?;
    // As few connections as make clients meet, or one for each.
    let size = if mode == "session" { 60 } else { 3 };
    let size = format!("default_pool_size = {size}");
    let pooler = pgbouncer::before(own, directory.path(), mode, &size)?;
    let url = server.by(pooler.address());

    let tables = ["pooled_one", "pooled_other"].map(|name| format!("{name}_{mode}"));
    let options: PgConnectOptions = url.parse()?;
    let options = options.extra_float_digits(None);
    let mut stores = Vec::new();
    for table in &tables {
        let sound = sql_server::open(server, server.server(), table).await?;
        for session in 0..SESSIONS {
            let write = Write::new(table.clone(), UnixTime::MAX, Some("ada".into()));
            sound.create(&key(&format!("{session}")), &write).await?;
        }
        let builder = || {
            builders::sql(server, table)
                .timeout(TIMEOUT)
                .max_connections(4)
        };
        stores.push((builder().connect(&url).await?, table.clone()));
        let pool = PgPoolOptions::new().max_connections(4);
        let pool = pool.connect_lazy_with(options.clone());
        stores.push((builder().with_pool(pool)?, table.clone()));
    }
    let application = PgPoolOptions::new().max_connections(4);
    let application = application.connect_lazy_with(options);
    let noise: JoinSet<()> = (0..4).map(|_| noise(application.clone())).collect();

    let mut clients = JoinSet::new();
    for (store, table) in stores {
        for client in 0..4 {
            clients.spawn(client_of(store.clone(), table.clone(), client, answers));
        }
    }
    let mut refused = 0;
    while let Some(client) = clients.join_next().await {
        refused += client??;
    }
    drop(noise);
    match answers == Answers::All && refused > 0 {
        true => Err(format!("{refused} operations failed").into()),
        false => Ok(()),
    }
}

/// Another application, whose prepared statements have the same names. Its own results do not
/// matter.
async fn noise(pool: PgPool) {
    loop {
        // Takes the same values as a load.
        let three = "SELECT $1::bytea, $2::bytea, $3::bigint, 0::bigint WHERE length($1) = 5";
        let three = sqlx::query(three).bind(&b"noise"[..]).bind(&b"noise"[..]);
        let _ = three.bind(7_i64).fetch_all(&pool).await;
        let one = sqlx::query("SELECT $1::bytea").bind(&b"noise"[..]);
        let _ = one.fetch_all(&pool).await;
    }
}

/// Does operations, none of which may be answered wrong. Returns how many were refused.
async fn client_of(
    store: SqlStore,
    table: String,
    client: usize,
    answers: Answers,
) -> Result<usize, Failure> {
    let name = key(&format!("{}", client % SESSIONS));
    let mut refused = 0;
    let mut refuse = |error: StoreError| match answers {
        Answers::All => Err::<(), Failure>(error.into()),
        Answers::RightOrNone => {
            refused += 1;
            Ok(())
        }
    };
    for _ in 0..TURNS {
        match store.load(&name).await {
            Ok(Some(stored)) if stored.bytes == table => {}
            Ok(found) => return Err(format!("a load returned {found:?}").into()),
            Err(error) => refuse(error)?,
        }
        match store.list("ada").await {
            Ok(listed) if listed.len() == SESSIONS => {}
            Ok(listed) => return Err(format!("{} sessions are listed", listed.len()).into()),
            Err(error) => refuse(error)?,
        }
        match store.touch(&name, UnixTime::MAX).await {
            Ok(cloakroom_store::Touched::Extended) => {}
            Ok(touched) => return Err(format!("a touch returned {touched:?}").into()),
            Err(error) => refuse(error)?,
        }
    }
    Ok(refused)
}
