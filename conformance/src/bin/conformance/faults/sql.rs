//! SQL servers.

use std::io;
use std::net::SocketAddr;

use cloakroom_sql::SqlStore;
use cloakroom_store::{Created, SharedStore, Store, StoreError, Sweep, UnixTime, Write};
use tokio::task::JoinSet;

use super::ground::{TIMEOUT, key, write};
use super::{Failure, Scene, Subject, common, flask_tls, sql_conflicts, sql_tls};
use crate::servers::{Dialect, MariaDb, Postgres, Server, Sql, SqlServer, mariadb, postgres};

/// What is played on this database alone.
pub(super) trait Own: Dialect + Sized {
    fn scenes() -> Vec<Scene<Sql<Self>>>;
}

impl Own for postgres::Own {
    fn scenes() -> Vec<Scene<Postgres>> {
        let conflicts = sql_conflicts::postgres().into_iter();
        let tls = [sql_tls::postgres(), flask_tls::postgres()];
        conflicts.chain(tls).collect()
    }
}

impl Own for mariadb::Own {
    fn scenes() -> Vec<Scene<MariaDb>> {
        let conflicts = sql_conflicts::mariadb().into_iter();
        let tls = [sql_tls::mariadb(), flask_tls::mariadb()];
        conflicts.chain(tls).collect()
    }
}

impl<D: Own> Subject for Sql<D> {
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
            requirement: "R59: creates, touches and several sweeps at once: none fails, and no living record is removed",
            own: false,
            run: |subject: &Self| Box::pin(sweep_among_writers(&subject.0)),
        };
        let scenes = common::scenes().into_iter().chain([sweep]);
        scenes.chain(D::scenes()).collect()
    }
}

pub(super) async fn open(
    server: &SqlServer,
    way: SocketAddr,
    name: &str,
) -> Result<SqlStore, Failure> {
    let builder = server.builder(name).timeout(TIMEOUT);
    let store = builder.connect(&server.by(way)).await?;
    store.migrate().await?;
    Ok(store)
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
