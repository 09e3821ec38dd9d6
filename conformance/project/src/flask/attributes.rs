//! The cookie's attributes under each setting, compared with the real Flask's.

use std::collections::BTreeMap;
use std::time::SystemTime;

use cloakroom_flask::{Serializer, Value};

use super::Other;
use super::checks::Running;
use super::client::App;
use super::environment::Environment;
use super::plan::{Backend, Format, Setup, Variant};
use super::venv::Release;
use crate::program::{Failure, fail, same};

macro_rules! variants {
    ($($name:literal: $($key:literal = $value:literal),+;)+) => {
        static VARIANTS: &[Variant] = &[$(Variant { name: $name, keys: &[$(($key, $value)),+] }),+];
    };
}

variants! {
    "plain": "SESSION_COOKIE_DOMAIN" = "null", "SESSION_COOKIE_PATH" = "null", "SESSION_COOKIE_SAMESITE" = "null";
    "named": "SESSION_COOKIE_NAME" = r#""shop""#;
    "no-domain": "SESSION_COOKIE_DOMAIN" = "false", "SESSION_COOKIE_PATH" = "false";
    "empty": "SESSION_COOKIE_DOMAIN" = r#""""#, "SESSION_COOKIE_PATH" = r#""""#;
    "domain": "SESSION_COOKIE_DOMAIN" = r#""example.org""#;
    "dotted-domain": "SESSION_COOKIE_DOMAIN" = r#"".example.org""#;
    "domain-with-port": "SESSION_COOKIE_DOMAIN" = r#""example.org:5000""#;
    "path": "SESSION_COOKIE_PATH" = r#""/shop""#, "APPLICATION_ROOT" = r#""/app""#;
    "root": "SESSION_COOKIE_PATH" = "null", "APPLICATION_ROOT" = r#""/app""#;
    "odd-path": "SESSION_COOKIE_PATH" = r#""/a b;c/%41/~caf\u00e9""#;
    "scripts": "SESSION_COOKIE_HTTPONLY" = "false";
    "secure": "SESSION_COOKIE_SECURE" = "true";
    "lax": "SESSION_COOKIE_SAMESITE" = r#""Lax""#;
    "strict": "SESSION_COOKIE_SAMESITE" = r#""strict""#;
    "cross-site": "SESSION_COOKIE_SAMESITE" = r#""None""#, "SESSION_COOKIE_SECURE" = "true";
    "partitioned": "SESSION_COOKIE_PARTITIONED" = "true";
    "hour": "PERMANENT_SESSION_LIFETIME" = "3600";
    "quiet": "SESSION_REFRESH_EACH_REQUEST" = "false";
    "host-prefix": "SESSION_COOKIE_NAME" = r#""__Host-shop""#, "SESSION_COOKIE_SECURE" = "true", "SESSION_COOKIE_SAMESITE" = r#""Lax""#;
    "all": "SESSION_COOKIE_NAME" = r#""__Secure-shop""#, "SESSION_COOKIE_DOMAIN" = r#""example.org""#, "SESSION_COOKIE_PATH" = r#""/shop""#, "SESSION_COOKIE_HTTPONLY" = "true", "SESSION_COOKIE_SECURE" = "true", "SESSION_COOKIE_SAMESITE" = r#""None""#, "SESSION_COOKIE_PARTITIONED" = "true", "PERMANENT_SESSION_LIFETIME" = "60";
}

pub(super) fn all() -> impl Iterator<Item = Other> {
    let backends = [
        (Backend::Cookie, Format::Tagged),
        (Backend::Redis, Format::Msgpack),
    ];
    backends.into_iter().flat_map(|(backend, format)| {
        VARIANTS.iter().map(move |variant| Other {
            id: "attributes/same",
            sentence: "under these settings Rust sets and removes the cookie with the same \
                       attributes as Flask 3.1, byte for byte, in any order",
            setup: Setup {
                release: Release::V0_8_0,
                backend,
                format,
                signed: backend == Backend::Cookie,
                permanent: false,
                variant: Some(variant),
            },
            run: |environment, setup| -> Running<'_> { Box::pin(same_lines(environment, setup)) },
        })
    })
}

async fn same_lines(environment: &Environment, setup: &Setup) -> Result<(), Failure> {
    for permanent in [1, 0] {
        let write = format!("/probe/write?permanent={permanent}");
        let mut lines = Vec::new();
        for app in [App::Flask, App::Rust] {
            let mut browser = environment.browser(setup);
            browser.post(app, &write).await?;
            let written = browser.line.take();
            // The client also sends cookies whose Domain or Path a browser would not match here.
            browser.post(app, "/probe/set?key=a&value=b").await?;
            let changed = browser.line.take();
            browser.post(app, "/probe/clear").await?;
            lines.push([written, changed, browser.line.take()]);
        }
        let [flask, rust] = &lines[..] else {
            return fail("one of the two is missing");
        };
        compare("a new session", flask[0].as_deref(), rust[0].as_deref())?;
        if setup.backend == Backend::Cookie {
            compare("a changed session", flask[1].as_deref(), rust[1].as_deref())?;
        }
        let cleared = (
            Line::of(flask[2].as_deref())?,
            Line::of(rust[2].as_deref())?,
        );
        let (flask, mut rust) = cleared;
        if setup.backend != Backend::Cookie {
            // Flask-Session 0.8 removes the cookie without these, so that browsers leave a
            // `__Secure-` one where it is.
            for flag in ["Secure", "HttpOnly", "SameSite"] {
                rust.attributes.remove(flag);
            }
        }
        same("the line that removes the cookie", rust, flask)?;
    }
    Ok(())
}

fn compare(what: &str, flask: Option<&str>, rust: Option<&str>) -> Result<(), Failure> {
    let (mut flask, rust) = (Line::of(flask)?, Line::of(rust)?);
    // One may have been made at the end of a second, and the other at the beginning of the next.
    if let (Some(flask), Some(rust)) = (&mut flask.life, rust.life)
        && flask.abs_diff(rust) <= 2
    {
        *flask = rust;
    }
    same(&format!("the line for {what}"), rust, flask)
}

/// The contents of a Set-Cookie line. The order of the attributes does not matter, and Max-Age
/// takes precedence over Expires.
#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    attributes: BTreeMap<String, String>,
    life: Option<i64>,
}

impl Line {
    fn of(line: Option<&str>) -> Result<Self, Failure> {
        let Some(line) = line else {
            return fail("a Set-Cookie line is missing");
        };
        let mut parts = line.split("; ");
        let pair = parts.next().unwrap_or_default();
        let name = pair.split('=').next().unwrap_or_default().to_owned();
        let mut attributes = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if attributes
                .insert(name.to_owned(), value.to_owned())
                .is_some()
            {
                return fail(format!("{name} is there twice"));
            }
        }
        // An empty one is as none (RFC 10025, section 5.6.3).
        if attributes.get("Domain").is_some_and(String::is_empty) {
            attributes.remove("Domain");
        }
        let expires = attributes.remove("Expires");
        let life = match (attributes.remove("Max-Age"), expires) {
            (Some(seconds), _) => Some(seconds.parse()?),
            (None, Some(date)) => Some(seconds_until(&date)?),
            (None, None) => None,
        };
        Ok(Self {
            name,
            attributes,
            life,
        })
    }
}

fn seconds_until(date: &str) -> Result<i64, Failure> {
    // The format has dates as HTTP has them.
    let json = format!("{{\" d\":\"{date}\"}}");
    let Ok(Value::DateTime(date)) = Serializer::TaggedJson.loads(json.as_bytes()) else {
        return fail(format!("Expires={date} is no date"));
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(date.unix_seconds().unwrap_or_default() - i64::try_from(now.as_secs())?)
}
