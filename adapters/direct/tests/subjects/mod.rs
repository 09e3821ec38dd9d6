//! Sign-ins of a subject on its devices.
#![allow(dead_code, reason = "each test file uses its part of this")]

use cloakroom::{Directive, Error, Outcome, Sessions, UnixTime};
use cloakroom_memory::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sessions under a clock that moves on by a second with each reading, so that "longest ago" is
/// never a tie.
pub(crate) fn sessions() -> Sessions<MemoryStore> {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let clock = move || UnixTime::from_secs(seconds.fetch_add(1, Ordering::Relaxed));
    let store = MemoryStore::builder().clock(clock.clone()).build();
    Sessions::new(store).with_clock(clock)
}

pub(crate) fn token(outcome: &Outcome) -> String {
    match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token was issued: {other:?}"),
    }
}

pub(crate) async fn sign_in(
    sessions: &Sessions<MemoryStore>,
    subject: &str,
    device: &str,
) -> Result<String, Error> {
    let signed_in = sessions.with(None, |session| {
        session.insert("device", device)?;
        session.sign_in(subject)
    });
    Ok(token(&signed_in.await?.1))
}

pub(crate) async fn subject(sessions: &Sessions<MemoryStore>, token: &str) -> Option<String> {
    let read = sessions.with(Some(token), |session| {
        Ok(session.subject().map(str::to_owned))
    });
    read.await.expect("the store is there").0
}

pub(crate) async fn devices(sessions: &Sessions<MemoryStore>, subject: &str) -> Vec<String> {
    let listed = sessions.list(subject).await.expect("the store is there");
    listed
        .iter()
        .map(|listed| listed.get("device").unwrap().unwrap())
        .collect()
}
