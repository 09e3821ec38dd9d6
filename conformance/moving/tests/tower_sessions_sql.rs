//! Two applications on one database: one with tower-sessions-sqlx-store, one with Cloakroom.

use std::path::Path;

use axum::Router;
use cloakroom_servers::{MariaDb, Postgres, Sql, mysql};
use cloakroom_tower_sessions::TowerSessions;
use moving::{
    Browser, Cookie, For0_15, a_sign_in_survives_their_writes, cancelled_requests_starve_no_others,
    each_reads_and_writes_what_the_other_one_wrote, ours,
    ours_loses_nothing_of_what_runs_at_the_same_time, settings,
    their_request_of_0_15_overwrites_what_was_saved_meanwhile,
    their_request_overwrites_what_was_saved_meanwhile, theirs, theirs_0_15,
};
use serde_json::Value;
use tower_sessions::session::Id;
use tower_sessions::{ExpiredDeletion as _, SessionStore};
use tower_sessions_sqlx_store::sqlx::{self, MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

async fn ours_at(url: &str, cookie: Cookie) -> Router {
    let store = TowerSessions::connect_sql(url).await.expect("a database");
    ours(store, settings(cookie))
}

async fn check(url: &str, store: impl SessionStore + Clone) {
    // There is no store for 0.15 yet: an application has one of its own around this one.
    let newer = For0_15(store.clone());
    for cookie in Cookie::ALL {
        let ours = ours_at(url, cookie).await;
        for (version, theirs) in [
            ("0.14", theirs(store.clone(), cookie)),
            ("0.15", theirs_0_15(newer.clone(), cookie)),
        ] {
            a_sign_in_survives_their_writes(&theirs, &ours).await;
            let what = format!("{version}, {cookie:?}");
            let apps = [theirs, ours.clone()];
            each_reads_and_writes_what_the_other_one_wrote(&what, apps).await;
        }
    }
    let ours = ours_at(url, Cookie::Plain).await;
    their_request_overwrites_what_was_saved_meanwhile(&store, true, &ours).await;
    their_request_of_0_15_overwrites_what_was_saved_meanwhile(&newer, true, &ours).await;
    let ours = ours_at(url, Cookie::Signed).await;
    ours_loses_nothing_of_what_runs_at_the_same_time(&ours).await;
    cancelled_requests_starve_no_others(&ours).await;
}

fn sqlite_url(directory: &Path) -> String {
    format!("sqlite:{}?mode=rwc", directory.join("app.db").display())
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_share_postgres() {
    let server = Postgres::new().expect("PostgreSQL").0;
    let url = server.by(server.server());
    let pool = PgPool::connect(&url).await.expect("connected");
    let store = PostgresStore::new(pool);
    store.migrate().await.expect("migrated");
    check(&url, store).await;
}

/// On MySQL or MariaDB.
async fn check_mysql(url: &str) {
    let pool = MySqlPool::connect(url).await.expect("connected");
    let store = MySqlStore::new(pool);
    store.migrate().await.expect("migrated");
    check(url, store).await;
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_share_mariadb() {
    let server = MariaDb::new().expect("MariaDB").0;
    check_mysql(&server.by(server.server())).await;
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_share_mysql() {
    // If not, it prints the reason.
    if mysql::Own::is_possible() {
        let server = Sql::<mysql::Own>::new().expect("MySQL").0;
        check_mysql(&server.by(server.server())).await;
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_share_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = sqlite_url(directory.path());
    let pool = SqlitePool::connect(&url).await.expect("connected");
    let store = SqliteStore::new(pool);
    store.migrate().await.expect("migrated");
    check(&url, store).await;
}

// R85: rows are byte for byte those of the real store, apart from the fraction of the expiry.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_and_its_end_are_as_they_write_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = sqlite_url(directory.path());
    let pool = SqlitePool::connect(&url).await.expect("connected");
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.expect("migrated");
    let ours = ours_at(&url, Cookie::Plain).await;
    let mut browser = Browser::default();
    browser.get(&ours, "/insert/cart/[1]").await;

    let read = "SELECT data, expiry_date, typeof(data), typeof(expiry_date) FROM tower_sessions";
    let before: (Vec<u8>, String, String, String) =
        sqlx::query_as(read).fetch_one(&pool).await.expect("a row");
    let id: Id = browser
        .cookie
        .clone()
        .expect("a cookie")
        .parse()
        .expect("an id");
    let record = store.load(&id).await.expect("loaded").expect("a record");
    store.save(&record).await.expect("saved");
    let after: (Vec<u8>, String, String, String) =
        sqlx::query_as(read).fetch_one(&pool).await.expect("a row");
    assert_eq!(before, after);

    // Both take a session for ended at its end, and remove it then.
    let write = "UPDATE tower_sessions SET expiry_date = ?";
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(2);
    let past = sqlx::types::time::OffsetDateTime::from(past);
    sqlx::query(write)
        .bind(past)
        .execute(&pool)
        .await
        .expect("written");
    assert_eq!(browser.get(&ours, "/get/cart").await, Value::Null);
    assert!(store.load(&id).await.expect("loaded").is_none());
    store.delete_expired().await.expect("deleted");
    let count: (i64,) = sqlx::query_as("SELECT count(*) FROM tower_sessions")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(count.0, 0);
}

// R86
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_an_error_and_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = sqlite_url(directory.path());
    let pool = SqlitePool::connect(&url).await.expect("connected");
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.expect("migrated");
    let ours = ours_at(&url, Cookie::Plain).await;
    let id = "AAECAwQFBgcICQoLDA0ODw";
    for record in [&b"garbage"[..], b"", b"\x80", b"\x93\xc4\x10"] {
        let write = "INSERT OR REPLACE INTO tower_sessions VALUES (?, ?, '2999-01-01T00:00:00Z')";
        let write = sqlx::query(write).bind(id).bind(record);
        write.execute(&pool).await.expect("written");
        for path in ["/get/a", "/insert/a/1"] {
            let mut browser = Browser {
                cookie: Some(id.to_owned()),
            };
            let response = browser.send(&ours, path).await;
            assert_eq!(response.status(), 500, "{path}: {record:?}");
            assert_eq!(browser.cookie.as_deref(), Some(id));
        }
        let kept: (Vec<u8>,) = sqlx::query_as("SELECT data FROM tower_sessions")
            .fetch_one(&pool)
            .await
            .expect("a row");
        assert_eq!(kept.0, record);
    }
}
