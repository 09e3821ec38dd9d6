//! The settings that a builder collects, with their defaults.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{CookieScope, Lifetimes, SameSite};
use crate::format::Format;
use crate::shared::Shared;
use crate::token::{KeyFormat, SigningKey, TokenFormat, TokenScheme};
use crate::{Envelope, Limits};

/// The settings that a builder collects, and settings files name.
#[derive(Clone, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fields {
    pub(super) cookie_name: Option<String>,
    #[serde(rename = "carrier", deserialize_with = "super::carrier::carrier")]
    pub(super) header: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) path: String,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) partitioned: bool,
    #[serde(rename = "former_scope")]
    pub(super) former_scopes: Vec<CookieScope>,
    pub(super) insecure_for_development: bool,
    pub(super) persistent: bool,
    #[serde(deserialize_with = "optional_seconds")]
    pub(super) idle_timeout_until_closed: Option<Duration>,
    pub(super) extend_on_read: bool,
    #[serde(deserialize_with = "optional_seconds")]
    pub(super) touch_interval: Option<Duration>,
    pub(super) renew_cookie: bool,
    pub(super) delete_when_empty: bool,
    #[serde(deserialize_with = "seconds")]
    pub(super) idle_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) absolute_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) rotation_grace: Duration,
    pub(super) token_format: TokenFormat,
    pub(super) key_format: KeyFormat,
    pub(super) key_prefix: Option<String>,
    #[serde(deserialize_with = "super::keys::signing_keys")]
    pub(super) signing_keys: Vec<SigningKey>,
    #[serde(deserialize_with = "super::keys::known_token")]
    pub(super) known_token: Option<Zeroizing<String>>,
    pub(super) seal_values: bool,
    pub(super) public_values: Vec<String>,
    pub(super) limits: Limits,
    pub(super) save_on_server_error: bool,
    pub(super) drop_superseded: bool,
    pub(super) cache_private: bool,
    pub(super) clear_site_data: bool,
    pub(super) reset_unreadable: bool,
    #[serde(deserialize_with = "optional_seconds")]
    pub(super) end_all_within: Option<Duration>,
    #[serde(skip)]
    pub(super) format: Option<Shared<dyn Format>>,
    #[serde(skip)]
    pub(super) envelope: Option<Shared<dyn Envelope>>,
    #[serde(skip)]
    pub(super) token_scheme: Option<Shared<dyn TokenScheme>>,
}

impl Default for Fields {
    fn default() -> Self {
        let lifetimes = Lifetimes::default();
        Self {
            cookie_name: None,
            header: None,
            domain: None,
            path: "/".into(),
            http_only: true,
            same_site: SameSite::default(),
            partitioned: false,
            former_scopes: Vec::new(),
            insecure_for_development: false,
            persistent: false,
            idle_timeout_until_closed: None,
            extend_on_read: true,
            touch_interval: None,
            renew_cookie: false,
            delete_when_empty: false,
            idle_timeout: lifetimes.idle,
            absolute_timeout: lifetimes.absolute,
            rotation_grace: Duration::from_secs(30),
            token_format: TokenFormat::default(),
            key_format: KeyFormat::default(),
            key_prefix: None,
            signing_keys: Vec::new(),
            known_token: None,
            seal_values: false,
            public_values: Vec::new(),
            limits: Limits::default(),
            save_on_server_error: false,
            drop_superseded: false,
            cache_private: true,
            clear_site_data: false,
            reset_unreadable: false,
            end_all_within: None,
            format: None,
            envelope: None,
            token_scheme: None,
        }
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Duration::from_secs)
}

fn optional_seconds<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<u64> = serde::Deserialize::deserialize(deserializer)?;
    Ok(seconds.map(Duration::from_secs))
}
