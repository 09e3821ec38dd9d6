//! A browser of one visitor: one cookie jar for both applications, which are behind one host.

use std::collections::BTreeMap;

use http::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, Response};

use crate::program::{Failure, fail, same};

/// One of the two applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    Flask,
    Rust,
}

impl App {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Flask => Self::Rust,
            Self::Rust => Self::Flask,
        }
    }
}

/// A session as an application sees it: for each key Python's name of the type and its `repr`.
pub(super) type Dump = BTreeMap<String, (String, String)>;

#[derive(Clone)]
pub(super) struct Browser {
    client: reqwest::Client,
    flask: String,
    rust: String,
    /// The cookie's name.
    pub(super) name: &'static str,
    /// The session's cookie, as a browser keeps it.
    pub(super) cookie: Option<String>,
    /// Whether the last one that was set outlives the browser's session.
    pub(super) persistent: Option<bool>,
    /// The line that the last response set it with.
    pub(super) line: Option<String>,
}

impl Browser {
    /// For the applications at these URLs, which do not end with a slash.
    pub(super) fn new(client: &reqwest::Client, flask: String, rust: String) -> Self {
        Self {
            client: client.clone(),
            flask,
            rust,
            name: "session",
            cookie: None,
            persistent: None,
            line: None,
        }
    }

    pub(super) async fn send(
        &mut self,
        app: App,
        method: Method,
        path: &str,
        form: Option<&str>,
    ) -> Result<Response, Failure> {
        let base = match app {
            App::Flask => &self.flask,
            App::Rust => &self.rust,
        };
        // axum's nested root has no slash of its own.
        let path = match (app, path) {
            (App::Rust, "/") => "",
            (_, path) => path,
        };
        let mut request = self.client.request(method, format!("{base}{path}"));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, format!("{}={cookie}", self.name));
        }
        if let Some(form) = form {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.to_owned());
        }
        let response = request.send().await?;
        self.line = None;
        for line in response.headers().get_all(SET_COOKIE) {
            self.set_cookie(line.to_str().unwrap_or_default());
        }
        Ok(response)
    }

    fn set_cookie(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let Some(value) = parts
            .next()
            .and_then(|first| first.strip_prefix(self.name)?.strip_prefix('='))
        else {
            return;
        };
        self.line = Some(line.to_owned());
        let attributes: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
        let ends = |end: &&String| end.starts_with("expires=") || end.starts_with("max-age=");
        let removed = attributes
            .iter()
            .any(|part| part == "max-age=0" || part.starts_with("expires=thu, 01 jan 1970"));
        if removed {
            (self.cookie, self.persistent) = (None, None);
        } else {
            self.persistent = Some(attributes.iter().any(|part| ends(&part)));
            self.cookie = Some(value.trim_matches('"').to_owned());
        }
    }

    /// A request that must succeed.
    pub(super) async fn asks(
        &mut self,
        app: App,
        method: Method,
        path: &str,
        form: Option<&str>,
    ) -> Result<String, Failure> {
        let response = self.send(app, method.clone(), path, form).await?;
        let (status, text) = (response.status(), response.text().await?);
        match status.is_success() {
            true => Ok(text),
            false => fail(format!(
                "{app:?} answered {method} {path} with {status}: {text}"
            )),
        }
    }

    pub(super) async fn post(&mut self, app: App, path: &str) -> Result<(), Failure> {
        self.asks(app, Method::POST, path, None).await.map(drop)
    }

    pub(super) async fn form(&mut self, app: App, path: &str, form: &str) -> Result<(), Failure> {
        self.asks(app, Method::POST, path, Some(form))
            .await
            .map(drop)
    }

    pub(super) async fn get(&mut self, app: App, path: &str) -> Result<String, Failure> {
        self.asks(app, Method::GET, path, None).await
    }

    /// The session as this application sees it.
    pub(super) async fn dump(&mut self, app: App) -> Result<Dump, Failure> {
        let text = self.get(app, "/probe/read").await?;
        let mut dump: Dump = serde_json::from_str(&text)?;
        // Flask's own note that the session is permanent; in Rust that is no value.
        dump.remove("_permanent");
        // This project's own, in Flask just an entry.
        dump.remove("_cloakroom");
        Ok(dump)
    }

    /// Fails unless both applications see this session.
    pub(super) async fn sees(&mut self, what: &str, want: &Dump) -> Result<(), Failure> {
        for app in [App::Flask, App::Rust] {
            let got = self.dump(app).await?;
            differences(&format!("{what}, at {app:?}"), &got, want)?;
        }
        Ok(())
    }
}

/// Fails, naming what differs, unless the two are the same.
pub(super) fn differences(what: &str, got: &Dump, want: &Dump) -> Result<(), Failure> {
    let keys = got.keys().chain(want.keys());
    for key in keys {
        same(&format!("{what}: `{key}`"), got.get(key), want.get(key))?;
    }
    Ok(())
}
