//! Flask's own session, in the cookie: what the checks of each setup do not show.

use super::Other;
use super::checks::Running;
use super::client::App;
use super::ground::Ground;
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
        sentence: "after a rotation of keys both read what the older key signed, sign with the newer one, and what that signed is refused without it",
        setup: Setup {
            variant: Some(&ROTATED),
            ..COOKIE
        },
        run: |ground, setup| -> Running<'_> { Box::pin(rotation(ground, setup)) },
    },
    Other {
        id: "cookie/tampered-at-each-byte",
        sentence: "a cookie with one byte changed, at each position and for a cookie of either, is refused by both",
        setup: COOKIE,
        run: |ground, setup| -> Running<'_> { Box::pin(tampered(ground, setup)) },
    },
    Other {
        id: "cookie/compressed",
        sentence: "a session that Flask compresses is read in Rust, and the other way round",
        setup: COOKIE,
        run: |ground, setup| -> Running<'_> { Box::pin(compressed(ground, setup)) },
    },
];

async fn rotation(ground: &Ground, setup: &Setup) -> Result<(), Failure> {
    for writer in [App::Flask, App::Rust] {
        for reader in [App::Flask, App::Rust] {
            let mut before = ground.browser(&COOKIE);
            before.post(writer, "/probe/set?key=name&value=ada").await?;
            let mut after = ground.browser(setup);
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

async fn tampered(ground: &Ground, setup: &Setup) -> Result<(), Failure> {
    for issuer in [App::Flask, App::Rust] {
        let mut browser = ground.browser(setup);
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
                // Another character of the same alphabet, five places on so that no trailing bits alone differ.
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

async fn compressed(ground: &Ground, setup: &Setup) -> Result<(), Failure> {
    let long = "tea ".repeat(300);
    let path = format!(
        "/probe/set?key=list&value={}",
        long.trim().replace(' ', "+")
    );
    for issuer in [App::Flask, App::Rust] {
        let mut browser = ground.browser(setup);
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
