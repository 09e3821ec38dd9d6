//! A store in memory and a driver that takes one step at a time, in virtual time.
#![allow(dead_code, reason = "each test file uses its part of this")]

use std::collections::BTreeMap;

use cloakroom_core::{
    Commit, Config, ConfigBuilder, Created, Deleted, Directive, Error, Exchange, Fate, Key,
    Outcome, Replaced, Session, Stored, Touched, UnixTime, Write,
};
use sha2::{Digest, Sha256};

/// Some moment that is far from all ends.
pub(crate) const START: u64 = 1_700_000_000;

/// Where the machine asks for no secret, it gets this. No record may contain it.
const NO_SECRET: u8 = 0xA5;

/// The configuration that a test file begins with. The files that `sealed_suite` includes seal.
pub(crate) fn builder() -> ConfigBuilder {
    Config::builder().seal_values(module_path!().starts_with("sealed_suite"))
}

/// Everything around the machine: the configuration, a store, a clock, entropy.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) records: BTreeMap<Key, Stored>,
    pub(crate) subjects: BTreeMap<Key, Option<Box<str>>>,
    pub(crate) now: u64,
    /// The store's calls so far.
    pub(crate) calls: Vec<&'static str>,
    entropy: u64,
    version: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(builder().build().expect("the defaults are valid"))
    }

    pub(crate) fn with(config: Config) -> Self {
        Self {
            config,
            records: BTreeMap::new(),
            subjects: BTreeMap::new(),
            now: START,
            calls: Vec::new(),
            entropy: 0,
            version: 0,
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    pub(crate) fn later(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds;
        self
    }

    /// 64 bytes that were not handed out before, the same in every run.
    pub(crate) fn entropy(&mut self) -> [u8; 64] {
        let mut entropy = [0; 64];
        for half in entropy.chunks_exact_mut(32) {
            self.entropy += 1;
            half.copy_from_slice(&Sha256::digest(self.entropy.to_be_bytes()));
        }
        entropy
    }

    /// The calls since this was asked last.
    pub(crate) fn take_calls(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls)
    }

    /// Whether a record lives under the token's key.
    pub(crate) fn lives(&self, token: &str) -> bool {
        self.records
            .get(&self.key(token))
            .is_some_and(|stored| self.now() < stored.expires_at)
    }

    pub(crate) fn key(&self, token: &str) -> Key {
        let exchange = Exchange::open(&self.config, [token.as_bytes()], self.now());
        exchange
            .wants_load()
            .expect("a well-formed token has a key")
            .clone()
    }

    pub(crate) fn load(&mut self, key: &Key) -> Option<Stored> {
        self.calls.push("load");
        let now = self.now();
        self.records
            .get(key)
            .filter(|stored| now < stored.expires_at)
            .cloned()
    }

    fn put(&mut self, key: &Key, write: &Write) {
        let mut runs = write.bytes.windows(16);
        let public = runs.any(|run| run.iter().all(|byte| *byte == NO_SECRET));
        assert!(!public, "a seed is made of bytes that are no secret");
        self.version += 1;
        let stored = Stored::new(write.bytes.clone(), write.expires_at, self.version);
        self.records.insert(key.clone(), stored);
        self.subjects.insert(key.clone(), write.subject.clone());
    }

    fn current(&mut self, key: &Key) -> Option<Stored> {
        let found = self.load(key);
        self.calls.pop();
        found
    }

    /// An exchange with everything loaded.
    pub(crate) fn open_all<'t>(
        &mut self,
        tokens: impl IntoIterator<Item = &'t [u8]>,
    ) -> Result<Exchange, Error> {
        let mut exchange = Exchange::open(&self.config, tokens, self.now());
        while let Some(key) = exchange.wants_load().cloned() {
            let found = self.load(&key);
            exchange.handle_loaded(&key, found)?;
            assert!(self.calls.len() < 10_000, "it does not end");
        }
        Ok(exchange)
    }

    pub(crate) fn open(&mut self, token: Option<&str>) -> Exchange {
        self.open_all(token.map(str::as_bytes))
            .expect("the records can be read")
    }

    /// A request up to where its handler has answered.
    pub(crate) fn begin(
        &mut self,
        token: Option<&str>,
        handler: impl FnOnce(&mut Session<'_>),
    ) -> Commit {
        let mut exchange = self.open(token);
        handler(&mut exchange.session().expect("loaded"));
        exchange.finish(self.now())
    }

    /// One action of a commit.
    pub(crate) fn step(&mut self, commit: Commit) -> Result<Commit, Error> {
        match commit {
            Commit::Mint(mint) => {
                let mut entropy = self.entropy();
                if !mint.needs_secrets() {
                    entropy[..48].fill(NO_SECRET);
                }
                mint.with(entropy)
            }
            Commit::Reload(reload) => {
                let found = self.load(reload.key());
                reload.then(found, self.now())
            }
            Commit::Create(create) => {
                self.calls.push("create");
                let answer = match self.current(create.key()) {
                    Some(_) => Created::Taken,
                    None => {
                        self.put(create.key(), create.write());
                        Created::Stored
                    }
                };
                create.then(answer, self.now())
            }
            Commit::Replace(replace) => {
                self.calls.push("replace");
                let answer = match self.current(replace.key()) {
                    Some(found) if found.version == replace.old().version => {
                        self.put(replace.key(), replace.write());
                        Replaced::Stored
                    }
                    Some(_) => Replaced::Changed,
                    None => Replaced::Gone,
                };
                replace.then(answer, self.now())
            }
            Commit::Touch(touch) => {
                self.calls.push("touch");
                let answer = match self.current(touch.key()) {
                    Some(_) => {
                        let expires_at = touch.expires_at();
                        let found = self.records.get_mut(touch.key());
                        found.expect("just seen").expires_at = expires_at;
                        Touched::Extended
                    }
                    None => Touched::Gone,
                };
                touch.then(answer, self.now())
            }
            Commit::Delete(delete) => {
                self.calls.push("delete");
                let answer = match self.current(delete.key()) {
                    Some(found) if found.version == delete.old().version => {
                        self.records.remove(delete.key());
                        Deleted::Deleted
                    }
                    Some(_) => Deleted::Changed,
                    None => Deleted::Gone,
                };
                delete.then(answer, self.now())
            }
            other => panic!("nothing to do for {other:?}"),
        }
    }

    /// One action whose answer is lost; the store carried it out, or did not.
    pub(crate) fn lose(&mut self, commit: Commit, landed: bool) -> Result<Commit, Error> {
        if landed {
            self.land(&commit);
        }
        match commit {
            Commit::Create(create) => create.lost(self.now()),
            Commit::Replace(replace) => replace.lost(self.now()),
            Commit::Touch(touch) => touch.lost(self.now()),
            Commit::Delete(delete) => delete.lost(self.now()),
            other => panic!("{other:?} writes nothing"),
        }
    }

    /// Carries out a write without telling anybody.
    pub(crate) fn land(&mut self, commit: &Commit) {
        match commit {
            Commit::Create(create) if self.current(create.key()).is_none() => {
                self.put(create.key(), create.write());
            }
            Commit::Replace(replace) => {
                let found = self.current(replace.key());
                if found.is_some_and(|found| found.version == replace.old().version) {
                    self.put(replace.key(), replace.write());
                }
            }
            Commit::Delete(delete) => {
                let found = self.current(delete.key());
                if found.is_some_and(|found| found.version == delete.old().version) {
                    self.records.remove(delete.key());
                }
            }
            _ => {}
        }
    }

    /// Goes on until this action is the next one.
    pub(crate) fn until(&mut self, mut commit: Commit, action: &str) -> Commit {
        for _ in 0..64 {
            if name(&commit) == action {
                return commit;
            }
            commit = self.step(commit).expect("no error on the way");
        }
        panic!("no {action} in 64 steps");
    }

    pub(crate) fn run(&mut self, mut commit: Commit) -> Result<Outcome, Error> {
        for _ in 0..2_000 {
            commit = match commit {
                Commit::Done(outcome) => return Ok(outcome),
                commit => self.step(commit)?,
            };
        }
        panic!("no end in 2,000 steps");
    }

    /// A whole request that must not fail.
    pub(crate) fn request(
        &mut self,
        token: Option<&str>,
        handler: impl FnOnce(&mut Session<'_>),
    ) -> Outcome {
        let commit = self.begin(token, handler);
        self.run(commit).expect("the request succeeds")
    }

    /// A request that ends with a new token.
    pub(crate) fn issue(
        &mut self,
        token: Option<&str>,
        handler: impl FnOnce(&mut Session<'_>),
    ) -> String {
        let outcome = self.request(token, handler);
        issued(&outcome).expect("a token is issued")
    }

    /// Returns the values that a request with this token sees.
    pub(crate) fn see<T>(&mut self, token: &str, look: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let mut exchange = self.open(Some(token));
        let mut session = exchange.session().expect("loaded");
        look(&mut session)
    }

    pub(crate) fn number(&mut self, token: &str, name: &str) -> Option<u64> {
        self.see(token, |session| session.get(name).expect("a number"))
    }
}

pub(crate) fn name(commit: &Commit) -> &'static str {
    match commit {
        Commit::Mint(_) => "mint",
        Commit::Create(_) => "create",
        Commit::Replace(_) => "replace",
        Commit::Reload(_) => "reload",
        Commit::Touch(_) => "touch",
        Commit::Delete(_) => "delete",
        Commit::Done(_) => "done",
        _ => "unknown",
    }
}

pub(crate) fn issued(outcome: &Outcome) -> Option<String> {
    match &outcome.directive {
        Directive::Issue(issued) => Some(issued.token.expose().to_owned()),
        _ => None,
    }
}

pub(crate) fn keeps(outcome: &Outcome, fate: Fate) {
    assert_eq!((&outcome.directive, outcome.fate), (&Directive::Keep, fate));
}

/// One more.
pub(crate) fn count(session: &mut Session<'_>) {
    let count = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1);
    assert!(count.expect("a number") > 0);
}

pub(crate) fn insert(name: &'static str, value: u64) -> impl FnOnce(&mut Session<'_>) {
    move |session| session.insert(name, value).expect("a good value")
}

pub(crate) fn sign_in(subject: &'static str) -> impl FnOnce(&mut Session<'_>) {
    move |session| session.sign_in(subject).expect("a good subject")
}

pub(crate) fn rotate(session: &mut Session<'_>) {
    session.rotate();
}

pub(crate) fn destroy(session: &mut Session<'_>) {
    session.sign_out();
}

pub(crate) fn sign_out(session: &mut Session<'_>) {
    session.sign_out();
}

pub(crate) fn is_new(session: &mut Session<'_>) -> bool {
    session.is_new()
}

pub(crate) fn id(session: &mut Session<'_>) -> Option<String> {
    session.id()
}

pub(crate) fn authenticated_at(session: &mut Session<'_>) -> Option<cloakroom_core::UnixTime> {
    session.authenticated_at()
}

pub(crate) fn clear(session: &mut Session<'_>) {
    session.clear();
}

pub(crate) fn ada(session: &mut Session<'_>) {
    session.sign_in("ada").expect("a good subject");
}

/// The headers that this outcome adds to a response.
pub(crate) fn respond(config: &Config, outcome: &Outcome) -> http::HeaderMap {
    let mut response = http::HeaderMap::new();
    cloakroom_core::http::apply(config, outcome, &mut response);
    response
}
