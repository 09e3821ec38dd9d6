//! The ids that both make, by the settings for them.

use super::Other;
use super::checks::{self, Running};
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, same};

static UUID: Variant = Variant {
    name: "uuid",
    keys: &[("SESSION_ID_UUID", "true")],
};
static SHORTEST: Variant = Variant {
    name: "shortest",
    keys: &[("SESSION_ID_LENGTH", "16")],
};
static LONG: Variant = Variant {
    name: "long",
    keys: &[("SESSION_ID_LENGTH", "48")],
};

const fn on(release: Release, format: Format, signed: bool, variant: &'static Variant) -> Setup {
    Setup {
        release,
        backend: Backend::Redis,
        format,
        signed,
        permanent: true,
        variant: Some(variant),
    }
}

macro_rules! cases {
    ($($id:literal, $setup:expr, $flask:literal, $rust:literal, $sentence:literal;)+) => {
        pub(super) const ALL: &[Other] = &[$(Other {
            id: $id,
            sentence: $sentence,
            setup: $setup,
            run: |environment, setup| -> Running<'_> { Box::pin(lengths(environment, setup, $flask, $rust)) },
        }),+];
    };
}

cases! {
    "ids/uuid-0.3.1", on(Release::V0_3_1, Format::Pickle, false, &UUID), 36, 36, "with SESSION_ID_UUID Rust makes UUIDs, as Flask-Session 0.3.1 does, and each takes the other's";
    "ids/uuid-0.5.0", on(Release::V0_5_0, Format::Pickle, true, &UUID), 36, 36, "the same with 0.5.0, signed";
    "ids/uuid-0.8.0", on(Release::V0_8_0, Format::Msgpack, true, &UUID), 43, 36, "the same with 0.8.0, which makes longer ones";
    "ids/shortest", on(Release::V0_8_0, Format::Msgpack, true, &SHORTEST), 22, 22, "with SESSION_ID_LENGTH 16 both make ids of 16 bytes, and each takes the other's";
    "ids/long", on(Release::V0_8_0, Format::Msgpack, false, &LONG), 64, 64, "with SESSION_ID_LENGTH 48 both make ids of 48 bytes, and each takes the other's";
}

async fn lengths(
    environment: &Environment,
    setup: &Setup,
    flask: usize,
    rust: usize,
) -> Result<(), Failure> {
    for (app, length) in [(App::Flask, flask), (App::Rust, rust)] {
        let mut browser = environment.browser(setup);
        browser.post(app, "/probe/set?key=a&value=b").await?;
        let cookie = browser.cookie.clone().unwrap_or_default();
        let id = match setup.signed {
            true => cookie.rsplit_once('.').map_or("", |(id, _)| id),
            false => &cookie,
        };
        same(&format!("characters of an id of {app:?}"), id.len(), length)?;
    }
    checks::one_browser(environment, setup).await?;
    checks::logout(environment, setup).await
}
