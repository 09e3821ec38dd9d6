//! A proxy that closes idle connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use cloakroom_flask_stores::{MemcachedStore, MongoDbStore, RedisStore, SqlAlchemyStore};
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::{Dialect, Memcached, MongoDb, Redis, Sql};
use cloakroom_store::{
    Created, Deleted, Replaced, SharedStore, Store, StoreError, Touched, UnixTime,
};
use tokio::task::JoinSet;

use super::environment::{TIMEOUT, key, recovered, write};
use super::{Failure, Scene, ServerUnderTest};

pub(super) const REQUIREMENT: &str = "R62: behind a proxy that closes idle connections, no operation is an \
                           error: what was certainly not sent is sent again";

/// How often each operation comes first on connections that were closed.
const ROUNDS: usize = 3;

/// How long a connection may be idle. After a second, stores have doubts about their connections.
/// It is longer than the pause between the heartbeats of a driver that watches its server.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How many operations are under way at once before each of them, and with it.
const AT_ONCE: usize = 6;

/// A server that Flask's sessions can be on.
pub(super) trait HasFlask: ServerUnderTest {
    fn open_flask(
        &self,
        way: SocketAddr,
        name: &str,
    ) -> impl Future<Output = Result<SharedStore, Failure>>;
}

pub(super) fn scene<T: ServerUnderTest>() -> Scene<T> {
    Scene {
        id: "faults/idle-connections",
        requirement: REQUIREMENT,
        own: false,
        run: |subject| {
            Box::pin(async {
                let proxy = Proxy::start(subject.address()).await?;
                let store = subject.open(proxy.address(), "idle").await?;
                closed(&[&proxy], &store, "").await
            })
        },
    }
}

pub(super) fn flask<T: HasFlask>() -> Scene<T> {
    Scene {
        id: "faults/flask-idle-connections",
        requirement: REQUIREMENT,
        own: false,
        run: |subject| {
            Box::pin(async {
                let proxy = Proxy::start(subject.address()).await?;
                let store = subject.open_flask(proxy.address(), "flask_idle").await?;
                // Not every layout has a prefix, and a server may be somebody's.
                let prefix = format!("cloakroom-{}-", std::process::id());
                closed(&[&proxy], &store, &prefix).await
            })
        },
    }
}

/// Each operation, on connections that these proxies have just closed.
pub(super) async fn closed(
    proxies: &[&Proxy],
    store: &SharedStore,
    prefix: &str,
) -> Result<(), Failure> {
    let mut errors = Errors::default();
    for proxy in proxies {
        proxy.set(Mode::CloseIdle(PATIENCE));
    }
    let outcome = rounds(proxies, store, prefix, &mut errors).await;
    for proxy in proxies {
        proxy.set(Mode::Pass);
    }
    outcome?;
    errors.check()
}

/// The errors of each operation. A proxy closes connections at any time, even just before a request
/// arrives. The outcome of that request is unknown, and the error is right. On a busy machine it
/// may happen, but not most of the time.
#[derive(Default)]
struct Errors(BTreeMap<&'static str, Vec<StoreError>>);

impl Errors {
    /// Returns `None` for an error that may be right.
    fn note<T>(
        &mut self,
        what: &'static str,
        outcome: Result<T, StoreError>,
    ) -> Result<Option<T>, Failure> {
        match outcome {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_transient() => {
                self.0.entry(what).or_default().push(error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check(self) -> Result<(), Failure> {
        let most = |errors: &Vec<StoreError>| errors.len() > ROUNDS / 2;
        match self.0.into_iter().find(|(_, errors)| most(errors)) {
            Some((what, errors)) => Err(format!(
                "{} of {ROUNDS} times, the {what} failed: {}",
                errors.len(),
                errors[0]
            )
            .into()),
            None => Ok(()),
        }
    }
}

async fn rounds(
    proxies: &[&Proxy],
    store: &SharedStore,
    prefix: &str,
    errors: &mut Errors,
) -> Result<(), Failure> {
    for round in 0..ROUNDS {
        let name = format!("{prefix}{round}");
        let (of, first, second) = (key(&name), write("first"), write("second"));

        idle(proxies, store).await?;
        let created = store.create(&of, &first).await;
        match errors.note("create", created)? {
            Some(Created::Stored) => {}
            // It may have happened, and may not.
            None => drop(store.create(&of, &first).await?),
            other => return Err(format!("the create was answered {other:?}").into()),
        }
        idle(proxies, store).await?;
        let loaded = store.load(&of).await;
        if let Some(None) = errors.note("load", loaded)? {
            return Err("the record is gone".into());
        }
        let old = recovered(store, &name).await?;
        idle(proxies, store).await?;
        let replaced = store.replace(&of, &old, &second).await;
        match errors.note("replace", replaced)? {
            Some(Replaced::Stored) => {}
            None => drop(store.replace(&of, &old, &second).await?),
            other => return Err(format!("the replace was answered {other:?}").into()),
        }
        idle(proxies, store).await?;
        let touched = store.touch(&of, UnixTime::MAX).await;
        match errors.note("touch", touched)? {
            Some(Touched::Extended) | None => {}
            other => return Err(format!("the touch was answered {other:?}").into()),
        }
        let old = recovered(store, &name).await?;
        if old.bytes != second.bytes {
            return Err("the replace did not happen".into());
        }
        idle(proxies, store).await?;
        let deleted = store.delete(&of, &old).await;
        match errors.note("delete", deleted)? {
            Some(Deleted::Deleted) => {}
            None => drop(store.delete(&of, &old).await?),
            other => return Err(format!("the delete was answered {other:?}").into()),
        }
        // As many connections as the store may have, all of them closed.
        idle(proxies, store).await?;
        let mut creates = JoinSet::new();
        for at in 0..AT_ONCE {
            let (store, of) = (store.clone(), key(&format!("{prefix}{round}-{at}")));
            creates.spawn(async move { store.create(&of, &write("many")).await });
        }
        let outcomes: Result<Vec<_>, _> = creates.join_all().await.into_iter().collect();
        errors.note("creates at the same time", outcomes)?;
    }
    Ok(())
}

/// Uses several connections, and waits until the proxies have closed them and the client could
/// hear of it.
async fn idle(proxies: &[&Proxy], store: &SharedStore) -> Result<(), Failure> {
    let mut loads = JoinSet::new();
    for at in 0..AT_ONCE {
        let store = store.clone();
        loads.spawn(async move { store.load(&key(&format!("no-{at}"))).await });
    }
    for found in loads.join_all().await {
        // These are no part of the case, and may come upon a closed connection themselves.
        if let Ok(Some(_)) = found {
            return Err("a record was found that nobody created".into());
        }
    }
    for proxy in proxies {
        proxy.closed().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

impl HasFlask for Redis {
    async fn open_flask(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let store = RedisStore::builder(&self.by(way)).namespace(&self.prefix(name));
        Ok(SharedStore::new(store.timeout(TIMEOUT).connect().await?))
    }
}

impl HasFlask for Memcached {
    async fn open_flask(&self, way: SocketAddr, _name: &str) -> Result<SharedStore, Failure> {
        let store = MemcachedStore::connect(&way.to_string()).await?;
        Ok(SharedStore::new(store))
    }
}

impl HasFlask for MongoDb {
    async fn open_flask(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let store = MongoDbStore::builder(&watched(&self.by(way))).database(self.database());
        Ok(SharedStore::new(store.collection(name).connect().await?))
    }
}

/// MongoDB's URL, with a heartbeat that keeps the driver's own connections busy.
pub(super) fn watched(url: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}heartbeatFrequencyMS=500")
}

impl<D: Dialect + super::sql::Own> HasFlask for Sql<D> {
    async fn open_flask(&self, way: SocketAddr, name: &str) -> Result<SharedStore, Failure> {
        let (schema, table) = self.0.schema_and_table(name);
        let store = SqlAlchemyStore::builder(&self.0.by(way)).table(table);
        let store = match schema {
            Some(schema) => store.schema(schema),
            None => store,
        };
        let store = store.timeout(TIMEOUT).connect().await?;
        store.create_table().await?;
        Ok(SharedStore::new(store))
    }
}
