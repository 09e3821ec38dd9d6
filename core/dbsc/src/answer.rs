//! The responses to the browser.

use cloakroom_core::Error;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::DeviceBinding;

pub(crate) const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// A whole response, for an adapter to send as it is.
///
/// ```
/// # use cloakroom_core::{Config, Exchange, UnixTime};
/// # use cloakroom_dbsc::DeviceBinding;
/// # let config = Config::default();
/// # let now = UnixTime::from_secs(100);
/// # let mut exchange = Exchange::open(&config, [], now);
/// # let mut session = exchange.session()?;
/// let binding = DeviceBinding::new(&config)?;
/// let request = http::HeaderMap::new();
/// let answer = binding.register(&request, &mut session, now, [7; 64])?;
/// assert_eq!(answer.status, 403); // nothing was offered
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, with Cache-Control.
    pub headers: HeaderMap,
    /// The body: JSON, or empty.
    pub body: String,
}

impl Answer {
    pub(crate) fn new(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self {
            status,
            headers,
            body: String::new(),
        }
    }

    fn json(body: &serde_json::Value) -> Self {
        let mut answer = Self::new(StatusCode::OK);
        let json = HeaderValue::from_static("application/json");
        answer.headers.insert(CONTENT_TYPE, json);
        answer.body = body.to_string();
        answer
    }

    /// Keeps the browser's session, and gives it the cookie.
    pub(crate) fn instructions(
        device: &DeviceBinding,
        identifier: &str,
        cookie: &str,
    ) -> Result<Self, Error> {
        let mut answer = Self::json(&json!({
            "session_identifier": identifier,
            "refresh_url": device.refresh_path(),
            "scope": { "include_site": false, "scope_specification": [] },
            "credentials": [{
                "type": "cookie",
                "name": device.cookie_name(),
                "attributes": device.attributes,
            }],
        }));
        let (name, attributes) = (device.cookie_name(), &device.attributes);
        let age = device.max_age();
        let line = format!("{name}={cookie}; {attributes}; Max-Age={age}");
        answer.headers.append(SET_COOKIE, sensitive(line)?);
        Ok(answer)
    }

    /// Ends the browser's session.
    pub(crate) fn end(identifier: &str) -> Self {
        Self::json(&json!({ "session_identifier": identifier, "continue": false }))
    }

    pub(crate) fn with_challenge(mut self, id: &str, challenge: &str) -> Result<Self, Error> {
        let value = sensitive(format!("\"{challenge}\";id=\"{id}\""))?;
        self.headers.insert(CHALLENGE, value);
        Ok(self)
    }
}

pub(crate) fn sensitive(text: String) -> Result<HeaderValue, Error> {
    // Every part is visible ASCII: the configuration is checked, and the rest is base64url.
    let mut value = HeaderValue::try_from(text).map_err(|_| Error::ProtocolMisuse)?;
    value.set_sensitive(true);
    Ok(value)
}
