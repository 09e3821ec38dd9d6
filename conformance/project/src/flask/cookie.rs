//! Flask's own session, in the cookie: cases beyond the checks of each setup.

use super::Other;
use super::checks::Running;
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, fail, same};

const COOKIE: Setup = Setup {
    release: Release::V0_8_0,
    backend: Backend::Cookie,
    format: Format::Tagged,
    signed: true,
    permanent: false,
    variant: None,
};

static ROTATED: Variant = Variant {
    name: "rotated",
    keys: &[
        ("SECRET_KEY", "\"a newer secret key\""),
        (
            "SECRET_KEY_FALLBACKS",
            "[\"dev-secret-key-0123456789abcdef\"]",
        ),
    ],
};

pub(super) const ALL: &[Other] = &[
    Other {
        id: "cookie/key-rotation",
        sentence: "after a rotation of keys both accept the older key's cookies, sign with the \
                   newer key, and need it to read those",
        setup: Setup {
            variant: Some(&ROTATED),
            ..COOKIE
        },
        run: |environment, setup| -> Running<'_> { Box::pin(rotation(environment, setup)) },
    },
    Other {
        id: "cookie/tampered-at-each-byte",
        sentence: "both refuse either's cookie with one byte changed, at each position",
        setup: COOKIE,
        run: |environment, setup| -> Running<'_> { Box::pin(tampered(environment, setup)) },
    },
    Other {
        id: "cookie/compressed",
        sentence: "each of Flask and Rust reads a session that the other compressed",
        setup: COOKIE,
        run: |environment, setup| -> Running<'_> { Box::pin(compressed(environment, setup)) },
    },
];

async fn rotation(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    for writer in [App::Flask, App::Rust] {
        for reader in [App::Flask, App::Rust] {
            let mut before = environment.browser(&COOKIE);
            before.post(writer, "/probe/set?key=name&value=ada").await?;
            let mut after = environment.browser(setup);
            after.cookie = before.cookie.clone();
            let what = format!("values of {writer:?} that {reader:?} sees with the newer key");
            same(&what, after.dump(reader).await?.len(), 1)?;
            after.post(reader, "/probe/set?key=more&value=1").await?;
            same("after a write", after.dump(writer).await?.len(), 2)?;
            before.cookie = after.cookie.clone();
            for app in [App::Flask, App::Rust] {
                let got = before.clone().dump(app).await?.len();
                same("values without the newer key", got, 0)?;
            }
        }
    }
    Ok(())
}

async fn tampered(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    for issuer in [App::Flask, App::Rust] {
        let mut browser = environment.browser(setup);
        browser
            .post(issuer, "/probe/set?key=name&value=ada")
            .await?;
        let Some(good) = browser.cookie.clone() else {
            return fail(format!("{issuer:?} issued no cookie"));
        };
        for reader in [App::Flask, App::Rust] {
            let mut reading = browser.clone();
            same(
                &format!("the values that {reader:?} sees in the good cookie of {issuer:?}"),
                reading.dump(reader).await?.len(),
                1,
            )?;
            for at in 0..good.len() {
                let mut bytes = good.clone().into_bytes();
                // Another character of the same alphabet, five places on so that no trailing bits
                // alone differ.
                bytes[at] = match bytes[at] {
                    b'.' => b'A',
                    b'A' => b'Q',
                    _ => b'A',
                };
                let mut forger = browser.clone();
                forger.cookie = String::from_utf8(bytes).ok();
                let got = forger.dump(reader).await?;
                same(
                    &format!(
                        "the values that {reader:?} sees with byte {at} of {issuer:?}'s changed"
                    ),
                    got.len(),
                    0,
                )?;
            }
        }
    }
    Ok(())
}

async fn compressed(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    let long = "tea ".repeat(300);
    let path = format!(
        "/probe/set?key=list&value={}",
        long.trim().replace(' ', "+")
    );
    for issuer in [App::Flask, App::Rust] {
        let mut browser = environment.browser(setup);
        browser.post(issuer, &path).await?;
        let cookie = browser.cookie.clone().unwrap_or_default();
        same(
            &format!("whether the cookie of {issuer:?} is compressed"),
            cookie.starts_with('.') && cookie.len() < 300,
            true,
        )?;
        let want = browser.dump(issuer).await?;
        same(
            "what the other reads",
            browser.dump(issuer.other()).await?,
            want,
        )?;
    }
    Ok(())
}
