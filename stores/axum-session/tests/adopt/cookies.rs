//! Ids in cookies that axum_session 0.22.1 made: which count, and with which request.

use std::net::IpAddr;

use cloakroom_axum_session::{AxumSessions, BoundCookies, Settings};
use cookie::{Cookie, CookieJar};
use http::HeaderMap;

use crate::common::{ENCRYPTED, PLAIN, RECORD, adopting, key, with};

/// `with_ip_and_user_agent(false)`.
const SIGNED: &str =
    "7jDGh64GA%2FkmfsRP1jZPZQHo3BMvaV2vTv8laFUcqiA%3D4003076e-5bd8-47d9-9f42-11eda33b1554";
/// The default: the address and the User-Agent.
const BOUND: &str =
    "RcQyRREI4EMVc5%2FaC0RqAQs+yI%2Fd8d5Fz5pQWKr3dTY%3Db74ec0dc-7177-43bb-b509-a7919503e685";
/// All five.
const ALL: &str =
    "+E%2FcoqJf7WTRSrbV5VgcN2FfJMUDQCwe%2FpqqzYVUgMM%3Df56e9664-fff1-4c41-b8c8-d258289bc21b";
/// None of the five.
const NONE: &str =
    "61%2F7n1BU4sT3DOEA0V4qx5ffLAZdFeDPPtn1x%2FFf5Co%3D18f04c39-ada2-440a-96d5-bd35af843766";

const PEER: &str = "192.0.2.7";

fn peer() -> Option<IpAddr> {
    Some(PEER.parse().expect("an address"))
}

/// The headers of the request to which axum_session issued these cookies.
fn headers(cookies: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let forwarded = "by=10.0.0.2;For=\"[2001:db8:0:0::7]:4711\";proto=http, for=198.51.100.9";
    for (name, value) in [
        ("user-agent", "Browser/1.0 (Test; x)"),
        ("x-forwarded-for", "unknown, 198.51.100.3, 10.0.0.1"),
        ("forwarded", forwarded),
        ("x-real-ip", "198.51.100.4"),
        ("cookie", cookies),
    ] {
        headers.insert(name, value.parse().expect("a value"));
    }
    headers
}

fn defaults() -> BoundCookies {
    BoundCookies::new("session", key(7))
}

fn all() -> BoundCookies {
    let cookies = defaults().hashed_xforward(true).hashed_forward(true);
    cookies.hashed_real_ip(true)
}

fn none() -> BoundCookies {
    defaults().hashed_ip(false).hashed_user_agent(false)
}

/// Returns the cookie that reaches the session layer.
fn unbound(cookies: &BoundCookies, mut headers: HeaderMap, peer: Option<IpAddr>) -> String {
    cookies.unbind(&mut headers, peer);
    let cookie = headers["cookie"].to_str().expect("text");
    cookie.strip_prefix("session=").expect("one").to_owned()
}

/// Returns whether this cookie finds the session with this id.
async fn finds(settings: Settings, cookie: &str, id: &str) -> bool {
    let sessions = adopting(AxumSessions::new(with(id, RECORD).await), settings);
    let found = sessions.with(Some(cookie), |session| session.get::<Vec<String>>("cart"));
    found.await.expect("looked").0.is_some()
}

fn signed() -> Settings {
    Settings::new().signed(key(7))
}

fn id_in(cookie: &str) -> &str {
    &cookie[cookie.len() - 36..]
}

// R85
#[tokio::test]
async fn a_cookie_of_each_mode_finds_its_session() {
    assert!(finds(Settings::new(), PLAIN, PLAIN).await);
    assert!(finds(signed(), SIGNED, ENCRYPTED).await);
    for (cookies, cookie) in [(defaults(), BOUND), (all(), ALL), (none(), NONE)] {
        let token = unbound(&cookies, headers(&format!("session={cookie}")), peer());
        assert!(finds(signed(), &token, id_in(cookie)).await, "{cookies:?}");
    }
}

/// A signature of this key, as the crate `cookie` makes it.
fn sign(message: &str, byte: u8) -> String {
    let mut jar = CookieJar::new();
    jar.signed_mut(&key(byte))
        .add(Cookie::new("session", message.to_owned()));
    jar.get("session").expect("signed").value().to_owned()
}

// R85, R86
#[tokio::test]
async fn an_id_without_a_genuine_signature_never_counts() {
    let signature = &sign(PLAIN, 7)[..44];
    for cookie in [
        PLAIN.to_owned(),
        sign(PLAIN, 8),
        format!("{signature}{ENCRYPTED}"),
        format!("{}{PLAIN}", "A".repeat(43) + "="),
        format!("{}{PLAIN}", "A".repeat(44)),
    ] {
        for id in [PLAIN, ENCRYPTED] {
            assert!(!finds(signed(), &cookie, id).await, "{cookie}");
        }
    }
    assert!(finds(signed(), &sign(PLAIN, 7), PLAIN).await);
    // Signed, and no UUID as axum_session makes them.
    for id in ["abc", &PLAIN.to_uppercase(), &PLAIN.replace('-', "0")] {
        assert!(!finds(signed(), &sign(id, 7), id).await, "{id}");
        assert!(!finds(Settings::new(), id, id).await, "{id}");
    }
}

// R85, R86
#[tokio::test]
async fn a_bound_cookie_counts_only_with_its_request() {
    let bound = format!("session={BOUND}");
    // The session layer alone.
    assert!(!finds(signed(), BOUND, id_in(BOUND)).await);

    let elsewhere = Some("192.0.2.8".parse().expect("an address"));
    let mut other_browser = headers(&bound);
    other_browser.insert("user-agent", "Browser/2.0".parse().expect("a value"));
    let mut no_browser = headers(&bound);
    no_browser.remove("user-agent");
    let wrong_key = BoundCookies::new("session", key(8));
    for (cookies, headers, peer) in [
        (defaults(), headers(&bound), elsewhere),
        (defaults(), headers(&bound), None),
        (defaults(), other_browser, peer()),
        (defaults(), no_browser, peer()),
        (none(), headers(&bound), peer()),
        (all(), headers(&bound), peer()),
        (defaults().hashed_ip(false), headers(&bound), peer()),
        (defaults().hashed_user_agent(false), headers(&bound), peer()),
        (wrong_key, headers(&bound), peer()),
    ] {
        let token = unbound(&cookies, headers, peer);
        assert_eq!(token, BOUND, "{cookies:?}");
        assert!(!finds(signed(), &token, id_in(BOUND)).await);
    }
    // One of the headers that all cookies are bound to.
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let mut headers = headers(&format!("session={ALL}"));
        headers.insert(name, "198.51.100.77".parse().expect("a value"));
        assert_eq!(unbound(&all(), headers, peer()), ALL, "{name}");
    }
    // The id of another visitor, behind a signature that is genuine for the thief's.
    let stolen = format!("{}{PLAIN}", &BOUND[..BOUND.len() - 36]);
    let token = unbound(&defaults(), headers(&format!("session={stolen}")), peer());
    assert!(!finds(signed(), &token, PLAIN).await);
}

// R85
#[tokio::test]
async fn new_ids_are_random_uuids() {
    let sessions = adopting(AxumSessions::new(with(PLAIN, RECORD).await), signed());
    let mut ids = Vec::new();
    for _ in 0..20 {
        let insert = sessions.with(None, |session| session.insert("cart", ["tea"]));
        let (_, outcome) = insert.await.expect("inserted");
        let cloakroom::Directive::Issue(issued) = outcome.directive else {
            panic!("no token");
        };
        let token = issued.token.expose().to_owned();
        let id = id_in(&token).to_owned();
        assert_eq!(token, sign(&id, 7));
        // Version 4 and the variant (RFC 9562, section 4).
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
        let see = sessions.with(Some(&token), |session| session.get::<Vec<String>>("cart"));
        assert_eq!(see.await.expect("seen").0.expect("a cart"), ["tea"]);
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[test]
fn other_cookies_stay_as_they_are() {
    let theirs = format!("a=%41; session={BOUND};b=\"x; session=forged; sessions={BOUND}");
    let mut headers = headers(&theirs);
    let cookies = headers.get_mut("cookie").expect("cookies");
    cookies.set_sensitive(true);
    headers.append("cookie", "c=1;  d".parse().expect("a value"));
    headers.append(
        "cookie",
        http::HeaderValue::from_bytes(b"e=\xff").expect("bytes"),
    );
    defaults().unbind(&mut headers, peer());
    let values: Vec<_> = headers.get_all("cookie").iter().collect();
    let id = id_in(BOUND);
    let signed = sign(id, 7);
    let expected = format!("a=%41; session={signed}; b=\"x; session=forged; sessions={BOUND}");
    assert_eq!(values[0], expected.as_str());
    assert!(values[0].is_sensitive());
    assert_eq!(values[1], "c=1;  d");
    assert_eq!(values[2].as_bytes(), b"e=\xff");
    assert_eq!(values.len(), 3);
}

#[test]
fn no_key_is_shown() {
    let bytes = [7_u8; 64];
    let key = cookie::Key::from(&bytes);
    let settings = Settings::new().signed(key.clone());
    let store = AxumSessions::new(()).database_key(key.clone());
    let cookies = BoundCookies::new("session", key);
    for text in [
        format!("{settings:?}"),
        format!("{store:?}"),
        format!("{cookies:?}"),
    ] {
        assert!(!text.contains("7, 7") && !text.contains("0707"), "{text}");
    }
}
