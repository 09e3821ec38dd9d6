//! The servers: the same handlers as in `bench`, on Redis.

use actix_session::SessionMiddleware;
use actix_session::storage::RedisSessionStore;
use actix_web::cookie::Key;
use actix_web::{App, HttpServer};
use async_trait::async_trait;
use axum::http::{HeaderMap, header};
use axum::{Router, routing::get};
use axum_session::{SessionLayer, SessionStore as AxumSessionStore};
use axum_session_redispool::SessionRedisPool;
use cloakroom::Sessions;
use cloakroom_redis::RedisStore;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Script};
use redis_pool::RedisPool;
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionManagerLayer, SessionStore, session_store};

use super::Error;
use crate::bench::{BODY, actix, axum_based};

pub async fn serve(name: &str, port: u16, redis: &str) -> Result<(), Error> {
    let client = redis::Client::open(redis)?;
    let routes = match name {
        "bare" => bare(client.get_multiplexed_async_connection().await?),
        "cloakroom" => {
            let sessions = Sessions::new(RedisStore::builder(redis).connect().await?);
            axum_based::cloakroom_routes().layer(cloakroom_axum::SessionLayer::from(sessions))
        }
        "tower-sessions" => {
            let store = Records(client.get_multiplexed_async_connection().await?);
            axum_based::tower_sessions_routes().layer(SessionManagerLayer::new(store))
        }
        "axum_session" => {
            let pool = RedisPool::from(client).into();
            let config = axum_based::axum_session_config();
            let store = AxumSessionStore::<SessionRedisPool>::new(Some(pool), config).await?;
            axum_based::axum_session_routes::<SessionRedisPool>().layer(SessionLayer::new(store))
        }
        "actix-session" => {
            let store = RedisSessionStore::new(redis)
                .await
                .map_err(|error| error.to_string())?;
            let server = HttpServer::new(move || {
                App::new()
                    .wrap(SessionMiddleware::new(store.clone(), Key::from(&[7; 64])))
                    .configure(actix::routes)
            });
            return Ok(server.workers(2).bind(("127.0.0.1", port))?.run().await?);
        }
        other => return Err(format!("no server of {other}").into()),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, routes).await?)
}

/// The commands that Cloakroom sends, without sessions: a GET for a read; a GET and a compare-and-set for a write.
fn bare(connection: MultiplexedConnection) -> Router {
    const CAS: &str = "if redis.call('GETRANGE', KEYS[1], 12, 19) == ARGV[1] then \
        redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3]) return 1 end return 2";
    let key = |headers: &HeaderMap| {
        let cookie = headers
            .get(header::COOKIE)
            .and_then(|cookie| cookie.to_str().ok());
        format!("bare:{}", cookie.unwrap_or_default())
    };
    let ends = || {
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |now| now.as_millis());
        u64::try_from(now).unwrap_or(0) + 1_800_000
    };
    let (fill, read, script) = (connection.clone(), connection.clone(), Script::new(CAS));
    Router::new()
        .route(
            "/fill",
            get(async move || {
                let cookie = format!("id={:032x}{:011x}", Id::default().0, 0);
                let mut connection = fill.clone();
                let set = connection
                    .set::<_, _, ()>(format!("bare:{cookie}"), vec![b'x'; 1_060])
                    .await;
                (
                    [(header::SET_COOKIE, cookie)],
                    set.map(|()| BODY).unwrap_or("failed"),
                )
            }),
        )
        .route(
            "/read",
            get(async move |headers: HeaderMap| {
                let found: redis::RedisResult<Vec<u8>> = read.clone().get(key(&headers)).await;
                std::hint::black_box(found)
                    .map(|_| BODY)
                    .unwrap_or("failed")
            }),
        )
        .route(
            "/counter",
            get(async move |headers: HeaderMap| {
                let (mut connection, key) = (connection.clone(), key(&headers));
                let found: redis::RedisResult<Vec<u8>> = connection.get(&key).await;
                let value = found.unwrap_or_default();
                let mut call = script.key(key);
                call.arg(value.get(12..20).unwrap_or_default())
                    .arg(&value)
                    .arg(ends());
                let saved: redis::RedisResult<u8> = call.invoke_async(&mut connection).await;
                saved.map(|_| BODY).unwrap_or("failed")
            }),
        )
}

/// As tower-sessions' own Redis store does it, which is for an older version: MessagePack, and SET with an end.
#[derive(Clone, Debug)]
struct Records(MultiplexedConnection);

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
