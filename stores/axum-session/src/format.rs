//! A record as axum_session's `SessionData`: `{"data": {…}, "longterm": …}`, where the values of
//! `data` are texts of JSON.

use cloakroom_beside::{UserValue, json};
use cloakroom_core::{Contents, Error, Format};
use serde_json::{Map, Value};

/// The layout of adopted records, before and after they move.
pub(crate) struct Data {
    /// Where axum_session_auth keeps the user, if it does.
    pub(crate) user: Option<UserValue>,
}

/// Returns the values of a record, and whether the session is a long one.
pub(crate) fn parse(record: &[u8]) -> Result<(Map<String, Value>, bool), Error> {
    let mut record: Map<String, Value> =
        serde_json::from_slice(record).map_err(|_| Error::Corrupt)?;
    let (Some(Value::Object(mut texts)), Some(Value::Bool(longterm))) =
        (record.remove("data"), record.remove("longterm"))
    else {
        return Err(Error::Corrupt);
    };
    // A value that axum_session could not write is an empty text. To its handlers it is absent.
    texts.retain(|_, text| text != "");
    Ok((json::from_texts(texts)?, longterm))
}

impl Format for Data {
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
        let (entries, longterm) = parse(stored)?;
        let subject = self.user.as_ref().and_then(|user| user.find(&entries));
        let mut contents = json::contents(entries)?;
        contents.subject = subject;
        contents.persistent = Some(longterm);
        Ok(contents)
    }

    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
        let mut entries = json::entries(contents)?;
        if let Some(user) = &self.user {
            user.keep(&mut entries, contents.subject.as_deref());
        }
        let longterm = contents.persistent.unwrap_or_default();
        let record = serde_json::json!({ "data": json::to_texts(entries), "longterm": longterm });
        Ok(record.to_string().into_bytes())
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        json::check(name, value)
    }
}
