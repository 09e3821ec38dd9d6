//! The setting with which all sessions can be ended.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Config, ConfigBuilder, ConfigError};
use crate::Key;
use crate::token::TokenRules;

/// How long a lease may be.
const LEASES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);

/// Follows the prefix in the key of the epoch's record. No token has this form.
const LABEL: &str = "epoch";

#[derive(Debug)]
pub(crate) struct Ending {
    key: Key,
    lease: Duration,
}

impl ConfigBuilder {
    /// Makes it possible to end all sessions at once, and sets the lease. Default: off.
    ///
    /// Every process refuses the ended sessions after this time at the latest, and the one that
    /// ended them does so at once. The lease is 100 milliseconds to 30 seconds. Recommended: one
    /// second. Settings files have whole seconds. Each process that serves the sessions needs the
    /// setting: one without it goes on accepting them.
    ///
    /// Costs one further load for each process and lease in which it uses sessions. Sessions that
    /// other systems read too (`beside`, or a format), and those in the cookie itself, cannot be
    /// ended this way.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// let config = Config::builder().end_all_within(Duration::from_secs(1)).build()?;
    /// assert_eq!(config.end_all_within(), Some(Duration::from_secs(1)));
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn end_all_within(mut self, lease: impl Into<Option<Duration>>) -> Self {
        self.fields.end_all_within = lease.into();
        self
    }

    pub(super) fn ending(&self, tokens: &TokenRules) -> Result<Option<Ending>, ConfigError> {
        let fail = |problem| Err(ConfigError::new("end_all_within", problem));
        let Some(lease) = self.fields.end_all_within else {
            return Ok(None);
        };
        if !LEASES.contains(&lease) {
            return fail("must be from 100 milliseconds to 30 seconds");
        }
        if self.fields.envelope.is_some() {
            return fail("cannot end sessions in the cookie, which no store knows; remove it");
        }
        if self.fields.format.is_some() {
            return fail("cannot end sessions for the other system that reads them; remove it");
        }
        let key = Key::new(&format!("{}{LABEL}", tokens.prefix));
        match key.filter(|key| !tokens.made(key)) {
            Some(key) => Ok(Some(Ending { key, lease })),
            None => fail("its record's key could be a session's; use `KeyFormat::Sha256`"),
        }
    }
}

impl Config {
    /// Returns the lease of [`ConfigBuilder::end_all_within`], if it is set.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::default().end_all_within(), None);
    /// ```
    #[must_use]
    pub fn end_all_within(&self) -> Option<Duration> {
        self.settings().ending.as_ref().map(|ending| ending.lease)
    }

    /// Returns the key of the record with the [`Epoch`](crate::Epoch), if
    /// [`ConfigBuilder::end_all_within`] is set.
    ///
    /// An exchange asks for it last. A driver may answer with what the store returned up to a lease
    /// ago, counted from before that load was sent.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use std::time::Duration;
    /// let config = Config::builder().end_all_within(Duration::from_secs(1)).build()?;
    /// assert_eq!(config.epoch_key().unwrap().as_str(), "__Host-session:epoch");
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn epoch_key(&self) -> Option<&Key> {
        self.settings().ending.as_ref().map(|ending| &ending.key)
    }
}
