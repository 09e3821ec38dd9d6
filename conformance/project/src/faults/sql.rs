//! SQL servers.

use std::io;
use std::net::SocketAddr;

use cloakroom_store::{Created, SharedStore, Store, StoreError, Sweep, UnixTime, Write};
use tokio::task::JoinSet;

use super::environment::{key, write};
use super::sql_server::{execute, open};
use super::{
    Failure, Scene, ServerUnderTest, common, flask_tls, idle, sql_causes, sql_conflicts,
    sql_limits, sql_poolers, sql_tls,
};
use cloakroom_servers::{Dialect, MariaDb, Postgres, Server, Sql, SqlServer, mariadb, postgres};

/// The scenes of this database alone.
pub(super) trait Own: Dialect + Sized {
    fn scenes() -> Vec<Scene<Sql<Self>>>;
}

impl Own for postgres::Own {
    fn scenes() -> Vec<Scene<Postgres>> {
        let conflicts = sql_conflicts::postgres().into_iter();
        let others = [
            sql_tls::postgres(),
            flask_tls::postgres(),
            sql_causes::postgres(),
        ];
        let poolers = sql_poolers::postgres();
        conflicts.chain(others).chain(poolers).collect()
    }
}

impl Own for mariadb::Own {
    fn scenes() -> Vec<Scene<MariaDb>> {
        let conflicts = sql_conflicts::mariadb().into_iter();
        let others = [
            sql_tls::mariadb(),
            flask_tls::mariadb(),
            sql_causes::mariadb(),
        ];
        conflicts.chain(others).collect()
    }
}

impl<D: Own> ServerUnderTest for Sql<D> {
    const NAME: &'static str = D::NAME;

    fn new() -> io::Result<Self> {
        Self::new()
    }

    fn address(&self) -> SocketAddr {
        self.0.server()
    }

    fn own(&self) -> Option<&Server> {
        self.0.own()
    }

    async fn open(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        Ok(SharedStore::new(open(&self.0, way, name).await?))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let sweep = Scene {
            id: "faults/sweep-among-writers",
            requirement: "R59: with creates, touches and several sweeps at once, none fails and no \
                          living record is removed",
            own: false,
            run: |subject: &Self| Box::pin(sweep_among_writers(&subject.0)),
        };
        let foreign = Scene {
            id: "faults/foreign-table",
            requirement: "R54: migrating a table with other column types is an error that names \
                          the column",
            own: false,
            run: |subject: &Self| Box::pin(foreign_table(&subject.0)),
        };
        let scenes = common::scenes().into_iter();
        let scenes = scenes.chain([sweep, foreign, idle::flask()]);
        let scenes = scenes.chain(sql_limits::scenes());
        scenes.chain(D::scenes()).collect()
    }
}

async fn sweep_among_writers(server: &SqlServer) -> Result<(), Failure> {
    let store = open(server, server.server(), "sweep").await?;
    let mut tasks = JoinSet::<Result<(), StoreError>>::new();
    for worker in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for round in 0..50 {
                let name = key(&format!("{round}-{worker}"));
                store
                    .create(
                        &name,
                        &Write::new("over", UnixTime::from_secs(1), Some("ada".into())),
                    )
                    .await?;
                // One half of the expired rows is taken over, while the sweeps are after them.
                if round % 2 == 0 && store.create(&name, &write("living")).await? == Created::Stored
                {
                    store.touch(&name, UnixTime::MAX).await?;
                }
            }
            Ok(())
        });
    }
    for _ in 0..3 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..40 {
                store.sweep(usize::MAX).await?;
            }
            Ok(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    store.sweep(usize::MAX).await?;
    for (worker, round) in (0..8).flat_map(|worker| (0..50).map(move |round| (worker, round))) {
        let there = store
            .load(&key(&format!("{round}-{worker}")))
            .await?
            .is_some();
        if there != (round % 2 == 0) {
            return Err(format!("record {round}-{worker}: living is {there}").into());
        }
    }
    Ok(())
}

async fn foreign_table(server: &SqlServer) -> Result<(), Failure> {
    const POSTGRES: [[&str; 3]; 4] = [
        ["subject", "bytea", "text"],
        ["value", "bytea NOT NULL", "jsonb"],
        ["version", "bigint", "integer"],
        ["expires_at", "bigint", "timestamptz"],
    ];
    const MARIADB: [[&str; 3]; 5] = [
        ["subject", "MEDIUMBLOB", "TEXT"],
        ["version", "BIGINT", "INT"],
        ["version", "BIGINT", "BIGINT UNSIGNED"],
        ["value", "LONGBLOB", "LONGTEXT"],
        [
            "session_key",
            "VARBINARY(250) NOT NULL PRIMARY KEY",
            "VARBINARY(250)",
        ],
    ];
    let url = server.by(server.server());
    let wrong: &[[&str; 3]] = match url.starts_with("postgres") {
        true => &POSTGRES,
        false => &MARIADB,
    };
    let store = open(server, server.server(), "foreign").await?;
    let (right, table) = (store.schema_sql(), server.full_table("foreign"));
    for [column, has, instead] in wrong {
        let made = right.replace(&format!("{column} {has}"), &format!("{column} {instead}"));
        execute(&url, format!("DROP TABLE {table}")).await?;
        // A table alone: some types cannot have the indexes.
        execute(
            &url,
            made.split(";\n")
                .find(|sql| sql.contains("CREATE TABLE"))
                .unwrap_or_default()
                .to_owned(),
        )
        .await?;
        let error = match store.migrate().await {
            Err(error) if !error.is_transient() => error.to_string(),
            other => return Err(format!("{column} {instead}: {other:?}").into()),
        };
        if !error.contains(&format!("the column {column} of the table is ")) {
            return Err(format!("{column} {instead}: {error}").into());
        }
    }
    execute(&url, format!("DROP TABLE {table}")).await?;
    store.migrate().await?;
    store.create(&key("a"), &write("kept")).await?;
    Ok(())
}
