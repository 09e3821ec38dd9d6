//! Errors that need no server: names, URLs, and servers that are not MongoDB.

use std::error::Error;
use std::time::Duration;

use cloakroom_mongodb::mongodb::Client;
use cloakroom_mongodb::{Builder, MongoDbStore};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(1);

fn builder() -> Builder {
    MongoDbStore::builder().timeout(LIMIT)
}

/// An error and all its causes, in every form in which they may come into a log.
fn text(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

// R58: a name can be nothing but a name.
#[tokio::test]
async fn names_are_letters_digits_and_a_few_signs() {
    let long = "x".repeat(200);
    for name in [
        "", "1a", "a b", "a$b", "a/b", "a\\b", "a\0", "ä", "$cmd", "-a", ".a", "a\"b", &long,
    ] {
        let database = builder().database(name).connect("mongodb://127.0.0.1:1");
        let error = database.await.unwrap_err();
        assert!(!error.is_transient(), "database {name:?}: {error}");
        let collection = builder().collection(name).connect("mongodb://127.0.0.1:1");
        let error = collection.await.unwrap_err();
        assert!(!error.is_transient(), "collection {name:?}: {error}");
    }
    let error = builder().database("a.b").connect("mongodb://127.0.0.1:1");
    assert!(error.await.unwrap_err().to_string().contains("database"));
    let error = builder()
        .collection("system.users")
        .connect("mongodb://127.0.0.1:1");
    assert!(error.await.unwrap_err().to_string().contains("system."));
    let url = "mongodb://127.0.0.1:1/a%20b";
    let error = builder().connect(url).await.unwrap_err();
    assert!(!error.is_transient(), "the URL's database: {error}");
}

#[tokio::test]
async fn a_scheme_may_be_in_capitals() {
    let error = builder().connect("MongoDB://127.0.0.1:1/?w=0").await;
    let usual = builder().connect("mongodb://127.0.0.1:1/?w=0").await;
    let [error, usual] = [error, usual].map(|error| error.unwrap_err().to_string());
    assert_eq!(error, usual);
}

// R11: a URL holds a password.
#[tokio::test]
async fn an_error_does_not_repeat_the_url() {
    for url in [
        "hunter2",
        "hunter2:hunter2",
        "redis://:hunter2@localhost",
        "mongodb://",
        "mongodb://u:hunter2@",
        "mongodb://u:hunter2@[/x",
        "mongodb://u:hunter2@localhost:port/x",
        "mongodb://u:hunter2@localhost:99999/x",
        "mongodb://u:hunter2@127.0.0.1:1/x?hunter2=hunter2",
        "mongodb://u:hunter2@127.0.0.1:1/x?w=hunter2&w=-1",
        "mongodb://u:hunter2@127.0.0.1:1/x?maxPoolSize=hunter2",
        "mongodb://u:hunter2@127.0.0.1:1/x?authMechanism=hunter2",
        "mongodb://u:hunter2@127.0.0.1:1/x?readConcernLevel=hunter2",
        "mongodb://u:hunter2@127.0.0.1:1/x?tls=true&tlsCAFile=/hunter2",
        "mongodb://u:hunter2@127.0.0.1:1/x",
        "mongodb://u:hunter@2@127.0.0.1:1/x",
        "mongodb://u:hunter2/@127.0.0.1:1/x",
        "mongodb://hunter2:1/x",
        "mongodb+srv://u:hunter2@localhost.invalid/x",
        "mongodb+srv://u:hunter2@a.b.invalid/x",
    ] {
        let error = builder().connect(url).await.unwrap_err();
        let text = text(&error);
        assert!(!text.contains("hunter2"), "{url}: {text}");
    }
}

// R54: with unacknowledged writes a failed sign-out would look like a success.
#[tokio::test]
async fn unacknowledged_writes_are_refused() {
    let error = builder().connect("mongodb://127.0.0.1:1/x?w=0").await;
    let error = error.unwrap_err();
    assert!(
        !error.is_transient() && error.to_string().contains("w=0"),
        "{error}"
    );
}

// R62: an unsuitable client is refused before anything is sent.
#[tokio::test]
async fn a_client_that_would_break_a_promise_is_refused() {
    let refused = async |settings: &str, says: &str| {
        let url = format!("mongodb://127.0.0.1:1/x?{settings}");
        let client = Client::with_uri_str(url).await.unwrap();
        let error = builder().with_client(&client).await.unwrap_err();
        assert!(!error.is_transient(), "{settings}: {error}");
        assert!(error.to_string().contains(says), "{settings}: {error}");
    };
    refused("", "repeats writes").await;
    refused("retryWrites=true", "repeats writes").await;
    refused("retryWrites=false&w=0", "w=0").await;
    let client =
        Client::with_uri_str("mongodb://127.0.0.1:1/x?retryWrites=false&readPreference=secondary");
    let error = builder().with_client(&client.await.unwrap()).await;
    assert!(error.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_missing_server_is_a_transient_error_that_names_the_cause() {
    let error = builder()
        .connect("mongodb://127.0.0.1:1")
        .await
        .unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("connection refused"), "{error}");
}

// R54: bounded, whatever the server fails to do.
#[tokio::test]
async fn a_server_that_accepts_and_never_answers_ends_in_the_stated_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mongodb://{}", listener.local_addr().unwrap());
    let connected = tokio::time::timeout(20 * LIMIT, builder().connect(&url));
    let error = connected.await.expect("it hangs").unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[test]
fn the_builder_shows_its_settings_and_no_more() {
    let shown = format!("{:?}", builder().database("web"));
    assert!(
        shown.contains("web") && shown.contains("cloakroom_sessions"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_store_without_connections_is_refused() {
    let store = builder()
        .max_connections(0)
        .connect("mongodb://127.0.0.1:1");
    let error = store.await.unwrap_err();
    assert!(error.to_string().contains("set at least 1"), "{error}");
}
