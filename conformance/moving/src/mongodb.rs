//! tower-sessions-mongodb-store: its newest version is for tower-sessions 0.11.

use async_trait::async_trait;
use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::Value;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions_0_11::{Session, SessionManagerLayer};
use tower_sessions_mongodb_store::MongoDBStore;

use crate::{Cookie, KEY};

/// The application with tower-sessions 0.11.
pub fn theirs_0_11(store: MongoDBStore, cookie: Cookie) -> Router {
    let layer = SessionManagerLayer::new(store);
    let key = tower_sessions_0_11::cookie::Key::from(&KEY);
    let routes = Router::new()
        .route(
            "/insert/{name}/{value}",
            get(
                async |Extension(session): Extension<Session>,
                       Path((name, value)): Path<(String, String)>| {
                    let value: Value = serde_json::from_str(&value).expect("JSON");
                    session.insert(&name, value).await.expect("inserted");
                },
            ),
        )
        .route(
            "/get/{name}",
            get(
                async |Extension(session): Extension<Session>, Path(name): Path<String>| {
                    Json(session.get::<Value>(&name).await.expect("read"))
                },
            ),
        )
        .route(
            "/rotate",
            get(async |Extension(session): Extension<Session>| {
                session.cycle_id().await.expect("rotated");
            }),
        )
        .route(
            "/end",
            get(async |Extension(session): Extension<Session>| {
                session.flush().await.expect("ended");
            }),
        );
    match cookie {
        Cookie::Plain => routes.layer(layer),
        Cookie::Signed => routes.layer(layer.with_signed(key)),
        Cookie::Private => routes.layer(layer.with_private(key)),
    }
}

/// The same store for tower-sessions 0.14, as an application has to write it: a record has the same
/// three fields in both versions.
#[derive(Clone, Debug)]
pub struct Newer(pub MongoDBStore);

fn failed(error: tower_sessions_0_11::session_store::Error) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for Newer {
    async fn save(&self, record: &Record) -> Result<()> {
        let record = tower_sessions_0_11::session::Record {
            id: tower_sessions_0_11::session::Id(record.id.0),
            data: record.data.clone(),
            expiry_date: record.expiry_date,
        };
        let saved = tower_sessions_0_11::SessionStore::save(&self.0, &record).await;
        saved.map_err(failed)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let id = tower_sessions_0_11::session::Id(id.0);
        let found = tower_sessions_0_11::SessionStore::load(&self.0, &id).await;
        Ok(found.map_err(failed)?.map(|record| Record {
            id: Id(record.id.0),
            data: record.data,
            expiry_date: record.expiry_date,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let id = tower_sessions_0_11::session::Id(id.0);
        let deleted = tower_sessions_0_11::SessionStore::delete(&self.0, &id).await;
        deleted.map_err(failed)
    }
}
