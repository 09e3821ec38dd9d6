//! axum_session 0.22 on Redis, as in its example `redis.rs`. Cookies are Secure and signed, as the
//! signing example advises.

use std::net::SocketAddr;

use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Router, routing::get};
use axum_session::{Key, Session, SessionConfig, SessionLayer, SessionStore};
use axum_session_redispool::SessionRedisPool;
use redis_pool::RedisPool;
use serde_json::{Value, json};

use super::tower_sessions::answer;
use crate::script::{self, Op, Reply};

pub async fn serve(port: u16, redis: &str) -> Result<(), super::Error> {
    let pool = RedisPool::from(redis::Client::open(redis)?);
    let config = SessionConfig::default()
        .with_key(Key::from(&[7; 64]))
        .with_secure(true);
    let store = SessionStore::<SessionRedisPool>::new(Some(pool.into()), config).await?;
    let app = Router::new()
        .route("/script", get(script))
        .route("/untouched", get(async || "[null]"))
        .layer(SessionLayer::new(store));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}

async fn script(session: Session<SessionRedisPool>, headers: HeaderMap) -> Response {
    let text = headers
        .get("conformance-script")
        .map_or(&b"{}"[..], |text| text.as_bytes());
    let mut reply = Reply::new();
    for op in script::parse(text) {
        let result = match perform(&session, &op) {
            Some(result) => result,
            None => reply.other(&op).await,
        };
        reply.results.push(result);
    }
    answer(&reply)
}

fn perform(session: &Session<SessionRedisPool>, op: &Op) -> Option<Value> {
    let name = op.text(0);
    Some(match op.name.as_str() {
        "get" => json!(session.get::<Value>(name)),
        "insert" => json!(session.set(name, op.value(1))),
        "remove" => json!(session.remove(name)),
        "increment" => {
            let n = session.get::<u64>(name).unwrap_or(0) + 1;
            session.set(name, n);
            json!(n)
        }
        "subject" => json!(session.get::<String>("user")),
        "sign_in" => {
            session.renew();
            json!(session.set("user", name))
        }
        "sign_out" => json!(session.destroy()),
        "rotate" => json!(session.renew()),
        _ => return None,
    })
}
