//! The demo's page for operators.

use std::fs;
use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HOST};
use reqwest::{Client, Method};

use super::cases::{sign_in, texts};
use super::chromium::{Browser, Programs};
use super::demo::{Demo, Site};
use crate::program::{Failure, fail, same};

/// An operator in one browser ends the sessions of two others.
pub(super) async fn ends(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let ada = Browser::start(&programs).await?;
    sign_in(&ada, &site, "Ada").await?;
    let grace = Browser::start(&programs).await?;
    sign_in(&grace, &site, "Grace").await?;
    let operator = Browser::start(&programs).await?;
    operator.visit(&site.url("/operator")).await?;
    same(
        "sessions, those signed in, others, users",
        numbers(&operator).await?,
        texts(["2", "2", "0", "2"]),
    )?;

    search(&operator, "Grace").await?;
    same("Grace's devices", devices(&operator).await?, 1)?;
    search(&operator, "Ada").await?;
    same("Ada's devices", devices(&operator).await?, 1)?;
    operator
        .follow("form[action='/operator/end'] button")
        .await?;
    same(
        "what happened",
        operator.texts("h1").await?,
        texts(["The session has ended"]),
    )?;
    led(&ada, "/sign-in").await?;
    led(&grace, "/account").await?;
    operator.follow("main form button").await?;
    same(
        "Ada's devices then",
        operator.texts(".result").await?,
        texts(["No session of Ada."]),
    )?;

    sign_in(&ada, &site, "Ada").await?;
    sign_in(&operator, &site, "Joan").await?;
    operator.visit(&site.url("/operator")).await?;
    operator.fill("input[name='sure']", " ").await?;
    operator
        .follow("form[action='/operator/end-all'] button")
        .await?;
    same(
        "what happened to all",
        operator.texts("h1").await?,
        texts(["All sessions have ended"]),
    )?;
    led(&ada, "/sign-in").await?;
    led(&grace, "/sign-in").await?;
    operator.visit(&site.url("/account")).await?;
    led(&operator, "/sign-in").await?;
    operator.visit(&site.url("/operator")).await?;
    same(
        "the numbers then",
        numbers(&operator).await?,
        texts(["0", "0", "0", "0"]),
    )?;
    // And the shop goes on.
    sign_in(&ada, &site, "Ada").await?;
    led(&ada, "/account").await?;
    for browser in [ada, grace, operator] {
        browser.close().await?;
    }
    Ok(())
}

/// Reloads, and looks where that leads.
async fn led(browser: &Browser, path: &str) -> Result<(), Failure> {
    browser.reload().await?;
    same("where it is led", browser.path().await?.as_str(), path)
}

async fn search(browser: &Browser, name: &str) -> Result<(), Failure> {
    browser.clear("#name").await?;
    browser.fill("#name", name).await?;
    browser.follow(".search button").await
}

async fn devices(browser: &Browser) -> Result<usize, Failure> {
    Ok(browser.texts(".devices h3").await?.len())
}

/// The first four numbers, which do not depend on the time.
async fn numbers(browser: &Browser) -> Result<Vec<String>, Failure> {
    let mut numbers = browser.texts(".numbers dd").await?;
    numbers.truncate(4);
    Ok(numbers)
}

const FORMS: [&str; 3] = ["/operator/end", "/operator/end-name", "/operator/end-all"];

pub(super) async fn refuses_others(demo: Arc<Demo>) -> Result<(), Failure> {
    let site = demo.open_on("memory:").await?;
    let page = ask(&site, Method::GET, "/operator", &[]).await?;
    same("the page on this machine", page.0, 200)?;
    let nowhere = ask(&site, Method::GET, "/nowhere", &[]).await?;
    let others = [
        (HOST.as_str(), "shop.example"),
        (HOST.as_str(), "192.0.2.7:3000"),
        ("x-forwarded-for", "127.0.0.1"),
    ];
    for header in others {
        for path in FORMS.into_iter().chain(["/operator"]) {
            for method in [Method::GET, Method::POST] {
                let page = ask(&site, method, path, &[header]).await?;
                let what = format!("the page at {path} with {header:?}");
                same(&what, &page, &nowhere)?;
            }
        }
    }
    for path in FORMS {
        let (status, _) = ask(&site, Method::POST, path, &[]).await?;
        same(&format!("{path} without a token"), status, 403)?;
    }
    Ok(())
}

/// The directory of the records is another thing meanwhile.
pub(super) async fn tells_failures(demo: Arc<Demo>) -> Result<(), Failure> {
    let files = tempfile::tempdir()?;
    let store = format!("file:{}", files.path().display());
    let site = demo.open_on(&store).await?;
    let (records, aside) = (files.path().join("records"), files.path().join("aside"));
    fs::rename(&records, &aside)?;
    fs::write(&records, "")?;
    // Even a stranger's page asks the store for the last end of all.
    let (status, page) = ask(&site, Method::GET, "/operator?name=Ada", &[]).await?;
    same("the status without a store", status, 503)?;
    if !page.contains("The store fails") || page.contains("Signed in") {
        return fail(format!(
            "the page does not say that the store fails: {page}"
        ));
    }
    fs::remove_file(&records)?;
    fs::rename(&aside, &records)?;
    let (status, _) = ask(&site, Method::GET, "/operator?name=Ada", &[]).await?;
    same("the status with the store again", status, 200)
}

/// Asks as a stranger, with a form that lacks its token.
async fn ask(
    site: &Site,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(u16, String), Failure> {
    let client = Client::builder().no_proxy().build()?;
    let mut request = client
        .request(method, site.url(path))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("name=Ada&id=x&sure=yes");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}
