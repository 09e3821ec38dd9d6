//! A user's limits on the database, and aborting clients.

use std::time::Duration;

use crate::builders;
use cloakroom_servers::proxy::Proxy;
use cloakroom_servers::{Dialect, Sql, SqlServer};
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use cloakroom_sql::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use cloakroom_store::{
    Created, Deleted, Directory, Replaced, Store, Sweep, Touched, UnixTime, Write,
};
use tokio::task::JoinSet;

use super::environment::{key, write};
use super::sql_server::{by_user, execute, open};
use super::{Failure, Scene};

/// Longer than a busy machine needs: nothing here is about time.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn scenes<D: Dialect>() -> [Scene<Sql<D>>; 3] {
    [
        Scene {
            id: "faults/applications-pool",
            requirement: "R91: on an application's pool, 16 clients that abort 800 times open no \
                          further connection",
            own: false,
            run: |subject| Box::pin(applications_pool(&subject.0)),
        },
        Scene {
            id: "faults/few-connections",
            requirement: "R54: with a limit of 3 connections per user, 200 operations succeed on \
                          these, without repeated attempts to open more",
            own: true,
            run: |subject| Box::pin(few_connections(&subject.0)),
        },
        Scene {
            id: "faults/few-rights",
            requirement: "a user with SELECT, INSERT, UPDATE and DELETE on the table can migrate \
                          and do everything; without a table the error has the remedy",
            own: true,
            run: |subject| Box::pin(few_rights(&subject.0)),
        },
    ]
}

async fn applications_pool(server: &SqlServer) -> Result<(), Failure> {
    const SIZE: u32 = 4;
    open(server, server.server(), "pooled").await?;
    let proxy = Proxy::start(server.server()).await?;
    let url = server.by(proxy.address());
    let builder = builders::sql(server, "pooled").timeout(TIMEOUT);
    let store = if url.starts_with("postgres") {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new().max_connections(SIZE);
        builder.with_pool(pool.connect_with(options).await?)?
    } else {
        let options: MySqlConnectOptions = url.parse()?;
        let pool = MySqlPoolOptions::new().max_connections(SIZE);
        builder.with_pool(pool.connect_with(options).await?)?
    };
    let mut clients = JoinSet::new();
    for client in 0..16 {
        let store = store.clone();
        clients.spawn(async move {
            for turn in 0..50 {
                let patience = Duration::from_millis((client + turn) % 4);
                let _ = tokio::time::timeout(patience, store.load(&key("a"))).await;
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client?;
    }
    store.create(&key("a"), &write("a")).await?;
    match proxy.made() {
        made if made <= SIZE as usize => Ok(()),
        made => Err(format!("{made} connections were made").into()),
    }
}

async fn few_connections(server: &SqlServer) -> Result<(), Failure> {
    const FEW: usize = 3;
    open(server, server.server(), "few").await?;
    let table = server.full_table("few");
    user(server, "few", &format!("{FEW}"), &table).await?;
    let proxy = Proxy::start(server.server()).await?;
    let url = by_user(server.by(proxy.address()), "few");
    let store = builders::sql(server, "few")
        .timeout(TIMEOUT)
        .connect(&url)
        .await?;
    store.create(&key("a"), &write("a")).await?;
    let mut made = Vec::new();
    for _ in 0..5 {
        let mut loads = JoinSet::new();
        for _ in 0..40 {
            let store = store.clone();
            loads.spawn(async move { store.load(&key("a")).await });
        }
        while let Some(load) = loads.join_next().await {
            load??.ok_or("no record")?;
        }
        made.push(proxy.made());
    }
    match made[0] == made[4] && made[0] >= FEW {
        true => Ok(()),
        false => Err(format!("the server was asked so often for a connection: {made:?}").into()),
    }
}

async fn few_rights(server: &SqlServer) -> Result<(), Failure> {
    // Where tables are unless a schema is named.
    let name = server.table("rights");
    let owner = SqlStore::builder().table(&name).timeout(TIMEOUT);
    let owner = owner.connect(&server.by(server.server())).await?;
    owner.migrate().await?;
    user(server, "rights", "10", &name).await?;
    let url = by_user(server.by(server.server()), "rights");
    let builder = || SqlStore::builder().timeout(TIMEOUT);
    let store = builder().table(&name).connect(&url).await?;
    store.migrate().await?;
    everything(&store).await?;
    let none = builder().table(server.table("none")).connect(&url).await?;
    let error = match none.migrate().await {
        Err(error) if !error.is_transient() => error.to_string(),
        other => return Err(format!("a table without the right to: {other:?}").into()),
    };
    for part in ["the table", "`schema_sql`", "`migrate(false)`"] {
        if !error.contains(part) {
            return Err(format!("the error lacks {part}: {error}").into());
        }
    }
    let url = server.by(server.server());
    execute(&url, format!("DROP TABLE {name}")).await
}

/// Every operation, for a subject as long as they may be.
async fn everything(store: &SqlStore) -> Result<(), Failure> {
    let subject = "s".repeat(1024);
    let other = format!("{}t", &subject[1..]);
    let write = |bytes: &'static str, end| Write::new(bytes, end, Some(subject.clone().into()));
    let (a, b) = (key("a"), key("b"));
    let created = store.create(&a, &write("old", UnixTime::MAX)).await?;
    let old = store.load(&a).await?.ok_or("no record")?;
    let replaced = store
        .replace(&a, &old, &write("new", UnixTime::MAX))
        .await?;
    let touched = store.touch(&a, UnixTime::from_secs(4_000_000_000)).await?;
    let listed = store.list(&subject).await?;
    let none = store.list(&other).await?.len();
    let [(_, new)] = &listed[..] else {
        return Err(format!("{} records are listed, and not one", listed.len()).into());
    };
    let deleted = store.delete(&a, new).await?;
    store
        .create(&b, &write("over", UnixTime::from_secs(1)))
        .await?;
    let swept = store.sweep(10).await?;
    let outcomes = (created, replaced, touched, none, deleted, swept);
    let expected = (
        Created::Stored,
        Replaced::Stored,
        Touched::Extended,
        0,
        Deleted::Deleted,
        1,
    );
    match outcomes == expected {
        true => Ok(()),
        false => Err(format!("{outcomes:?}").into()),
    }
}

/// Makes a user who may have so many connections, and work on this table.
async fn user(
    server: &SqlServer,
    name: &str,
    connections: &str,
    table: &str,
) -> Result<(), Failure> {
    let url = server.by(server.server());
    let statements = if url.starts_with("postgres") {
        let schema = table.split_once('.').map_or("public", |(schema, _)| schema);
        vec![
            format!("CREATE ROLE {name} LOGIN CONNECTION LIMIT {connections}"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {name}"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {name}"),
        ]
    } else {
        vec![
            format!("CREATE USER {name}@'%' WITH MAX_USER_CONNECTIONS {connections}"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {name}@'%'"),
        ]
    };
    for statement in statements {
        execute(&url, statement).await?;
    }
    Ok(())
}
