use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The value in which another library keeps its signed-in user.
///
/// A format [finds](Self::find) the subject with it, and [keeps](Self::keep) the value from naming
/// anyone else. A handle: clones share everything.
///
/// ```
/// use cloakroom_beside::UserValue;
///
/// let user = UserValue::new("user", |value| value.as_str().map(str::to_owned));
/// let entries = serde_json::json!({ "user": "ada" });
/// let found = user.find(entries.as_object().unwrap());
/// assert_eq!(found.as_deref(), Some("ada"));
/// ```
#[derive(Clone)]
pub struct UserValue {
    name: Arc<str>,
    read: Arc<Read>,
}

type Read = dyn Fn(&Value) -> Option<String> + Send + Sync;

/// The longest subject that a session has.
const MAX_SUBJECT: usize = 1024;

impl UserValue {
    /// Returns the value with this name. `read` returns the subject that it names, if any.
    ///
    /// ```
    /// # use cloakroom_beside::UserValue;
    /// let user =
    ///     UserValue::new("user", |value| value.as_str().map(str::to_owned));
    /// ```
    #[must_use]
    pub fn new(
        name: &str,
        read: impl Fn(&Value) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            read: Arc::new(read),
        }
    }

    /// Returns the user that the entries of a record name. `None` also for a text that is no
    /// subject: empty, over 1,024 bytes, or with a control character.
    ///
    /// ```
    /// # use cloakroom_beside::UserValue;
    /// let user = UserValue::new("user", |value| Some(value.to_string()));
    /// let entries = serde_json::json!({ "user": 7 });
    /// let found = user.find(entries.as_object().unwrap());
    /// assert_eq!(found.as_deref(), Some("7"));
    /// ```
    #[must_use]
    pub fn find(&self, entries: &Map<String, Value>) -> Option<String> {
        let subject = (self.read)(entries.get(&*self.name)?)?;
        let is_subject = !subject.is_empty()
            && subject.len() <= MAX_SUBJECT
            && !subject.chars().any(char::is_control);
        is_subject.then_some(subject)
    }

    /// Removes the value if it names another user than this one.
    ///
    /// ```
    /// # use cloakroom_beside::UserValue;
    /// let user = UserValue::new("user", |value| Some(value.to_string()));
    /// let entries = serde_json::json!({ "user": 7 });
    /// let mut entries = entries.as_object().unwrap().clone();
    ///
    /// user.keep(&mut entries, Some("7"));
    /// assert!(entries.contains_key("user"));
    /// user.keep(&mut entries, Some("8"));
    /// assert!(entries.is_empty());
    /// ```
    pub fn keep(&self, entries: &mut Map<String, Value>, subject: Option<&str>) {
        let found = self.find(entries);
        if found.is_some() && found.as_deref() != subject {
            entries.remove(&*self.name);
        }
    }
}

impl fmt::Debug for UserValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserValue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
