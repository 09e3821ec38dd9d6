//! The suite's cases under other formats, tokens and places of records.

use std::time::Duration;

use cloakroom::{Config, ConfigBuilder};
use cloakroom_conformance::adapter::Variant;
use cloakroom_flask::{SessionType, Settings};
use cloakroom_sealed::{Sealed, SealingKey};

pub(crate) fn all() -> Vec<Variant> {
    vec![
        Variant::header(),
        Variant::sealed_values(),
        Variant::new("flask", flask, without_in_flask),
        Variant::new("sealed", sealed, without_sealed).in_the_cookie(),
    ]
}

/// As Flask-Session keeps them, with signed ids; the times and the cookie are those of the cases.
fn flask() -> ConfigBuilder {
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
        .delete_when_empty(false)
        .touch_interval(Duration::from_secs(180))
        .idle_timeout(Duration::from_secs(1_800))
        .absolute_timeout(Duration::from_secs(43_200))
}

fn sealed() -> ConfigBuilder {
    Config::builder().envelope(Sealed::new(SealingKey::new([7; 32])))
}

fn without_in_flask(id: &str) -> Option<&'static str> {
    let id = id.strip_prefix("adapter/")?;
    let why = match id {
        "unknown-token-is-not-adopted" | "sign-out-creates-nothing" => {
            "ids are signed: one that this application did not issue costs no load"
        }
        "insecure-only-when-asked" => "the cookie's name is a setting of Flask's",
        id if ENDING.contains(&id) => "another system reads the sessions and would go on with them",
        _ => return None,
    };
    Some(why)
}

fn without_sealed(id: &str) -> Option<&'static str> {
    let id = id.strip_prefix("adapter/")?;
    let is = |ids: &[&str]| ids.contains(&id);
    if is(&STORE) || is(&ENDING) {
        Some("there is no store")
    } else if is(&LAST) {
        Some("of two requests at once the last response wins")
    } else if is(&COPIES) {
        Some("a copy of the cookie is the session as it was, until it expires")
    } else if is(&EACH) {
        Some("each change is a new cookie")
    } else if id == "two-living-tokens" {
        Some("of several sessions in cookies the newest counts")
    } else {
        None
    }
}

/// Cases about store calls, a failing store, its lost replies, and its contents.
const STORE: [&str; 33] = [
    "ended-tells-a-long-request",
    "read-is-one-load",
    "counter-is-two-calls",
    "create-is-one-call",
    "rotate-is-three-calls",
    "sign-out-is-two-calls",
    "same-value-is-no-write",
    "touch-is-rare",
    "collision-leaves-the-other",
    "collisions-are-bounded",
    "write-before-rotation-is-kept",
    "rotation-refused-at-each-call",
    "rotation-cut-at-each-call",
    "lost-reply-counts-once",
    "lost-reply-among-others",
    "lost-reply-at-create",
    "lost-reply-at-rotation",
    "lost-reply-at-sign-out",
    "lost-reply-at-touch",
    "outage-at-load",
    "outage-at-commit",
    "outage-at-create",
    "outage-at-sign-out",
    "outage-spares-others",
    "damaged-record-is-left-alone",
    "newer-record-is-left-alone",
    "nothing-before-the-handler-is-done",
    "commit-before-head",
    "disconnect-while-saving",
    "load-failure-is-answered",
    "error-page-of-the-application",
    "error-page-by-default",
    "rotation-chains-are-followed",
];

/// Cases about the end of all sessions, which the store has.
const ENDING: [&str; 6] = [
    "end-all-ends-all",
    "end-all-elsewhere",
    "end-all-ends-sign-ins-in-flight",
    "end-all-costs-a-load-a-lease",
    "end-all-unconfirmed",
    "end-all-needs-its-setting",
];

const LAST: [&str; 13] = [
    "browser-round-trip",
    "double-click-on-sign-in",
    "two-rotations-one-wins",
    "sign-out-beats-write",
    "sign-out-beats-read",
    "sign-out-beats-rotation",
    "sign-in-outlives-sign-out",
    "double-click-on-sign-out",
    "two-tabs",
    "last-writer-wins",
    "increments-add-up",
    "overtaken-increment",
    "two-servers-increments",
];

const COPIES: [&str; 11] = [
    "two-servers",
    "sign-out-then-insert",
    "sign-in-rotates",
    "grace-of-zero",
    "grace-ends-with-sign-out",
    "grace-ends-with-the-session",
    "no-write-crosses-a-sign-in",
    "superseded-write-is-dropped",
    "rotation-keeps-what-is-in-flight",
    "sign-out-deletes",
    "sign-out-with-old-token",
];

const EACH: [&str; 4] = [
    "pipelined-requests",
    "disconnect-in-the-body",
    "no-needless-cookie",
    "private-without-a-cookie",
];
