//! A browser of axum_session's applications, whose cookies may be bound to it.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// Keeps the cookie `session` as a browser does, and has an address and a name.
#[derive(Clone)]
pub struct Client {
    pub cookie: Option<String>,
    pub agent: &'static str,
    pub address: &'static str,
}

impl Client {
    /// Returns a client without a cookie.
    pub fn new() -> Self {
        Self {
            cookie: None,
            agent: "Browser/1.0 (Test; x)",
            address: "192.0.2.7:4711",
        }
    }

    /// Returns the id in the cookie.
    pub fn id(&self) -> String {
        let cookie = self.cookie.as_deref().expect("a cookie");
        cookie[cookie.len() - 36..].to_owned()
    }

    /// Returns the body, as JSON, of a response that must be a success.
    pub async fn get(&mut self, app: &Router, path: &str) -> Value {
        let response = self.send(app, path).await;
        let status = response.status();
        assert!(status.is_success(), "{path}: {status}");
        let body = response.into_body().collect().await.expect("a body");
        serde_json::from_slice(&body.to_bytes()).unwrap_or_default()
    }

    /// Sends a request with the cookie, and keeps the one that is set.
    pub async fn send(&mut self, app: &Router, path: &str) -> Response {
        let address: SocketAddr = self.address.parse().expect("an address");
        let mut request = Request::builder()
            .uri(path)
            .header(header::USER_AGENT, self.agent)
            .extension(ConnectInfo(address));
        if let Some(cookie) = &self.cookie {
            let cookies = format!("other=1; session={cookie}");
            request = request.header(header::COOKIE, cookies);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = app.clone().oneshot(request).await.expect("a response");
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("text");
            if let Some(value) = line.strip_prefix("session=") {
                let is_removed = line.contains("Max-Age=0");
                let value = value.split(';').next().unwrap_or_default();
                self.cookie = Some(value.to_owned()).filter(|_| !is_removed);
            }
        }
        response
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}
