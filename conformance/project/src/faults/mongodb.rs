//! MongoDB.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloakroom_flask_stores::MongoDbStore as FlaskMongoDbStore;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_mongodb::mongodb::bson::spec::BinarySubtype;
use cloakroom_mongodb::mongodb::bson::{Binary, DateTime, Document, doc};
use cloakroom_mongodb::mongodb::options::IndexOptions;
use cloakroom_mongodb::mongodb::{Client, Collection, IndexModel};
use cloakroom_store::{Created, Directory as _, SharedStore, Store as _, Sweep as _};
use tokio::task::JoinSet;

use super::causes::{Causes, Kind, REQUIREMENT};
use super::environment::{Counter, Environment, TIMEOUT, key, write};
use super::{Failure, Scene, ServerUnderTest, common, idle};
use crate::builders;
use cloakroom_servers::proxy::Proxy;
use cloakroom_servers::{MongoDb, Server};

impl ServerUnderTest for MongoDb {
    const NAME: &'static str = "mongodb";

    fn new() -> io::Result<Self> {
        Self::new()
    }

    fn address(&self) -> SocketAddr {
        self.server()
    }

    fn own(&self) -> Option<&Server> {
        self.own()
    }

    async fn open(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let store = open(self, &idle::watched(&self.by(way)), name).await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        scenes.extend([
            idle::flask(),
            Scene {
                id: "faults/flask-stranded-connections",
                requirement: "R54: if the peer of every connection of Flask's store vanishes \
                              silently under load, operations end within the timeout, and later \
                              ones open new connections",
                own: false,
                run: |mongodb| Box::pin(flask_stranded(mongodb)),
            },
            Scene {
                id: "faults/causes",
                requirement: REQUIREMENT,
                own: true,
                run: |mongodb| Box::pin(causes(mongodb)),
            },
            Scene {
                id: "faults/own-client",
                requirement: "the application's own client works with the store; one that repeats \
                              writes or leaves them unacknowledged is refused",
                own: false,
                run: |mongodb| Box::pin(own_client(mongodb)),
            },
            Scene {
                id: "faults/changing-password",
                requirement: "a password that changes while the process runs is fetched and used; \
                              a wrong one is an error that names the cause",
                own: true,
                run: |_| Box::pin(changing_password()),
            },
            Scene {
                id: "faults/step-down",
                requirement: "R53, R54: a primary that steps down under load costs no acknowledged \
                              increment, and the store recovers with the next primary",
                own: true,
                run: |mongodb| Box::pin(step_down(mongodb)),
            },
            Scene {
                id: "faults/indexes-at-the-same-time",
                requirement: "eight processes at once, twice, create one index on expiry, with its \
                              margin, and one on subject; a conflicting index stays, and the \
                              error names it",
                own: false,
                run: |mongodb| Box::pin(indexes(mongodb)),
            },
            Scene {
                id: "faults/foreign-document",
                requirement: "R52: a document of another writer is a permanent error, and stays as \
                              it is",
                own: false,
                run: |mongodb| Box::pin(foreign(mongodb)),
            },
        ]);
        scenes
    }
}

async fn open(mongodb: &MongoDb, url: &str, name: &str) -> Result<MongoDbStore, Failure> {
    let builder = builders::mongodb(mongodb, name).timeout(TIMEOUT);
    let store = builder.connect(url).await?;
    store.create_indexes().await?;
    Ok(store)
}

async fn flask_stranded(mongodb: &MongoDb) -> Result<(), Failure> {
    let proxy = Proxy::start(mongodb.server()).await?;
    let open = async |way| -> Result<SharedStore, Failure> {
        let builder = FlaskMongoDbStore::builder(&mongodb.by(way)).database(mongodb.database());
        let store = builder.collection("flask_stranded").connect().await?;
        Ok(SharedStore::new(store))
    };
    let environment = Environment {
        store: open(proxy.address()).await?,
        sound: open(mongodb.server()).await?,
        proxy,
    };
    common::stranded_on(&environment, Duration::from_secs(5)).await
}

async fn step_down(mongodb: &MongoDb) -> Result<(), Failure> {
    let store = open(mongodb, &mongodb.member().await?, "step_down").await?;
    let store = SharedStore::new(store);
    let mut counter = Counter::new(&store).await?;
    for _ in 0..Counter::ROUNDS {
        let round = counter.begin(&store);
        tokio::time::sleep(Duration::from_millis(150)).await;
        mongodb.step_down().await?;
        counter.end(round).await?;
    }
    if counter.failed() == 0 {
        return Err("no operation met a primary that had stood back".into());
    }
    counter.check(&store).await
}

async fn indexes(mongodb: &MongoDb) -> Result<(), Failure> {
    let mut stores = JoinSet::new();
    for _ in 0..8 {
        let (builder, url) = (
            builders::mongodb(mongodb, "indexes"),
            mongodb.by(mongodb.server()),
        );
        stores.spawn(async move {
            let store = builder.connect(&url).await?;
            store.create_indexes().await?;
            store.create_indexes().await
        });
    }
    while let Some(made) = stores.join_next().await {
        made??;
    }
    let mut made = shown(&mongodb.collection("indexes").await?).await?;
    made.sort();
    let expected = [
        r#"{ "_id": 1 }"#.to_owned(),
        r#"{ "expires_at": 1 } after 300 s"#.to_owned(),
        r#"{ "subject": 1 } sparse"#.to_owned(),
    ];
    if made != expected {
        return Err(format!("the indexes are {made:?}").into());
    }

    let other = mongodb.collection("other_indexes").await?;
    // Without an end for its documents.
    let name = IndexOptions::builder().name("cloakroom_expires_at".to_owned());
    let index = IndexModel::builder()
        .keys(doc! { "expires_at": 1 })
        .options(name.build())
        .build();
    other.create_index(index).await?;
    let before = shown(&other).await?;
    let url = mongodb.by(mongodb.server());
    let store = builders::mongodb(mongodb, "other_indexes")
        .connect(&url)
        .await?;
    match store.create_indexes().await {
        Err(error) if !error.is_transient() && error.to_string().contains("index") => {}
        other => return Err(format!("beside another's index: {other:?}").into()),
    }
    match shown(&other).await? == before {
        true => Ok(()),
        false => Err("the other's index has changed".into()),
    }
}

/// The indexes of a collection, with what matters of their options.
async fn shown(collection: &Collection<Document>) -> Result<Vec<String>, Failure> {
    let mut cursor = collection.list_indexes().await?;
    let mut shown = Vec::new();
    while cursor.advance().await? {
        let index = cursor.deserialize_current()?;
        let options = index.options.unwrap_or_default();
        let after = options.expire_after;
        let after = after.map(|after| format!(" after {} s", after.as_secs()));
        let sparse = if options.sparse == Some(true) {
            " sparse"
        } else {
            ""
        };
        shown.push(format!(
            "{}{}{sparse}",
            index.keys,
            after.unwrap_or_default()
        ));
    }
    Ok(shown)
}

async fn foreign(mongodb: &MongoDb) -> Result<(), Failure> {
    let store = open(mongodb, &mongodb.by(mongodb.server()), "foreign").await?;
    let collection = mongodb.collection("foreign").await?;
    let id = Binary {
        subtype: BinarySubtype::Generic,
        bytes: b"a".to_vec(),
    };
    let end = DateTime::from_millis(4_102_444_800_000);
    let document = doc! { "_id": id, "expires_at": end, "value": "text", "subject": "ada" };
    collection.insert_one(document.clone()).await?;
    match (store.load(&key("a")).await, store.list("ada").await) {
        (Err(one), Err(many)) if !one.is_transient() && !many.is_transient() => {}
        other => return Err(format!("a foreign document was read: {other:?}").into()),
    }
    if store.create(&key("a"), &write("new")).await? != Created::Taken {
        return Err("a foreign document was overwritten".into());
    }
    store.sweep(usize::MAX).await?;
    match collection.find_one(doc! {}).await? {
        Some(there) if there == document => Ok(()),
        other => Err(format!("the foreign document is now {other:?}").into()),
    }
}

async fn causes(mongodb: &MongoDb) -> Result<(), Failure> {
    let mut causes = Causes::default();
    let at = async |url: &str| {
        let builder = MongoDbStore::builder().timeout(TIMEOUT);
        builder.connect(url).await
    };
    let nobody = cloakroom_servers::free_port()?;
    let there = at(&format!(
        "mongodb://127.0.0.1:{nobody}/?directConnection=true"
    ))
    .await;
    causes.check(
        "nothing listens",
        there,
        Kind::Transient,
        "connection refused",
    );
    let there = at("mongodb://cloakroom.invalid/").await;
    causes.check("no such host", there, Kind::Transient, "in time");
    let server = mongodb.server();
    let there = at(&format!(
        "mongodb://tested:hunter2@{server}/?directConnection=true"
    ))
    .await;
    causes.check(
        "an unknown user",
        there,
        Kind::Permanent,
        "did not accept user",
    );
    let there = at(&format!("mongodb://{server}/?w=0")).await;
    causes.check("writes without an answer", there, Kind::Permanent, "w=0");
    let there = at(&format!("mongodb://{server}/?tested=hunter2")).await;
    causes.check(
        "an unknown option",
        there,
        Kind::Permanent,
        "cannot be read",
    );
    let there = at(&format!(
        "mongodb://{server}/?directConnection=true&replicaSet=other"
    ))
    .await;
    causes.check(
        "another replica set",
        there,
        Kind::Permanent,
        "another name than the URL",
    );
    causes.end()
}

async fn own_client(mongodb: &MongoDb) -> Result<(), Failure> {
    use cloakroom_mongodb::mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};

    let options = ClientOptions::parse(mongodb.by(mongodb.server())).await?;
    let connect = async |retry: Option<bool>, concern: Option<WriteConcern>| {
        let mut options = options.clone();
        options.retry_writes = retry;
        options.write_concern = concern;
        let client = Client::with_options(options)?;
        let builder = builders::mongodb(mongodb, "own-client").timeout(TIMEOUT);
        Ok::<_, Failure>(builder.with_client(&client).await)
    };
    for retry in [None, Some(true)] {
        match connect(retry, None).await? {
            Err(error) if !error.is_transient() && error.to_string().contains("retry_writes") => {}
            other => return Err(format!("a client that repeats writes: {other:?}").into()),
        }
    }
    let nothing = WriteConcern::builder().w(Acknowledgment::Nodes(0)).build();
    match connect(Some(false), Some(nothing)).await? {
        Err(error) if !error.is_transient() && error.to_string().contains("w=0") => {}
        other => return Err(format!("a client without answers: {other:?}").into()),
    }
    let store = connect(Some(false), None).await??;
    if store.create(&key("a"), &write("a")).await? != Created::Stored {
        return Err("a record was there before".into());
    }
    let found = store.load(&key("a")).await?;
    found
        .map(drop)
        .ok_or_else(|| "the record is not there".into())
}

async fn changing_password() -> Result<(), Failure> {
    let mongodb = tokio::task::block_in_place(|| MongoDb::with_user("changing", "first"))?;
    let current = Arc::new(Mutex::new("first"));
    let password = Arc::clone(&current);
    let store = MongoDbStore::builder()
        .timeout(TIMEOUT)
        .credentials(move || {
            let password = *password.lock().unwrap_or_else(PoisonError::into_inner);
            ("changing".to_owned(), password.to_owned())
        });
    let store = store.connect(&mongodb.url()).await?;
    store.create(&key("a"), &write("a")).await?;
    mongodb.set_password("changing", "second").await?;
    // With a password that was never right, which makes a client of its own.
    *current.lock().unwrap_or_else(PoisonError::into_inner) = "third";
    match store.load(&key("a")).await {
        Err(error) if error.to_string().contains("did not accept user") => {}
        other => return Err(format!("with a wrong password: {other:?}").into()),
    }
    *current.lock().unwrap_or_else(PoisonError::into_inner) = "second";
    let found = store.load(&key("a")).await?;
    found
        .map(drop)
        .ok_or_else(|| "the record is not there".into())
}
