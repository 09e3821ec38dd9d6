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

/// What a URL's error says, in every form in which it may come into a log.
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
    let opened = builder("memory:").open().await.unwrap();
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
async fn what_is_no_name_everywhere_is_refused_everywhere() {
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
async fn an_unknown_scheme_is_told_all_known_ones() {
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
    // As much of a Memcached as a store asks for when it is opened.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    // A no-op is what it asks.
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
