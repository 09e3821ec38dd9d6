//! One URL with TLS for both.

use super::Other;
use super::checks::{self, Running};
use super::ground::Ground;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::Failure;

static TLS: Variant = Variant {
    name: "tls",
    keys: &[],
};

pub(super) const ALL: &[Other] = &[Other {
    id: "tls/redis",
    sentence: "the rediss:// URL that redis-py takes, with an authority and a client's certificate, leads Rust to the same sessions",
    setup: Setup {
        release: Release::V0_8_0,
        backend: Backend::RedisTls,
        format: Format::Msgpack,
        signed: false,
        permanent: true,
        variant: Some(&TLS),
    },
    run: |ground, setup| -> Running<'_> { Box::pin(by_tls(ground, setup)) },
}];

async fn by_tls(ground: &Ground, setup: &Setup) -> Result<(), Failure> {
    checks::rust_reads(ground, setup).await?;
    checks::flask_reads(ground, setup).await?;
    checks::one_browser(ground, setup).await?;
    checks::logout(ground, setup).await
}
