//! A server's answers.

use cloakroom::Config;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::TokenNotice;
use super::http::scope;
use crate::case::{Stop, ensure, fail, same};

pub(super) fn results(text: &str) -> Result<Vec<Value>, Stop> {
    // Not shown: it may hold what a token led to.
    serde_json::from_str(text)
        .map_err(|error| Stop::Failed(format!("the answer is not the handler's results: {error}")))
}

const DIRECTIVE: &str = "the directive for the client's token";

/// A request's answer.
pub(super) struct Got {
    pub(super) results: Vec<Value>,
    pub(super) told: TokenNotice,
    /// The request failed visibly, and how.
    pub(super) failed: Option<String>,
    /// Over HTTP.
    pub(super) head: Option<Head>,
    /// The session is in the token, which is therefore another one after each change.
    pub(super) carried: bool,
}

impl Got {
    /// Fails unless the request succeeded.
    pub(super) fn ok(self) -> Result<Self, Stop> {
        match &self.failed {
            None => Ok(self),
            Some(error) => fail(format!("a request failed: {error}")),
        }
    }

    /// Fails unless the request failed visibly, and left the client's token alone.
    pub(super) fn failed(self, what: &str) -> Result<(), Stop> {
        let holds = self.failed.is_some();
        ensure(holds, format!("{what}: the client got a success"))?;
        same(
            &format!("{what}: the directive of a failed request"),
            self.told,
            TokenNotice::Nothing,
        )
    }

    /// Fails unless it succeeded and sent no directive.
    pub(super) fn quiet(self) -> Result<Self, Stop> {
        let got = self.ok()?;
        let carried = got.carried && matches!(got.told, TokenNotice::Keep(_));
        if got.told != TokenNotice::Stale && !carried {
            same(DIRECTIVE, &got.told, &TokenNotice::Nothing)?;
        }
        Ok(got)
    }

    /// Fails unless it succeeded, and the client is to drop its token.
    pub(super) fn forgets(self) -> Result<Self, Stop> {
        let got = self.ok()?;
        same(DIRECTIVE, &got.told, &TokenNotice::Forget)?;
        Ok(got)
    }

    /// The result of the only operation.
    pub(super) fn one(self) -> Result<Value, Stop> {
        let mut got = self.ok()?;
        same("the number of results", got.results.len(), 1)?;
        Ok(got.results.remove(0))
    }

    /// Fails unless these are the results.
    pub(super) fn are(self, want: Value) -> Result<Self, Stop> {
        let got = self.ok()?;
        let results = Value::from(got.results.clone());
        same("the results in the handler", results, want)?;
        Ok(got)
    }

    pub(super) fn head(&self) -> Result<&Head, Stop> {
        self.head
            .as_ref()
            .ok_or_else(|| Stop::Failed("no response".to_owned()))
    }
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The request headers that such a response depends on.
    pub(super) carrier: HeaderName,
}

impl Head {
    /// The lines of this name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        lines(&self.headers, name)
    }

    /// The members of a comma-separated header, in lower case.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        members(&self.headers, name)
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

    /// The lines that issue or clear a token of this configuration.
    pub(super) fn told_lines(&self, config: &Config) -> Vec<String> {
        match config.header() {
            None => self.set_cookie(config.cookie_name()),
            Some(name) => self.all(name.as_str()),
        }
    }

    /// Fails unless the response depends on the cookie, or on the header in its place.
    pub(super) fn varies(&self, after: &str) -> Result<(), Stop> {
        let carrier = self.carrier.as_str();
        ensure(
            self.members("vary")
                .iter()
                .any(|member| member == carrier || member == "*"),
            format!("no `Vary: {carrier}` after {after}"),
        )
    }

    pub(super) fn told(&self, config: &Config) -> Result<TokenNotice, Stop> {
        let lines = self.told_lines(config);
        let mut scopes: Vec<_> = lines.iter().map(|line| scope(line)).collect();
        scopes.sort();
        scopes.dedup();
        let holds = scopes.len() == lines.len();
        ensure(holds, "two lines for the session's token in one scope")?;
        let values = lines.iter().map(|line| {
            let value = match config.header() {
                None => &line[config.cookie_name().len() + 1..],
                Some(&header::AUTHORIZATION) => line.strip_prefix("Bearer ").unwrap_or_default(),
                Some(_) => line,
            };
            value.split(';').next().unwrap_or_default()
        });
        let mut values = values.filter(|value| !value.is_empty());
        let value = values.next();
        ensure(values.next().is_none(), "more than one token")?;
        Ok(match value {
            Some(value) => TokenNotice::Keep(value.to_owned()),
            None if lines.is_empty() => TokenNotice::Nothing,
            None => TokenNotice::Forget,
        })
    }

    /// Fails unless the status is this.
    pub(super) fn is(&self, status: u16) -> Result<(), Stop> {
        same("the status", self.status.as_u16(), status)
    }
}

/// The lines of this name.
pub(crate) fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).into_iter();
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    text.collect()
}

/// The members of a comma-separated header, in lower case.
pub(crate) fn members(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = lines(headers, name).join(",").to_ascii_lowercase();
    let members = lines.split(',').map(|member| member.trim().to_owned());
    members.filter(|member| !member.is_empty()).collect()
}

/// A request under way. It ends when nobody awaits it any more.
pub(crate) struct Started<G>(JoinHandle<Result<G, Stop>>);

impl<G: Send + 'static> Started<G> {
    pub(crate) fn spawn(request: impl Future<Output = Result<G, Stop>> + Send + 'static) -> Self {
        Self(tokio::spawn(request))
    }

    /// Returns the answer when it comes.
    pub(crate) async fn got(&mut self) -> Result<G, Stop> {
        match (&mut self.0).await {
            Ok(got) => got,
            Err(error) => fail(format!("the client of the suite: {error}")),
        }
    }

    pub(crate) async fn answer(mut self) -> Result<G, Stop> {
        self.got().await
    }
}

impl<G> Drop for Started<G> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
