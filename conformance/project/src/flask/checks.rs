//! The checks of each setup, in both directions.

use std::pin::Pin;

use super::client::{App, Browser, differences};
use super::environment::{Environment, is};
use super::plan::{Backend, Setup};
use crate::program::{Failure, fail, same};

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

pub(super) struct Check {
    pub(super) id: &'static str,
    /// Over its column in the table.
    pub(super) title: &'static str,
    pub(super) sentence: &'static str,
    pub(super) run: for<'a> fn(&'a Environment, &'a Setup) -> Running<'a>,
    pub(super) applies: fn(&Setup) -> bool,
}

macro_rules! checks {
    ($($id:literal, $title:literal, $sentence:literal, $applies:expr => $run:ident;)+) => {
        pub(super) const ALL: &[Check] = &[$(Check {
            id: $id,
            title: $title,
            sentence: $sentence,
            run: |environment, setup| Box::pin($run(environment, setup)),
            applies: $applies,
        }),+];
    };
}

checks! {
    "rust-reads-flask", "F>R", "Rust reads Flask's session, each value with its type", |setup| !setup.breaks_in_flask() => rust_reads;
    "flask-reads-rust", "R>F", "Flask reads Rust's session, each value with its type", |_| true => flask_reads;
    "rust-changes-one", "R~F", "Rust changes one key and drops another of a session that Flask wrote, and the others survive, with their types", |setup| !setup.breaks_in_flask() => rust_changes;
    "flask-changes-one", "F~R", "Flask changes one key and drops another of a session that Rust wrote, and Rust sees it", |setup| !setup.breaks_in_flask() => flask_changes;
    "logout-at-either", "out", "a sign-out in either ends the session in both and removes the \
                                cookie, and an old copy of it leads nowhere", |setup| !setup.breaks_in_flask() => logout;
    "one-browser", "jar", "one browser that goes to and fro between the two has one session", |setup| !setup.breaks_in_flask() => one_browser;
    "nobodys-cookie", "bad", "Rust adopts neither an unknown cookie nor one that was tampered with", |_| true => nobodys;
    "permanent-or-not", "exp", "both issue a cookie that outlives the browser's session exactly when the session is permanent", |_| true => permanence;
}

/// Everything, with what the format carries beyond that.
fn everything(setup: &Setup) -> String {
    format!(
        "/probe/write?permanent={}&types={}",
        u8::from(setup.permanent),
        setup.format.types().join(",")
    )
}

pub(super) async fn rust_reads(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(App::Flask, &everything(setup)).await?;
    let there = browser.dump(App::Flask).await?;
    same(
        "values in Flask",
        there.len(),
        11 + setup.format.types().len(),
    )?;
    let here = browser.dump(App::Rust).await?;
    differences("at Rust", &here, &there)
}

pub(super) async fn flask_reads(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    // The same values in a session that Flask itself wrote, as far as Flask can read its own.
    let mut flasks = environment.browser(setup);
    let mut permanent = *setup;
    permanent.permanent |= setup.breaks_in_flask();
    let mut reference = environment.browser(&permanent);
    let flasks = match setup.breaks_in_flask() {
        true => &mut reference,
        false => &mut flasks,
    };
    flasks.post(App::Flask, &everything(&permanent)).await?;
    let want = flasks.dump(App::Flask).await?;
    let mut browser = environment.browser(setup);
    browser.post(App::Rust, &everything(setup)).await?;
    let got = browser.dump(App::Flask).await?;
    differences("at Flask", &got, &want)
}

pub(super) async fn rust_changes(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    changes(environment, setup, App::Flask).await
}

pub(super) async fn flask_changes(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    changes(environment, setup, App::Rust).await
}

/// One writes, the other changes.
async fn changes(environment: &Environment, setup: &Setup, writer: App) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(writer, &everything(setup)).await?;
    let mut want = browser.dump(writer).await?;
    let changer = writer.other();
    browser
        .post(changer, "/probe/set?key=name&value=changed")
        .await?;
    want.insert("name".into(), ("str".into(), "'changed'".into()));
    browser.sees("after a change", &want).await?;
    browser.post(changer, "/probe/set?key=new&value=1").await?;
    want.insert("new".into(), ("str".into(), "'1'".into()));
    browser.sees("after an addition", &want).await?;
    browser.post(changer, "/probe/drop?key=half").await?;
    want.remove("half");
    browser.sees("after a removal", &want).await?;
    browser.post(writer, "/probe/drop?key=new").await?;
    want.remove("new");
    browser.sees("after a change by the first", &want).await
}

/// Makes the browser of another visitor.
pub(super) type Visitor<'a> = &'a (dyn Fn() -> Browser + Sync);

pub(super) async fn logout(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    logout_at_either(&|| environment.browser(setup), setup.backend).await
}

pub(super) async fn logout_at_either(
    visitor: Visitor<'_>,
    backend: Backend,
) -> Result<(), Failure> {
    for app in [App::Flask, App::Rust] {
        let mut browser = visitor();
        browser.form(app.other(), "/login", "name=ada").await?;
        let before = browser.clone();
        browser.post(app, "/logout").await?;
        same(
            &format!("the cookie after a logout at {app:?}"),
            browser.cookie.is_some(),
            false,
        )?;
        for at in [App::Flask, App::Rust] {
            let text = browser.get(at, "/").await?;
            nobody(&format!("{at:?} after a logout at {app:?}"), &text)?;
        }
        // A session in the cookie alone cannot be ended by anybody but its age.
        if backend != Backend::Cookie {
            for at in [App::Rust, App::Flask] {
                let mut copy = before.clone();
                let text = copy.get(at, "/").await?;
                nobody(&format!("{at:?} with a copy of the cookie"), &text)?;
            }
        }
    }
    Ok(())
}

fn nobody(what: &str, text: &str) -> Result<(), Failure> {
    let shop: serde_json::Value = serde_json::from_str(text)?;
    same(what, shop, serde_json::json!({"name": null, "cart": []}))
}

pub(super) async fn one_browser(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    to_and_fro(&|| environment.browser(setup)).await
}

pub(super) async fn to_and_fro(visitor: Visitor<'_>) -> Result<(), Failure> {
    let mut browser = visitor();
    let mut app = App::Rust;
    browser.form(App::Flask, "/login", "name=Zo%C3%AB").await?;
    let mut cart = Vec::new();
    for item in ["tea", "cake", "jam", "milk"] {
        browser.form(app, "/cart", &format!("item={item}")).await?;
        cart.push(item);
        for at in [App::Flask, App::Rust] {
            let shop: serde_json::Value = serde_json::from_str(&browser.get(at, "/").await?)?;
            same(
                &format!("the shop at {at:?}"),
                shop,
                serde_json::json!({"name": "Zo\u{eb}", "cart": cart}),
            )?;
        }
        app = app.other();
    }
    // The same the other way round.
    let mut browser = visitor();
    browser.form(App::Rust, "/login", "name=ada").await?;
    browser.form(App::Flask, "/cart", "item=tea").await?;
    let text = browser.get(App::Rust, "/").await?;
    let shop: serde_json::Value = serde_json::from_str(&text)?;
    same(
        "the shop",
        shop,
        serde_json::json!({"name": "ada", "cart": ["tea"]}),
    )
}

async fn nobodys(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let mut browser = environment.browser(setup);
    browser.post(App::Rust, "/probe/set?key=a&value=b").await?;
    let Some(good) = browser.cookie.clone() else {
        return fail("Rust issued no cookie");
    };
    let others = [
        "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11".to_owned(),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned(),
        format!("{good}x"),
        format!("x{good}"),
        good.replace('.', ".."),
        "../../etc/passwd".to_owned(),
        "x".repeat(5000),
    ];
    for other in others.into_iter().filter(|other| *other != good) {
        let mut forger = environment.browser(setup);
        forger.cookie = Some(other.clone());
        forger
            .post(App::Rust, "/probe/set?key=mine&value=1")
            .await?;
        if forger.cookie.as_deref() == Some(&*other) {
            return fail(format!("Rust adopted a cookie of {} bytes", other.len()));
        }
        let got = forger.dump(App::Rust).await?;
        same(
            "what the forger has",
            got.keys().cloned().collect(),
            vec!["mine".to_owned()],
        )?;
    }
    let text = browser.get(App::Rust, "/probe/read").await?;
    is("the real session still", &text, "{\"a\":[\"str\",\"'b'\"]}")
}

async fn permanence(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    for app in [App::Rust, App::Flask] {
        let mut browser = environment.browser(setup);
        let path = format!("/probe/write?permanent={}", u8::from(setup.permanent));
        browser.post(app, &path).await?;
        same(
            &format!("whether the cookie of {app:?} outlives the browser's session"),
            browser.persistent,
            Some(setup.permanent),
        )?;
    }
    Ok(())
}
