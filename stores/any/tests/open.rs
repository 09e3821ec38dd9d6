//! Every scheme, as far as that can be seen without a server.

use std::error::Error;

use cloakroom_any::{builder, open};
#[cfg(feature = "memory")]
use cloakroom_store::Directory as _;
use cloakroom_store::{Created, Key, Store, UnixTime, Write};

fn key() -> Key {
    Key::new("a").unwrap()
}

async fn works(store: &impl Store) {
    let write = Write::new("record", UnixTime::MAX, Some("ada".into()));
    let created = store.create(&key(), &write).await.unwrap();
    assert_eq!(created, Created::Stored);
    assert_eq!(store.load(&key()).await.unwrap().unwrap().bytes, "record");
}

/// An error's text in every form that may reach a log.
async fn refusal(url: &str) -> String {
    let error = open(url).await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn memory_is_a_store_with_all_abilities() {
    works(&open("memory:").await.unwrap()).await;
    let opened = builder("memory:").sweep_every(None);
    let opened = opened.open().await.unwrap();
    works(&opened.store).await;
    // The parts are one store.
    let listed = opened.directory.unwrap().list("ada").await.unwrap();
    assert_eq!(listed.len(), 1);
    let over = Write::new("over", UnixTime::from_secs(1), None);
    let name = Key::new("over").unwrap();
    opened.store.create(&name, &over).await.unwrap();
    assert_eq!(opened.sweeper.unwrap().sweep(10).await.unwrap(), 1);
    assert!(refusal("memory:x").await.contains("memory:"));
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn the_store_announces_as_that_of_the_url_does() {
    use cloakroom_store::{Feed as _, Hint, Hints as _};

    let urls = match cfg!(feature = "near") {
        true => &["memory:", "memory:?near=1s"][..],
        false => &["memory:"],
    };
    for url in urls {
        for interval in [None, Some(std::time::Duration::from_secs(60))] {
            let opened = builder(url).sweep_every(interval).announce_ends();
            let opened = opened.open().await.unwrap();
            works(&opened.store).await;
            let mut hints = opened.directory.unwrap().listen().await.unwrap();
            let mut others = opened.store.listen().await.unwrap();
            let there = opened.store.load(&key()).await.unwrap().unwrap();
            opened.store.delete(&key(), &there).await.unwrap();
            assert_eq!(hints.next().await, Some(Hint::Removed(key())), "{url}");
            assert_eq!(others.next().await, Some(Hint::Removed(key())), "{url}");
        }
    }
}

#[cfg(any(feature = "file", feature = "sqlite"))]
#[tokio::test]
async fn a_store_that_announces_nothing_is_a_permanent_error() {
    use cloakroom_store::Feed as _;

    let root = tempfile::tempdir().unwrap();
    let mut urls = Vec::new();
    if cfg!(feature = "file") {
        urls.push(format!("file:{}", root.path().display()));
    }
    if cfg!(feature = "sqlite") {
        urls.push("sqlite::memory:".to_owned());
    }
    for url in urls {
        let opened = builder(&url).announce_ends().open().await.unwrap();
        let error = opened.store.listen().await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        works(&opened.store).await;
    }
}

// Nobody has to ask for it.
#[cfg(any(feature = "file", feature = "memory", feature = "sqlite"))]
#[tokio::test]
async fn expired_records_are_removed_automatically() {
    use std::time::Duration;

    let root = tempfile::tempdir().unwrap();
    let path = root.path().display();
    let mut urls = Vec::new();
    if cfg!(feature = "memory") {
        urls.push("memory:".to_owned());
    }
    if cfg!(feature = "file") {
        urls.push(format!("file:{path}/sessions"));
    }
    if cfg!(feature = "sqlite") {
        urls.push(format!("sqlite:{path}/sessions.db"));
    }
    for url in urls {
        let every = Some(Duration::from_secs(1));
        let opened = builder(&url).sweep_every(every).open().await.unwrap();
        let over = Write::new("over", UnixTime::from_secs(1), None);
        for n in 0..300 {
            let name = Key::new(&format!("over-{n}")).unwrap();
            opened.store.create(&name, &over).await.unwrap();
        }
        // Another handle looks what is left, and is the last to be dropped.
        let (sweeper, store) = (opened.sweeper.unwrap(), opened.store);
        drop(opened.directory);
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        let mut rounds = 0;
        while std::time::Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if is_swept(&url, &root).unwrap_or(rounds == 30) {
                break;
            }
            rounds += 1;
        }
        // At most the sweeper's own record is left.
        assert!(sweeper.sweep(1_000).await.unwrap() <= 1, "{url}");
        drop(store);
    }
}

/// Whether nothing has been left in files; `None` where that cannot be seen from outside.
fn is_swept(url: &str, root: &tempfile::TempDir) -> Option<bool> {
    if !url.starts_with("file:") {
        return None;
    }
    let records = std::fs::read_dir(root.path().join("sessions/records")).unwrap();
    let mut files = 0;
    for shard in records {
        files += std::fs::read_dir(shard.unwrap().path()).unwrap().count();
    }
    // The sweeper's own.
    Some(files <= 1)
}

#[cfg(feature = "file")]
#[tokio::test]
async fn files_are_named_by_a_path_with_or_without_slashes() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().display();
    works(&open(&format!("file:{path}/a b%20c")).await.unwrap()).await;
    assert!(root.path().join("a b%20c").is_dir());
    let again = open(&format!("file://{path}/a b%20c")).await.unwrap();
    assert!(again.load(&key()).await.unwrap().is_some());
    for url in ["file:", "file://", "file://host/directory"] {
        assert!(refusal(url).await.contains("file:DIRECTORY"), "{url}");
    }
    for rest in ["?fsync=hunter2", "#hunter2", "/a?mode=hunter2"] {
        let text = refusal(&format!("file:{path}/x{rest}")).await;
        assert!(
            text.contains("no options") && !text.contains("hunter2"),
            "{text}"
        );
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[cfg(feature = "file")]
#[tokio::test]
async fn sessions_of_another_name_are_others() {
    let root = tempfile::tempdir().unwrap();
    let mut urls = vec![format!("file:{}", root.path().display())];
    if cfg!(feature = "sqlite") {
        urls.push(format!("sqlite:{}/sessions.db", root.path().display()));
    }
    for url in urls {
        let named = async |name: &str| builder(&url).name(name).open().await.unwrap().store;
        let shop = named("shop").await;
        works(&shop).await;
        assert!(named("blog").await.load(&key()).await.unwrap().is_none());
        let again = named("shop").await;
        assert!(again.load(&key()).await.unwrap().is_some());
    }
    assert!(root.path().join("shop").is_dir());
}

// R58
#[tokio::test]
async fn a_name_that_one_store_refuses_is_refused_by_all() {
    let long = "a".repeat(49);
    for name in ["", "a b", "a;b", "../a", "1a", "a\0", "\u{e4}", &long] {
        for url in ["memory:", "file:sessions", "redis://127.0.0.1:1"] {
            let error = builder(url).name(name).open().await.unwrap_err();
            assert!(!error.is_transient(), "{url} {name:?}: {error}");
        }
    }
    assert!(!std::path::Path::new("sessions").exists());
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_database_has_its_table_once_it_is_open_unless_told_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/sessions.db", root.path().display());
    let store = builder(&url).migrate(false).open().await.unwrap().store;
    assert!(store.load(&key()).await.is_err());
    works(&cloakroom_any::open_directory(&url).await.unwrap()).await;
    assert!(store.load(&key()).await.unwrap().is_some());
}

#[cfg(all(feature = "file", feature = "near"))]
#[tokio::test]
async fn the_option_near_puts_a_cache_before_the_store_and_its_parts_are_one() {
    use cloakroom_store::Directory as _;

    let root = tempfile::tempdir().unwrap();
    let url = format!("file:{}", root.path().display());
    let near = builder(&format!("{url}?near=30s")).open().await.unwrap();
    let other = open(&url).await.unwrap();
    works(&near.store).await;
    let found = other.load(&key()).await.unwrap().unwrap();
    let deleted = other.delete(&key(), &found).await.unwrap();
    assert_eq!(deleted, cloakroom_store::Deleted::Deleted);
    // Within the lease it is there, and past the cache it is not.
    assert!(near.store.load(&key()).await.unwrap().is_some());
    let directory = near.directory.unwrap();
    assert!(directory.load(&key()).await.unwrap().is_some());
    assert_eq!(near.store.load_fresh(&key()).await.unwrap(), None);
    assert!(directory.list("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_url_in_quotes_is_refused() {
    for url in [
        "\"memory:\"",
        "'memory:'",
        "memory:\n",
        " memory:",
        "file:sessions\n",
        "\"redis://localhost\"\r\n",
    ] {
        let error = refusal(url).await;
        assert!(error.contains("quotes or white space"), "{url:?}: {error}");
    }
    assert!(!std::path::Path::new("sessions\n").exists());
}

#[tokio::test]
async fn a_scheme_may_be_in_capitals() {
    let urls = [
        "MEMORY:",
        "File:",
        "SQLite:/nowhere/at/all",
        "POSTGRES://u:hunter2@127.0.0.1:1/x",
        "MariaDB://u:hunter2@127.0.0.1:1/x",
        "REDIS://u:hunter2@127.0.0.1:1",
        "RedisS://u:hunter2@127.0.0.1:1",
        "Redis+Cluster://u:hunter2@127.0.0.1:1",
        "REDIS+SENTINEL://u:hunter2@127.0.0.1:1/m",
        "Redis+Unix:///nowhere",
        "MemCached://127.0.0.1:1",
        "MongoDB://127.0.0.1:1/?w=0",
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for url in urls {
        let (scheme, rest) = url.split_once(':').unwrap();
        let usual = format!("{}:{rest}", scheme.to_lowercase());
        tasks.spawn(async move {
            match tokio::join!(open(url), open(&usual)) {
                (Ok(store), Ok(_)) => works(&store).await,
                (Err(one), Err(usual)) => assert_eq!(one.to_string(), usual.to_string()),
                _ => panic!("{url} and {usual} differ"),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_scheme_is_an_error_that_lists_all_schemes() {
    for url in ["", "nonsense", "http://localhost", "\u{c4}:", ":", "://"] {
        let text = refusal(url).await;
        for known in [
            "memory:",
            "file:",
            "sqlite:",
            "postgres://",
            "mysql://",
            "redis://",
            "rediss://",
            "redis+cluster://",
            "redis+sentinel://",
            "memcached://",
            "memcached+unix://",
            "mongodb://",
            "mongodb+srv://",
        ] {
            assert!(text.contains(known), "{url}: {text}");
        }
    }
}

#[tokio::test]
async fn a_scheme_whose_feature_is_off_names_the_feature() {
    let schemes = [
        ("memory:", "memory", cfg!(feature = "memory")),
        ("file:x", "file", cfg!(feature = "file")),
        ("sqlite:x", "sqlite", cfg!(feature = "sqlite")),
        ("postgres://x", "postgres", cfg!(feature = "postgres")),
        ("mariadb://x", "mysql", cfg!(feature = "mysql")),
        ("redis://x", "redis", cfg!(feature = "redis")),
        ("redis+cluster://x", "redis", cfg!(feature = "redis")),
        ("redis+sentinel://x", "redis", cfg!(feature = "redis")),
        ("memcached://x", "memcached", cfg!(feature = "memcached")),
        (
            "memcached+unix:///x",
            "memcached",
            cfg!(feature = "memcached"),
        ),
        ("mongodb://x", "mongodb", cfg!(feature = "mongodb")),
        ("mongodb+srv://x", "mongodb", cfg!(feature = "mongodb")),
        (
            "rediss://x",
            "tls",
            cfg!(feature = "tls") || cfg!(not(feature = "redis")),
        ),
    ];
    for (url, feature, on) in schemes {
        if !on {
            let text = refusal(url).await;
            assert!(
                text.contains(&format!("feature `{feature}`")),
                "{url}: {text}"
            );
        }
    }
}

// R11: a URL holds a password.
#[tokio::test]
async fn no_error_repeats_the_url() {
    let rest = [
        "//u:hunter2@127.0.0.1:1/x",
        "//u:hunter2@localhost:port/x",
        "//u:hunter2@[/x",
        "//:hunter2@127.0.0.1:1",
        "//u:hunter@2@127.0.0.1:1/hunter2",
        "hunter2",
    ];
    let schemes = [
        "hunter2",
        "http",
        "memory",
        "postgres",
        "mysql",
        "redis",
        "rediss",
        "redis+cluster",
        "redis+sentinel",
        "memcached",
        "memcached+unix",
        "mongodb",
        "mongodb+srv",
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for scheme in schemes {
        for rest in rest {
            let url = format!("{scheme}:{rest}");
            tasks.spawn(async move { (refusal(&url).await, url) });
        }
    }
    while let Some(done) = tasks.join_next().await {
        let (text, url) = done.unwrap();
        assert!(!text.contains("hunter2"), "{url}: {text}");
    }
    let shown = format!("{:?}", builder("redis://:hunter2@localhost"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[cfg(feature = "memcached")]
#[tokio::test]
async fn memcached_opens_as_a_store_and_not_as_a_directory() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("memcached://{}", listener.local_addr().unwrap());
    // A minimal Memcached: it answers the commands of a store's opening.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    // The store sends a no-op.
                    let answer = if line == "mn\r\n" {
                        "MN\r\n"
                    } else {
                        "ERROR\r\n"
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    let error = cloakroom_any::open_directory(&url).await.unwrap_err();
    assert!(error.to_string().contains("list"), "{error}");
}
