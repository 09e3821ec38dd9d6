//! An operator's view of a session, for people.

use cloakroom::{
    Authentication, Config, ConfigError, Directory, Epoch, Exchange, Key, Store, UnixTime,
};
use cloakroom_store::Stored;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

use crate::args::Args;
use crate::failure::Failure;
use crate::json;
use crate::output::moment;

/// The application's configuration, as far as it matters to a reader: the prefix of its keys.
///
/// The application's absolute timeout is unknown here. The store's expiry holds in any case, so a
/// session that lives is never taken for one that has ended.
pub(crate) fn config(args: &Args) -> Result<Config, Failure> {
    let carrier = match &args.header {
        Some(header) => header.to_ascii_lowercase(),
        None => args.cookie.clone(),
    };
    let built = Config::builder()
        .key_prefix(format!("{carrier}:"))
        .absolute_timeout(Duration::from_secs(u64::MAX))
        // Read once by a command, or within a second of it.
        .end_all_within(Duration::from_secs(1))
        .build();
    built.map_err(|error: ConfigError| {
        Failure::usage(format!(
            "the name of the cookie or header is impossible: {error}"
        ))
    })
}

pub(crate) fn now() -> UnixTime {
    SystemTime::now().into()
}

/// A session without its token, its key and its values.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) created_at: UnixTime,
    pub(crate) authenticated_at: Option<UnixTime>,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) expires_at: UnixTime,
    /// The names of its values. Of sealed ones only the public ones.
    pub(crate) names: Vec<String>,
    /// Only the visitor's token opens the values.
    pub(crate) sealed: bool,
    /// The size of its record.
    pub(crate) bytes: usize,
    values: Option<Map<String, Value>>,
    unreadable: Vec<String>,
}

impl Session {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "subject": self.subject,
            "created_at": moment(self.created_at),
            "authenticated_at": self.authenticated_at.and_then(moment),
            "level": self.authentication.as_ref().map(Authentication::level),
            "methods": self.authentication.as_ref().map(|how| how.methods().collect::<Vec<_>>()),
            "expires_at": moment(self.expires_at),
            "names": self.names,
            "sealed": self.sealed,
            "bytes": self.bytes,
        })
    }

    /// The same with the values, for `export`.
    pub(crate) fn to_json_with_values(&self) -> Value {
        let mut session = self.to_json();
        session["values"] = json!(self.values);
        if !self.unreadable.is_empty() {
            session["unreadable"] = json!(self.unreadable);
        }
        session
    }
}

/// The kind of a record.
#[derive(Debug)]
pub(crate) enum Sight {
    Session(Box<Session>),
    /// It leads to a session, and is none itself; or it is over.
    Passed,
    /// It belongs to another cookie or header, or to no session.
    Foreign,
    Unreadable,
}

/// Whether the values are read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Head,
    Values,
}

/// Loads the record of the last `end-all`: sessions from before it are over.
pub(crate) async fn epoch(config: &Config, store: &impl Store) -> Result<Option<Stored>, Failure> {
    let Some(key) = config.epoch_key() else {
        return Ok(None);
    };
    let found = store.load_fresh(key).await?;
    match Epoch::read(found.as_ref()) {
        Ok(_) => Ok(found),
        Err(error) => Err(cloakroom::Error::from(error).into()),
    }
}

/// Looks at a record.
pub(crate) fn look(
    config: &Config,
    epoch: &Option<Stored>,
    key: &Key,
    stored: Stored,
    depth: Depth,
) -> Sight {
    let bytes = stored.bytes.len();
    if config.epoch_key() == Some(key) {
        return Sight::Passed;
    }
    let mut exchange = Exchange::open_key(config, key.clone(), now());
    if exchange.wants_load() != Some(key) {
        return Sight::Foreign;
    }
    if exchange.handle_loaded(key, Some(stored)).is_err() {
        return Sight::Unreadable;
    }
    if let Some(key) = config.epoch_key()
        && exchange.wants_load() == Some(key)
        && exchange.handle_loaded(key, epoch.clone()).is_err()
    {
        return Sight::Unreadable;
    }
    // A retired record: its successor is a record of its own.
    if exchange.wants_load().is_some() {
        return Sight::Passed;
    }
    let Ok(session) = exchange.session() else {
        return Sight::Unreadable;
    };
    let Some(id) = session.id() else {
        return Sight::Passed;
    };
    let names: Vec<String> = session.keys().map(str::to_owned).collect();
    let (mut values, mut unreadable) = (None, Vec::new());
    if depth == Depth::Values {
        let mut map = Map::new();
        for name in &names {
            match session.get::<json::Any>(name) {
                Ok(Some(value)) => {
                    map.insert(name.clone(), value.0);
                }
                Ok(None) => {}
                Err(_) => unreadable.push(name.clone()),
            }
        }
        values = Some(map);
    }
    Sight::Session(Box::new(Session {
        id,
        subject: session.subject().map(str::to_owned),
        created_at: session.created_at(),
        authenticated_at: session.authenticated_at(),
        authentication: session.authentication(),
        expires_at: session.expires_at(),
        names,
        sealed: session.is_sealed(),
        bytes,
        values,
        unreadable,
    }))
}

/// A subject's sessions, the last sign-in first, and what else is under its name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) sessions: Vec<Session>,
    pub(crate) foreign: usize,
    pub(crate) unreadable: usize,
}

impl Listing {
    /// Sentences about what the listing leaves out.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.foreign > 0 {
            remarks.push(format!(
                "{} of this subject belong to another cookie or header; name it with --cookie or \
                 --header",
                crate::output::Count(self.foreign, "record")
            ));
        }
        if self.unreadable > 0 {
            remarks.push(format!(
                "{} of this subject cannot be read: written by a newer version, or damaged",
                crate::output::Count(self.unreadable, "record")
            ));
        }
        remarks
    }
}

/// Lists a subject's sessions. One listing of the store.
pub(crate) async fn list(
    config: &Config,
    directory: &impl Directory,
    subject: &str,
    depth: Depth,
) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let epoch = epoch(config, directory).await?;
    for (key, stored) in directory.list(subject).await? {
        match look(config, &epoch, &key, stored, depth) {
            Sight::Session(session) if session.subject.as_deref() == Some(subject) => {
                listing.sessions.push(*session);
            }
            Sight::Session(_) | Sight::Passed => {}
            Sight::Foreign => listing.foreign += 1,
            Sight::Unreadable => listing.unreadable += 1,
        }
    }
    let order = |session: &Session| (session.authenticated_at, session.id.clone());
    listing
        .sessions
        .sort_by_key(|session| std::cmp::Reverse(order(session)));
    Ok(listing)
}
