//! A Flask application and a Rust application on one store.
#![allow(dead_code, reason = "each test file uses its part of this")]

use cloakroom_core::{Stored, UnixTime};
use cloakroom_flask::{PERMANENT, Serializer, SessionType, Settings, Value};

use crate::support::World;

pub(crate) const SID: &str = "2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11";
pub(crate) const DAYS: u64 = 86_400;
pub(crate) const LIFETIME: u64 = 31 * DAYS;

/// The Rust application and the store; `flask_*` is what a Flask application would do to the store.
pub(crate) struct Both {
    pub(crate) world: World,
    pub(crate) serializer: Serializer,
    writes: u64,
}

impl Both {
    pub(crate) fn new() -> Self {
        Self::with(&Settings::new(SessionType::Redis))
    }

    pub(crate) fn pickles() -> Self {
        Self::with(&Settings::new(SessionType::Filesystem))
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        Self {
            world: World::with(settings.config().unwrap()),
            serializer: settings.serializer(),
            writes: 1 << 32,
        }
    }

    /// Reads the whole dict.
    pub(crate) fn flask_reads(&mut self, sid: &str) -> Option<Value> {
        let key = self.world.key(sid);
        let stored = self.world.load(&key)?;
        Some(self.serializer.loads_any(&stored.bytes).unwrap())
    }

    /// Overwrites the whole dict blindly.
    pub(crate) fn flask_writes(&mut self, sid: &str, session: &Value) {
        let bytes = self.serializer.dumps(session).unwrap();
        self.flask_writes_bytes(sid, bytes);
    }

    pub(crate) fn flask_writes_bytes(&mut self, sid: &str, bytes: Vec<u8>) {
        self.writes += 1;
        let expires_at = UnixTime::from_secs(self.world.now + LIFETIME);
        let key = self.world.key(sid);
        self.world
            .records
            .insert(key, Stored::new(bytes, expires_at, self.writes));
    }
}

pub(crate) fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.map(|(name, value)| (name.into(), value)).into())
}

pub(crate) fn alice() -> Value {
    dict([
        (PERMANENT, true.into()),
        ("user_id", 42.into()),
        ("name", "Zoë".into()),
    ])
}
