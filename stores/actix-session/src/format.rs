//! A record as actix-session's `SessionState`: a JSON object whose values are texts of JSON.

use cloakroom_beside::{UserValue, json};
use cloakroom_core::{Contents, Error, Format};
use serde_json::{Map, Value};

pub(crate) struct State {
    /// Where actix-identity keeps the user, if it does.
    pub(crate) user: Option<UserValue>,
}

impl Format for State {
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
        let state: Map<String, Value> =
            serde_json::from_slice(stored).map_err(|_| Error::Corrupt)?;
        // actix-session itself could not read other values than texts.
        let entries = json::from_texts(state)?;
        let subject = self.user.as_ref().and_then(|user| user.find(&entries));
        let mut contents = json::contents(entries)?;
        contents.subject = subject;
        Ok(contents)
    }

    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
        let mut entries = json::entries(contents)?;
        if let Some(user) = &self.user {
            user.keep(&mut entries, contents.subject.as_deref());
        }
        let state = Value::Object(json::to_texts(entries));
        Ok(state.to_string().into_bytes())
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        json::check(name, value)
    }
}
