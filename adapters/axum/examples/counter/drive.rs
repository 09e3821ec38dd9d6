//! Drives the counter of any framework, as a client would.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Method, StatusCode};
use std::error::Error;
use std::net::SocketAddr;

pub(crate) async fn drive(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut visitor = Visitor {
        client: Client::new(),
        address,
        cookie: None,
    };
    assert_eq!(visitor.get("/").await?, "visit 1 of a stranger");
    assert_eq!(visitor.get("/").await?, "visit 2 of a stranger");
    let anonymous = visitor.cookie.clone();
    assert_eq!(visitor.post("/sign-in/ada").await?, "hello, ada");
    assert_ne!(visitor.cookie, anonymous, "signing in gives a new token");
    assert_eq!(visitor.get("/").await?, "visit 3 of ada");
    assert_eq!(visitor.post("/sign-out").await?, "goodbye");
    assert_eq!(visitor.cookie, None, "signing out takes the cookie away");
    assert_eq!(visitor.get("/").await?, "visit 1 of a stranger");
    let nowhere = visitor.client.get(format!("http://{address}/nowhere"));
    let nowhere = nowhere.send().await?;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert!(!nowhere.headers().contains_key(SET_COOKIE));
    Ok(())
}

/// A client with one cookie that treats loopback as TLS, as browsers do.
struct Visitor {
    client: Client,
    address: SocketAddr,
    cookie: Option<String>,
}

impl Visitor {
    async fn get(&mut self, path: &str) -> Result<String, Box<dyn Error>> {
        self.send(Method::GET, path).await
    }

    async fn post(&mut self, path: &str) -> Result<String, Box<dyn Error>> {
        self.send(Method::POST, path).await
    }

    async fn send(&mut self, method: Method, path: &str) -> Result<String, Box<dyn Error>> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await?.error_for_status()?;
        if let Some(line) = response.headers().get(SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            let kept = !line.to_str()?.contains("Max-Age=0");
            self.cookie = kept.then(|| pair.to_owned());
        }
        Ok(response.text().await?)
    }
}
