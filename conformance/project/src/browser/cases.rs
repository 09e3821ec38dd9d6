use std::sync::Arc;

use super::chromium::{Browser, Programs};
use super::demo::{Demo, Site};
use super::{Case, Run, bound, operator, set_cookie, stores};
use crate::program::{Failure, fail, same};

/// `"id", ["R01", ..], "sentence", "source" => Browser(function), Program(function) or, in
/// `stores`, Store(function) or Redis(function), in `operator`, Operator(function);`
macro_rules! cases {
    ($($id:literal, [$($requirement:literal),*], $sentence:literal, $source:literal => $run:ident($case:ident);)+) => {
        pub(super) const ALL: &[Case] = &[$(Case {
            id: $id,
            requirements: &[$($requirement),*],
            sentence: $sentence,
            source: $source,
            run: cases!($run $case),
        }),+];
    };
    (Redis $case:ident) => { Run::Redis(|demo, redis| Box::pin(stores::$case(demo, redis))) };
    (Store $case:ident) => { Run::Program(|demo| Box::pin(stores::$case(demo))) };
    (Program $case:ident) => { Run::Program(|demo| Box::pin($case(demo))) };
    (Operator $case:ident) => { Run::Program(|demo| Box::pin(operator::$case(demo))) };
    (Bound $case:ident) => { Run::Bound(|programs| Box::pin(bound::$case(programs))) };
    (Browser $case:ident) => { Run::Browser(|demo, programs| Box::pin($case(demo, programs))) };
}

cases! {
    "demo/refuses-in-one-sentence", [], "the demo refuses a wrong command in one line, and exits with a status other than 0", "README, \"The two commands\"" => Program(refuses);
    "demo/refuses-a-store-in-one-sentence", ["R11"], "an unusable store costs one line without its password, and an exit status other than 0", "cloakroom-any, \"Errors\"" => Store(refused);
    "demo/on-sqlite", ["R61", "R21"], "the demo on SQLite: visits are counted, a device is listed, and both outlast the program", "README, \"The two commands\"" => Store(sqlite);
    "demo/on-redis", ["R61", "R21"], "the demo on Redis, likewise", "README, \"The two commands\"" => Redis(redis);
    "browser/cookie-on-loopback", ["R34", "R27", "R17"], "a browser keeps the default cookie, with all its attributes, on loopback without TLS", "RFC 10025, 4.1.3.2; ASVS 5.0, 3.3.1 to 3.3.4" => Browser(cookie_on_loopback);
    "browser/set-cookie-lines", ["R27", "R28", "R19", "R32"], "for every configuration a browser and a second parser read the Set-Cookie line alike, keep the cookie, return it and remove it", "RFC 10025, 5.6 and 5.7" => Browser(set_cookie_lines);
    "browser/looking-gets-no-cookie", ["R25"], "a visitor who looks at an empty cart gets no cookie", "CVE-2015-5143" => Browser(looking_gets_no_cookie);
    "browser/sign-in-changes-the-token", ["R06", "R33"], "a sign-in, which redirects, changes the cookie and keeps the cart", "ASVS 5.0, 7.2.4" => Browser(sign_in_changes_the_token);
    "browser/two-tabs-keep-both-changes", ["R53", "I3"], "the changes of two tabs are both kept, each made on a page from before the other's change", "invariant 3" => Browser(two_tabs_keep_both_changes);
    "browser/sign-out-reaches-the-other-tab", ["R19", "R20", "I4"], "signing out in one tab signs out the other, whose forms have no effect any more", "ASVS 5.0, 7.4.1" => Browser(sign_out_reaches_the_other_tab);
    "browser/flash-is-shown-once", [], "the next page after a redirect shows its message, and no later page does", "flash values" => Browser(flash_is_shown_once);
    "browser/form-from-before-sign-in", ["R68"], "a form that was loaded before a sign-in in another tab is refused", "ASVS 5.0, 3.5.1" => Browser(form_from_before_sign_in);
    "browser/form-of-another-site", ["R68", "R27"], "a form on another site signs nobody out", "ASVS 5.0, 3.5.1" => Browser(form_of_another_site);
    "browser/other-devices-are-listed-and-ended", ["R21"], "a user sees both browsers, with the current one marked, and ends the other", "ASVS 5.0, 7.4.2 and 7.5.2" => Browser(other_devices_are_listed_and_ended);
    "browser/restart-keeps-sessions", ["R61"], "sessions in files survive a restart of the program", "README, \"The two commands\"" => Browser(restart_keeps_sessions);
    "demo/operator-for-this-machine", ["R68"], "the operator's page exists for loopback peers and hosts only, and takes no form without its token", "the demo, `/operator`" => Operator(refuses_others);
    "demo/operator-store-fails", ["R54"], "the operator's page says that the store fails, and shows no numbers then", "invariant 8" => Operator(tells_failures);
    "browser/operator-ends-sessions", ["R21", "R83"], "an operator counts sessions, searches a user, ends one session and then all: their browsers are strangers on the next page", "ASVS 5.0, 7.4.5" => Browser(operator_ends);
    "bound/registers", ["R87"], "a browser binds its session after the sign-in, and refreshes it, also after a rotation", "W3C Device Bound Session Credentials" => Bound(registers);
    "bound/two-offers", ["R88"], "a browser that answers two offers at once stays bound", "W3C Device Bound Session Credentials" => Bound(registers_twice);
    "bound/requests-wait", ["R87", "R88"], "twenty requests wait for one refresh when the bound cookie has expired, and all succeed", "W3C Device Bound Session Credentials" => Bound(waits);
    "bound/registration-race", ["R88", "R53"], "a registration and five page loads that write the session at once are all saved", "invariant 3" => Bound(races);
    "bound/copied-jar", ["R87"], "a copied cookie jar works in another browser until the bound cookie expires, and is refused from then on", "SECURITY.md" => Bound(copies);
    "bound/dropped-refresh", ["R88"], "refreshes without a request or without an answer end no session", "w3c/webappsec-dbsc, issue 249" => Bound(dropped);
    "bound/doubled-requests", ["R88"], "a registration and refreshes that arrive twice end no session", "invariant 3" => Bound(doubled);
    "bound/server-errors", ["R88"], "a refresh that is answered with a 500 or a 503 ends no session", "W3C Device Bound Session Credentials" => Bound(answers_500);
    "bound/two-tabs", ["R88"], "two tabs refresh at once", "W3C Device Bound Session Credentials" => Bound(tabs);
    "bound/browser-restart", ["R88"], "a browser that starts again on its profile keeps its key", "w3c/webappsec-dbsc, issue 192" => Bound(restarts);
    "bound/sign-out", ["R88", "R19", "I4"], "a sign-out before, during or after a refresh ends the session, and the next sign-in is bound again", "invariant 4" => Bound(signs_out);
    "bound/demo", ["R87"], "the demo shows that the device is bound, and ends a session whose cookies were copied", "the demo, `--https`" => Browser(shop);
}

async fn shop(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    bound::shop(demo, programs).await
}

async fn operator_ends(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    operator::ends(demo, programs).await
}

async fn refuses(demo: Arc<Demo>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let files = tempfile::NamedTempFile::new()?;
    let no_directory = format!("file:{}", files.path().display());
    let free = "127.0.0.1:0";
    let refused: [(&[&str], &str); 5] = [
        (
            &["--listen", site.address(), "--store", "memory:"],
            site.address(),
        ),
        (
            &["--listen", free, "--store", &no_directory],
            &no_directory[5..],
        ),
        (&["--listen", free, "--store", "nonsense"], "file:"),
        (&["--listen", "nonsense"], "nonsense"),
        (&["--nonsense"], "--nonsense"),
    ];
    for (arguments, named) in refused {
        let output = demo.refuse(arguments).await?;
        let printed = String::from_utf8_lossy(&output.stderr);
        same(
            &format!("success with {arguments:?}"),
            output.status.success(),
            false,
        )?;
        same(
            &format!("lines printed with {arguments:?} ({printed})"),
            printed.lines().count(),
            1,
        )?;
        if !printed.contains(named) {
            return fail(format!(
                "with {arguments:?} it names no {named:?}: {printed}"
            ));
        }
    }
    let help = demo.refuse(&["--help"]).await?;
    same("success of --help", help.status.success(), true)?;
    same(
        "--store in the help",
        String::from_utf8_lossy(&help.stdout).contains("--store"),
        true,
    )
}

async fn cookie_on_loopback(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(&programs).await?;
    let by_name = site.url("/").replace("127.0.0.1", "localhost");
    for (url, host) in [(site.url("/"), "127.0.0.1"), (by_name, "localhost")] {
        browser.visit(&url).await?;
        let Some(cookie) = browser.session_cookie().await? else {
            return fail(format!("the browser kept no `__Host-session` of {host}"));
        };
        same("Secure", cookie.secure(), Some(true))?;
        same("HttpOnly", cookie.http_only(), Some(true))?;
        let same_site = cookie.same_site().map(|same_site| same_site.to_string());
        same("SameSite", same_site.as_deref(), Some("Lax"))?;
        same("Path", cookie.path(), Some("/"))?;
        same(
            "the host that it goes to, and no other",
            cookie.domain(),
            Some(host),
        )?;
        same(
            "an expiry in the browser",
            cookie.expires().is_some(),
            false,
        )?;
        same(
            "cookies for scripts",
            browser.cookies_for_scripts().await?,
            String::new(),
        )?;
        browser.reload().await?;
        same(
            "the visits",
            visits(&browser).await?,
            "You are here for the second time.".to_owned(),
        )?;
        let again = browser.session_cookie().await?;
        same(
            "the same cookie",
            again.is_some_and(|again| again.value() == cookie.value()),
            true,
        )?;
    }
    browser.close().await
}

async fn set_cookie_lines(_: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    set_cookie::is_kept(&programs).await
}

async fn looking_gets_no_cookie(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(&programs).await?;
    browser.visit(&site.url("/cart")).await?;
    shows(&browser, "the page", "h1", ["Your cart"]).await?;
    same("a cookie", browser.session_cookie().await?.is_some(), false)?;
    browser.close().await
}

async fn sign_in_changes_the_token(
    demo: Arc<Demo>,
    programs: Arc<Programs>,
) -> Result<(), Failure> {
    let (site, browser) = opened(&demo, &programs).await?;
    add(&browser, "hat").await?;
    let before = token(&browser).await?;
    sign_in(&browser, &site, "Ada").await?;
    shows(&browser, "the page after sign-in", "h1", ["Ada"]).await?;
    same("the same token", token(&browser).await? == before, false)?;
    browser.visit(&site.url("/cart")).await?;
    shows(&browser, "the cart", ".lines h2", ["Felt hat"]).await?;
    browser.close().await
}

async fn two_tabs_keep_both_changes(
    demo: Arc<Demo>,
    programs: Arc<Programs>,
) -> Result<(), Failure> {
    let (site, browser) = opened(&demo, &programs).await?;
    let first = browser.tab().await?;
    let second = browser.open_tab().await?;
    browser.visit(&site.url("/")).await?;
    browser.switch_to(&first).await?;
    add(&browser, "umbrella").await?;
    browser.switch_to(&second).await?;
    add(&browser, "hat").await?;
    browser.switch_to(&first).await?;
    add(&browser, "umbrella").await?;
    // Two visits, and three pages after a redirect.
    same(
        "the visits",
        visits(&browser).await?,
        "You are here for the 5th time.".to_owned(),
    )?;
    browser.visit(&site.url("/cart")).await?;
    shows(
        &browser,
        "the cart",
        ".lines h2",
        ["Walking umbrella", "Felt hat"],
    )
    .await?;
    shows(&browser, "how many", ".lines output", ["2", "1"]).await?;
    browser.close().await
}

async fn sign_out_reaches_the_other_tab(
    demo: Arc<Demo>,
    programs: Arc<Programs>,
) -> Result<(), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(&programs).await?;
    sign_in(&browser, &site, "Ada").await?;
    let first = browser.tab().await?;
    let signed_in = token(&browser).await?;
    let second = browser.open_tab().await?;
    browser.visit(&site.url("/account")).await?;
    shows(&browser, "the second tab", "h1", ["Ada"]).await?;
    browser.switch_to(&first).await?;
    browser.follow("form[action='/sign-out'] button").await?;
    shows(
        &browser,
        "the first tab's message",
        ".notice",
        ["You are signed out."],
    )
    .await?;
    same("the same token", token(&browser).await? == signed_in, false)?;

    browser.switch_to(&second).await?;
    browser.follow("form[action='/sign-out'] button").await?;
    shows(
        &browser,
        "the second tab's form",
        "h1",
        ["This form is no longer valid"],
    )
    .await?;
    browser.visit(&site.url("/account")).await?;
    same(
        "where the second tab is led",
        browser.path().await?,
        "/sign-in".to_owned(),
    )?;
    browser.close().await
}

async fn flash_is_shown_once(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let (site, browser) = opened(&demo, &programs).await?;
    shows(&browser, "messages before", ".notice", []).await?;
    add(&browser, "scarf").await?;
    shows(
        &browser,
        "messages after the redirect",
        ".notice",
        ["Merino scarf is in your cart."],
    )
    .await?;
    browser.reload().await?;
    shows(&browser, "messages after reloading", ".notice", []).await?;
    // Reloading did not send the form again.
    browser.visit(&site.url("/cart")).await?;
    shows(&browser, "how many", ".lines output", ["1"]).await?;
    shows(&browser, "messages elsewhere", ".notice", []).await?;
    browser.close().await
}

async fn form_from_before_sign_in(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let (site, browser) = opened(&demo, &programs).await?;
    let first = browser.tab().await?;
    browser.open_tab().await?;
    sign_in(&browser, &site, "Ada").await?;
    browser.switch_to(&first).await?;
    add(&browser, "hat").await?;
    shows(
        &browser,
        "the answer",
        "h1",
        ["This form is no longer valid"],
    )
    .await?;
    browser.visit(&site.url("/cart")).await?;
    shows(&browser, "the cart", ".lines h2", []).await?;
    browser.close().await
}

async fn form_of_another_site(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(&programs).await?;
    sign_in(&browser, &site, "Ada").await?;
    let action = site.url("/sign-out");
    browser
        .visit(&format!(
            "data:text/html,<form method=post action={action}><button>free coats</button></form>"
        ))
        .await?;
    browser.follow("button").await?;
    shows(&browser, "the answer", ".status", ["403"]).await?;
    browser.visit(&site.url("/account")).await?;
    shows(&browser, "who is signed in", "h1", ["Ada"]).await?;
    browser.close().await
}

async fn other_devices_are_listed_and_ended(
    demo: Arc<Demo>,
    programs: Arc<Programs>,
) -> Result<(), Failure> {
    let site = demo.open().await?;
    let there = Browser::start(&programs).await?;
    sign_in(&there, &site, "Ada").await?;
    let stranger = Browser::start(&programs).await?;
    sign_in(&stranger, &site, "Grace").await?;
    let here = Browser::start(&programs).await?;
    sign_in(&here, &site, "Ada").await?;

    let devices = here.texts(".devices h3").await?;
    same("devices", devices.len(), 2)?;
    let marked = devices
        .iter()
        .filter(|device| device.contains("This device"))
        .count();
    same("devices marked as this one", marked, 1)?;
    here.follow("form[action='/sign-out/others'] button")
        .await?;
    shows(
        &here,
        "the message",
        ".notice",
        ["One other device is signed out."],
    )
    .await?;
    same("devices left", here.texts(".devices h3").await?.len(), 1)?;

    there.reload().await?;
    same(
        "where the other one is led",
        there.path().await?,
        "/sign-in".to_owned(),
    )?;
    stranger.reload().await?;
    shows(&stranger, "another user's page", "h1", ["Grace"]).await?;

    // And one of them, by its id.
    sign_in(&there, &site, "Ada").await?;
    here.reload().await?;
    here.follow("form[action='/sign-out/one'] button").await?;
    there.reload().await?;
    same(
        "where it is led then",
        there.path().await?,
        "/sign-in".to_owned(),
    )?;
    for browser in [there, stranger, here] {
        browser.close().await?;
    }
    Ok(())
}

async fn restart_keeps_sessions(demo: Arc<Demo>, programs: Arc<Programs>) -> Result<(), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(&programs).await?;
    sign_in(&browser, &site, "Ada").await?;
    browser.visit(&site.url("/")).await?;
    add(&browser, "coat").await?;
    // Cookies do not know ports: the browser goes on with its session on another one.
    let site = demo.reopen(site).await?;
    browser.visit(&site.url("/account")).await?;
    shows(&browser, "who is signed in", "h1", ["Ada"]).await?;
    browser.visit(&site.url("/cart")).await?;
    shows(&browser, "the cart", ".lines h2", ["Wool coat"]).await?;
    browser.close().await
}

/// A demo of its own, and a browser on its first page.
async fn opened(demo: &Demo, programs: &Programs) -> Result<(Site, Browser), Failure> {
    let site = demo.open().await?;
    let browser = Browser::start(programs).await?;
    browser.visit(&site.url("/")).await?;
    Ok((site, browser))
}

/// Fails unless the elements of this selector have these texts.
async fn shows<const N: usize>(
    browser: &Browser,
    what: &str,
    selector: &str,
    want: [&str; N],
) -> Result<(), Failure> {
    same(what, browser.texts(selector).await?, texts(want))
}

pub(super) async fn sign_in(browser: &Browser, site: &Site, name: &str) -> Result<(), Failure> {
    browser.visit(&site.url("/sign-in")).await?;
    browser.fill("#name", name).await?;
    browser.follow("form[action='/sign-in'] button").await
}

async fn add(browser: &Browser, product: &str) -> Result<(), Failure> {
    browser
        .follow(&format!("form:has([value='{product}']) button"))
        .await
}

async fn visits(browser: &Browser) -> Result<String, Failure> {
    Ok(browser.texts(".visits").await?.concat())
}

/// The session's token, which the browser must have.
async fn token(browser: &Browser) -> Result<String, Failure> {
    match browser.session_cookie().await? {
        Some(cookie) => Ok(cookie.value().to_owned()),
        None => fail("the browser has no session cookie"),
    }
}

pub(super) fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).into()
}
