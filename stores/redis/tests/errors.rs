//! Errors for URLs, and for servers that misbehave: small ones of the tests' own with scripted
//! answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cloakroom_redis::RedisStore;
use cloakroom_store::{Key, Replaced, Store, StoreError, Stored, UnixTime, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "hunter2";

/// A server that reads a request at a time and answers by `answer`; no answer is the end of the
/// connection.
async fn server(
    answer: impl Fn(&str, usize) -> Option<String> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            connections += 1;
            tokio::spawn(serve(stream, answer.clone(), connections));
        }
    });
    address
}

async fn serve(
    mut stream: TcpStream,
    answer: impl Fn(&str, usize) -> Option<String>,
    connection: usize,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        // The client begins with commands that set the connection up, all in one piece.
        for command in text.split('*').filter(|command| command.contains('$')) {
            let reply = match checked(command) {
                Some(reply) => Some(reply),
                None => answer(command, connection),
            };
            match reply {
                Some(reply) => stream.write_all(reply.as_bytes()).await.unwrap(),
                None => return,
            }
        }
    }
}

/// The server's answer to the store's initial check, whose keys contain this word.
fn checked(command: &str) -> Option<String> {
    let probe = command.contains("probe ");
    match command {
        command if command.contains("PING") => Some("+PONG\r\n".to_owned()),
        _ if !probe => None,
        command if command.contains("MGET") => Some(format!("*32\r\n{}", "$1\r\nx\r\n".repeat(32))),
        command if command.contains("\nGET\r") => Some("$-1\r\n".to_owned()),
        _ => Some("*0\r\n".to_owned()),
    }
}

async fn store(server: SocketAddr) -> RedisStore {
    let url = format!("redis://{server}");
    RedisStore::connect(&url).await.unwrap()
}

fn key() -> Key {
    Key::new(SECRET).unwrap()
}

fn write() -> Write {
    Write::new(SECRET, UnixTime::MAX, Some(SECRET.into()))
}

fn old() -> Stored {
    Stored::new(SECRET, UnixTime::MAX, 1)
}

/// The whole text of an error: `Display`, `Debug` and its causes.
fn told(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

async fn check_url(url: &str, says: &str) {
    let error = RedisStore::connect(url).await.unwrap_err();
    let told = told(&error);
    assert!(told.contains(says), "{told}");
    assert!(!told.contains(SECRET), "{told}");
}

// R11
#[tokio::test]
async fn a_wrong_url_is_an_error_with_the_cause_and_without_the_password() {
    check_url("hunter2", "the URL has no scheme").await;
    check_url("http://ada:hunter2@127.0.0.1", "known are redis, rediss,").await;
    check_url("redis://ada:hunter2@127.0.0.1:port", "cannot be read").await;
    check_url("redis://ada:hunter/2hunter2@127.0.0.1", "cannot be read").await;
    for none in [
        "redis://ada:hunter2@127.0.0.1/hunter2",
        "Redis://127.0.0.1/2/3",
        "redis://127.0.0.1/99999999999999999999?protocol=resp3",
        "redis+unix:///nowhere?db=hunter2",
    ] {
        check_url(none, "the database in the URL is not a number").await;
    }
    check_url("redis://:hunter2@127.0.0.1:1/", "nothing listens").await;
    check_url("redis://127.0.0.1:1/2?protocol=resp3", "nothing listens").await;
    for option in ["db=2", "password=hunter2", "protocol=2&hunter2", "%64b=2"] {
        let url = format!("redis://127.0.0.1:1?{option}");
        check_url(&url, "an option of the URL is unknown").await;
    }
    let socket = "redis+unix:///nowhere?password=hunter2";
    check_url(socket, "an option of the URL is unknown").await;
    #[cfg(not(feature = "tls"))]
    check_url("rediss://ada:hunter2@127.0.0.1", "needs the feature `tls`").await;
    #[cfg(not(feature = "cluster"))]
    check_url(
        "redis+cluster://ada:hunter2@a,b",
        "needs the feature `cluster`",
    )
    .await;
    #[cfg(not(feature = "sentinel"))]
    check_url(
        "redis+sentinel://ada:hunter2@a,b/m",
        "needs the feature `sentinel`",
    )
    .await;
    #[cfg(feature = "cluster")]
    check_url(
        "redis+cluster://ada:hunter2@a,,b",
        "a host of the URL is empty",
    )
    .await;
    #[cfg(feature = "cluster")]
    check_url("redis+cluster://ada:hunter2@a/1", "it has one database").await;
    #[cfg(feature = "cluster")]
    for nodes in ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"] {
        let url = format!("redis+cluster://ada:hunter2@{nodes}");
        check_url(&url, "nothing listens").await;
    }
    #[cfg(feature = "cluster")]
    check_url(
        "redis+cluster://ada:hunter2@no.such.host.invalid",
        "name service",
    )
    .await;
    #[cfg(feature = "sentinel")]
    check_url("redis+sentinel://ada:hunter2@a,b", "name-of-master").await;
    #[cfg(feature = "sentinel")]
    check_url("redis+sentinel://a,b/m/hunter2", "is not a number").await;
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have_is_named_as_such() {
    let refuses = |command: &str, _| {
        let selects = command.contains("SELECT");
        Some(
            if selects {
                "-ERR DB index is out of range\r\n"
            } else {
                "+OK\r\n"
            }
            .to_owned(),
        )
    };
    let address = server(refuses).await;
    check_url(
        &format!("redis://{address}/99"),
        "no database of the number",
    )
    .await;
    RedisStore::connect(&format!("REDIS://{address}/0"))
        .await
        .unwrap();
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_single_server_is_not_taken_for_a_cluster() {
    let disabled = "-ERR This instance has cluster support disabled\r\n";
    let answer = move |command: &str, _| {
        let asked = command.contains("SLOTS");
        Some(if asked { disabled } else { "+PONG\r\n" }.to_owned())
    };
    let address = server(answer).await;
    check_url(&format!("redis+cluster://{address}"), "in no cluster").await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn certificates_that_cannot_be_read_or_are_of_no_use_are_refused() {
    let refused = async |url: &str, pem: &[u8], says: &str| {
        let builder = RedisStore::builder(url).root_certificates(pem);
        let error = builder.connect().await.unwrap_err();
        assert!(told(&error).contains(says), "{}", told(&error));
    };
    refused("rediss://127.0.0.1", b"hunter2", "cannot be read").await;
    refused("redis://127.0.0.1", b"", "only with a rediss:// URL").await;
    let builder = RedisStore::builder("rediss://127.0.0.1").client_certificate(b"", b"hunter2");
    let error = builder.connect().await.unwrap_err();
    assert!(told(&error).contains("cannot be read"));
    assert!(!told(&error).contains(SECRET));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_without_tls_is_distinguished_from_a_missing_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"-ERR Protocol error\r\n").await.unwrap();
    };
    let url = format!("rediss://{address}");
    tokio::join!(answer, check_url(&url, "TLS handshake failed"));
}

#[test]
fn debug_output_does_not_show_the_url() {
    let builder = RedisStore::builder("redis://ada:hunter2@127.0.0.1");
    assert!(!format!("{builder:?}").contains(SECRET));
}

// R11: servers repeat in some of their errors what they were sent.
#[tokio::test]
async fn errors_omit_the_parts_of_a_request_that_a_server_repeats() {
    let repeats = "-ERR unknown command 'GET', with args beginning with: 'hunter2'\r\n";
    let store = store(server(|_, _| Some(repeats.to_owned())).await).await;
    let error = store.load(&key()).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!told(&error).contains(SECRET), "{}", told(&error));
    let error = store.replace(&key(), &old(), &write()).await.unwrap_err();
    assert!(!told(&error).contains(SECRET), "{}", told(&error));
    assert!(told(&error).contains("(ERR)"));
}

async fn check_answer(answer: &'static str, transient: bool, says: &str) {
    let store = store(server(move |_, _| Some(format!("{answer}\r\n"))).await).await;
    let error = store.replace(&key(), &old(), &write()).await.unwrap_err();
    assert_eq!(error.is_transient(), transient, "{answer}");
    assert!(told(&error).contains(says), "{answer}: {}", told(&error));
}

// R54
#[tokio::test]
async fn server_errors_are_transient_or_permanent_and_have_a_remedy() {
    check_answer("-OOM command not allowed", false, "raise maxmemory").await;
    check_answer(
        "-NOPERM this user has no permissions",
        false,
        "lacks a permission",
    )
    .await;
    check_answer(
        "-NOAUTH Authentication required.",
        false,
        "put them into the URL",
    )
    .await;
    check_answer(
        "-MISCONF Redis is configured to save",
        false,
        "cannot save to its disk",
    )
    .await;
    check_answer(
        "-WRONGTYPE Operation against a key",
        false,
        "a prefix of its own",
    )
    .await;
    check_answer("-READONLY You can't write", true, "read-only replica").await;
    check_answer("-LOADING Redis is loading", true, "still loading").await;
    check_answer(
        "-CLUSTERDOWN The cluster is down",
        false,
        "redis+cluster://",
    )
    .await;
    check_answer("-MOVED 1234 127.0.0.1:1", false, "redis+cluster://").await;
    check_answer("-BUSY Redis is busy running a script", true, "busy").await;
    check_answer(
        "-NOREPLICAS Not enough good replicas",
        true,
        "fewer replicas",
    )
    .await;
    check_answer(":99", true, "does not belong to the command").await;
    check_answer(":3", false, "a foreign value").await;
}

#[tokio::test]
async fn a_value_that_the_store_did_not_write_is_an_error_and_no_record() {
    for value in [
        "",
        "x",
        "crm\x01",
        "crm\x02aaaaaaaabbbbbbbb\u{0}\u{0}\u{0}\u{0}",
    ] {
        let answer = format!("${}\r\n{value}\r\n", value.len());
        let store = store(server(move |_, _| Some(answer.clone())).await).await;
        let error = store.load(&key()).await.unwrap_err();
        assert!(!error.is_transient());
        assert!(
            told(&error).contains("was left as it is"),
            "{value:?}: {}",
            told(&error)
        );
    }
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_sent_as_a_whole() {
    let address = server(|command, _| {
        let forgotten = command.contains("EVALSHA");
        Some(
            if forgotten {
                "-NOSCRIPT No matching script.\r\n"
            } else {
                ":2\r\n"
            }
            .to_owned(),
        )
    });
    let store = store(address.await).await;
    let answer = store.replace(&key(), &old(), &write()).await.unwrap();
    assert_eq!(answer, Replaced::Changed);
}

// R62
#[tokio::test]
async fn after_a_broken_connection_a_load_is_sent_again_and_a_write_is_not() {
    let breaks_once = |command: &str, connection: usize| {
        let setting_up = command.contains("HELLO");
        (setting_up || connection > 1).then(|| "$-1\r\n".to_owned())
    };
    let store_ = store(server(breaks_once).await).await;
    assert!(store_.load(&key()).await.unwrap().is_none());
    let breaks_once = move |command: &str, connection: usize| {
        breaks_once(command, connection).map(|_| ":1\r\n".to_owned())
    };
    let store_ = store(server(breaks_once).await).await;
    let error = store_.replace(&key(), &old(), &write()).await.unwrap_err();
    assert!(error.is_transient());
    // The next one is sound again.
    let answer = store_.replace(&key(), &old(), &write()).await.unwrap();
    assert_eq!(answer, Replaced::Stored);
    let store_ = store(server(breaks_once).await).await;
    let error = store_.create(&key(), &write()).await.unwrap_err();
    assert!(error.is_transient());
    store_.create(&key(), &write()).await.unwrap();
}

// R54
#[tokio::test]
async fn a_server_that_never_answers_costs_the_stated_time_and_its_connection() {
    let address = server(|_, connection| {
        // An empty answer: the connection stays, and nothing comes.
        Some(if connection == 1 { "" } else { "$-1\r\n" }.to_owned())
    });
    let url = format!("redis://{}", address.await);
    let limit = Duration::from_secs(2);
    let store = RedisStore::builder(&url)
        .timeout(limit)
        .connect()
        .await
        .unwrap();
    let begin = Instant::now();
    let load = tokio::time::timeout(limit * 30, store.load(&key())).await;
    let error = load.expect("it hangs").unwrap_err();
    assert!(error.is_transient());
    assert!(
        told(&error).contains("did not answer within 2s"),
        "{}",
        told(&error)
    );
    assert!(begin.elapsed() >= limit);
    assert!(store.load(&key()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_time_out_of_zero_is_refused() {
    let builder = RedisStore::builder("redis://127.0.0.1").timeout(Duration::ZERO);
    let error = builder.connect().await.unwrap_err();
    assert!(told(&error).contains("leaves no time"));
}
