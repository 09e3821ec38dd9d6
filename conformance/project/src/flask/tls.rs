//! One URL with TLS for both.

use super::Other;
use super::checks::{self, Running};
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::Failure;

static TLS: Variant = Variant {
    name: "tls",
    keys: &[],
};

pub(super) const ALL: &[Other] = &[Other {
    id: "tls/redis",
    sentence: "redis-py's rediss:// URL, with an authority and a client certificate, leads Rust to \
               the same sessions",
    setup: Setup {
        release: Release::V0_8_0,
        backend: Backend::RedisTls,
        format: Format::Msgpack,
        signed: false,
        permanent: true,
        variant: Some(&TLS),
    },
    run: |environment, setup| -> Running<'_> { Box::pin(by_tls(environment, setup)) },
}];

async fn by_tls(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    checks::rust_reads(environment, setup).await?;
    checks::flask_reads(environment, setup).await?;
    checks::one_browser(environment, setup).await?;
    checks::logout(environment, setup).await
}
