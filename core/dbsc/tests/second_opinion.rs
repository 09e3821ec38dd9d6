//! R87: a second implementation, `dbsc` from `PyPI`, judges the same signed answers. None is
//! accepted here that it refuses. What another implementation signs is accepted here.

mod client;
mod site;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use client::{Device, value};
use cloakroom_conformance::Tally;
use cloakroom_servers::{say, venv};
use serde_json::{Value, json};
use site::{Site, response};

/// Python with the package, which answers a line with a line.
struct Other {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    /// `None`: there is no Python, or the package cannot be had.
    fn start() -> Option<Self> {
        // It is for Python 3.14. The script adapts its syntax.
        let packages = ["--ignore-requires-python", "cryptography", "dbsc==0.1.0"];
        let place = match venv("dbsc-0.1.0", &packages) {
            Ok(place) => place,
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                assert!(!Tally::all_required(), "{error}");
                say(format_args!("skipped dbsc/second-opinion: {error}"));
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/opinion/verify.py");
        let mut process = Command::new(place.join("bin/python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was installed");
        let questions = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Some(Self {
            process,
            questions,
            answers,
        })
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("JSON")
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The verdicts of both on signed answers.
#[derive(Default)]
struct Verdicts {
    both_accept: usize,
    both_refuse: usize,
    /// It asks for less.
    other_accepts: usize,
}

impl Verdicts {
    fn add(&mut self, here: bool, there: bool, jws: &str) {
        match (here, there) {
            (true, true) => self.both_accept += 1,
            (false, false) => self.both_refuse += 1,
            (false, true) => self.other_accepts += 1,
            (true, false) => panic!("accepted here, and refused there: {jws}"),
        }
    }
}

/// A text with one character changed at each place but the last. That has bits which do not count
/// there.
fn bent(jws: &str) -> impl Iterator<Item = String> {
    (0..jws.len() - 1).map(|at| {
        let mut bytes = jws.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    })
}

/// A site that has offered, and what it says of registrations.
struct Offered {
    site: Site,
    token: String,
    challenge: String,
}

impl Offered {
    fn new() -> Self {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        Self {
            site,
            token,
            challenge,
        }
    }

    fn accepts(&mut self, jws: &str) -> bool {
        let (request, binding) = (response(jws), self.site.binding.clone());
        let now = self.site.world.now();
        let answer = self.site.see(&self.token, |session| {
            binding.register(&request, session, now, [1; 64])
        });
        answer.expect("never an error").status == 200
    }
}

#[test]
fn nothing_is_accepted_that_another_implementation_refuses() {
    let Some(mut other) = Other::start() else {
        return;
    };
    let mut offered = Offered::new();
    let (device, another) = (Device::new(1), Device::new(2));
    let (jwk, challenge) = (device.jwk(), offered.challenge.clone());
    let good = device.registration(&challenge);
    let mut all = vec![good.clone(), another.registration(&challenge)];
    all.extend(bent(&good));
    let header = format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#);
    let payload = format!(r#"{{"jti":"{challenge}"}}"#);
    for (from, to) in [
        (r#""ES256""#, r#""none""#),
        (r#""ES256""#, r#""ES384""#),
        (r#""ES256""#, "null"),
        (r#""alg""#, r#""alg":"none","alg""#),
        (r#""alg""#, r#""crit":[],"alg""#),
        (r#""alg""#, r#""kid":"1","alg""#),
        (r#","typ":"dbsc+jwt""#, ""),
        (r#""EC""#, r#""OKP""#),
        (r#""P-256""#, r#""P-384""#),
        (r#""kty""#, r#""d":"AA","kty""#),
        (r#""x":""#, r#""x":"A"#),
        (&jwk, &another.jwk()),
        (&jwk, "{}"),
    ] {
        assert!(header.contains(from));
        all.push(device.sign(&header.replacen(from, to, 1), &payload));
    }
    for payload in [
        "{}",
        r#"{"jti":null}"#,
        r#"{"jti":""}"#,
        r#"{"jti":"other"}"#,
    ] {
        all.push(device.sign(&header, payload));
    }
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    for bytes in [&[0; 64], &[255; 64], &bytes[..63], &[]] {
        all.push(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)));
    }
    let mut verdicts = Verdicts::default();
    for jws in &all {
        let there = other.ask(&json!({ "jws": jws }));
        // The challenge is compared by the caller there.
        verdicts.add(offered.accepts(jws), there == challenge.as_str(), jws);
    }
    assert_eq!(verdicts.both_accept, 3);
    assert!(verdicts.both_refuse >= good.len());
    // Another type, or a private key in the header.
    assert_eq!(verdicts.other_accepts, 2);

    let mut site = Site::new();
    let (token, device) = site.bound(1);
    let challenge = device.challenge.clone().expect("a challenge");
    let good = device.refresh(&challenge);
    let jwk: Value = serde_json::from_str(&device.jwk()).expect("JSON");
    let mut all = vec![good.clone(), another.refresh(&challenge)];
    all.extend(bent(&good));
    all.push(device.sign(r#"{"alg":"none","typ":"dbsc+jwt"}"#, &payload));
    let mut verdicts = Verdicts::default();
    let (now, binding) = (site.world.now(), site.binding.clone());
    for jws in &all {
        let mut request = device.refresh_request();
        request.insert("secure-session-response", value(jws));
        let answer = site.see(&token, |session| {
            binding.refresh(&request, session, now, [1; 64])
        });
        let here = answer.expect("never an error").status == 200;
        let there = other.ask(&json!({ "jws": jws, "jwk": jwk }));
        verdicts.add(here, there == challenge.as_str(), jws);
    }
    assert_eq!((verdicts.both_accept, verdicts.other_accepts), (1, 0));
    assert!(verdicts.both_refuse >= good.len());
}

#[test]
fn what_another_implementation_signs_is_accepted() {
    let Some(mut other) = Other::start() else {
        return;
    };
    for _ in 0..20 {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        let jws = other.ask(&json!({ "register": challenge }));
        let answer = site.register(&token, jws.as_str().expect("a registration"));
        assert_eq!(answer.status, 200);
        // Its own key signs nothing: it takes what the answers say.
        let mut device = Device::new(1);
        device.take(200, &answer.headers, &answer.body);
        device.challenge = None;
        let answer = site.refresh(Some(&token), &device.refresh_request());
        device.take(answer.status.as_u16(), &answer.headers, &answer.body);
        let mut request = device.refresh_request();
        let wrong = site.refresh(Some(&token), &request);
        assert_eq!(wrong.status, 403, "another device's key");
        let jws = other.ask(&json!({ "refresh": device.challenge }));
        let jws = value(jws.as_str().expect("a refresh"));
        request.insert("secure-session-response", jws);
        assert_eq!(site.refresh(Some(&token), &request).status, 200);
    }
}
