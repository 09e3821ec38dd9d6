//! Signed answers that are accepted, and those that are not.

mod client;
mod site;
#[path = "../../tests/support/mod.rs"]
mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use client::{Device, value};
use http::HeaderMap;
use proptest::prelude::*;
use site::{Site, response};

const HEADER: &str = r#"{"alg":"ES256","jwk":JWK,"typ":"dbsc+jwt"}"#;
const PAYLOAD: &str = r#"{"jti":"JTI"}"#;

/// A site with an offer.
struct Offered {
    site: Site,
    token: String,
    challenge: String,
    device: Device,
}

impl Offered {
    fn new() -> Self {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        Self {
            site,
            token,
            challenge,
            device: Device::new(1),
        }
    }

    /// Returns whether a registration would be accepted. Changes nothing.
    fn accepts(&mut self, jws: &[u8]) -> bool {
        let mut request = HeaderMap::new();
        let Ok(jws) = http::HeaderValue::from_bytes(jws) else {
            return false;
        };
        request.insert("secure-session-response", jws);
        let (now, binding) = (self.site.world.now(), self.site.binding.clone());
        let answer = self.site.see(&self.token, |session| {
            binding.register(&request, session, now, [1; 64])
        });
        let status = answer.expect("never an error").status;
        assert!(status == 200 || status == 403, "{status}");
        status == 200
    }

    /// Signs what results from these templates.
    fn check(&mut self, header: &str, payload: &str, expected: bool) {
        let header = header.replace("JWK", &self.device.jwk());
        let payload = payload.replace("JTI", &self.challenge);
        let jws = self.device.sign(&header, &payload);
        assert_eq!(self.accepts(jws.as_bytes()), expected, "{header} {payload}");
    }
}

#[test]
fn only_what_the_protocol_sends_is_accepted() {
    let mut offered = Offered::new();
    offered.check(HEADER, PAYLOAD, true);
    for (from, to, expected) in [
        // Parameters that it does not know, in any order (RFC 7515, section 4).
        (r#""alg""#, r#""kid":[1,{"a":null,"b":-1.5}],"alg""#, true),
        (r#""ES256""#, r#""none""#, false),
        (r#""ES256""#, r#""None""#, false),
        (r#""ES256""#, r#""HS256""#, false),
        (r#""ES256""#, r#""RS256""#, false),
        (r#""ES256""#, r#""ES384""#, false),
        (r#""ES256""#, r#""es256""#, false),
        (r#""ES256""#, r#"["ES256"]"#, false),
        (r#""ES256""#, r"null", false),
        (r#""alg":"ES256","#, "", false),
        (r#""dbsc+jwt""#, r#""jwt""#, false),
        (r#""dbsc+jwt""#, r#""JWT""#, false),
        (r#","typ":"dbsc+jwt""#, "", false),
        (
            r#""alg":"ES256""#,
            r#""crit":["b64"],"b64":false,"alg":"ES256""#,
            false,
        ),
        (r#""alg":"ES256""#, r#""crit":[],"alg":"ES256""#, false),
        // Repeated names, wherever they are.
        (r#""alg":"ES256""#, r#""alg":"none","alg":"ES256""#, false),
        (r#""alg":"ES256""#, r#""alg":"ES256","alg":"ES256""#, false),
        (
            r#""alg":"ES256""#,
            r#""x":{"y":1,"y":2},"alg":"ES256""#,
            false,
        ),
        (
            r#""alg":"ES256""#,
            r#""x":[{"y":1,"y":2}],"alg":"ES256""#,
            false,
        ),
        (r#""alg""#, r#""alg":"none","\u0061lg""#, false),
        (r#""jwk":JWK"#, r#""jwk":JWK,"jwk":JWK"#, false),
        (r#","jwk":JWK"#, "", false),
        ("JWK", "null", false),
        ("JWK", r#""key""#, false),
        ("JWK", "{}", false),
        ("}", "}}", false),
        ("}", "", false),
        (r#"{"alg""#, r#"[{"alg""#, false),
    ] {
        assert!(HEADER.contains(from));
        let header = HEADER.replacen(from, to, 1);
        offered.check(&header, PAYLOAD, expected);
    }
    for payload in [
        r#"{"jti":"JTI","jti":"JTI"}"#,
        r#"{"jti":"JTI "}"#,
        r#"{"jti":"JTI="}"#,
        r#"{"jti":""}"#,
        r#"{"jti":null}"#,
        r#"{"jti":["JTI"]}"#,
        r#"{"sub":"JTI"}"#,
        r#""JTI""#,
        "JTI",
        "",
        "{}",
    ] {
        offered.check(HEADER, payload, false);
    }
    offered.check(
        HEADER,
        r#"{"aud":"https://example.com","iat":1,"jti":"JTI"}"#,
        true,
    );
    // 33 members, and a text that takes the part over its bound.
    let members: String = (0..33).map(|n| format!("\"{n}\":0,")).collect();
    offered.check(
        HEADER,
        &PAYLOAD.replacen('{', &format!("{{{members}"), 1),
        false,
    );
    let long = format!("{{\"long\":\"{}\",", "x".repeat(700));
    offered.check(HEADER, &PAYLOAD.replacen('{', &long, 1), false);
    let deep = format!("{{\"deep\":{}{},", "[".repeat(300), "]".repeat(300));
    offered.check(HEADER, &PAYLOAD.replacen('{', &deep, 1), false);
}

#[test]
fn only_a_public_key_on_the_curve_is_accepted() {
    let mut offered = Offered::new();
    let jwk = offered.device.jwk();
    let other: serde_json::Value = serde_json::from_str(&Device::new(2).jwk()).expect("JSON");
    let own: serde_json::Value = serde_json::from_str(&jwk).expect("JSON");
    let (x, y) = (own["x"].as_str().expect("x"), own["y"].as_str().expect("y"));
    let zero = "A".repeat(43);
    for (from, to) in [
        (r#""EC""#, r#""OKP""#),
        (r#""P-256""#, r#""P-384""#),
        (r#""kty":"EC","#, ""),
        (r#""crv":"P-256","#, ""),
        (r#""kty""#, r#""d":"AA","kty""#),
        (r#""kty""#, r#""use":"enc","kty""#),
        (r#""kty""#, r#""alg":"ES384","kty""#),
        (x, other["x"].as_str().expect("x")),
        (y, other["y"].as_str().expect("y")),
        (x, &zero),
        (x, &format!("{x}=")),
        (x, &format!("A{x}")),
        (x, &x[1..]),
        (x, ""),
    ] {
        assert!(jwk.contains(from));
        let header = HEADER.replace("JWK", &jwk.replacen(from, to, 1));
        offered.check(&header, PAYLOAD, false);
    }
    // Another key than the one that signed.
    let header = HEADER.replace("JWK", &Device::new(2).jwk());
    offered.check(&header, PAYLOAD, false);
    let zeros = HEADER.replace("JWK", &jwk.replace(x, &zero).replace(y, &zero));
    offered.check(&zeros, PAYLOAD, false);
}

#[test]
fn only_the_compact_form_within_its_bounds_is_accepted() {
    let mut offered = Offered::new();
    let jws = offered.device.registration(&offered.challenge);
    let (signed, signature) = jws.rsplit_once('.').expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let encoded = |bytes: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    for (text, expected) in [
        (jws.clone(), true),
        (format!("\"{jws}\""), true),
        (format!("\"{jws}"), false),
        (format!("{jws}."), false),
        (format!(".{jws}"), false),
        (format!("{jws}="), false),
        (format!(" {jws}"), false),
        (format!("{jws}.{signature}"), false),
        (signed.to_owned(), false),
        (format!("{signed}."), false),
        (encoded(&[0; 64]), false),
        (encoded(&[255; 64]), false),
        (encoded(&bytes[..63]), false),
        (encoded(&[&bytes[..], &[0]].concat()), false),
        // The form of X.509 and TLS.
        (
            encoded(&[&[0x30, 0x44, 2, 32], &bytes[..32], &[2, 32], &bytes[32..]].concat()),
            false,
        ),
        (format!("{}{jws}", "A".repeat(2_048)), false),
        (String::new(), false),
        ("..".to_owned(), false),
    ] {
        assert_eq!(offered.accepts(text.as_bytes()), expected, "{text}");
    }
    // Two headers, of which one is right.
    let mut request = response(&jws);
    request.append("secure-session-response", value(&jws));
    let (now, binding) = (offered.site.world.now(), offered.site.binding.clone());
    let answer = offered.site.see(&offered.token, |session| {
        binding.register(&request, session, now, [1; 64])
    });
    assert_eq!(answer.expect("an answer").status, 403);
}

// Every bit of both kinds of JWS.
#[test]
fn no_flipped_bit_is_accepted() {
    let mut offered = Offered::new();
    let jws = offered.device.registration(&offered.challenge).into_bytes();
    assert!(offered.accepts(&jws));
    for at in 0..jws.len() {
        for bit in 0..8 {
            let mut bent = jws.clone();
            bent[at] ^= 1 << bit;
            assert!(!offered.accepts(&bent), "bit {bit} of byte {at}");
        }
    }
    let mut site = Site::new();
    let (token, device) = site.bound(1);
    let challenge = device.challenge.as_deref().expect("a challenge");
    let jws = device.refresh(challenge).into_bytes();
    let (now, binding) = (site.world.now(), site.binding.clone());
    let mut status = |jws: &[u8]| {
        let mut request = device.refresh_request();
        let Ok(jws) = http::HeaderValue::from_bytes(jws) else {
            return 403;
        };
        request.insert("secure-session-response", jws);
        let answer = site.see(&token, |session| {
            binding.refresh(&request, session, now, [1; 64])
        });
        answer.expect("never an error").status.as_u16()
    };
    assert_eq!(status(&jws), 200);
    for at in 0..jws.len() {
        for bit in 0..8 {
            let mut bent = jws.clone();
            bent[at] ^= 1 << bit;
            assert_eq!(status(&bent), 403, "bit {bit} of byte {at}");
        }
    }
}

// Nor is the cookie accepted with a flipped bit.
#[test]
fn a_bent_or_moved_cookie_is_missing() {
    use cloakroom_dbsc::Status;

    let mut site = Site::new();
    let (token, device) = site.bound(1);
    let cookie = device.cookie.clone().expect("a cookie");
    let from = cookie.find('=').expect("a value") + 1;
    for at in from..cookie.len() {
        let mut bytes = cookie.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let mut bent = device.clone();
        bent.cookie = Some(String::from_utf8(bytes).expect("ASCII"));
        assert_eq!(site.check(&token, &bent), Status::Missing, "byte {at}");
    }
    // Another session's cookie, beside which the right one still counts.
    let (_, other) = site.bound(2);
    let mut moved = device.clone();
    moved.cookie.clone_from(&other.cookie);
    assert_eq!(site.check(&token, &moved), Status::Missing);
    let both = format!("{}; {cookie}", other.cookie.expect("a cookie"));
    moved.cookie = Some(both);
    assert_eq!(site.check(&token, &moved), Status::Bound);
    moved.cookie = Some(format!("{}; x{cookie}", "a=b; ".repeat(100)));
    assert_eq!(site.check(&token, &moved), Status::Missing);
}

// A MAC made for one purpose or session serves no other.
#[test]
fn challenges_and_cookies_do_not_replace_one_another() {
    let mut site = Site::new();
    let (bound, device) = site.bound(1);
    let cookie = device.cookie.clone().expect("a cookie");
    let (_, cookie) = cookie.split_once('=').expect("a value");
    let refresh = device.challenge.clone().expect("a challenge");
    let (offered, register) = site.sign_in(None);
    let (_, anothers) = site.sign_in(None);
    for wrong in [cookie, &refresh, &anothers] {
        let jws = Device::new(3).registration(wrong);
        assert_eq!(site.register(&offered, &jws).status, 403);
    }
    for wrong in [cookie, &register, ""] {
        let mut device = device.clone();
        device.challenge = Some(wrong.to_owned());
        let answer = site.refresh(Some(&bound), &device.refresh_request());
        assert_eq!(answer.status, 403, "{wrong}");
    }
    // A registration of the same key is no refresh, unless it names the right challenge.
    for (challenge, expected) in [(&register, 403), (&refresh, 200)] {
        let mut request = device.refresh_request();
        let jws = device.registration(challenge);
        request.insert("secure-session-response", value(&jws));
        assert_eq!(site.refresh(Some(&bound), &request).status, expected);
    }
    let mut request = device.refresh_request();
    let header = HEADER.replace("JWK", &Device::new(2).jwk());
    let jws = device.sign(&header, &PAYLOAD.replace("JTI", &refresh));
    request.insert("secure-session-response", value(&jws));
    assert_eq!(
        site.refresh(Some(&bound), &request).status,
        403,
        "another key is named"
    );
}

#[test]
fn a_refresh_without_a_good_identifier_is_a_bad_request() {
    let mut site = Site::new();
    let (token, device) = site.bound(1);
    let id = device.id.clone().expect("registered");
    for (text, expected) in [
        (id.clone(), 200),
        (format!("\"{id}\""), 200),
        (String::new(), 400),
        (format!("{id}x"), 400),
        (format!("{}\"", &id[1..]), 400),
        (format!("{}{{", &id[1..]), 400),
    ] {
        let mut request = device.refresh_request();
        request.insert("sec-secure-session-id", value(&text));
        let answer = site.refresh(Some(&token), &request);
        assert_eq!(answer.status, expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_accepted_or_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3_000),
        parts in prop::collection::vec("[A-Za-z0-9_{}\":,.-]{0,400}", 0..5),
    ) {
        let mut offered = Offered::new();
        prop_assert!(!offered.accepts(&bytes));
        prop_assert!(!offered.accepts(parts.join(".").as_bytes()));
        let encoded: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        prop_assert!(!offered.accepts(encoded.join(".").as_bytes()));
    }

    // Signed by a key that the attacker has: what counts is the content.
    #[test]
    fn signed_bytes_are_accepted_for_their_challenge_alone(
        header in "[ -~]{0,200}",
        payload in "[ -~]{0,200}",
    ) {
        let mut offered = Offered::new();
        let own = HEADER.replace("JWK", &offered.device.jwk());
        for (header, payload) in [(&*header, PAYLOAD), (&own, &*payload)] {
            let jws = offered.device.sign(header, payload);
            prop_assert!(!offered.accepts(jws.as_bytes()));
        }
    }
}
