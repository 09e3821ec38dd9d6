//! The suite's browsers, and the gates at which a handler waits.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode, Uri, header};
use reqwest::Client;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::adapter::got::{lines, members};
use crate::adapter::script::{Op, Script, get};
use crate::adapter::{App, http};
use crate::case::{Stop, ensure, fail, same};

/// How long a handler may take to come to a gate, and a server to answer.
const SOON: Duration = Duration::from_secs(20);

/// The server, or the two of them.
pub(super) struct Site {
    client: Client,
    urls: Vec<String>,
}

impl Site {
    pub(super) fn new(url: &str, second: Option<&str>) -> Result<Self, String> {
        let client = http::builder(false).timeout(SOON).build();
        let client = client.map_err(|error| format!("the suite's client: {error}"))?;
        let urls = [Some(url), second].into_iter().flatten().map(|url| {
            let parsed: Result<Uri, _> = url.parse();
            match parsed {
                Ok(uri) if uri.scheme_str() == Some("http") && uri.authority().is_some() => {
                    Ok(url.trim_end_matches('/').to_owned())
                }
                _ => Err(format!("`{url}` is not http://host:port")),
            }
        });
        let urls = urls.collect::<Result<_, String>>()?;
        Ok(Self { client, urls })
    }
}

/// The input of a case.
#[derive(Clone)]
pub(crate) struct Context {
    site: Arc<Site>,
}

impl Context {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site }
    }

    /// Somebody without a cookie.
    pub(super) fn visitor(&self) -> Visitor {
        Visitor {
            site: Arc::clone(&self.site),
            server: 0,
            cookies: Cookies::default(),
        }
    }

    /// Somebody whose session holds these values.
    pub(super) async fn visitor_with(&self, ops: Vec<Op>) -> Result<Visitor, Stop> {
        let mut visitor = self.visitor();
        visitor.send(ops).await?.ok()?;
        let holds = !visitor.cookies.0.is_empty();
        ensure(holds, "no cookie was set for a new session")?;
        Ok(visitor)
    }

    pub(super) fn needs_two_servers(&self) -> Result<(), Stop> {
        if self.site.urls.len() > 1 {
            return Ok(());
        }
        let why = "no second server on the same store was named";
        Err(Stop::Skipped(why.to_owned()))
    }
}

/// Cookies by name, as a browser keeps those of one site. Which of them is the session's is the
/// server's affair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookies(pub(super) BTreeMap<String, String>);

impl Cookies {
    fn obey(&mut self, headers: &HeaderMap) {
        for line in lines(headers, "set-cookie") {
            let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('='))
            else {
                continue;
            };
            if removes(&line) || value.trim().is_empty() {
                self.0.remove(name.trim());
            } else {
                self.0
                    .insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    pub(super) fn line(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// Whether a Set-Cookie line takes the cookie away.
pub(super) fn removes(line: &str) -> bool {
    line.split(';').skip(1).any(|attribute| {
        let attribute = attribute.trim().to_ascii_lowercase();
        attribute == "max-age=0"
            || attribute.starts_with("max-age=-")
            || (attribute.starts_with("expires=") && attribute.contains(" 1970 "))
            || (attribute.starts_with("expires=") && attribute.contains("-1970 "))
    })
}

/// A browser with its cookies.
#[derive(Clone)]
pub(super) struct Visitor {
    site: Arc<Site>,
    server: usize,
    pub(super) cookies: Cookies,
}

impl Visitor {
    /// The same cookies at the other server.
    pub(super) fn elsewhere(&self) -> Self {
        Self {
            server: self.site.urls.len() - 1,
            ..self.clone()
        }
    }

    pub(super) async fn send(&mut self, ops: impl Into<Script>) -> Result<Got, Stop> {
        let got = self.request("/script", self.cookies.line(), ops).await?;
        self.cookies.obey(&got.headers);
        Ok(got)
    }

    pub(super) async fn untouched(&self) -> Result<Got, Stop> {
        self.request("/untouched", self.cookies.line(), [Op::Status(200)])
            .await
    }

    /// With this Cookie line instead of its own, and without heeding the answer.
    pub(super) async fn with_line(
        &self,
        line: String,
        ops: impl Into<Script>,
    ) -> Result<Got, Stop> {
        self.request("/script", line, ops).await
    }

    /// Sends it in a task of its own. The visitor does not follow the answer's cookies: see
    /// [`Visitor::after`].
    pub(super) fn start(&self, ops: impl Into<Script>) -> Started {
        let (mut visitor, ops) = (self.clone(), ops.into());
        Started::spawn(async move { visitor.send(ops).await })
    }

    /// Returns this visitor with the answer's cookies.
    pub(super) fn after(&self, got: &Got) -> Self {
        let mut visitor = self.clone();
        visitor.cookies.obey(&got.headers);
        visitor
    }

    pub(super) async fn value(&mut self, name: &str) -> Result<Value, Stop> {
        self.send([get(name)]).await?.one()
    }

    pub(super) async fn subject(&mut self) -> Result<Value, Stop> {
        self.send([Op::Subject]).await?.one()
    }

    async fn request(
        &self,
        path: &str,
        cookies: String,
        ops: impl Into<Script>,
    ) -> Result<Got, Stop> {
        let url = format!("{}{path}", self.site.urls[self.server]);
        let mut request = self
            .site
            .client
            .get(url)
            .header(App::SCRIPT, ops.into().to_text())
            // The suite is a browser behind a proxy that ends TLS: some servers send no Secure
            // cookie otherwise.
            .header("x-forwarded-proto", "https");
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return fail(format!("the server is not there: {error}"));
            }
            Err(error) => {
                let (status, headers, body) = (None, HeaderMap::new(), error.to_string());
                return Ok(Got {
                    status,
                    headers,
                    body,
                });
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await;
        let body = body.map_err(|error| Stop::Failed(format!("a response's body: {error}")))?;
        Ok(Got {
            status: Some(status),
            headers,
            body,
        })
    }
}

/// Fails unless these are the results of the visitor's request.
pub(super) async fn does(
    visitor: &mut Visitor,
    ops: impl Into<Script>,
    want: Value,
) -> Result<(), Stop> {
    visitor.send(ops).await?.are(want).map(drop)
}

/// A request's answer.
pub(super) struct Got {
    /// `None`: the connection ended without an answer.
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    body: String,
}

impl Got {
    /// The results of a request that succeeded, one for each operation.
    pub(super) fn results(&self) -> Result<Vec<Value>, Stop> {
        match self.status {
            Some(status) if status.is_server_error() => {
                return fail(format!("a request failed with the status {status}"));
            }
            None => return fail("a request got no answer"),
            Some(_) => {}
        }
        // Not shown: it may hold what a token led to.
        let results: Vec<Value> = serde_json::from_str(&self.body)
            .map_err(|error| Stop::Failed(format!("the answer is not an array: {error}")))?;
        for result in &results {
            if let Some(op) = result.get("unsupported") {
                return Err(Stop::DoesNotApply(format!("the server has no {op}")));
            }
            if let Some(error) = result.get("error") {
                return fail(format!("an operation failed: {error}"));
            }
        }
        Ok(results)
    }

    pub(super) fn ok(self) -> Result<Self, Stop> {
        self.results()?;
        Ok(self)
    }

    pub(super) fn one(self) -> Result<Value, Stop> {
        let mut results = self.results()?;
        same("the number of results", results.len(), 1)?;
        Ok(results.remove(0))
    }

    pub(super) fn are(self, want: Value) -> Result<Self, Stop> {
        let results = Value::from(self.results()?);
        same("the results in the handler", results, want)?;
        Ok(self)
    }

    /// Fails if the response sets or removes a cookie.
    pub(super) fn quiet(self, what: &str) -> Result<Self, Stop> {
        let cookies = self.all("set-cookie").len();
        same(&format!("the Set-Cookie lines of {what}"), cookies, 0)?;
        Ok(self)
    }

    pub(super) fn all(&self, name: &str) -> Vec<String> {
        lines(&self.headers, name)
    }

    /// The members of a comma-separated header, in lower case.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        members(&self.headers, name)
    }
}

/// A request under way.
pub(super) type Started = crate::adapter::got::Started<Got>;

impl Started {
    /// Returns when so many handlers wait at the gate, of which one is this request's.
    pub(super) async fn comes_to(&mut self, gate: &mut Gate, handlers: usize) -> Result<(), Stop> {
        tokio::select! {
            reached = gate.reached(handlers) => reached,
            // The server may not support the operation.
            got = self.got() => got?.ok().and_then(|_| fail("a handler did not wait")),
        }
    }
}

/// Where handlers wait: a socket that they connect to, and read until it ends.
pub(super) struct Gate {
    listener: TcpListener,
    waiting: Vec<TcpStream>,
}

impl Gate {
    pub(super) async fn new() -> Result<Self, Stop> {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
            Ok(listener) => Ok(Self {
                listener,
                waiting: Vec::new(),
            }),
            Err(error) => fail(format!("no socket for a gate: {error}")),
        }
    }

    /// The operation that waits here.
    pub(super) fn wait(&self) -> Result<Op, Stop> {
        match self.listener.local_addr() {
            Ok(address) => Ok(Op::Wait(address.to_string())),
            Err(error) => fail(format!("no socket for a gate: {error}")),
        }
    }

    /// Returns when so many handlers wait here.
    async fn reached(&mut self, handlers: usize) -> Result<(), Stop> {
        while self.waiting.len() < handlers {
            match tokio::time::timeout(SOON, self.listener.accept()).await {
                Ok(Ok((stream, _))) => self.waiting.push(stream),
                Ok(Err(error)) => return fail(format!("a gate's socket: {error}")),
                Err(_) => return fail("a handler did not come to its `wait`"),
            }
        }
        Ok(())
    }

    /// Lets all go on that wait.
    pub(super) fn open(self) {}

    /// Returns when a handler that waits has been dropped, with its socket.
    pub(super) async fn given_up(&mut self, within: Duration) -> bool {
        let Some(stream) = self.waiting.first_mut() else {
            return false;
        };
        let ended = async { stream.read_u8().await.is_err() };
        tokio::time::timeout(within, ended).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::{Site, removes};

    #[test]
    fn only_a_url_of_http_with_a_host_is_taken() {
        for url in [
            "http://127.0.0.1:3000",
            "http://localhost:3000/",
            "http://shop.example",
        ] {
            assert!(Site::new(url, None).is_ok(), "{url}");
        }
        for url in [
            "",
            "127.0.0.1:3000",
            "https://shop.example",
            "http://",
            "/script",
        ] {
            assert!(Site::new(url, None).is_err(), "{url}");
            assert!(
                Site::new("http://shop.example", Some(url)).is_err(),
                "{url}"
            );
        }
    }

    #[test]
    fn a_cookie_is_removed_by_a_max_age_of_zero_or_a_date_of_1970() {
        for line in [
            "id=; Max-Age=0",
            "id=x; path=/; max-age=-1",
            "id=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "id=; expires=Thu, 01-Jan-1970 00:00:00 GMT; Secure",
        ] {
            assert!(removes(line), "{line}");
        }
        for line in [
            "id=x",
            "id=1970; Max-Age=10",
            "id=x; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
        ] {
            assert!(!removes(line), "{line}");
        }
    }
}
