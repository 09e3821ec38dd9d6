//! The tests of the machine again, with sealed values.
#![expect(
    clippy::duplicate_mod,
    reason = "each file has the common support, and is a test of its own"
)]

#[path = "binding.rs"]
mod binding;
#[path = "claims.rs"]
mod claims;
#[path = "follow.rs"]
mod follow;
#[path = "forms.rs"]
mod forms;
#[path = "identity.rs"]
mod identity;
#[path = "lifetimes.rs"]
mod lifetimes;
#[path = "lost.rs"]
mod lost;
#[path = "options.rs"]
mod options;
#[path = "rules.rs"]
mod rules;
#[path = "sessions.rs"]
mod sessions;
#[path = "several_tokens.rs"]
mod several_tokens;
#[path = "typed.rs"]
mod typed;
#[path = "values.rs"]
mod values;
