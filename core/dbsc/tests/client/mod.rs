//! A browser's side of the protocol, with a key in software.
#![allow(dead_code, reason = "each test file uses its part of this")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

/// A device: a key, and what the server gave it.
#[derive(Clone)]
pub(crate) struct Device {
    key: SigningKey,
    pub(crate) id: Option<String>,
    pub(crate) challenge: Option<String>,
    /// The whole bound cookie, `name=value`.
    pub(crate) cookie: Option<String>,
}

impl Device {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[seed; 32]).expect("a scalar"),
            id: None,
            challenge: None,
            cookie: None,
        }
    }

    pub(crate) fn jwk(&self) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
    }

    /// Signs any two texts.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(header), part(payload));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    pub(crate) fn registration(&self, challenge: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#, self.jwk());
        self.sign(&header, &format!(r#"{{"jti":"{challenge}"}}"#))
    }

    pub(crate) fn refresh(&self, challenge: &str) -> String {
        let header = r#"{"alg":"ES256","typ":"dbsc+jwt"}"#;
        self.sign(header, &format!(r#"{{"jti":"{challenge}"}}"#))
    }

    /// The headers of a refresh with what the browser has: signed if it has a challenge.
    pub(crate) fn refresh_request(&self) -> HeaderMap {
        let mut request = HeaderMap::new();
        let id = self.id.as_deref().expect("registered");
        request.insert("sec-secure-session-id", value(id));
        if let Some(challenge) = &self.challenge {
            let jws = self.refresh(challenge);
            request.insert("secure-session-response", value(&jws));
        }
        request
    }

    /// The headers of a page's request, as far as this crate reads them.
    pub(crate) fn page_request(&self) -> HeaderMap {
        let mut request = HeaderMap::new();
        if let Some(cookie) = &self.cookie {
            request.insert("cookie", value(&format!("a=1; {cookie}")));
        }
        request.insert("sec-fetch-dest", value("document"));
        request
    }

    /// Takes an answer as a browser does.
    pub(crate) fn take(&mut self, status: u16, headers: &HeaderMap, body: &str) {
        if let Some(challenge) = headers.get("secure-session-challenge") {
            let text = challenge.to_str().expect("text");
            self.challenge = Some(quoted(text, "").expect("a challenge"));
        }
        if status != 200 {
            assert!(
                status == 403 && headers.contains_key("secure-session-challenge"),
                "{status} ends the session"
            );
            return;
        }
        let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
        if json["continue"] == false {
            (self.id, self.challenge) = (None, None);
            return;
        }
        self.id = json["session_identifier"].as_str().map(str::to_owned);
        let credential = &json["credentials"][0];
        let name = credential["name"].as_str().expect("a name");
        for line in headers.get_all("set-cookie") {
            let line = line.to_str().expect("text");
            let (pair, attributes) = line.split_once("; ").expect("attributes");
            if pair.starts_with(&format!("{name}=")) {
                let expected = credential["attributes"].as_str().expect("attributes");
                assert!(attributes.starts_with(expected), "{attributes}");
                self.cookie = Some(pair.to_owned());
            }
        }
    }
}

/// Returns the challenge of an offer.
pub(crate) fn offered(offer: &str) -> String {
    assert!(offer.starts_with("(ES256);path=\"/"), "{offer}");
    quoted(offer, "challenge=").expect("a challenge")
}

fn quoted(text: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{after}\""))?;
    rest.split('"').next().map(str::to_owned)
}

pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("a header's value")
}
