//! Redis without a session library: handlers that send Cloakroom's commands themselves. Also
//! tower-sessions' Redis store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::{Router, routing::get};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisResult, Script};
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

use super::{BODY, Error};

pub async fn connect(url: &str) -> Result<MultiplexedConnection, Error> {
    let client = redis::Client::open(url)?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// As long as a record with the ten values.
const VALUE: [u8; 1_060] = [b'x'; 1_060];
/// Compares and sets, as Cloakroom's script does.
const REPLACE: &str = "local there = redis.call('GETRANGE', KEYS[1], 0, 23) \
    if there == '' then return 0 end \
    if string.sub(there, 13, 20) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3]) return 1 end return 2";

#[derive(Clone)]
struct Redis {
    connection: MultiplexedConnection,
    replace: Script,
    /// The random part of each write, which the next write compares.
    version: Arc<AtomicU64>,
}

/// Sends GET for a read, SET for a new session, GET and compare-and-set for a write, and all three
/// for a rotation.
pub fn routes(connection: MultiplexedConnection) -> Router {
    let replace = Script::new(REPLACE);
    Router::new()
        .route("/untouched", get(async || BODY))
        .route("/fill", get(create))
        .route("/create", get(create))
        .route("/read", get(read))
        .route("/counter", get(counter))
        .route("/rotate", get(rotate))
        .route("/end", get(end))
        .with_state(Redis {
            connection,
            replace,
            version: Arc::default(),
        })
}

type Answer = ([(HeaderName, String); 1], &'static str);

async fn create(State(mut redis): State<Redis>) -> Answer {
    let cookie = format!("id={:032x}{:011x}", Id::default().0, 0);
    let set = redis.set(&cookie).await;
    ([(header::SET_COOKIE, cookie)], done(set))
}

async fn read(State(mut redis): State<Redis>, headers: HeaderMap) -> &'static str {
    done(redis.get(&headers).await.map(drop))
}

async fn counter(State(mut redis): State<Redis>, headers: HeaderMap) -> &'static str {
    let found = redis.get(&headers).await.unwrap_or_default();
    done(redis.replace(&headers, found).await)
}

async fn rotate(State(mut redis): State<Redis>, headers: HeaderMap) -> Answer {
    let found = redis.get(&headers).await.unwrap_or_default();
    let cookie = format!("id={:032x}{:011x}", Id::default().0, 0);
    let set = redis.set(&cookie).await;
    let set = set.and(redis.replace(&headers, found).await);
    ([(header::SET_COOKIE, cookie)], done(set))
}

async fn end(State(mut redis): State<Redis>, headers: HeaderMap) -> &'static str {
    done(redis.connection.del(key(cookie(&headers))).await)
}

impl Redis {
    async fn get(&mut self, headers: &HeaderMap) -> RedisResult<Vec<u8>> {
        let found: Option<Vec<u8>> = self.connection.get(key(cookie(headers))).await?;
        Ok(std::hint::black_box(found).unwrap_or_default())
    }

    async fn set(&mut self, cookie: &str) -> RedisResult<()> {
        let mut command = redis::cmd("SET");
        command.arg(key(cookie)).arg(&VALUE).arg("NX").arg("PXAT");
        command.arg(ends()).query_async(&mut self.connection).await
    }

    async fn replace(&mut self, headers: &HeaderMap, mut found: Vec<u8>) -> RedisResult<()> {
        let mut call = self.replace.key(key(cookie(headers)));
        call.arg(found.get(12..20).unwrap_or_default());
        if let Some(version) = found.get_mut(12..20) {
            let next = self.version.fetch_add(1, Ordering::Relaxed);
            version.copy_from_slice(&next.to_be_bytes());
        }
        call.arg(&found).arg(ends());
        let done: RedisResult<u8> = call.invoke_async(&mut self.connection).await;
        done.map(drop)
    }
}

fn done(result: RedisResult<()>) -> &'static str {
    result.map_or("failed", |()| BODY)
}

fn cookie(headers: &HeaderMap) -> &str {
    let cookie = headers.get(header::COOKIE);
    // Cookies of other parties stand before it.
    let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
    cookie.unwrap_or_default()
}

fn key(cookie: &str) -> String {
    format!("bare:{cookie}")
}

fn ends() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed();
    let now = now.map_or(0, |now| now.as_millis());
    u64::try_from(now).unwrap_or(0) + 1_800_000
}

/// Does what tower-sessions' own Redis store does (that is for an older version): MessagePack, and
/// SET with an expiry.
#[derive(Clone, Debug)]
pub struct Records(pub MultiplexedConnection);

fn backend(error: impl std::fmt::Display) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

impl Records {
    async fn set(&self, record: &Record, only: &str) -> session_store::Result<bool> {
        let bytes = rmp_serde::to_vec(record).map_err(backend)?;
        let mut command = redis::cmd("SET");
        command.arg(record.id.to_string()).arg(bytes).arg(only);
        command.arg("EXAT").arg(record.expiry_date.unix_timestamp());
        command
            .query_async(&mut self.0.clone())
            .await
            .map_err(backend)
    }
}

#[async_trait]
impl SessionStore for Records {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        while !self.set(record, "NX").await? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.set(record, "XX").await.map(drop)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let found: Option<Vec<u8>> = self.0.clone().get(id.to_string()).await.map_err(backend)?;
        found
            .map(|bytes| rmp_serde::from_slice(&bytes).map_err(backend))
            .transpose()
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.0.clone().del(id.to_string()).await.map_err(backend)
    }
}
