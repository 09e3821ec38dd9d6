//! tower-sessions 0.15 on its memory store or on Redis, with defaults. Its own Redis store is for
//! an older version, so the one here does the same for this version.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use serde_json::{Value, json};
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, SessionStore, session};

use crate::apps::{Records, connect};
use crate::script::{self, Op, Reply};

pub async fn in_memory(port: u16) -> Result<(), super::Error> {
    serve(port, MemoryStore::default()).await
}

pub async fn on_redis(port: u16, redis: &str) -> Result<(), super::Error> {
    serve(port, Records(connect(redis).await?)).await
}

async fn serve(port: u16, store: impl SessionStore + Clone) -> Result<(), super::Error> {
    let app = Router::new()
        .route("/script", get(script))
        .route("/untouched", get(async || "[null]"))
        .layer(SessionManagerLayer::new(store));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn script(session: Session, headers: HeaderMap) -> Response {
    let text = headers
        .get("conformance-script")
        .map_or(&b"{}"[..], |text| text.as_bytes());
    let mut reply = Reply::new();
    for op in script::parse(text) {
        let result = match perform(&session, &op).await {
            Ok(Some(result)) => result,
            Ok(None) => reply.other(&op).await,
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        reply.results.push(result);
    }
    answer(&reply)
}

async fn perform(session: &Session, op: &Op) -> Result<Option<Value>, session::Error> {
    let name = op.text(0);
    Ok(Some(match op.name.as_str() {
        "get" => json!(session.get::<Value>(name).await?),
        "insert" => json!(session.insert(name, op.value(1)).await?),
        "remove" => json!(session.remove::<Value>(name).await?.is_some()),
        "increment" => {
            let n = session.get::<u64>(name).await?.unwrap_or(0) + 1;
            session.insert(name, n).await?;
            json!(n)
        }
        "subject" => json!(session.get::<String>("user").await?),
        "sign_in" => {
            session.cycle_id().await?;
            json!(session.insert("user", name).await?)
        }
        "sign_out" => json!(session.flush().await?),
        "rotate" => json!(session.cycle_id().await?),
        "set_expiry" => {
            json!(session.set_expiry(Some(Expiry::OnInactivity(Duration::seconds(op.number(0))))))
        }
        _ => return Ok(None),
    }))
}

pub(super) fn answer(reply: &Reply) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<axum::http::HeaderName>(), value.parse()) {
            headers.append(name, value);
        }
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    (status, headers, reply.body()).into_response()
}
