//! Sessions that are nowhere: SESSION_TYPE `null`, and Flask's own without a SECRET_KEY.

use super::Other;
use super::checks::Running;
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, fail, same};

static NULL: Variant = Variant {
    name: "null",
    keys: &[("SESSION_TYPE", "\"null\"")],
};

static KEYLESS: Variant = Variant {
    name: "keyless",
    keys: &[("SECRET_KEY", "null")],
};

const fn nowhere(release: Release, variant: &'static Variant) -> Setup {
    Setup {
        release,
        backend: Backend::Cookie,
        format: Format::Tagged,
        signed: true,
        permanent: false,
        variant: Some(variant),
    }
}

macro_rules! cases {
    ($($id:literal, $release:ident, $variant:ident, $missing:literal;)+) => {
        pub(super) const ALL: &[Other] = &[$(Other {
            id: $id,
            sentence: concat!("reads are empty, a write is an error, which in Rust names ", $missing, ", and no cookie is set"),
            setup: nowhere(Release::$release, &$variant),
            run: |environment, setup| -> Running<'_> { Box::pin(empty(environment, setup, $missing)) },
        }),+];
    };
}

// Flask-Session 0.8 does not know the type `null` any more.
cases! {
    "null/type-null-0.3.1", V0_3_1, NULL, "SESSION_TYPE";
    "null/type-null-0.5.0", V0_5_0, NULL, "SESSION_TYPE";
    "null/no-secret-key-0.3.1", V0_3_1, KEYLESS, "SECRET_KEY";
    "null/no-secret-key", V0_8_0, KEYLESS, "SECRET_KEY";
}

async fn empty(environment: &Environment, setup: &Setup, missing: &str) -> Result<(), Failure> {
    for app in [App::Flask, App::Rust] {
        for cookie in [None, Some("eyJhIjoxfQ.ZVPxAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
            let mut browser = environment.browser(setup);
            browser.cookie = cookie.map(str::to_owned);
            same("values", browser.dump(app).await?.len(), 0)?;
            let shop: serde_json::Value = serde_json::from_str(&browser.get(app, "/").await?)?;
            let want = serde_json::json!({"name": null, "cart": []});
            same(&format!("the shop at {app:?}"), shop, want)?;
            let form = Some("name=ada");
            let login = browser
                .send(app, http::Method::POST, "/login", form)
                .await?;
            same(&format!("{app:?} to a login"), login.status().as_u16(), 500)?;
            let why = browser.asks(app, http::Method::POST, "/probe/refused", None);
            let why = why.await?;
            let wanted = match app {
                App::Flask => "session is unavailable",
                App::Rust => missing,
            };
            if !why.contains(wanted) {
                return fail(format!("{app:?} does not say {wanted:?}, but {why:?}"));
            }
            same("the cookie", browser.cookie.as_deref(), cookie)?;
        }
    }
    Ok(())
}
