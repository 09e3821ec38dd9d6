//! Tokens that cross from one kind of session to another: two kinds with one cookie name, whose
//! layers are not around the same handler.
//!
//! A layer does not see the layers of other routes. But tokens are random, so a token that one kind
//! issued reaches another kind only through a client that takes both cookies for one. That is the
//! proof, and only such a request is refused. Applications on different hosts in one process share
//! no cookie, so nothing of theirs is refused.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use cloakroom_core::http::tokens_of_line;
use cloakroom_core::{Config, Directive, Outcome};
use http::HeaderValue;

use crate::Error;
use crate::kinds::SAME_NAME;
use crate::report::print_once;

/// The name of a kind's type.
pub(crate) type Kind = &'static str;

/// Whether two kinds have one carrier. Without them no token is looked at.
static ANY: AtomicBool = AtomicBool::new(false);
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// How many configurations are compared, and how many tokens are kept: twice. An application has a
/// few configurations, and tests have many.
const MAX_CONFIGS: usize = 1_000;
const MAX_TOKENS: usize = 8_192;

#[derive(Default)]
struct Known {
    kinds: Vec<(Config, Kind)>,
    /// The configurations with a carrier that two kinds have.
    shared: Vec<Config>,
    hasher: RandomState,
    recent: HashMap<u64, Kind>,
    older: HashMap<u64, Kind>,
}

/// Adds a kind and its configuration. Warns once if another kind has the same carrier.
pub(crate) fn register<K>(config: &Config) {
    let kind = std::any::type_name::<K>();
    let mut known = known();
    let of_carrier = known.kinds.iter();
    let mut of_carrier = of_carrier.filter(|(other, _)| other.shares_carrier(config));
    if of_carrier.any(|(_, other)| *other == kind) || known.kinds.len() >= MAX_CONFIGS {
        return;
    }
    let others = known.kinds.iter();
    let is_shared = others
        .clone()
        .any(|(other, _)| other.shares_carrier(config));
    let is_new = is_shared && !known.shares(config);
    known.kinds.push((config.clone(), kind));
    if is_new {
        known.shared.push(config.clone());
        ANY.store(true, Ordering::Release);
        drop(known);
        warn(config);
    }
}

/// Notes the tokens that a request presents to the kind `K`.
///
/// # Errors
///
/// [`Error::NotSetUp`] if another kind of this process has issued or seen one of them.
pub(crate) fn presented<K>(config: &Config, lines: &[HeaderValue]) -> Result<(), Error> {
    if !ANY.load(Ordering::Acquire) {
        return Ok(());
    }
    let mut known = known();
    if !known.shares(config) {
        return Ok(());
    }
    let mut tokens = lines.iter().flat_map(|line| tokens_of_line(config, line));
    tokens.try_for_each(|token| known.note(token, std::any::type_name::<K>()))
}

/// Returns whether the tokens that this configuration issues must be noted.
pub(crate) fn is_possible(config: &Config) -> bool {
    ANY.load(Ordering::Acquire) && known().shares(config)
}

/// Notes the token that the outcome issues.
pub(crate) fn issued(kind: Kind, outcome: &Outcome) {
    if let Directive::Issue(issued) = &outcome.directive {
        _ = known().note(issued.token.expose().as_bytes(), kind);
    }
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn shares(&self, config: &Config) -> bool {
        self.shared.iter().any(|other| other.shares_carrier(config))
    }

    fn note(&mut self, token: &[u8], kind: Kind) -> Result<(), Error> {
        if token.is_empty() {
            return Ok(());
        }
        let token = self.hasher.hash_one(token);
        let seen = self.recent.get(&token).or_else(|| self.older.get(&token));
        match seen {
            Some(other) if *other != kind => return Err(SAME_NAME),
            _ => {}
        }
        if self.recent.len() >= MAX_TOKENS {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(token, kind);
        Ok(())
    }
}

fn warn(config: &Config) {
    static PRINTED: AtomicU32 = AtomicU32::new(0);
    let cookie = config.cookie_name();
    tracing::warn!(
        cookie,
        "two kinds of session have one cookie name: on one host they are refused"
    );
    print_once(
        &PRINTED,
        1,
        format_args!(
            "two kinds of session of this process have the cookie name {cookie}; on one host each \
             would get the other's cookie, and such requests are refused: give one a name of its \
             own (`ConfigBuilder::cookie_name`)"
        ),
    );
}
