//! Errors. None holds a key or a value: keys are session ids here.

use std::fmt;
use std::io;
use std::time::Duration;

use cloakroom_store::StoreError;

/// The text for a reader.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

pub(crate) fn transient(store: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::transient(store, Said(what.into()))
}

pub(crate) fn permanent(store: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::permanent(store, Said(what.into()))
}

#[allow(dead_code, reason = "not every store has a limit")]
pub(crate) fn timed_out(store: &'static str, limit: Duration) -> StoreError {
    transient(store, format!("no answer within {limit:?}"))
}

#[allow(dead_code, reason = "with the feature nobody hears it")]
pub(crate) const TLS_IS_MISSING: &str = "a URL with TLS needs the feature `tls`";

/// Why a connection failed, if that is TLS.
#[allow(dead_code, reason = "not every store has TLS")]
pub(crate) fn of_tls(error: &io::Error) -> Option<String> {
    #[cfg(feature = "tls")]
    {
        // It may name the hosts of a certificate, and holds nothing of what was sent.
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(format!("{NO_TLS} ({error})"))
    }
    #[cfg(not(feature = "tls"))]
    {
        let _ = error;
        None
    }
}

#[allow(dead_code, reason = "not every store has TLS")]
pub(crate) const NO_TLS: &str = "the TLS handshake failed; check that the server speaks TLS at \
                                 this port, and the certificates of both sides";
