//! Two applications on one MongoDB: one with tower-sessions-mongodb-store, one with Cloakroom.

use axum::Router;
use cloakroom_adopting::Adopting;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_servers::MongoDb;
use cloakroom_store::{Key, Store, Sweep};
use cloakroom_tower_sessions::TowerSessions;
use moving::{
    Browser, Cookie, For0_14, For0_15, a_sign_in_survives_their_writes,
    cancelled_requests_starve_no_others, each_reads_and_writes_what_the_other_one_wrote, ours,
    ours_loses_nothing_of_what_runs_at_the_same_time, settings,
    their_request_of_0_15_overwrites_what_was_saved_meanwhile,
    their_request_overwrites_what_was_saved_meanwhile, theirs, theirs_0_11, theirs_0_15,
};
use serde_json::{Value, json};
use tower_sessions::SessionStore as _;
use tower_sessions_0_11::ExpiredDeletion as _;
use tower_sessions_mongodb_store::MongoDBStore;
use tower_sessions_mongodb_store::mongodb::bson::spec::BinarySubtype;
use tower_sessions_mongodb_store::mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use tower_sessions_mongodb_store::mongodb::options::ClientOptions;
use tower_sessions_mongodb_store::mongodb::{Client, Collection};

/// A server, the applications' database, and their store on it.
struct Shared {
    server: MongoDb,
    client: Client,
}

impl Shared {
    async fn start() -> Self {
        let server = MongoDb::new().expect("MongoDB");
        let url = server.by(server.server());
        let mut options = ClientOptions::parse(url).await.expect("a URL");
        // The URL's are for tests of lost connections.
        options.server_selection_timeout = None;
        let client = Client::with_options(options).expect("a client");
        Self { server, client }
    }

    /// The URL, and the name of the database.
    fn names(&self) -> [String; 2] {
        let url = self.server.by(self.server.server());
        [url, self.server.database().to_owned()]
    }

    fn theirs(&self) -> MongoDBStore {
        MongoDBStore::new(self.client.clone(), self.server.database().to_owned())
    }

    /// For an application on tower-sessions 0.14.
    fn for_0_14(&self) -> For0_14<MongoDBStore> {
        For0_14(self.theirs())
    }

    /// The collection itself, by their driver.
    fn sessions(&self) -> Collection<Document> {
        self.client
            .database(self.server.database())
            .collection("sessions")
    }

    async fn only_document(&self) -> Document {
        let count = self.sessions().count_documents(None, None).await;
        assert_eq!(count.expect("a count"), 1);
        let found = self.sessions().find_one(None, None).await;
        found.expect("an answer").expect("a document")
    }

    async fn ours(&self, cookie: Cookie) -> Router {
        ours(layout(self.names()).await, settings(cookie))
    }

    /// The store that takes over, in the same database.
    async fn new_store(&self) -> MongoDbStore {
        let [url, database] = self.names();
        let builder = MongoDbStore::builder().database(database);
        builder.connect(&url).await.expect("MongoDB")
    }
}

/// Their layout, as a store of ours.
async fn layout([url, database]: [String; 2]) -> impl Store + Sweep {
    let store = TowerSessions::connect_mongodb(&url, &database);
    store.await.expect("MongoDB")
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_share_mongodb() {
    let shared = Shared::start().await;
    for cookie in Cookie::ALL {
        let (for_0_14, for_0_15) = (shared.for_0_14(), For0_15(shared.for_0_14()));
        for (version, theirs) in [
            ("0.11", theirs_0_11(shared.theirs(), cookie)),
            ("0.14", theirs(for_0_14, cookie)),
            ("0.15", theirs_0_15(for_0_15, cookie)),
        ] {
            let apps = [theirs, shared.ours(cookie).await];
            let what = format!("{version}, {cookie:?}");
            each_reads_and_writes_what_the_other_one_wrote(&what, apps).await;
        }
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_lose_nothing_of_ours() {
    let shared = Shared::start().await;
    let ours = shared.ours(Cookie::Private).await;
    let of_0_11 = theirs_0_11(shared.theirs(), Cookie::Private);
    a_sign_in_survives_their_writes(&of_0_11, &ours).await;
    ours_loses_nothing_of_what_runs_at_the_same_time(&ours).await;
    cancelled_requests_starve_no_others(&ours).await;
    let (store, plain) = (shared.for_0_14(), shared.ours(Cookie::Plain).await);
    their_request_overwrites_what_was_saved_meanwhile(&store, true, &plain).await;
    let store = For0_15(store);
    their_request_of_0_15_overwrites_what_was_saved_meanwhile(&store, true, &plain).await;
}

// R85: documents are those of the real store, apart from the fraction of the expiry.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_and_its_end_are_as_they_write_them() {
    let shared = Shared::start().await;
    let ours = shared.ours(Cookie::Plain).await;
    let mut browser = Browser::default();
    browser.get(&ours, "/insert/cart/[1]").await;

    let before = shared.only_document().await;
    let store = shared.for_0_14();
    let record = store.load(&browser.id()).await.expect("loaded");
    let record = record.expect("a record");
    store.save(&record).await.expect("saved");
    assert_eq!(shared.only_document().await, before);
    let fields: Vec<&str> = before.keys().map(String::as_str).collect();
    assert_eq!(fields, ["_id", "data", "expireAt"]);
    // A change keeps the fields.
    browser.get(&ours, "/insert/cart/[2]").await;
    let fields_now: Vec<String> = shared.only_document().await.keys().cloned().collect();
    assert_eq!(fields_now, fields);

    // Both take a session for ended at its end, and remove it then.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(2);
    let past = doc! { "$set": { "expireAt": DateTime::from(past) } };
    for sweep_is_ours in [false, true] {
        browser.get(&ours, "/insert/cart/[3]").await;
        let sessions = shared.sessions();
        let changed = sessions.update_many(doc! {}, past.clone(), None).await;
        assert_eq!(changed.expect("changed").matched_count, 1);
        assert_eq!(browser.get(&ours, "/get/cart").await, Value::Null);
        assert!(store.load(&browser.id()).await.expect("loaded").is_none());
        if sweep_is_ours {
            let swept = layout(shared.names()).await.sweep(10).await;
            assert_eq!(swept.expect("swept"), 1);
        } else {
            shared.theirs().delete_expired().await.expect("deleted");
        }
        let count = shared.sessions().count_documents(None, None).await;
        assert_eq!(count.expect("a count"), 0);
    }
}

// R86
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_read_is_an_error_and_is_kept() {
    let shared = Shared::start().await;
    let ours = shared.ours(Cookie::Plain).await;
    let id = "AAECAwQFBgcICQoLDA0ODw";
    let binary = |bytes: &[u8]| {
        Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.to_vec(),
        })
    };
    // A field of another type is the store's error: it is no record at all.
    for (data, status) in [
        (binary(b"garbage"), 500),
        (binary(b""), 500),
        (binary(b"\x80"), 500),
        (binary(b"\x93\xc4\x10"), 500),
        (Bson::from("text"), 503),
        (Bson::Null, 503),
    ] {
        let end = DateTime::from_millis(32_472_144_000_000);
        let document = doc! { "_id": id, "data": data, "expireAt": end };
        let sessions = shared.sessions();
        sessions.delete_many(doc! {}, None).await.expect("deleted");
        let written = sessions.insert_one(&document, None).await;
        written.expect("written");
        for path in ["/get/a", "/insert/a/1", "/end"] {
            let mut browser = Browser {
                cookie: Some(id.to_owned()),
            };
            let response = browser.send(&ours, path).await;
            assert_eq!(response.status(), status, "{path}: {document:?}");
            assert_eq!(browser.cookie.as_deref(), Some(id));
        }
        assert_eq!(shared.only_document().await, document);
    }
}

// R85
#[tokio::test(flavor = "multi_thread")]
async fn their_sessions_move_to_a_store_of_ours() {
    let shared = Shared::start().await;
    let theirs = theirs_0_11(shared.theirs(), Cookie::Signed);
    let (mut writes, mut waits, mut ends) = Default::default();
    let browsers: [&mut Browser; 3] = [&mut writes, &mut waits, &mut ends];
    for browser in browsers {
        browser.get(&theirs, "/insert/cart/[1]").await;
    }
    let signed = || settings(Cookie::Signed);
    let store = || async { Adopting::new(shared.new_store().await, layout(shared.names()).await) };
    let moving = ours(store().await, signed());
    let left = || async {
        let count = shared.sessions().count_documents(None, None).await;
        count.expect("a count")
    };

    // A request that only reads moves nothing, and the first write moves the session.
    assert_eq!(writes.get(&moving, "/get/cart").await, json!([1]));
    assert_eq!(left().await, 3);
    writes.get(&moving, "/insert/more/2").await;
    assert_eq!(left().await, 2);
    // A sign-out ends it in both.
    let mut copy = Browser {
        cookie: ends.cookie.clone(),
    };
    ends.get(&moving, "/end").await;
    assert_eq!(left().await, 1);
    for app in [&moving, &theirs] {
        assert_eq!(copy.get(app, "/get/cart").await, Value::Null);
    }
    // The rest moves without a request: its key is its `_id`.
    let rest = shared.only_document().await;
    let key = Key::new(rest.get_str("_id").expect("an id")).expect("a key");
    store().await.adopt(&key, None).await.expect("adopted");
    assert_eq!(left().await, 0);

    let after = ours(shared.new_store().await, signed());
    assert_eq!(writes.get(&after, "/get/cart").await, json!([1]));
    assert_eq!(writes.get(&after, "/get/more").await, 2);
    assert_eq!(waits.get(&after, "/get/cart").await, json!([1]));
    assert_eq!(copy.get(&after, "/get/cart").await, Value::Null);
}
