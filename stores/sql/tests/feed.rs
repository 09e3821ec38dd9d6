//! Announcements of removed records by PostgreSQL, beside the cases of the suite.
#![cfg(all(feature = "postgres", feature = "sqlite"))]

use std::io;
use std::time::Duration;

use cloakroom_conformance::Tally;
use cloakroom_servers::pgbouncer::{Behind, Sessions, Transactions};
use cloakroom_servers::{Dialect, Sql, postgres, say};
use cloakroom_sql::sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use cloakroom_sql::{Builder, SqlStore};
use cloakroom_store::{Deleted, Feed, Hint, Hints as _, Key, Store, UnixTime, Write};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long something may take that happens at once.
const SOON: Duration = Duration::from_secs(30);

/// A server, or `None` where there is none to start.
fn server<D: Dialect>() -> Option<Sql<D>> {
    match Sql::new() {
        Ok(server) => Some(server),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            assert!(!Tally::all_required(), "{error}");
            say(format_args!("skipped feed[{}]: {error}", D::NAME));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn builder<D: Dialect>(server: &Sql<D>) -> Builder {
    let builder = SqlStore::builder().table(server.0.table("feed"));
    builder.announce_ends().timeout(Duration::from_secs(5))
}

fn url<D: Dialect>(server: &Sql<D>) -> String {
    server.0.by(server.0.server())
}

async fn deletes(store: &SqlStore, key: &Key) {
    let write = Write::new("a coat", UnixTime::MAX, Some("ada".into()));
    store.create(key, &write).await.unwrap();
    let old = store.load(key).await.unwrap().unwrap();
    assert_eq!(store.delete(key, &old).await.unwrap(), Deleted::Deleted);
}

#[tokio::test]
async fn an_announcement_is_the_key_alone_and_what_is_none_is_passed_over() {
    let Some(server) = server::<postgres::Own>() else {
        return;
    };
    let store = builder(&server).connect(&url(&server)).await.unwrap();
    store.migrate().await.unwrap();
    let channel = format!("{}_ended", server.0.table("feed"));
    let mut raw = PgListener::connect(&url(&server)).await.unwrap();
    raw.listen(&channel).await.unwrap();
    let mut hints = store.listen().await.unwrap();
    let probe = timeout(SOON, raw.recv()).await.unwrap().unwrap();
    assert!(Key::new(probe.payload()).is_none(), "{probe:?}");

    // Backslashes and quotes are as they are, in bytes and in SQL.
    let key = Key::new(r#"session:\x41\'"%$1"#).unwrap();
    let pool = PgPool::connect(&url(&server)).await.unwrap();
    let notify = cloakroom_sql::sqlx::query("SELECT pg_notify($1, 'no key')");
    notify.bind(&channel).execute(&pool).await.unwrap();
    deletes(&store, &key).await;
    let heard = timeout(SOON, hints.next()).await.unwrap();
    assert_eq!(heard, Some(Hint::Removed(key.clone())));
    for payload in ["no key", key.as_str()] {
        let heard = timeout(SOON, raw.recv()).await.unwrap().unwrap();
        assert_eq!(heard.payload(), payload);
    }
}

#[tokio::test]
async fn an_applications_pool_lends_no_connection_to_a_listener() {
    let Some(server) = server::<postgres::Own>() else {
        return;
    };
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(&url(&server)).await.unwrap();
    let store = builder(&server).with_pool(pool.clone()).unwrap();
    store.migrate().await.unwrap();
    let mut hints = store.listen().await.unwrap();
    let key = Key::new("session:1").unwrap();
    deletes(&store, &key).await;
    let heard = timeout(SOON, hints.next()).await.unwrap();
    assert_eq!(heard, Some(Hint::Removed(key)));
    assert_eq!(pool.size(), 1);
}

#[tokio::test]
async fn a_listener_whose_backend_was_ended_is_told_so() {
    let Some(server) = server::<postgres::Own>() else {
        return;
    };
    let store = builder(&server).connect(&url(&server)).await.unwrap();
    store.migrate().await.unwrap();
    let mut hints = store.listen().await.unwrap();
    let pool = PgPool::connect(&url(&server)).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    cloakroom_sql::sqlx::query(end)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(timeout(SOON, hints.next()).await.unwrap(), None);
    let mut hints = store.listen().await.unwrap();
    let key = Key::new("session:1").unwrap();
    deletes(&store, &key).await;
    let heard = timeout(SOON, hints.next()).await.unwrap();
    assert_eq!(heard, Some(Hint::Removed(key)));
}

/// A pooler accepts `LISTEN`. Later announcements would then arrive in the middle of others'
/// statements, which fail.
async fn is_refused_and_deletes_work<D: Dialect>() {
    let Some(server) = server::<D>() else {
        return;
    };
    let store = builder(&server).connect(&url(&server)).await.unwrap();
    store.migrate().await.unwrap();
    for round in 0..3 {
        let error = store.listen().await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_transient() && text.contains("pooler"), "{text}");
        let mut deleting = JoinSet::new();
        for number in 0..12 {
            let (store, key) = (store.clone(), format!("session:{round}-{number}"));
            deleting.spawn(async move { deletes(&store, &Key::new(&key).unwrap()).await });
        }
        deleting.join_all().await;
    }
}

#[tokio::test]
async fn behind_a_pooler_that_divides_sessions_nobody_listens_and_deletes_work() {
    is_refused_and_deletes_work::<Behind<Transactions>>().await;
}

#[tokio::test]
async fn behind_a_pooler_that_keeps_sessions_nobody_listens_and_deletes_work() {
    is_refused_and_deletes_work::<Behind<Sessions>>().await;
}

#[tokio::test]
async fn where_nothing_is_announced_listening_is_a_permanent_error() {
    for builder in [SqlStore::builder(), SqlStore::builder().announce_ends()] {
        let store = builder.connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let error = store.listen().await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_transient() && text.contains("announce_ends"));
        assert!(text.contains("PostgreSQL"), "{text}");
        deletes(&store, &Key::new("session:1").unwrap()).await;
    }
}
