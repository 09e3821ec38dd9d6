//! The suite's cases under what sits beside the protocol: other formats, tokens and places of records.

use std::time::Duration;

use cloakroom::{Builder, Config};
use cloakroom_conformance::adapter::Variant;
use cloakroom_flask::{SessionType, Settings};
use cloakroom_sealed::{Sealed, SealingKey};

pub(super) fn all() -> Vec<Variant> {
    vec![
        Variant::new("flask", flask, |_| None),
        Variant::new("sealed", sealed, |_| None),
    ]
}

/// As Flask-Session keeps them, with signed ids; the times and the cookie are those of the cases.
fn flask() -> Builder {
    let mut settings = Settings::new(SessionType::Redis);
    settings.secret_key = Some("conformance".to_owned().into());
    settings.session_use_signer = true;
    settings.session_id_uuid = true;
    settings.session_cookie_secure = true;
    let builder = settings.builder().unwrap_or_default();
    builder
        .cookie_name("__Host-session")
        .same_site(cloakroom::SameSite::Lax)
        .persistent(false)
        .renew_cookie(false)
        .delete_emptied(false)
        .extend_after(Duration::from_secs(180))
        .idle_timeout(Duration::from_secs(1_800))
        .absolute_timeout(Duration::from_secs(43_200))
}

fn sealed() -> Builder {
    Config::builder().envelope(Sealed::new(SealingKey::new([7; 32])))
}
