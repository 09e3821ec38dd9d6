//! What this project's crates tell `tracing` while the adapters' suites run: everything at every level, and none of it may be a secret.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use cloakroom_conformance::Tally;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::say;

/// How many characters of a token's or a key's alphabet in a row are no word any more. Tokens have 43, keys too; a UUID has 36.
const LONG: usize = 32;

static HEARD: AtomicUsize = AtomicUsize::new(0);
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens from now on.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Nobody else does in this program.
        let _ = tracing::subscriber::set_global_default(Listener);
    });
    HEARD.store(0, Ordering::Relaxed);
    SECRETS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

// R11
/// Says whether there was a secret in what was heard since [`listen`].
pub(crate) fn told(adapter: &str) -> Tally {
    let (id, heard) = ("adapter/tells-no-secret", HEARD.load(Ordering::Relaxed));
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tally = Tally::default();
    match (heard, &secrets[..]) {
        (0, _) => {
            say(format_args!(
                "FAILED  {id}[{adapter}]: nothing was told at all"
            ));
            tally.failed += 1;
        }
        (heard, []) => {
            say(format_args!(
                "ok      {id}[{adapter}]: {heard} fields of spans and events"
            ));
            tally.passed += 1;
        }
        (_, secrets) => {
            say(format_args!("FAILED  {id}[{adapter}]"));
            for secret in secrets.iter().take(5) {
                say(format_args!("        {secret}"));
            }
            say("        required (R11): no token, key, secret or session value in logs");
            tally.failed += 1;
        }
    }
    tally
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cloakroom")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Ear(span.metadata().name()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Ear("a span"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Ear(event.metadata().name()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Looks at each field of something.
struct Ear(&'static str);

impl Visit for Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        HEARD.fetch_add(1, Ordering::Relaxed);
        let text = format!("{value:?}");
        if is_secret(&text) {
            let what = format!("{}, field {field}: {text}", self.0);
            let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
            secrets.push(what);
        }
    }
}

/// Whether there is something in it that may be a token or a key.
fn is_secret(text: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut parts = text.split(|c: char| !of_token(c));
    parts.any(|part| part.len() >= LONG) || text.contains("__Host-session:")
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn tokens_keys_and_uuids_are_secrets_and_sentences_are_none() {
        for secret in [
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "no record under session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
            "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        assert!(!is_secret("session store failed transiently: not today"));
    }
}
