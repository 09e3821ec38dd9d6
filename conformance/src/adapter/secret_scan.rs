//! Listens to everything that Cloakroom's crates log through `tracing`, at every level, and looks
//! for secrets in it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::case::{Stop, fail};

/// A word of this length in a token's alphabet counts as a secret. Tokens and keys have 43
/// characters, a UUID has 36.
const LONG: usize = 32;

static FIELDS: AtomicUsize = AtomicUsize::new(0);
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens from now on, unless the program has a subscriber of its own.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If this fails, the scan records nothing, and the check reports that.
        let _ = tracing::subscriber::set_global_default(Listener);
    });
}

/// How many fields of spans and events were logged so far.
pub(super) fn heard() -> usize {
    FIELDS.load(Ordering::Relaxed)
}

/// Fails if a secret was logged so far, by this case or another.
pub(super) fn check() -> Result<(), Stop> {
    match &secrets()[..] {
        [] => Ok(()),
        secrets => fail(format!(
            "secrets were logged: {}",
            secrets[..secrets.len().min(5)].join("; ")
        )),
    }
}

fn secrets() -> MutexGuard<'static, Vec<String>> {
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cloakroom")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(span.metadata().name()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields("a span"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(event.metadata().name()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Looks at each field of a span or event with this name.
struct Fields(&'static str);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        FIELDS.fetch_add(1, Ordering::Relaxed);
        let text = format!("{value:?}");
        if is_secret(&text) {
            secrets().push(format!("{}, field {field}: {text}", self.0));
        }
    }
}

/// Returns whether the text contains what may be a token or a key.
fn is_secret(text: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut words = text.split(|c: char| !of_token(c));
    words.any(|word| word.len() >= LONG) || text.contains("__Host-session:")
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn tokens_keys_and_uuids_are_secrets_and_sentences_are_not() {
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
