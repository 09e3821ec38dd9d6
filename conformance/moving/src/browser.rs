//! A browser's part: the cookie, and values in paths.

use std::fmt::Debug;
use std::str::FromStr;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, header};
use serde_json::{Value, json};

use crate::App;

/// Keeps the cookie as a browser does.
#[derive(Default)]
pub struct Browser {
    pub cookie: Option<String>,
}

impl Browser {
    /// Returns the body, as JSON, of a response that must be a success.
    pub async fn get(&mut self, app: &impl App, path: &str) -> Value {
        let response = self.send(app, path).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    /// Returns the id in a plain cookie.
    pub fn id<I: FromStr<Err: Debug>>(&self) -> I {
        let cookie = self.cookie.as_deref().expect("a cookie");
        cookie.parse().expect("an id")
    }

    /// Sends a request with the cookie, and keeps the one that is set.
    pub async fn send(&mut self, app: &impl App, path: &str) -> Response<Bytes> {
        let mut request = Request::builder().uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("id={cookie}"));
        }
        let request = request.header(header::HOST, "shop.test");
        let response = app.answer(request.body(Body::empty()).expect("a request"));
        let response = response.await;
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("text");
            let value = line.strip_prefix("id=").expect("the cookie");
            let value = value.split(';').next().unwrap_or_default();
            self.cookie = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        response
    }
}

/// Values of every type that JSON has, at the edges.
pub fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("null", json!(null)),
        ("true", json!(true)),
        ("small", json!(1)),
        ("negative", json!(-1)),
        ("byte", json!(200)),
        ("least", json!(i64::MIN)),
        ("most", json!(u64::MAX)),
        ("float", json!(1.5)),
        ("whole-float", json!(3.0)),
        ("text", json!("caf\u{e9}")),
        ("empty", json!("")),
        ("list", json!([1, [2, []], {}])),
        ("map", json!({"a": {"b": [null, false, -129]}})),
        ("long", json!("x".repeat(300))),
    ]
}

/// The value in a path.
pub fn encoded(value: &Value) -> String {
    let bytes = value.to_string().into_bytes();
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}
