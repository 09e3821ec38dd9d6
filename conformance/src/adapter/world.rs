//! What the cases work with: a server of their own, its store, clock and randomness, and visitors.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Builder, Config, Sessions, UnixTime};
use cloakroom_core::Exchange;
use cloakroom_memory::MemoryStore;
use cloakroom_store::Key;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::claims::Ability;
use super::fixture::{AnyFixture, Reached};
use super::http::{Head, Http};
use super::script::{Op, Script};
use super::stage::Stage;
use super::variant::Base;
use super::{Answer, App, AppStore, FixtureError, Server, Told};
use crate::case::{Stop, ensure, fail, same};
use crate::instrumented::{Control, Gate};
use crate::{FakeClock, Instrumented};

/// How the cases reach the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Http1,
    Http2,
    Messages,
}

/// What a case gets: the means to make a world.
pub(crate) struct Context {
    pub(super) fixture: Arc<dyn AnyFixture>,
    pub(super) via: Via,
    pub(super) base: Base,
}

impl Context {
    /// A server with the default configuration.
    pub(super) async fn world(&self) -> Result<World, Stop> {
        self.world_with(|builder| builder).await
    }

    pub(super) async fn world_with(
        &self,
        configure: impl Fn(Builder) -> Builder,
    ) -> Result<World, Stop> {
        self.make(configure, false).await
    }

    /// The same on a store that never expires anything, so that what is enforced is enforced without its help.
    pub(super) async fn world_that_keeps_all(
        &self,
        configure: impl Fn(Builder) -> Builder,
    ) -> Result<World, Stop> {
        self.make(configure, true).await
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.fixture.claims().require(ability)
    }

    pub(super) fn lack(&self, ability: Ability) -> Result<(), Stop> {
        self.fixture.claims().lack(ability)
    }

    async fn make(
        &self,
        configure: impl Fn(Builder) -> Builder,
        keeps_all: bool,
    ) -> Result<World, Stop> {
        let (clock, stage) = (FakeClock::default(), Stage::default());
        let of_store = if keeps_all {
            FakeClock::at(UnixTime::from_secs(0))
        } else {
            clock.clone()
        };
        let memory = MemoryStore::builder().clock(move || of_store.now()).build();
        let store = Arc::new(Instrumented::new(memory));
        World::start(
            Arc::clone(&self.fixture),
            self.via,
            [
                build(configure((self.base.builder)()))?,
                build((self.base.builder)().cookie_name("__Host-second"))?,
            ],
            self.base.stored,
            store,
            clock,
            stage,
        )
        .await
    }
}

fn build(builder: Builder) -> Result<Config, Stop> {
    builder
        .build()
        .map_err(|error| Stop::Failed(format!("the suite's configuration: {error}")))
}

/// A server, and all that it stands on. A clone is another handle on the same.
#[derive(Clone)]
pub(super) struct World(Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: AppStore,
    pub(super) clock: FakeClock,
    pub(super) stage: Stage,
    pub(super) config: Config,
    /// Whether sessions are in the store, and not at the client.
    stored: bool,
    app: App,
    fixture: Arc<dyn AnyFixture>,
    via: Via,
    server: Server,
    http: Option<Http>,
}

impl std::ops::Deref for World {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl World {
    async fn start(
        fixture: Arc<dyn AnyFixture>,
        via: Via,
        [config, second]: [Config; 2],
        stored: bool,
        store: AppStore,
        clock: FakeClock,
        stage: Stage,
    ) -> Result<Self, Stop> {
        let app = App {
            sessions: sessions(&store, &config, &clock, &stage),
            second: sessions(&store, &second, &clock, &stage),
            stage: stage.clone(),
        };
        let server = match fixture.start(app.clone()).await {
            Ok(server) => server,
            Err(error) if is_missing(&error) => return Err(Stop::Skipped(error.to_string())),
            Err(error) => return fail(format!("the fixture could not start a server: {error}")),
        };
        let http = match (&server.reached, via) {
            (Reached::At(address), Via::Http1 | Via::Http2) => Some(Http::new(
                *address,
                via == Via::Http2,
                config.cookie_name(),
                !stored,
            )?),
            (Reached::Through(_), Via::Messages) => None,
            _ => {
                return fail(
                    "the fixture's claims and its server do not fit: `Ability::Http` and `Server::http` go together",
                );
            }
        };
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            stage,
            config,
            stored,
            app,
            fixture,
            via,
            server,
            http,
        })))
    }

    /// Another server on the same store.
    pub(super) async fn another(&self) -> Result<Self, Stop> {
        Self::start(
            Arc::clone(&self.fixture),
            self.via,
            [self.config.clone(), self.app.second.config().clone()],
            self.stored,
            Arc::clone(&self.store),
            self.clock.clone(),
            self.stage.clone(),
        )
        .await
    }

    /// Somebody without a token.
    pub(super) fn visitor(&self) -> Visitor {
        self.with_token(None)
    }

    pub(super) fn with_token(&self, token: Option<String>) -> Visitor {
        Visitor {
            world: self.clone(),
            token,
        }
    }

    /// Somebody whose session holds these values.
    pub(super) async fn visitor_with(&self, ops: Vec<Op>) -> Result<Visitor, Stop> {
        let mut visitor = self.visitor();
        visitor.send(ops).await?.ok()?;
        ensure(
            visitor.token.is_some(),
            "no token was issued for a new session",
        )?;
        self.control().reset();
        Ok(visitor)
    }

    /// Only in cases of HTTP.
    pub(super) fn http(&self) -> Result<&Http, Stop> {
        self.http
            .as_ref()
            .ok_or_else(|| Stop::DoesNotApply("not HTTP".to_owned()))
    }

    pub(super) fn control(&self) -> Control {
        self.store.control()
    }

    /// The store's operations since the log was forgotten, without the numbers of the keys.
    pub(super) fn calls(&self) -> Vec<String> {
        let log = self.control().log();
        log.iter()
            .map(|event| format!("{}: {}", event.operation, event.answer))
            .collect()
    }

    /// Fails unless these were the store's operations, and forgets them.
    pub(super) fn called(&self, what: &str, want: &[&str]) -> Result<(), Stop> {
        let got = self.calls();
        self.control().reset();
        if !self.stored {
            return Ok(());
        }
        same(
            &format!("the store calls of {what}"),
            got,
            want.iter().map(|&s| s.to_owned()).collect(),
        )
    }

    /// How many records the store holds.
    pub(super) fn records(&self) -> usize {
        self.store.get_ref().entries()
    }

    /// Fails unless it holds so many.
    pub(super) fn holds(&self, records: usize) -> Result<(), Stop> {
        match self.stored {
            true => same("the records", self.records(), records),
            false => Ok(()),
        }
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Where the record of a token is.
    pub(super) fn key(&self, token: &str) -> Result<Key, Stop> {
        let exchange = Exchange::open(&self.config, [token.as_bytes()], self.clock.now());
        match exchange.wants_load() {
            Some(key) => Ok(key.clone()),
            None => fail("a token that was issued is not well-formed"),
        }
    }

    /// As a client that presents these tokens, in a cookie each.
    pub(super) async fn exchange(&self, tokens: &[&str], script: &Script) -> Result<Got, Stop> {
        match (&self.server.reached, &self.http) {
            (Reached::Through(client), _) => {
                let (failed, text, told) = match client.exchange(tokens, &script.to_text()).await {
                    Answer::Done(results, told) => (None, results, told),
                    Answer::Failed(error) => (Some(error), "[]".to_owned(), Told::Nothing),
                };
                let results = results(&text)?;
                Ok(Got {
                    results,
                    told,
                    failed,
                    head: None,
                    carried: false,
                })
            }
            (_, Some(http)) => {
                let pairs: Vec<_> = tokens.iter().map(|token| http.pair(token)).collect();
                let line = (!pairs.is_empty()).then(|| pairs.join("; "));
                http.send("/script", line.as_slice(), &[], script).await
            }
            (Reached::At(_), None) => fail("no client"),
        }
    }
}

fn is_missing(error: &FixtureError) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::Unsupported)
}

fn sessions(
    store: &AppStore,
    config: &Config,
    clock: &FakeClock,
    stage: &Stage,
) -> Sessions<AppStore> {
    let (clock, entropy) = (clock.clone(), stage.entropy().clone());
    Sessions::new(Arc::clone(store))
        .with_config(config.clone())
        .with_clock(move || clock.now())
        .with_entropy(move |bytes| {
            entropy.fill(bytes);
            Ok(())
        })
}

pub(super) fn results(text: &str) -> Result<Vec<Value>, Stop> {
    // Not shown: it may hold what a token led to.
    serde_json::from_str(text)
        .map_err(|error| Stop::Failed(format!("the answer is not the handler's results: {error}")))
}

/// Who presents a token, and does with it what it is told.
#[derive(Clone)]
pub(super) struct Visitor {
    world: World,
    pub(super) token: Option<String>,
}

impl Visitor {
    pub(super) async fn send(&mut self, script: impl Into<Script>) -> Result<Got, Stop> {
        let got = self
            .world
            .exchange(self.token.as_deref().as_slice(), &script.into())
            .await?;
        self.obey(&got);
        Ok(got)
    }

    /// Sends it in a task of its own. The visitor does not see what the answer tells it.
    pub(super) fn start(&self, script: impl Into<Script>) -> Started {
        let (world, token, script) = (self.world.clone(), self.token.clone(), script.into());
        Started(tokio::spawn(async move {
            world.exchange(token.as_deref().as_slice(), &script).await
        }))
    }

    pub(super) fn obey(&mut self, got: &Got) {
        match &got.told {
            Told::Nothing | Told::Stale => {}
            Told::Keep(token) => self.token = Some(token.clone()),
            Told::Forget => self.token = None,
        }
    }

    /// The same token at another server.
    pub(super) fn at(&self, world: &World) -> Self {
        world.with_token(self.token.clone())
    }

    pub(super) fn token(&self) -> Result<&str, Stop> {
        self.token
            .as_deref()
            .ok_or_else(|| Stop::Failed("no token was issued".to_owned()))
    }

    /// What is there under this name.
    pub(super) async fn value(&mut self, name: &str) -> Result<Value, Stop> {
        self.send([super::script::get(name)]).await?.one()
    }

    pub(super) async fn subject(&mut self) -> Result<Value, Stop> {
        self.send([Op::Subject]).await?.one()
    }

    pub(super) async fn is_known(&mut self) -> Result<bool, Stop> {
        Ok(self.send([Op::IsNew]).await?.one()? == false)
    }
}

/// A request under way.
pub(super) struct Started(JoinHandle<Result<Got, Stop>>);

impl Started {
    pub(super) async fn answer(mut self) -> Result<Got, Stop> {
        match (&mut self.0).await {
            Ok(got) => got,
            Err(error) => fail(format!("the client of the suite: {error}")),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came back.
pub(super) struct Got {
    pub(super) results: Vec<Value>,
    pub(super) told: Told,
    /// The request failed visibly, and how.
    pub(super) failed: Option<String>,
    /// Over HTTP.
    pub(super) head: Option<Head>,
    /// The session is in the token, which is therefore another one after each change.
    pub(super) carried: bool,
}

impl Got {
    /// Fails unless the request succeeded.
    pub(super) fn ok(self) -> Result<Self, Stop> {
        match &self.failed {
            None => Ok(self),
            Some(error) => fail(format!("a request failed: {error}")),
        }
    }

    /// Fails unless the request failed visibly, and left the client's token alone.
    pub(super) fn failed(self, what: &str) -> Result<(), Stop> {
        ensure(
            self.failed.is_some(),
            format!("{what}: the client was told that all is well"),
        )?;
        same(
            &format!("{what}: what a failed request tells the client to do"),
            self.told,
            Told::Nothing,
        )
    }

    /// Fails unless it succeeded and told the client to do nothing.
    pub(super) fn quiet(self) -> Result<Self, Stop> {
        let got = self.ok()?;
        let carried = got.carried && matches!(got.told, Told::Keep(_));
        if got.told != Told::Stale && !carried {
            same(
                "what the client was told to do with its token",
                &got.told,
                &Told::Nothing,
            )?;
        }
        Ok(got)
    }

    /// The result of the only operation.
    pub(super) fn one(self) -> Result<Value, Stop> {
        let mut got = self.ok()?;
        same("the number of results", got.results.len(), 1)?;
        Ok(got.results.remove(0))
    }

    /// Fails unless these are the results.
    pub(super) fn are(self, want: Value) -> Result<Self, Stop> {
        let got = self.ok()?;
        same(
            "the results in the handler",
            Value::from(got.results.clone()),
            want,
        )?;
        Ok(got)
    }

    pub(super) fn head(&self) -> Result<&Head, Stop> {
        self.head
            .as_ref()
            .ok_or_else(|| Stop::Failed("no response".to_owned()))
    }
}

/// How long something may take that takes no time.
const SOON: Duration = Duration::from_secs(10);

/// Waits for what must come.
pub(super) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> Result<T, Stop> {
    match tokio::time::timeout(SOON, event).await {
        Ok(output) => Ok(output),
        Err(_) => fail(format!("{what} did not happen")),
    }
}

/// Waits until the store stands at the gate.
pub(super) async fn reached(gate: &Gate, what: &str) -> Result<(), Stop> {
    soon(&format!("the store call ({what})"), gate.reached()).await
}
