//! Applications of one process at one place.

use std::io;
use std::sync::{Arc, Mutex};

use cloakroom::{Config, Error, Sessions, SharedStore, Store};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Place, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};

/// A store somewhere.
#[derive(Clone)]
struct Placed(MemoryStore, Place);

fn open(place: &str) -> Placed {
    Placed(MemoryStore::new(), Place::new("test", ["host", place]))
}

impl Store for Placed {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.0.load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.0.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.0.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.0.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.0.delete(key, old).await
    }

    fn place(&self) -> Option<Place> {
        Some(self.1.clone())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// How often was warned, and that it was of this.
    fn warnings(&self) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        for line in text.lines() {
            assert!(
                line.contains("two stores of this process are at one place"),
                "{line}"
            );
            assert!(
                line.contains("store=\"test\"") && !line.contains("host"),
                "{line}"
            );
        }
        text.lines().count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Two requests: one that creates a session, and one that reads it.
async fn visit<S: Store>(sessions: &Sessions<S>) -> Result<(), Error> {
    for _ in 0..2 {
        sessions
            .with(Some(&"A".repeat(43)), |session| session.insert("n", 1))
            .await?;
    }
    Ok(())
}

#[test]
fn two_applications_at_one_place_are_warned_of_once_and_clones_of_one_store_never() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let _guard = tracing::subscriber::set_default(subscriber);
    let check = async |warned: usize, when: &str| {
        assert_eq!(log.warnings(), warned, "{when}");
    };
    runtime.block_on(async {
        let store = open("a");
        let shop = Sessions::new(store.clone());
        visit(&shop).await.unwrap();
        visit(&shop.clone()).await.unwrap();
        check(0, "one application").await;
        let again = Sessions::new(SharedStore::new(store.clone()));
        visit(&again).await.unwrap();
        check(0, "a clone of its store").await;
        let elsewhere = Sessions::new(open("b"));
        visit(&elsewhere).await.unwrap();
        check(0, "an application elsewhere").await;
        let named = Config::builder()
            .cookie_name("__Host-blog")
            .build()
            .unwrap();
        let named = Sessions::new(open("a")).with_config(named);
        visit(&named).await.unwrap();
        check(0, "an application with other keys").await;
        let blog = Sessions::new(SharedStore::new(open("a")));
        check(0, "an application that nobody has visited").await;
        visit(&blog).await.unwrap();
        visit(&blog).await.unwrap();
        visit(&shop).await.unwrap();
        check(1, "another application at one place").await;
        drop((shop, again, named, blog, store));
        visit(&Sessions::new(open("a"))).await.unwrap();
        check(1, "an application after the others").await;
    });
}
