//! One JSON file for all sessions, as tutorials on custom session interfaces keep them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::failure;
use crate::files::{Blocking, Lock, disk_failed, read, replace};

const STORE: &str = "flask-json-file";
/// The session's entry with its expiry.
const END: &str = "permanent";

/// A tutorial's store: one JSON file `{sid: {…, "permanent": epoch seconds}}` with all sessions.
///
/// A record's bytes are a session's JSON object without `permanent`, which is the record's expiry.
/// A session without `permanent` never expires. A value that is no JSON object is an error. Keys
/// are plain session ids: use an empty prefix.
///
/// Every write rewrites the whole file, so the store suits a few hundred sessions, as in the
/// tutorials. Processes that use this store take a lock (`FILE.lock` beside the file) and replace
/// the file by a rename. So they lose none of their updates, and never read half a file. A Flask
/// application that rewrites the file blindly loses all other writers' updates, including this
/// store's.
///
/// ```
/// use cloakroom_flask_stores::JsonFileStore;
/// use cloakroom_store::{Key, Store, UnixTime, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sessions.json");
/// std::fs::write(
///     &path,
///     r#"{"2f1c1f0e": {"name": "Zo\u00eb", "permanent": 4000000000}}"#,
/// )?;
/// let store = JsonFileStore::open(&path);
/// let found = store.load(&Key::new("2f1c1f0e").unwrap()).await?.unwrap();
/// assert_eq!(found.bytes, r#"{"name":"Zo\u00eb"}"#);
/// assert_eq!(found.expires_at, UnixTime::from_secs(4_000_000_000));
///
/// let write = Write::new(&br#"{"n":1}"#[..], found.expires_at, None);
/// store.create(&Key::new("8f6f3a0d").unwrap(), &write).await?;
/// let file = std::fs::read_to_string(&path)?;
/// assert!(file.contains(r#""8f6f3a0d":{"n":1,"permanent":4000000000}"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JsonFileStore {
    inner: Arc<Blocking<Engine>>,
}

impl JsonFileStore {
    /// Returns the store in this file. A missing file is a store without sessions, and the first
    /// session makes it.
    ///
    /// ```
    /// # use cloakroom_flask_stores::JsonFileStore;
    /// let store = JsonFileStore::open("sessions.json");
    /// ```
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self::with_clock(path, || SystemTime::now().into())
    }

    /// Returns the store with another clock.
    ///
    /// ```
    /// # use cloakroom_flask_stores::JsonFileStore;
    /// # use cloakroom_store::UnixTime;
    /// let store = JsonFileStore::with_clock("sessions.json", || {
    ///     UnixTime::from_secs(1_700_000_000)
    /// });
    /// ```
    pub fn with_clock(
        path: impl Into<PathBuf>,
        now: impl Fn() -> UnixTime + Send + Sync + 'static,
    ) -> Self {
        let engine = Engine {
            path: path.into(),
            clock: Box::new(now),
        };
        Self {
            inner: Arc::new(Blocking::new(STORE, engine)),
        }
    }

    /// Changes the session under `key`, or leaves it, alone with the file.
    async fn change<T: Send + 'static>(
        &self,
        key: &Key,
        decide: impl FnOnce(Option<Stored>) -> (T, Step) + Send + 'static,
    ) -> Result<T, StoreError> {
        let key = key.clone();
        let job = move |engine: &Engine| {
            let _lock = Lock::acquire(STORE, &engine.beside(".lock"))?;
            let mut sessions = engine.sessions()?;
            let there = sessions.living(&key, (engine.clock)());
            let (answer, step) = decide(there);
            let entry = match step {
                Step::Leave => return Ok(answer),
                Step::Remove => None,
                Step::Put(bytes, end) => Some(entry(&bytes, end)?),
            };
            sessions.put(&key, entry);
            engine.save(&sessions)?;
            Ok(answer)
        };
        self.inner.write(job).await
    }
}

/// The result of a change.
enum Step {
    Leave,
    Put(bytes::Bytes, UnixTime),
    Remove,
}

impl Store for JsonFileStore {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let of = key.clone();
        let job = move |engine: &Engine| {
            let now = (engine.clock)();
            Ok(engine.sessions()?.living(&of, now))
        };
        match self.inner.read(job).await? {
            // Some file systems (those in user space) do not replace a file at once: a reader may
            // find none for a moment.
            None => self.change(key, |there| (there, Step::Leave)).await,
            found => Ok(found),
        }
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        let put = Step::Put(write.bytes.clone(), write.expires_at);
        self.change(key, |there| match there {
            Some(_) => (Created::Taken, Step::Leave),
            None => (Created::Stored, put),
        })
        .await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        let old = old.bytes.clone();
        let put = Step::Put(write.bytes.clone(), write.expires_at);
        self.change(key, move |there| match there {
            None => (Replaced::Gone, Step::Leave),
            Some(there) if there.bytes != old => (Replaced::Changed, Step::Leave),
            Some(_) => (Replaced::Stored, put),
        })
        .await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.change(key, move |there| match there {
            None => (Touched::Gone, Step::Leave),
            Some(there) => (Touched::Extended, Step::Put(there.bytes, expires_at)),
        })
        .await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        let old = old.bytes.clone();
        self.change(key, move |there| match there {
            None => (Deleted::Gone, Step::Leave),
            Some(there) if there.bytes != old => (Deleted::Changed, Step::Leave),
            Some(_) => (Deleted::Deleted, Step::Remove),
        })
        .await
    }
}

impl fmt::Debug for JsonFileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonFileStore")
            .field("path", &self.inner.engine.path)
            .finish_non_exhaustive()
    }
}

struct Engine {
    path: PathBuf,
    clock: Box<dyn Fn() -> UnixTime + Send + Sync>,
}

impl Engine {
    fn sessions(&self) -> Result<Object, StoreError> {
        let Some(file) = read(&self.path).map_err(failed)? else {
            // No file yet, or no directory any more?
            let dir = self.path.parent().filter(|dir| *dir != Path::new(""));
            return match dir.map_or(Ok(true), Path::try_exists).map_err(failed)? {
                true => Ok(Object::default()),
                false => Err(failed(io::ErrorKind::NotFound.into())),
            };
        };
        serde_json::from_slice(&file).map_err(|_| {
            let what = "the file is not a JSON object of sessions; it was left as it is";
            failure::permanent(STORE, what)
        })
    }

    fn save(&self, sessions: &Object) -> Result<(), StoreError> {
        let file = sessions.text();
        replace(&self.beside(".next"), &self.path, file.as_bytes(), 0o600).map_err(failed)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

fn failed(error: io::Error) -> StoreError {
    disk_failed(STORE, "the sessions' file", &error)
}

/// A JSON object whose members stay as they are spelled, in their order.
#[derive(Default)]
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    fn living(&self, key: &Key, now: UnixTime) -> Option<Stored> {
        let (_, value) = self.0.iter().rev().find(|(name, _)| name == key.as_str())?;
        // A value that is no object is no session.
        let mut session: Self = serde_json::from_str(value.get()).ok()?;
        let end = session.take_end();
        (now < end).then(|| Stored::new(session.text().into_bytes(), end, 0))
    }

    /// Returns when a session ends. Python's `time.time() + n` has a fraction.
    fn take_end(&mut self) -> UnixTime {
        let mut end = UnixTime::MAX;
        self.0.retain(|(name, value)| {
            let seconds: Option<f64> = serde_json::from_str(value.get()).ok();
            match seconds {
                // A cast of a float saturates.
                Some(seconds) if name == END => {
                    end = UnixTime::from_secs(seconds as u64);
                    false
                }
                _ => true,
            }
        });
        end
    }

    fn put(&mut self, key: &Key, entry: Option<Box<RawValue>>) {
        self.0.retain(|(name, _)| name != key.as_str());
        if let Some(entry) = entry {
            self.0.push((key.as_str().to_owned(), entry));
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("{");
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

/// Returns a name as Python spells it: in ASCII.
fn quoted(name: &str) -> String {
    use fmt::Write as _;

    let mut text = String::from("\"");
    for unit in name.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(plain @ (' '..='!' | '#'..='[' | ']'..='~')) => text.push(plain),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push('"');
    text
}

/// Returns a session's object with its end.
fn entry(bytes: &[u8], end: UnixTime) -> Result<Box<RawValue>, StoreError> {
    let refused = |what: &str| failure::permanent(STORE, what);
    let not_json = |_| refused("only JSON objects can be kept: choose the JSON format");
    let session: Object = serde_json::from_slice(bytes).map_err(not_json)?;
    if session.0.iter().any(|(name, _)| name == END) {
        return Err(refused(
            "a session value must not be named `permanent`: there the file has the session's end",
        ));
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_end();
    let open = text.strip_suffix('}').unwrap_or_default();
    let comma = if session.0.is_empty() { "" } else { "," };
    let text = match end {
        UnixTime::MAX => text.to_owned(),
        end => format!("{open}{comma}\"{END}\":{}}}", end.as_secs()),
    };
    RawValue::from_string(text).map_err(not_json)
}

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        from.deserialize_map(Members)
    }
}
