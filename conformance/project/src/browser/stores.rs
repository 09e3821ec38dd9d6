//! The demo on the stores that `--store` can name, without a browser.

use std::sync::Arc;

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::demo::{Demo, Site};
use crate::program::{Failure, fail, same};
use cloakroom_servers::Redis;

pub(super) async fn sqlite(demo: Arc<Demo>) -> Result<(), Failure> {
    let files = tempfile::tempdir()?;
    let url = format!("sqlite:{}/sessions.db", files.path().display());
    walk(&demo, &url).await
}

pub(super) async fn redis(demo: Arc<Demo>, redis: Arc<Redis>) -> Result<(), Failure> {
    walk(&demo, &redis.admin()).await
}

/// Looks, signs in, sees the device, closes the shop, and is still signed in when it opens again.
async fn walk(demo: &Demo, store: &str) -> Result<(), Failure> {
    let site = demo.open_on(store).await?;
    let mut visitor = Visitor::new()?;
    visitor.get(&site, "/").await?;
    let page = visitor.get(&site, "/").await?;
    contains(&page, "for the second time")?;
    let page = visitor.get(&site, "/sign-in").await?;
    let Some(csrf) = between(&page, "name=\"csrf\" value=\"", "\"") else {
        return fail("the form to sign in has no CSRF token");
    };
    let before = visitor.cookie.clone();
    visitor
        .post(&site, "/sign-in", &[("csrf", csrf), ("name", "Ada")])
        .await?;
    same(
        "the same cookie after signing in",
        visitor.cookie == before,
        false,
    )?;
    let page = visitor.get(&site, "/account").await?;
    contains(&page, "This device")?;
    let site = demo.reopen(site).await?;
    let page = visitor.get(&site, "/account").await?;
    contains(&page, "Ada")?;
    contains(&page, "This device")
}

/// Each with what its one line must name, and a password that it must not.
pub(super) async fn refused(demo: Arc<Demo>) -> Result<(), Failure> {
    const PASSWORD: &str = "hunter2";
    let refused = [
        ("http://u:hunter2@localhost", "redis://"),
        ("hunter2", "mongodb://"),
        ("memory:hunter2", "memory:"),
        ("redis://u:hunter2@127.0.0.1:1", "redis"),
        ("postgres://u:hunter2@127.0.0.1:1/x", "sql"),
        ("mysql://u:hunter2@127.0.0.1:1/x", "sql"),
        ("memcached://127.0.0.1:1", "memcached"),
        ("mongodb://u:hunter2@127.0.0.1:1/x", "mongodb"),
        ("redis+sentinel://u:hunter2@127.0.0.1:1", "redis"),
    ];
    for (url, named) in refused {
        let output = demo
            .refuse(&["--listen", "127.0.0.1:0", "--store", url])
            .await?;
        let printed = String::from_utf8_lossy(&output.stderr);
        same(&format!("success on {url}"), output.status.success(), false)?;
        same(
            &format!("lines on {url} ({printed})"),
            printed.lines().count(),
            1,
        )?;
        if !printed.contains(named) || printed.contains(PASSWORD) {
            return fail(format!("on {url} it says: {printed}"));
        }
    }
    Ok(())
}

struct Visitor {
    client: Client,
    /// `name=token`. Kept by hand: a client that is not a browser would not send a Secure cookie to
    /// a loopback address.
    cookie: String,
}

impl Visitor {
    fn new() -> Result<Self, Failure> {
        let client = Client::builder().redirect(Policy::none()).build()?;
        let cookie = String::new();
        Ok(Self { client, cookie })
    }

    async fn get(&mut self, site: &Site, path: &str) -> Result<String, Failure> {
        let request = self.client.get(site.url(path)).header(COOKIE, &self.cookie);
        let response = request.send().await?;
        same(
            &format!("status of {path}"),
            response.status().as_u16(),
            200,
        )?;
        self.keep(&response);
        Ok(response.text().await?)
    }

    async fn post(
        &mut self,
        site: &Site,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let fields = form.iter().map(|(name, value)| format!("{name}={value}"));
        let request = self
            .client
            .post(site.url(path))
            .header(COOKIE, &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(fields.collect::<Vec<_>>().join("&"));
        let response = request.send().await?;
        same(
            &format!("status of {path}"),
            response.status().as_u16(),
            303,
        )?;
        self.keep(&response);
        Ok(())
    }

    fn keep(&mut self, response: &Response) {
        let set = response.headers().get(SET_COOKIE);
        let line = set.and_then(|line| line.to_str().ok()).unwrap_or_default();
        if let Some((cookie, _)) = line.split_once(';') {
            cookie.clone_into(&mut self.cookie);
        }
    }
}

fn contains(page: &str, text: &str) -> Result<(), Failure> {
    match page.contains(text) {
        true => Ok(()),
        false => fail(format!("the page does not say {text:?}: {page}")),
    }
}

fn between<'p>(page: &'p str, before: &str, after: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(before)?;
    Some(rest.split_once(after)?.0)
}
