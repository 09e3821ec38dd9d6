//! The HTTP client: a browser, and other well-behaved clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom::Config;
use http::{HeaderValue, StatusCode, header};
use reqwest::cookie::Jar;
use reqwest::{Client, ClientBuilder};
use serde_json::Value;

use super::got::{Got, Head, results};
use super::script::Script;
use super::{App, TokenNotice};
use crate::case::{Stop, fail};

pub(super) struct Http {
    client: Client,
    http2: bool,
    pub(super) address: SocketAddr,
    /// Of the first kind of session and of the second.
    configs: [Config; 2],
    /// The session is in the cookie.
    carried: bool,
}

impl Http {
    pub(super) fn new(
        address: SocketAddr,
        http2: bool,
        configs: [Config; 2],
        carried: bool,
    ) -> Result<Self, Stop> {
        let client = built(builder(http2))?;
        Ok(Self {
            client,
            http2,
            address,
            configs,
            carried,
        })
    }

    fn config(&self) -> &Config {
        &self.configs[0]
    }

    /// The value of the header that presents a token: `name=token`, as it stands in a Cookie line.
    pub(super) fn pair(&self, token: &str) -> String {
        match self.config().header() {
            None => format!("{}={token}", self.config().cookie_name()),
            Some(&header::AUTHORIZATION) => format!("Bearer {token}"),
            Some(_) => token.to_owned(),
        }
    }

    /// The whole header line that presents a token.
    pub(super) fn line(&self, token: &str) -> String {
        format!("{}: {}", self.config().request_header(), self.pair(token))
    }

    /// The values that present these tokens, a line each.
    pub(super) fn lines(&self, tokens: &[&str]) -> Vec<String> {
        let pairs: Vec<_> = tokens.iter().map(|token| self.pair(token)).collect();
        match self.config().header() {
            None if pairs.is_empty() => pairs,
            None => vec![pairs.join("; ")],
            Some(_) => pairs,
        }
    }

    fn head_of(&self, response: &reqwest::Response) -> Head {
        Head {
            status: response.status(),
            headers: response.headers().clone(),
            carrier: self.config().request_header().clone(),
        }
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
        let mut request = self.request(path, cookies, script);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request).await
    }

    fn request(&self, path: &str, cookies: &[String], script: &Script) -> reqwest::RequestBuilder {
        let request = self.client.get(self.url(path));
        let request = request.header(App::SCRIPT, script.to_text());
        let header = self.config().request_header();
        let lines = cookies.iter();
        lines.fold(request, |request, line| request.header(header, line))
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
        let head = self.head_of(&response);
        // Read to its end, so that the connection is done with.
        let _ = response.bytes().await;
        let told = head.told(self.config())?;
        Ok(Got {
            results: Vec::new(),
            told,
            failed: None,
            head: Some(head),
            carried: self.carried,
        })
    }

    /// Returns when the head has arrived. The caller may read the body.
    pub(super) async fn open(
        &self,
        path: &str,
        cookies: &[String],
        script: &Script,
    ) -> Result<reqwest::Response, Stop> {
        self.request(path, cookies, script)
            .send()
            .await
            .map_err(|error| Stop::Failed(format!("no response: {error}")))
    }

    /// A browser: it keeps the cookies it is given, under the rules for them.
    pub(super) fn browser(&self) -> Result<Browser<'_>, Stop> {
        let jar = Arc::new(Jar::default());
        let client = built(builder(self.http2).cookie_provider(Arc::clone(&jar)))?;
        Ok(Browser {
            http: self,
            client,
            kept: Mutex::default(),
        })
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Got, Stop> {
        let response = match request.send().await {
            Ok(response) => response,
            // A handler that panicked takes its connection along: that is visible.
            Err(error) => {
                return Ok(Got {
                    results: Vec::new(),
                    told: TokenNotice::Nothing,
                    failed: Some(format!("no response: {error}")),
                    head: None,
                    carried: self.carried,
                });
            }
        };
        let head = self.head_of(&response);
        let text = response.text().await;
        let text = text.map_err(|error| Stop::Failed(format!("a response's body: {error}")))?;
        let told = head.told(self.config())?;
        // No script asks for 409: it is what a refused commit answers.
        let refused = head.status == StatusCode::CONFLICT;
        let failed =
            (head.status.is_server_error() || refused).then(|| format!("status {}", head.status));
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

/// It also keeps tokens that come in headers, as an app does.
pub(super) struct Browser<'a> {
    http: &'a Http,
    client: Client,
    kept: Mutex<BTreeMap<String, HeaderValue>>,
}

impl<'a> Browser<'a> {
    /// The same browser at another server.
    pub(super) fn at(&self, http: &'a Http) -> Self {
        Self {
            http,
            client: self.client.clone(),
            kept: Mutex::new(self.kept().clone()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, HeaderValue>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn get(&self, path: &str, script: impl Into<Script>) -> Result<Got, Stop> {
        self.send(path, script).await?.ok()
    }

    /// A request that may fail.
    pub(super) async fn send(&self, path: &str, script: impl Into<Script>) -> Result<Got, Stop> {
        let script = script.into().to_text();
        let mut request = self
            .client
            .get(self.http.url(path))
            .header(App::SCRIPT, script);
        for (name, value) in &*self.kept() {
            request = request.header(name, value);
        }
        let got = self.http.answer(request).await?;
        let names = self.http.configs.iter().filter_map(Config::header);
        for name in names {
            let told = got.head.as_ref().and_then(|head| head.headers.get(name));
            let mut kept = self.kept();
            match told {
                None => {}
                Some(value) if value.is_empty() => drop(kept.remove(name.as_str())),
                Some(value) => drop(kept.insert(name.to_string(), value.clone())),
            }
        }
        Ok(got)
    }
}

/// Fails unless these are the results of the browser's request, and it gets no directive.
pub(super) async fn sees(
    browser: &Browser<'_>,
    path: &str,
    script: impl Into<Script>,
    want: Value,
) -> Result<(), Stop> {
    let got = browser.send(path, script).await?;
    got.quiet()?.are(want).map(drop)
}

/// Fails unless these are the results of the browser's request, whatever the directive.
pub(super) async fn does(
    browser: &Browser<'_>,
    path: &str,
    script: impl Into<Script>,
    want: Value,
) -> Result<(), Stop> {
    browser.send(path, script).await?.are(want).map(drop)
}

/// The settings that the suite's clients share.
pub(crate) fn builder(http2: bool) -> ClientBuilder {
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

/// Returns the attributes that distinguish cookies of one name.
pub(super) fn scope(line: &str) -> Vec<String> {
    let mut scope = attributes(line);
    scope.retain(|attribute| {
        attribute.starts_with("domain=")
            || attribute.starts_with("path=")
            || attribute == "partitioned"
    });
    scope
}

/// The only Set-Cookie line of this name.
pub(super) fn only(lines: Vec<String>) -> Result<String, Stop> {
    match <[String; 1]>::try_from(lines) {
        Ok([line]) => Ok(line),
        Err(lines) => fail(format!("expected one Set-Cookie line, got {}", lines.len())),
    }
}
