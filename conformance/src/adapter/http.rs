//! The client for HTTP: what a browser and other polite clients do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::cookie::Jar;
use reqwest::{Client, ClientBuilder};

use super::script::Script;
use super::world::{Got, results};
use super::{App, Told};
use crate::case::{Stop, ensure, fail, same};

/// The head of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

pub(super) struct Http {
    client: Client,
    http2: bool,
    pub(super) address: SocketAddr,
    cookie: String,
    /// The session is in the cookie.
    carried: bool,
}

impl Http {
    pub(super) fn new(
        address: SocketAddr,
        http2: bool,
        cookie: &str,
        carried: bool,
    ) -> Result<Self, Stop> {
        let client = built(builder(http2))?;
        let cookie = cookie.to_owned();
        Ok(Self {
            client,
            http2,
            address,
            cookie,
            carried,
        })
    }

    /// `name=token`, as it stands in a Cookie line.
    pub(super) fn pair(&self, token: &str) -> String {
        format!("{}={token}", self.cookie)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with these Cookie lines, each on its own.
    pub(super) async fn send(
        &self,
        path: &str,
        cookies: &[String],
        headers: &[(&str, &str)],
        script: &Script,
    ) -> Result<Got, Stop> {
        let mut request = self.client.get(self.url(path));
        for line in cookies {
            request = request.header(header::COOKIE, line);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.header(App::SCRIPT, script.to_text()))
            .await
    }

    /// The same with a body.
    pub(super) async fn post(
        &self,
        path: &str,
        body: String,
        script: &Script,
    ) -> Result<Got, Stop> {
        let request = self.client.post(self.url(path)).body(body);
        let form = "application/x-www-form-urlencoded";
        self.answer(
            request
                .header(header::CONTENT_TYPE, form)
                .header(App::SCRIPT, script.to_text()),
        )
        .await
    }

    /// A response whose body does not matter.
    pub(super) async fn head(
        &self,
        path: &str,
        cookies: &[String],
        script: &Script,
    ) -> Result<Got, Stop> {
        let response = self.open(path, cookies, script).await?;
        let head = Head {
            status: response.status(),
            headers: response.headers().clone(),
        };
        // Read to its end, so that the connection is done with.
        let _ = response.bytes().await;
        let told = head.told(&self.cookie)?;
        Ok(Got {
            results: Vec::new(),
            told,
            failed: None,
            head: Some(head),
            carried: self.carried,
        })
    }

    /// Only until the head is there; the body is read by who wants it.
    pub(super) async fn open(
        &self,
        path: &str,
        cookies: &[String],
        script: &Script,
    ) -> Result<reqwest::Response, Stop> {
        let mut request = self
            .client
            .get(self.url(path))
            .header(App::SCRIPT, script.to_text());
        for line in cookies {
            request = request.header(header::COOKIE, line);
        }
        request
            .send()
            .await
            .map_err(|error| Stop::Failed(format!("no response: {error}")))
    }

    /// A browser: it keeps the cookies it is given, under the rules for them.
    pub(super) fn browser(&self) -> Result<Browser<'_>, Stop> {
        let jar = Arc::new(Jar::default());
        let client = built(builder(self.http2).cookie_provider(Arc::clone(&jar)))?;
        Ok(Browser { http: self, client })
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Got, Stop> {
        let response = match request.send().await {
            Ok(response) => response,
            // A handler that panicked takes its connection along: that is visible.
            Err(error) => {
                return Ok(Got {
                    results: Vec::new(),
                    told: Told::Nothing,
                    failed: Some(format!("no response: {error}")),
                    head: None,
                    carried: self.carried,
                });
            }
        };
        let head = Head {
            status: response.status(),
            headers: response.headers().clone(),
        };
        let text = response.text().await;
        let text = text.map_err(|error| Stop::Failed(format!("a response's body: {error}")))?;
        let told = head.told(&self.cookie)?;
        let failed = head
            .status
            .is_server_error()
            .then(|| format!("status {}", head.status));
        let results = if failed.is_some() {
            Vec::new()
        } else {
            results(&text)?
        };
        Ok(Got {
            results,
            told,
            failed,
            head: Some(head),
            carried: self.carried,
        })
    }
}

pub(super) struct Browser<'a> {
    http: &'a Http,
    client: Client,
}

impl Browser<'_> {
    pub(super) async fn get(&self, path: &str, script: impl Into<Script>) -> Result<Got, Stop> {
        let script = script.into().to_text();
        let request = self
            .client
            .get(self.http.url(path))
            .header(App::SCRIPT, script);
        self.http.answer(request).await?.ok()
    }
}

fn builder(http2: bool) -> ClientBuilder {
    let builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(60))
        // A connection that a handler's panic has ended is not to be met again.
        .pool_max_idle_per_host(0);
    if http2 {
        builder.http2_prior_knowledge()
    } else {
        builder.http1_only()
    }
}

fn built(builder: ClientBuilder) -> Result<Client, Stop> {
    builder
        .build()
        .map_err(|error| Stop::Failed(format!("the suite's client: {error}")))
}

impl Head {
    /// The lines of this name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let lines = self.headers.get_all(name).into_iter();
        lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect()
    }

    /// The members of a comma-separated header, in lower case.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        let lines = self.all(name).join(",");
        let members = lines
            .split(',')
            .map(|member| member.trim().to_ascii_lowercase());
        members.filter(|member| !member.is_empty()).collect()
    }

    /// The Set-Cookie lines for a cookie of this name.
    pub(super) fn set_cookie(&self, name: &str) -> Vec<String> {
        let mut lines = self.all("set-cookie");
        lines.retain(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        });
        lines
    }

    /// Fails unless the response says that it depends on the cookie.
    pub(super) fn varies(&self, after: &str) -> Result<(), Stop> {
        ensure(
            self.members("vary")
                .iter()
                .any(|member| member == "cookie" || member == "*"),
            format!("no `Vary: Cookie` after {after}"),
        )
    }

    fn told(&self, name: &str) -> Result<Told, Stop> {
        let lines = self.set_cookie(name);
        ensure(
            lines.len() <= 1,
            "more than one Set-Cookie line of the same name",
        )?;
        let Some(line) = lines.first() else {
            return Ok(Told::Nothing);
        };
        let value = line[name.len() + 1..].split(';').next().unwrap_or_default();
        Ok(if value.is_empty() {
            Told::Forget
        } else {
            Told::Keep(value.to_owned())
        })
    }

    /// Fails unless the status is this.
    pub(super) fn is(&self, status: u16) -> Result<(), Stop> {
        same("the status", self.status.as_u16(), status)
    }
}

/// The attributes of a Set-Cookie line, in lower case and sorted, without name and value.
pub(super) fn attributes(line: &str) -> Vec<String> {
    let mut attributes: Vec<_> = line
        .split(';')
        .skip(1)
        .map(|a| a.trim().to_ascii_lowercase())
        .collect();
    attributes.sort();
    attributes
}

/// The only Set-Cookie line of this name.
pub(super) fn only(lines: Vec<String>) -> Result<String, Stop> {
    match <[String; 1]>::try_from(lines) {
        Ok([line]) => Ok(line),
        Err(lines) => fail(format!("expected one Set-Cookie line, got {}", lines.len())),
    }
}
