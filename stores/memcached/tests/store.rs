//! The store against servers with scripted answers.

mod fake;

use std::error::Error;
use std::time::Duration;

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use fake::{Fake, connect};

type Test = Result<(), Box<dyn Error>>;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn write(bytes: &str, end: UnixTime) -> Write {
    Write::new(bytes.to_owned(), end, Some("ada".into()))
}

fn now() -> UnixTime {
    std::time::SystemTime::now().into()
}

fn stored(version: u64) -> Stored {
    Stored::new("old", UnixTime::MAX, version)
}

/// Runs the operations in turn against the server's answers. Returns the requests.
async fn asked(answers: &[&str], prefix: &str, key: &Key) -> Result<Vec<String>, Box<dyn Error>> {
    let fake = Fake::start(answers).await?;
    let store = MemcachedStore::builder(&fake.url())
        .prefix(prefix)
        .connect()
        .await?;
    store.load(key).await?;
    store.create(key, &write("new", UnixTime::MAX)).await?;
    store
        .replace(key, &stored(7), &write("new", UnixTime::MAX))
        .await?;
    store.touch(key, UnixTime::MAX).await?;
    store.delete(key, &stored(7)).await?;
    Ok(fake.heard())
}

const DONE: [&str; 6] = [
    "MN\r\n",
    "EN\r\n",
    "STORED\r\n",
    "STORED\r\n",
    "TOUCHED\r\n",
    "HD\r\n",
];

#[tokio::test]
async fn each_operation_is_one_request_with_an_answer() -> Test {
    assert_eq!(
        asked(&DONE, "shop:", &key("session:a")).await?,
        [
            "mn",
            "mg shop:session:a v c t",
            "add shop:session:a 0 0 3",
            "cas shop:session:a 0 0 3 7",
            "touch shop:session:a 0",
            "md shop:session:a C7",
        ]
    );
    Ok(())
}

// R58
#[tokio::test]
async fn no_name_is_longer_than_250_bytes_and_no_two_keys_share_one() -> Test {
    let long = "x".repeat(249);
    let keys = [
        format!("{long}a"),
        format!("{long}b"),
        "y".repeat(246),
        "y".repeat(247),
        "sha256.".to_owned(),
        "sha256.FqWxpMMNZ2tZ0rDnVyNJkf8nnVi0NDaVhXYYJsCxDUI".to_owned(),
        r#"/../%s"'`$ne;{}"#.to_owned(),
    ];
    let mut names = Vec::new();
    for text in &keys {
        let heard = asked(&DONE, "pre:", &key(text)).await?;
        for line in &heard[1..] {
            let name = line.split(' ').nth(1).unwrap_or_default().to_owned();
            assert!(name.len() <= 250 && name.starts_with("pre:"), "{name}");
            names.push(name);
        }
    }
    names.dedup();
    assert_eq!(names.len(), keys.len(), "{names:?}");
    assert_eq!(names[2], format!("pre:{}", keys[2]));
    assert!(names[3].starts_with("pre:sha256."));
    // A name that looks like a long key's name is not one.
    assert!(!names[5].contains(&keys[5]));
    Ok(())
}

// R57
#[tokio::test]
async fn a_life_of_more_than_30_days_is_sent_as_a_date() -> Test {
    let fake = Fake::start(&["MN\r\n", "STORED\r\n", "STORED\r\n", "TOUCHED\r\n"]).await?;
    let store = connect(&fake).await?;
    let (day, year) = (
        Duration::from_secs(86_400),
        Duration::from_secs(365 * 86_400),
    );
    let end = now() + year;
    store.create(&key("a"), &write("x", end)).await?;
    store
        .replace(&key("a"), &stored(1), &write("x", end + day))
        .await?;
    store.touch(&key("a"), end + day * 2).await?;
    let end = end.as_secs();
    assert_eq!(
        fake.heard()[1..],
        [
            format!("add cloakroom:a 0 {end} 1"),
            format!("cas cloakroom:a 0 {} 1 1", end + 86_400),
            format!("touch cloakroom:a {}", end + 2 * 86_400),
        ]
    );
    Ok(())
}

#[tokio::test]
async fn outcomes_are_distinguished() -> Test {
    let answers = [
        "MN\r\n",
        "NOT_STORED\r\n",
        "EXISTS\r\n",
        "NOT_FOUND\r\n",
        "NOT_FOUND\r\n",
        "EX\r\n",
        "NF\r\n",
        "VA 0 c9 t-1\r\n\r\n",
        "VA 5 t60 c18446744073709551615 W\r\n\r\n\0\r\n\r\n",
    ];
    let fake = Fake::start(&answers).await?;
    let store = connect(&fake).await?;
    let (name, new) = (key("a"), write("x", UnixTime::MAX));
    assert_eq!(store.create(&name, &new).await?, Created::Taken);
    assert_eq!(
        store.replace(&name, &stored(1), &new).await?,
        Replaced::Changed
    );
    assert_eq!(
        store.replace(&name, &stored(1), &new).await?,
        Replaced::Gone
    );
    assert_eq!(store.touch(&name, UnixTime::MAX).await?, Touched::Gone);
    assert_eq!(store.delete(&name, &stored(1)).await?, Deleted::Changed);
    assert_eq!(store.delete(&name, &stored(1)).await?, Deleted::Gone);
    assert_eq!(
        store.load(&name).await?,
        Some(Stored::new("", UnixTime::MAX, 9))
    );
    let found = store.load(&name).await?.ok_or("no record")?;
    assert_eq!(
        (&found.bytes[..], found.version),
        (&b"\r\n\0\r\n"[..], u64::MAX)
    );
    Ok(())
}

/// A load that is answered so is an error of this kind, which repeats nothing of it; the store then
/// works again.
async fn refused(answer: &str, transient: bool) -> Result<StoreError, Box<dyn Error>> {
    // Answers that end the connection are read twice, because a load is sent again.
    let fake = Fake::start(&["MN\r\n", answer, answer, answer]).await?;
    let store = MemcachedStore::connect(&fake.url()).await?;
    let error = store
        .load(&key("a"))
        .await
        .err()
        .ok_or_else(|| format!("{answer:?} was an answer"))?;
    assert_eq!(error.is_transient(), transient, "{answer:?}: {error}");
    let said = format!("{error} {error:?} {:?}", error.source());
    assert!(!said.contains("secret"), "{said}");
    fake.say("EN\r\n");
    assert!(store.load(&key("a")).await?.is_none(), "after {answer:?}");
    Ok(error)
}

#[tokio::test]
async fn an_unintelligible_answer_is_a_transient_error() -> Test {
    let line = "x".repeat(3000);
    for answer in [
        "\r\n",
        "secret\r\n",
        "VA\r\n",
        "VA \r\n",
        "VA 1\r\nx\r\n",
        "VA 1 c1\r\nx\r\n",
        "VA 1 t1\r\nx\r\n",
        "VA -1 c1 t1\r\nx\r\n",
        "VA 1 c-1 t1\r\nx\r\n",
        "VA 1 c1 t-2\r\nx\r\n",
        "VA 1 c1 tx\r\nx\r\n",
        "VA 3 c1 t1\r\nsecret\r\n",
        "VA 1 c1 t1\r\nsecret\r\n",
        "VA 99999999999999999999 c1 t1\r\n",
        "VA 67108865 c1 t1\r\n",
        "VA 18446744073709551615 c1 t1\r\n",
        "EN\r\nEN\r\n",
        "MN\r\n",
        "STORED\r\n",
        "SERVER_ERROR secret\r\n",
        "\u{e4}\r\n",
        &line,
        "",
        "VA 10 c1 t1\r\nsec",
        "EN",
    ] {
        refused(answer, true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_none_is_a_permanent_error() -> Test {
    for answer in [
        "ERROR\r\n",
        "CLIENT_ERROR secret\r\n",
        "CLIENT_ERROR unauthenticated\r\n",
        "VA 1 c0 t1\r\nx\r\n",
    ] {
        refused(answer, false).await?;
    }
    Ok(())
}

#[tokio::test]
async fn values_that_do_not_fit_are_named() -> Test {
    let large = refused("SERVER_ERROR object too large for cache\r\n", false).await?;
    assert!(large.to_string().contains("larger than the server takes"));
    let full = refused("SERVER_ERROR out of memory storing object\r\n", true).await?;
    assert!(full.to_string().contains("out of memory"));
    Ok(())
}

#[tokio::test]
async fn a_write_is_sent_once_and_a_load_once_more() -> Test {
    let fake = Fake::start(&["MN\r\n", "", "EN\r\n", "", "", "", ""]).await?;
    let store = connect(&fake).await?;
    assert!(store.load(&key("a")).await?.is_none());
    let new = write("x", UnixTime::MAX);
    assert!(
        store
            .create(&key("a"), &new)
            .await
            .is_err_and(|error| error.is_transient())
    );
    assert!(
        store
            .replace(&key("a"), &stored(1), &new)
            .await
            .is_err_and(|error| error.is_transient())
    );
    assert!(
        store
            .touch(&key("a"), UnixTime::MAX)
            .await
            .is_err_and(|error| error.is_transient())
    );
    assert!(
        store
            .delete(&key("a"), &stored(1))
            .await
            .is_err_and(|error| error.is_transient())
    );
    let heard: Vec<_> = fake
        .heard()
        .iter()
        .map(|line| line[..2].to_owned())
        .collect();
    assert_eq!(heard, ["mn", "mg", "mg", "ad", "ca", "to", "md"]);
    Ok(())
}

// R91
#[tokio::test]
async fn a_cancelled_request_keeps_its_connection() -> Test {
    let answers: Vec<_> = std::iter::once("MN\r\n")
        .chain(std::iter::repeat_n("EN\r\n", 100))
        .collect();
    let fake = Fake::start(&answers).await?;
    let store = MemcachedStore::builder(&fake.url()).max_connections(1);
    let store = store.connect().await?;
    for _ in 0..50 {
        // The request has been sent and the store waits for the answer. Then its caller goes.
        let name = key("a");
        let mut load = std::pin::pin!(store.load(&name));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(load.as_mut().poll(context).is_ready())
        });
        assert!(!polled.await);
    }
    assert!(store.load(&key("a")).await?.is_none());
    assert_eq!(fake.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn a_scheme_may_be_in_capitals() {
    let error = MemcachedStore::connect("MemCached://a,a").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a server twice"), "{error}");
}

#[tokio::test]
async fn wrong_settings_are_found_when_connecting() {
    for url in [
        "",
        "memcached",
        "memcached:",
        "memcached://",
        "memcache://a",
        "redis://:secret@a",
        "memcached://a,",
        "memcached://,a",
        "memcached://a,,b",
        "memcached://a,a",
        "memcached://a,a:11211",
        "memcached://a:0",
        "memcached://a:65536",
        "memcached://a:b",
        "memcached://::1",
        "memcached://[::1",
        "memcached://[]",
        "memcached://user:secret@a",
        "memcached://a/0",
        "memcached://a?secret=1",
        "memcached://a b",
        "memcached:///run/memcached.sock",
        "memcached+unix://",
        "memcached+unix://run/memcached.sock",
        "memcached+unix:///run/secret?option=1",
        "memcached+unix:///run/secret,/run/other",
    ] {
        let error = MemcachedStore::connect(url).await.unwrap_err();
        assert!(!error.is_transient(), "{url}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{url}: {error}"
        );
    }
    let long = "x".repeat(201);
    for prefix in [" ", "a b", "a\r\n", "\0", "\u{e4}", &long] {
        let builder = MemcachedStore::builder("memcached://127.0.0.1:1").prefix(prefix);
        assert!(
            !builder.connect().await.unwrap_err().is_transient(),
            "{prefix:?}"
        );
    }
    let hasty = MemcachedStore::builder("memcached://127.0.0.1:1").timeout(Duration::ZERO);
    assert!(!hasty.connect().await.unwrap_err().is_transient());
    let builder = MemcachedStore::builder("memcached://user:secret@a");
    assert!(!format!("{builder:?}").contains("secret"));
}

// R54
#[tokio::test]
async fn one_server_that_is_there_is_enough_to_start() -> Test {
    let fake = Fake::start(&["MN\r\n"]).await?;
    let away = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await?
        .local_addr()?;
    MemcachedStore::connect(&format!("{},{away}", fake.url())).await?;
    let error = MemcachedStore::connect(&format!("memcached://{away}"))
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_may_have_an_address_of_version_6() -> Test {
    let Ok(fake) = Fake::start_at("[::1]:0", &["MN\r\n", "EN\r\n"]).await else {
        // Not every machine has one.
        return Ok(());
    };
    assert!(connect(&fake).await?.load(&key("a")).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_store_without_connections_is_refused() {
    let store = MemcachedStore::builder("memcached://127.0.0.1:1").max_connections(0);
    let error = store.connect().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("set at least 1"), "{error}");
}
