//! Records that axum_session 0.22.1 made, and what is none.

use std::time::Duration;

use cloakroom_adopting::{Adopted, Adopting};
use cloakroom_axum_session::{AxumSessions, Settings};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Deleted, Store, StoreError, Stored, Touched, UnixTime, Write};
use cookie::{Cookie, CookieJar};
use serde_json::json;

use crate::common::{ENCRYPTED, ENCRYPTED_RECORD, LONG, PLAIN, RECORD, adopting, id, key, with};

fn settings() -> Settings {
    Settings::new().axum_session_auth()
}

// R85
#[tokio::test]
async fn values_and_user_are_there_before_and_after_the_move() {
    let old = with(PLAIN, RECORD).await;
    let sessions = adopting(AxumSessions::new(old.clone()), settings());
    let see = async || {
        let seen = sessions.with(Some(PLAIN), |session| {
            let keys: Vec<_> = session.keys().collect();
            assert_eq!(keys, ["cart", "user_auth_session_id"]);
            assert_eq!(session.get::<String>("bad")?, None);
            assert_eq!(session.authenticated_at(), None);
            Ok((
                session.get::<Vec<String>>("cart")?,
                session.subject().map(str::to_owned),
            ))
        });
        let (cart, subject) = seen.await.expect("seen").0;
        assert_eq!(subject.as_deref(), Some("42"));
        cart.expect("a cart")
    };
    assert_eq!(see().await, ["tea", "caf\u{e9}"]);
    assert!(old.load(&id(PLAIN)).await.expect("loaded").is_some());
    let add = sessions.with(Some(PLAIN), |session| session.insert("cart", ["milk"]));
    add.await.expect("added");
    assert_eq!(see().await, ["milk"]);
    assert!(old.load(&id(PLAIN)).await.expect("loaded").is_none());
}

// R85
#[tokio::test]
async fn a_long_session_stays_long() {
    const DAY: u64 = 86_400;
    for (record, lifetime) in [(RECORD, DAY / 4), (LONG, 60 * DAY)] {
        let old = AxumSessions::new(with(PLAIN, record).await);
        let sessions = adopting(old, settings());
        let change = sessions.with(Some(PLAIN), |session| session.insert("n", 1));
        change.await.expect("changed");
        let (new, _) = sessions.store().get_ref();
        let found = new.load(&id(PLAIN)).await.expect("loaded").expect("moved");
        let now = UnixTime::from(std::time::SystemTime::now());
        let rest = found.expires_at.as_secs() - now.as_secs();
        assert!((lifetime - 600..=lifetime).contains(&rest), "{rest}");
        let json: serde_json::Value = serde_json::from_slice(&found.bytes).expect("JSON");
        assert_eq!(json["longterm"], lifetime > DAY);
    }
}

// R85
#[tokio::test]
async fn an_encrypted_record_is_read_with_its_key() {
    let old = with(ENCRYPTED, ENCRYPTED_RECORD).await;
    let sessions = adopting(AxumSessions::new(old).database_key(key(9)), settings());
    let seen = sessions.with(Some(ENCRYPTED), |session| {
        Ok(session.subject().map(str::to_owned))
    });
    assert_eq!(seen.await.expect("seen").0.as_deref(), Some("42"));
}

/// Fails unless the record is an error, stays as it is and does not move.
async fn stays(at: &str, record: &str, key: Option<cookie::Key>) -> StoreError {
    let old = with(at, record).await;
    let store = AxumSessions::new(old.clone());
    let store = match key {
        Some(key) => store.database_key(key),
        None => store,
    };
    let new = MemoryStore::new();
    let moving = Adopting::new(new.clone(), store.clone());
    moving.adopt(&id(at), None).await.expect_err("not moved");
    let sessions = adopting(store.clone(), settings());
    let change = sessions.with(Some(at), |session| session.insert("n", 1));
    assert!(change.await.is_err(), "{record}");
    let mine = Stored::new("x", UnixTime::MAX, 0);
    store.delete(&id(at), &mine).await.expect_err("kept");
    let there = old.load(&id(at)).await.expect("loaded").expect("there");
    assert_eq!(there.bytes, record.as_bytes());
    assert!(new.load(&id(at)).await.expect("loaded").is_none());

    let error = store.load(&id(at)).await.expect_err("an error");
    assert!(!error.is_transient());
    let text = format!("{error} {error:?}");
    assert!(text.contains("left as it is"), "{text}");
    let shown = record.get(..12).unwrap_or("secret");
    assert!(!text.contains(shown) && !text.contains("secret"), "{text}");
    error
}

// R86
#[tokio::test]
async fn a_damaged_record_is_an_error_and_stays() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let texts = |text: &str| json!({ "data": { "a": text }, "longterm": false }).to_string();
    for record in [
        "",
        "secret",
        "null",
        "[]",
        "{}",
        r#"{"data":{}}"#,
        r#"{"longterm":false}"#,
        r#"{"data":[],"longterm":false}"#,
        r#"{"data":{},"longterm":0}"#,
        r#"{"data":{"a":1},"longterm":false}"#,
        r#"{"data":{},"longterm":false} secret"#,
        &RECORD[..RECORD.len() - 1],
        &texts("secret"),
        &texts("{"),
        &texts(&deep),
        &deep,
        ENCRYPTED_RECORD,
    ] {
        let error = stays(PLAIN, record, None).await;
        assert!(error.to_string().contains("`AxumSessions::database_key`"));
    }
}

// R86
#[tokio::test]
async fn a_record_over_the_limit_is_read_and_stays_until_it_is_smaller() {
    let big = json!("x".repeat(1 << 20)).to_string();
    let data = json!({ "big": big, "n": "1" });
    let record = json!({ "data": data, "longterm": false }).to_string();
    let old = with(PLAIN, &record).await;
    let sessions = adopting(AxumSessions::new(old.clone()), settings());
    let read = sessions.with(Some(PLAIN), |session| session.get::<String>("big"));
    let big = read.await.expect("read").0.expect("a value");
    assert_eq!(big.len(), 1 << 20);
    let write = sessions
        .with(Some(PLAIN), |session| session.insert("n", 2))
        .await;
    assert!(write.expect_err("too large").to_string().contains("limit"));
    let there = old.load(&id(PLAIN)).await.expect("loaded").expect("there");
    assert_eq!(there.bytes, record.as_bytes());
    let smaller = sessions.with(Some(PLAIN), |session| {
        session.remove("big");
        session.insert("n", 2)
    });
    smaller.await.expect("saved");
    assert!(old.load(&id(PLAIN)).await.expect("loaded").is_none());
}

/// A record as axum_session encrypts it.
fn encrypt(at: &str, record: &str, key: &cookie::Key) -> String {
    let mut jar = CookieJar::new();
    jar.private_mut(key)
        .add(Cookie::new(at.to_owned(), record.to_owned()));
    jar.get(at).expect("encrypted").value().to_owned()
}

// R86
#[tokio::test]
async fn a_record_that_does_not_decrypt_is_an_error_and_stays() {
    let mut bent = ENCRYPTED_RECORD.to_owned();
    bent.replace_range(40..41, "A");
    for (at, record, byte) in [
        (ENCRYPTED, ENCRYPTED_RECORD, 8),
        // Another session's.
        (PLAIN, ENCRYPTED_RECORD, 9),
        (ENCRYPTED, &bent, 9),
        (ENCRYPTED, &ENCRYPTED_RECORD[..160], 9),
        (ENCRYPTED, "", 9),
        (ENCRYPTED, "AAAAAAAAAAAAAAAA", 9),
        (ENCRYPTED, RECORD, 9),
    ] {
        let error = stays(at, record, Some(key(byte))).await;
        assert!(error.to_string().contains("`with_database_key`"));
    }
    let nothing = encrypt(PLAIN, "secret", &key(9));
    let error = stays(PLAIN, &nothing, Some(key(9))).await;
    assert!(error.to_string().contains("not one of axum_session"));
}

// R85
#[tokio::test]
async fn nothing_is_written_for_axum_session() {
    let old = with(PLAIN, RECORD).await;
    let store = AxumSessions::new(old.clone());
    let found = store
        .load(&id(PLAIN))
        .await
        .expect("loaded")
        .expect("there");
    let write = Write::new(LONG, UnixTime::MAX, None);
    for error in [
        store
            .create(&id(ENCRYPTED), &write)
            .await
            .expect_err("create"),
        store
            .replace(&id(PLAIN), &found, &write)
            .await
            .expect_err("replace"),
    ] {
        assert!(!error.is_transient() && error.to_string().contains("`Adopting`"));
    }
    assert!(old.load(&id(ENCRYPTED)).await.expect("loaded").is_none());
    let there = old.load(&id(PLAIN)).await.expect("loaded").expect("there");
    assert_eq!(there.bytes, RECORD.as_bytes());
    // Not by mistake either: without `Adopting` a new session cannot be saved.
    let config = settings().builder().build().expect("these settings fit");
    let sessions = cloakroom::Sessions::new(store).with_config(config);
    let saved = sessions.with(None, |session| session.insert("n", 1)).await;
    assert!(saved.is_err());
}

// R85
#[tokio::test]
async fn removing_compares_what_the_record_says() {
    let old = MemoryStore::new();
    let store = AxumSessions::new(old.clone()).database_key(key(9));
    let end = UnixTime::MAX;
    let put = async |record: &str| {
        if let Some(there) = old.load(&id(PLAIN)).await.expect("loaded") {
            old.delete(&id(PLAIN), &there).await.expect("deleted");
        }
        let write = Write::new(encrypt(PLAIN, record, &key(9)), end, None);
        old.create(&id(PLAIN), &write).await.expect("created");
    };
    let load = async || store.load(&id(PLAIN)).await.expect("loaded").expect("one");
    put(RECORD).await;
    let first = load().await;
    assert_eq!(first.bytes, RECORD.as_bytes());
    put(LONG).await;
    assert_eq!(
        store.delete(&id(PLAIN), &first).await.expect("asked"),
        Deleted::Changed
    );
    // The same, with another nonce.
    put(RECORD).await;
    assert_eq!(
        store.delete(&id(PLAIN), &first).await.expect("asked"),
        Deleted::Deleted
    );
    assert_eq!(
        store.delete(&id(PLAIN), &first).await.expect("asked"),
        Deleted::Gone
    );
}

// R85
#[tokio::test]
async fn an_integer_or_a_text_is_a_user_and_nothing_else_is() {
    for (value, subject) in [
        (json!(42), Some("42")),
        (json!(-1), Some("-1")),
        (json!("ada"), Some("ada")),
        (json!(0), None),
        (json!(""), None),
        (json!(null), None),
        (json!({ "id": 1 }), None),
        (json!("a\u{0}"), None),
        (json!("x".repeat(1_025)), None),
    ] {
        let data = json!({ "user_auth_session_id": value.to_string() });
        let record = json!({ "data": data, "longterm": false }).to_string();
        for (settings, expected) in [(settings(), subject), (Settings::new(), None)] {
            let sessions = adopting(AxumSessions::new(with(PLAIN, &record).await), settings);
            let seen = sessions.with(Some(PLAIN), |session| {
                Ok(session.subject().map(str::to_owned))
            });
            assert_eq!(seen.await.expect("seen").0.as_deref(), expected, "{value}");
        }
    }
}

/// The table as axum_session_sqlx 0.12 makes it, and rows as it writes them.
async fn rows(place: &std::path::Path, now: i64) -> (String, sqlx::SqlitePool) {
    let url = format!("sqlite:{}?mode=rwc", place.join("app.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("connected");
    let table = r#"CREATE TABLE IF NOT EXISTS sessions (
        "id" VARCHAR(128) NOT NULL PRIMARY KEY, "expires" BIGINT NULL, "session" TEXT NOT NULL)"#;
    sqlx::query(table).execute(&pool).await.expect("a table");
    for (id, end) in [
        (PLAIN, Some(now + 100)),
        (ENCRYPTED, None),
        ("b74ec0dc-7177-43bb-b509-a7919503e685", Some(now - 1)),
        ("f56e9664-fff1-4c41-b8c8-d258289bc21b", Some(i64::MAX)),
    ] {
        let row = sqlx::query("INSERT INTO sessions (id, session, expires) SELECT $1, $2, $3");
        let row = row.bind(id).bind(RECORD).bind(end);
        row.execute(&pool).await.expect("a row");
    }
    (url, pool)
}

// R85
#[tokio::test]
async fn rows_are_read_extended_moved_and_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let now = UnixTime::from(std::time::SystemTime::now());
    let (url, pool) = rows(directory.path(), now.as_secs().cast_signed()).await;
    let store = AxumSessions::connect_sql(&url).await.expect("opened");
    let [first, endless, over, far] = [
        PLAIN,
        ENCRYPTED,
        "b74ec0dc-7177-43bb-b509-a7919503e685",
        "f56e9664-fff1-4c41-b8c8-d258289bc21b",
    ]
    .map(id);
    let load = async |key| store.load(key).await.expect("loaded");
    let found = load(&first).await.expect("a row");
    assert_eq!(found.bytes, RECORD.as_bytes());
    assert_eq!(found.expires_at, now + Duration::from_secs(100));
    // Without an end, or with one beyond all time.
    for key in [&endless, &far] {
        let end = load(key).await.expect("a row").expires_at;
        assert!(end >= UnixTime::from_secs(253_402_300_799), "{end:?}");
    }
    assert!(load(&over).await.is_none());

    let later = now + Duration::from_secs(500);
    assert_eq!(
        store.touch(&first, later).await.expect("touched"),
        Touched::Extended
    );
    assert_eq!(load(&first).await.expect("a row").expires_at, later);
    assert_eq!(
        store.touch(&over, later).await.expect("touched"),
        Touched::Gone
    );
    let other = Stored::new(LONG, later, 0);
    assert_eq!(
        store.delete(&first, &other).await.expect("asked"),
        Deleted::Changed
    );

    let new = MemoryStore::new();
    let moving = Adopting::new(new.clone(), store.clone());
    for key in [&first, &endless, &far] {
        assert_eq!(
            moving.adopt(key, None).await.expect("moved"),
            Adopted::Moved
        );
    }
    assert_eq!(
        moving.adopt(&over, None).await.expect("looked"),
        Adopted::Gone
    );
    let moved = new.load(&first).await.expect("loaded").expect("moved");
    assert_eq!((moved.bytes, moved.expires_at), (found.bytes, later));
    let left: Vec<String> = sqlx::query_scalar("SELECT id FROM sessions")
        .fetch_all(&pool)
        .await
        .expect("ids");
    assert_eq!(left, [over.as_str()]);
    use cloakroom_store::Sweep as _;
    assert_eq!(store.sweep(10).await.expect("swept"), 1);
}
