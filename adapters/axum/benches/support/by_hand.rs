//! The minimum that a handler must do itself, on the same store with the same kind of keys, and
//! without any guarantee. The library's cost above it pays for the guarantees.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom_store::{Key, Store as _, Stored, UnixTime, Write};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::CountingStore;

const COOKIE: &[u8] = b"__Host-session=";
const NAME: &[u8] = b"\x66visits";

pub async fn read(State(store): State<CountingStore>, request: Request) -> Response {
    let found = found(&store, request.headers()).await;
    let visits = found.and_then(|(_, stored)| {
        let at = place(&stored)?;
        Some(stored.bytes[at])
    });
    std::hint::black_box(visits);
    answer()
}

pub async fn counter(State(store): State<CountingStore>, request: Request) -> Response {
    if let Some((key, stored)) = found(&store, request.headers()).await
        && let Some(at) = place(&stored)
    {
        let mut bytes = stored.bytes.to_vec();
        bytes[at] = bytes[at].wrapping_add(1);
        let write = Write::new(bytes, expiry(), None);
        let _ = store.replace(&key, &stored, &write).await;
    }
    answer()
}

pub async fn create(State(store): State<CountingStore>) -> Response {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("randomness");
    let token = base64url(random);
    let mut record = Vec::with_capacity(64);
    record.extend_from_slice(NAME);
    record.push(1);
    let _ = store
        .create(&key(&token), &Write::new(record, expiry(), None))
        .await;
    let mut line = Vec::with_capacity(128);
    line.extend_from_slice(COOKIE);
    line.extend_from_slice(&token);
    line.extend_from_slice(b"; Path=/; Secure; HttpOnly; SameSite=Lax");
    let mut response = answer();
    let line = HeaderValue::from_bytes(&line).expect("a header value");
    let headers = response.headers_mut();
    headers.insert(header::SET_COOKIE, line);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}

async fn found(store: &CountingStore, headers: &HeaderMap) -> Option<(Key, Stored)> {
    let cookie = headers.get(header::COOKIE)?.as_bytes();
    let token = cookie
        .strip_prefix(COOKIE)
        .filter(|token| token.len() == 43)?;
    let key = key(token);
    let found = store.load(&key).await.ok()??;
    Some((key, found))
}

fn key(token: &[u8]) -> Key {
    let mut text = *b"__Host-session:...........................................";
    text[15..].copy_from_slice(&base64url(Sha256::digest(token).into()));
    Key::new(std::str::from_utf8(&text).expect("ASCII")).expect("a key")
}

fn base64url(bytes: [u8; 32]) -> [u8; 43] {
    let mut text = [0; 43];
    URL_SAFE_NO_PAD
        .encode_slice(bytes, &mut text)
        .expect("43 characters");
    text
}

/// Where the value is: the last in the order of names, and an integer of one byte. Nothing else is
/// looked at.
fn place(stored: &Stored) -> Option<usize> {
    stored.bytes.len().checked_sub(1)
}

fn expiry() -> UnixTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime::from_secs(now.map_or(0, |now| now.as_secs())) + Duration::from_secs(1_800)
}

fn answer() -> Response {
    let mut response = "a response of some length".into_response();
    let vary = HeaderValue::from_static("Cookie");
    response.headers_mut().insert(header::VARY, vary);
    response
}
