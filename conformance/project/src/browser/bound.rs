//! Sessions bound to a device, by a real browser with keys in software, over https.

mod site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::chromium::{Browser, Profile, Programs};
use super::demo::Demo;
use crate::program::{Failure, fail, same};
use site::{BOUND, Fault, OFFER, REFRESH, REGISTER, Site};

/// How long the browser may take to do something, and how often to look.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

async fn start(programs: &Programs, profile: &Profile, site: &Site) -> Result<Browser, Failure> {
    let pin = format!("--ignore-certificate-errors-spki-list={}", site.pin());
    start_for(programs, profile, pin).await
}

/// Starts a browser that trusts the certificate of the key that this argument names.
async fn start_for(
    programs: &Programs,
    profile: &Profile,
    pin: String,
) -> Result<Browser, Failure> {
    let arguments = [
        "--enable-features=DeviceBoundSessions:RefreshQuota/false,\
         EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
            .to_owned(),
        pin,
    ];
    Browser::start_with(programs, profile, &arguments).await
}

/// A browser that has signed in and whose session is bound.
async fn bound(programs: &Programs, site: &Site) -> Result<Browser, Failure> {
    let browser = start(programs, &Profile::new()?, site).await?;
    bind(&browser, site).await?;
    Ok(browser)
}

async fn bind(browser: &Browser, site: &Site) -> Result<(), Failure> {
    browser.visit(&site.url("/")).await?;
    browser.follow("form[action='/sign-in'] button").await?;
    site.answered(REGISTER, 200).await?;
    cookie(browser).await?;
    same(
        "a guarded page",
        get(browser, "/guarded").await?,
        "200 Bound ada".into(),
    )
}

/// Waits for the bound cookie.
async fn cookie(browser: &Browser) -> Result<Value, Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let jar = browser.jar().await?;
        if let Some(found) = jar.into_iter().find(|cookie| cookie["name"] == BOUND) {
            return Ok(found);
        }
        sleep(LOOK).await;
    }
    fail("the browser has no bound cookie")
}

/// Waits until another bound cookie has taken the place of this one.
async fn replaced(browser: &Browser, earlier: &Value) -> Result<(), Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if cookie(browser).await?["value"] != earlier["value"] {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    fail("the browser keeps its first bound cookie")
}

/// The browser drops the bound cookie, and refreshes with its next request.
async fn expire(browser: &Browser, site: &Site) -> Result<(), Failure> {
    expire_with(browser, site, Vec::new()).await
}

/// As [`expire`], and the next refreshes fail so, in turn. A request that the browser makes by
/// itself may be the first to need a refresh, so the faults are there before the cookie is gone.
async fn expire_with(browser: &Browser, site: &Site, faults: Vec<Fault>) -> Result<(), Failure> {
    site.forget();
    site.fail(REFRESH, faults);
    browser.remove_cookie(BOUND, &site.url("/")).await
}

/// The status and the text of a page that a script fetches.
async fn get(browser: &Browser, path: &str) -> Result<String, Failure> {
    let answers = get_all(browser, path, 1).await?;
    Ok(answers.concat())
}

async fn get_all(browser: &Browser, path: &str, times: usize) -> Result<Vec<String>, Failure> {
    let script = format!(
        "Promise.all(Array.from({{length: {times}}}, () => fetch({}).then(\
         async answer => answer.status + ' ' + await answer.text())))",
        json!(path)
    );
    let answers = browser.promise(&script).await?;
    Ok(serde_json::from_value(answers)?)
}

async fn post(browser: &Browser, path: &str) -> Result<Value, Failure> {
    let script = format!(
        "fetch({}, {{method: 'POST'}}).then(answer => answer.status)",
        json!(path)
    );
    browser.promise(&script).await
}

/// How many requests of this path came to this end.
fn count(site: &Site, path: &str, status: u16) -> usize {
    site.seen()
        .iter()
        .filter(|seen| seen.is(path, status))
        .count()
}

/// A gate that is shut. Closing it lets all pass.
fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// A page that a script of this tab fetches, and waits for later.
const FETCH: &str = "window.page = fetch('/guarded').then(\
     async page => page.status + ' ' + await page.text()), Promise.resolve(1)";
const BOUND_PAGE: &str = "200 Bound ada";

/// Waits for the end of the bound cookie's life in the browser.
async fn expired(browser: &Browser) -> Result<(), Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let jar = browser.jar().await?;
        if jar.iter().all(|cookie| cookie["name"] != BOUND) {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    fail("the bound cookie does not expire")
}

/// The place of the first answer of this path.
fn first(site: &Site, path: &str) -> Option<usize> {
    site.seen().iter().position(|seen| seen.path == path)
}

async fn is_bound(browser: &Browser, when: &str) -> Result<(), Failure> {
    let what = format!("a guarded page {when}");
    same(&what, &*get(browser, "/guarded").await?, BOUND_PAGE)
}

pub(super) async fn registers(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = bound(&programs, &site).await?;
    same("registrations", count(&site, REGISTER, 200), 1)?;
    let before = cookie(&browser).await?;
    for (attribute, wanted) in [
        ("secure", json!(true)),
        ("httpOnly", json!(true)),
        ("path", json!("/")),
        ("domain", json!("localhost")),
        ("sameSite", json!("Lax")),
        ("session", json!(false)),
    ] {
        same(attribute, &before[attribute], &wanted)?;
    }
    expire(&browser, &site).await?;
    is_bound(&browser, "later").await?;
    let refresh = site.answered(REFRESH, 200).await?;
    let has_session = refresh.has_cookie("__Host-session");
    same("the session's cookie at a refresh", has_session, true)?;
    let after = cookie(&browser).await?;
    same("the same cookie", before["value"] == after["value"], false)?;
    // A rotation keeps the binding.
    same("the rotation", post(&browser, "/rotate").await?, json!(200))?;
    expire(&browser, &site).await?;
    is_bound(&browser, "after a rotation").await?;
    browser.close().await
}

pub(super) async fn registers_twice(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = start(&programs, &Profile::new()?, &site).await?;
    browser.visit(&site.url("/")).await?;
    let gate = gate();
    site.fail(REGISTER, vec![Fault::HoldAnswer(gate.clone()); 2]);
    browser.follow("form[action='/sign-in'] button").await?;
    site.held(REGISTER, 1).await?;
    let signed_in = site.answered("/sign-in", 303).await?;
    let Some(offer) = signed_in.answer.get(OFFER) else {
        return fail("the sign-in offers nothing");
    };
    site.fail("/static", [Fault::Offer(offer.clone())]);
    browser.visit(&site.url("/static")).await?;
    site.held(REGISTER, 2).await?;
    // The answers arrive in the order in which they were made.
    gate.add_permits(1);
    let earlier = cookie(&browser).await?;
    gate.add_permits(1);
    replaced(&browser, &earlier).await?;
    for _ in 0..2 {
        is_bound(&browser, "with two keys").await?;
        expire(&browser, &site).await?;
    }
    browser.close().await
}

pub(super) async fn waits(programs: Arc<Programs>) -> Result<(), Failure> {
    const PAGES: usize = 20;
    let site = Site::open_briefly().await?;
    let browser = bound(&programs, &site).await?;
    expired(&browser).await?;
    site.forget();
    let gate = gate();
    site.fail(REFRESH, [Fault::Hold(gate.clone())]);
    let opens = async {
        site.held(REFRESH, 1).await?;
        same("requests that did not wait", first(&site, "/guarded"), None)?;
        gate.close();
        Ok::<_, Failure>(())
    };
    let (pages, opened) = tokio::join!(get_all(&browser, "/guarded", PAGES), opens);
    opened?;
    same("the pages", pages?, vec![BOUND_PAGE.to_owned(); PAGES])?;
    let in_order = first(&site, "/guarded") > first(&site, REFRESH);
    same("the refresh before the pages", in_order, true)?;
    browser.close().await
}

pub(super) async fn races(programs: Arc<Programs>) -> Result<(), Failure> {
    // Browsers have six connections for a host, and the registration needs one.
    const PAGES: usize = 5;
    let site = Site::open().await?;
    let browser = start(&programs, &Profile::new()?, &site).await?;
    browser.visit(&site.url("/")).await?;
    let gate = gate();
    site.fail(REGISTER, [Fault::HoldCommit(gate.clone())]);
    site.fail("/visit", vec![Fault::HoldCommit(gate.clone()); PAGES]);
    browser.follow("form[action='/sign-in'] button").await?;
    let opens = async {
        site.held(REGISTER, 1).await?;
        site.held("/visit", PAGES).await?;
        gate.close();
        Ok::<_, Failure>(())
    };
    let (pages, opened) = tokio::join!(get_all(&browser, "/visit", PAGES), opens);
    opened?;
    let saved = pages?
        .iter()
        .filter(|page| page.starts_with("200 "))
        .count();
    same("pages that were saved", saved, PAGES)?;
    site.answered(REGISTER, 200).await?;
    same(
        "visits",
        get(&browser, "/visits").await?,
        format!("200 {PAGES}"),
    )?;
    cookie(&browser).await?;
    is_bound(&browser, "after the race").await?;
    expire(&browser, &site).await?;
    is_bound(&browser, "later").await?;
    browser.close().await
}

pub(super) async fn copies(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open_briefly().await?;
    let browser = bound(&programs, &site).await?;
    let thief = start(&programs, &Profile::new()?, &site).await?;
    thief.visit(&site.url("/static")).await?;
    for _ in 0..2 {
        expire(&browser, &site).await?;
        is_bound(&browser, "on the device").await?;
        cookie(&browser).await?;
        thief.put(browser.jar().await?).await?;
        is_bound(&thief, "with a fresh copy").await?;
        expired(&thief).await?;
        site.forget();
        for _ in 0..2 {
            let page = get(&thief, "/guarded").await?;
            same("a guarded page with an old copy", &*page, "403 ")?;
        }
        same("a refresh of the copy", first(&site, REFRESH), None)?;
    }
    browser.close().await?;
    thief.close().await
}

pub(super) async fn dropped(programs: Arc<Programs>) -> Result<(), Failure> {
    survives(&programs, &[Fault::DropRequest, Fault::DropAnswer]).await
}

pub(super) async fn answers_500(programs: Arc<Programs>) -> Result<(), Failure> {
    let (error, busy) = (
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    );
    survives(&programs, &[Fault::Status(error), Fault::Status(busy)]).await
}

/// Refreshes fail so, as often as the browser tries. Then one succeeds.
async fn survives(programs: &Programs, faults: &[Fault]) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = bound(programs, &site).await?;
    for fault in faults {
        expire_with(&browser, &site, vec![fault.clone(); 100]).await?;
        let page = get(&browser, "/guarded").await?;
        same("a guarded page without a refresh", &*page, "403 ")?;
        same("a try to refresh", first(&site, REFRESH).is_some(), true)?;
        site.mend();
        is_bound(&browser, "after the failures").await?;
    }
    browser.close().await
}

pub(super) async fn doubled(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    site.fail(REGISTER, [Fault::Double]);
    site.fail(REFRESH, vec![Fault::Double; 100]);
    let browser = bound(&programs, &site).await?;
    for _ in 0..3 {
        expire(&browser, &site).await?;
        is_bound(&browser, "after doubled requests").await?;
    }
    browser.close().await
}

pub(super) async fn tabs(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = bound(&programs, &site).await?;
    let first = browser.tab().await?;
    let second = browser.open_tab().await?;
    browser.visit(&site.url("/static")).await?;
    let gate = gate();
    expire_with(&browser, &site, vec![Fault::HoldAnswer(gate.clone())]).await?;
    for tab in [&first, &second] {
        browser.switch_to(tab).await?;
        browser.promise(FETCH).await?;
    }
    site.held(REFRESH, 1).await?;
    gate.close();
    for tab in [&first, &second] {
        browser.switch_to(tab).await?;
        let page = browser.promise("window.page").await?;
        same("a tab's page", page, json!(BOUND_PAGE))?;
    }
    browser.close().await
}

pub(super) async fn restarts(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    let profile = Profile::new()?;
    let browser = start(&programs, &profile, &site).await?;
    bind(&browser, &site).await?;
    browser.close().await?;
    let browser = start(&programs, &profile, &site).await?;
    browser.visit(&site.url("/static")).await?;
    expire(&browser, &site).await?;
    is_bound(&browser, "after a restart").await?;
    site.answered(REFRESH, 200).await?;
    browser.close().await
}

pub(super) async fn signs_out(programs: Arc<Programs>) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = bound(&programs, &site).await?;
    // Its requests do not wait for the refresh.
    let other = start(&programs, &Profile::new()?, &site).await?;
    other.visit(&site.url("/static")).await?;
    let faults: [fn(_) -> _; 3] = [Fault::Hold, Fault::HoldCommit, Fault::HoldAnswer];
    for fault in faults {
        let gate = gate();
        expire_with(&browser, &site, vec![fault(gate.clone())]).await?;
        browser.promise(FETCH).await?;
        site.held(REFRESH, 1).await?;
        other.put(browser.jar().await?).await?;
        same("the sign-out", post(&other, "/sign-out").await?, json!(200))?;
        gate.close();
        let page = browser.promise("window.page").await?;
        same("the page that waited", page, json!("200 Unbound nobody"))?;
        let page = get(&browser, "/guarded").await?;
        same("the next page", &*page, "200 Unbound nobody")?;
        // The next sign-in is bound again.
        site.forget();
        bind(&browser, &site).await?;
    }
    browser.close().await?;
    other.close().await
}

pub(super) async fn shop(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let (site, pin) = demo.open_https().await?;
    let browser = start_for(&programs, &Profile::new()?, pin.clone()).await?;
    browser.visit(&site.url("/sign-in")).await?;
    browser.fill("#name", "Ada").await?;
    browser.follow("form[action='/sign-in'] button").await?;
    cookie(&browser).await?;
    let jar = browser.jar().await?;
    browser.visit(&site.url("/account")).await?;
    let bound = browser.texts(".bound").await?.concat();
    same(
        "this device is bound",
        bound.starts_with("This device is bound"),
        true,
    )?;
    // A copy without the bound cookie ends the session.
    let thief = start_for(&programs, &Profile::new()?, pin).await?;
    let jar = jar.into_iter().filter(|cookie| cookie["name"] != BOUND);
    thief.put(jar.collect()).await?;
    thief.visit(&site.url("/account")).await?;
    same(
        "the thief's page",
        thief.path().await?,
        "/sign-in".to_owned(),
    )?;
    browser.visit(&site.url("/account")).await?;
    same(
        "the page afterwards",
        browser.path().await?,
        "/sign-in".to_owned(),
    )?;
    browser.close().await?;
    thief.close().await
}
