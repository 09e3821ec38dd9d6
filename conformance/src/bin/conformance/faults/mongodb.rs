//! MongoDB.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_flask_stores::MongoDbStore;
use cloakroom_mongodb::MongoStore;
use cloakroom_mongodb::mongodb::bson::spec::BinarySubtype;
use cloakroom_mongodb::mongodb::bson::{Binary, DateTime, Document, doc};
use cloakroom_mongodb::mongodb::options::IndexOptions;
use cloakroom_mongodb::mongodb::{Collection, IndexModel};
use cloakroom_store::{Created, Directory as _, SharedStore, Store as _, Sweep as _};
use tokio::task::JoinSet;

use super::ground::{Counter, Ground, TIMEOUT, key, write};
use super::{Failure, Scene, Subject, common};
use crate::proxy::Proxy;
use crate::servers::{MongoDb, Server};

impl Subject for MongoDb {
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
        let store = open(self, &self.by(way), name).await?;
        Ok(SharedStore::new(store))
    }

    fn scenes() -> Vec<Scene<Self>> {
        let mut scenes = common::scenes();
        scenes.extend([
            Scene {
                id: "faults/flask-stranded-connections",
                requirement: "R54: when the other end of all connections of Flask's store goes without a word in mid-load, each operation \
                              ends in the stated time, and those that come after find the server by new connections",
                own: false,
                run: |mongodb| Box::pin(flask_stranded(mongodb)),
            },
            Scene {
                id: "faults/step-down",
                requirement: "R53, R54: a primary that stands back in mid-load costs no acknowledged increment, and the store goes on \
                              by itself when there is a primary again",
                own: true,
                run: |mongodb| Box::pin(step_down(mongodb)),
            },
            Scene {
                id: "faults/indexes-at-the-same-time",
                requirement: "made by eight at once, and again, there is one index on expiry, with its margin, and one on the \
                              subject; another's index is an error that says so, and stays",
                own: false,
                run: |mongodb| Box::pin(indexes(mongodb)),
            },
            Scene {
                id: "faults/foreign-document",
                requirement: "R52: a document that no session store has written is a permanent error, and is left as it is",
                own: false,
                run: |mongodb| Box::pin(foreign(mongodb)),
            },
        ]);
        scenes
    }
}

async fn open(mongodb: &MongoDb, url: &str, name: &str) -> Result<MongoStore, Failure> {
    let builder = mongodb.builder(name).timeout(TIMEOUT);
    let store = builder.connect(url).await?;
    store.create_indexes().await?;
    Ok(store)
}

async fn flask_stranded(mongodb: &MongoDb) -> Result<(), Failure> {
    let proxy = Proxy::start(mongodb.server()).await?;
    let open = async |way| -> Result<SharedStore, Failure> {
        let builder = MongoDbStore::builder(&mongodb.by(way)).database(mongodb.database());
        let store = builder.collection("flask_stranded").connect().await?;
        Ok(SharedStore::new(store))
    };
    let ground = Ground {
        store: open(proxy.address()).await?,
        sound: open(mongodb.server()).await?,
        proxy,
    };
    common::stranded_on(&ground, Duration::from_secs(5)).await
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
        let (builder, url) = (mongodb.builder("indexes"), mongodb.by(mongodb.server()));
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
    let store = mongodb.builder("other_indexes").connect(&url).await?;
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
