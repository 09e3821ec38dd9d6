//! The endpoint of `ENDPOINT.md` with Cloakroom and axum, in one page.

use std::io;
use std::time::Duration;

use axum::http::header::VARY;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::get};
use cloakroom::{Expiry, Sessions, Store};
use cloakroom_axum::{Error, Session, SessionLayer};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Serves the endpoint on a free port of the loopback; its URL.
pub(super) fn serve<S: Store + 'static>(sessions: Sessions<S>) -> io::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (url, listener) = (
        format!("http://{}", listener.local_addr()?),
        TcpListener::from_std(listener)?,
    );
    let app = Router::new()
        .route("/script", get(script))
        .route("/untouched", get(async || "[null]"))
        .layer(SessionLayer::from(sessions));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

async fn script(session: Session, headers: HeaderMap) -> Result<Response, Error> {
    let text = headers.get("conformance-script").map(HeaderValue::as_bytes);
    let script: Value = serde_json::from_slice(text.unwrap_or(b"{}")).unwrap_or_default();
    let (mut status, mut head, mut results) = (StatusCode::OK, HeaderMap::new(), Vec::new());
    // The response depends on the script, so caches must not take one script's for another's.
    head.insert(VARY, HeaderValue::from_static("conformance-script"));
    for op in script["now"].as_array().into_iter().flatten() {
        let (name, argument) = match op {
            Value::Object(op) => op.iter().next().map(|(name, value)| (name.as_str(), value)),
            op => op.as_str().map(|name| (name, &Value::Null)),
        }
        .unwrap_or(("", &Value::Null));
        let text = |at: usize| argument.as_str().or(argument[at].as_str()).unwrap_or("");
        results.push(match name {
            "get" => json!(session.get::<Value>(text(0))?),
            "insert" => json!(session.insert(text(0), &argument[1])?),
            "remove" => json!(session.remove(text(0))?),
            "increment" => json!(session.update(text(0), |n: Option<u64>| n.unwrap_or(0) + 1)?),
            "subject" => json!(session.subject()?),
            "sign_in" => json!(session.sign_in(text(0))?),
            "sign_out" => json!(session.sign_out()?),
            "rotate" => json!(session.rotate()?),
            "set_expiry" => {
                let seconds = |at| Duration::from_secs(argument[at].as_u64().unwrap_or(0));
                json!(session.set_expiry(Expiry::new().idle(seconds(0)).absolute(seconds(1)))?)
            }
            "status" => {
                let wanted = argument
                    .as_u64()
                    .and_then(|status| u16::try_from(status).ok());
                status = wanted
                    .and_then(|n| StatusCode::from_u16(n).ok())
                    .unwrap_or(status);
                Value::Null
            }
            "header" => {
                if let (Ok(name), Ok(value)) = (text(0).parse::<HeaderName>(), text(1).parse()) {
                    head.append(name, value);
                }
                Value::Null
            }
            "wait" => {
                if let Ok(mut gate) = TcpStream::connect(text(0)).await {
                    // It ends, in whatever way.
                    let _ = gate.read_to_end(&mut Vec::new()).await;
                }
                Value::Null
            }
            // Not `panic!`, which would print an alarming message.
            "panic" => std::panic::resume_unwind(Box::new("the script says so")),
            _ => json!({ "unsupported": op }),
        });
    }
    Ok((status, head, Value::from(results).to_string()).into_response())
}
