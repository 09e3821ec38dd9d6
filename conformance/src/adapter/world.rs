//! The cases' means: a server of their own, its store, clock and randomness, and visitors.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Carrier, Config, ConfigBuilder, Sessions, UnixTime};
use cloakroom_core::Exchange;
use cloakroom_memory::MemoryStore;
use cloakroom_store::Key;
use serde_json::Value;

use super::claims::Ability;
use super::fixture::{AnyFixture, Reached, is_missing};
use super::got::{Got, Started, results};
use super::http::Http;
use super::script::{Op, Script};
use super::stage::Stage;
use super::variant::{Configuration, build, second, sessions};
use super::{App, AppStore, MessageReply, Server, TokenNotice};
use crate::case::{Stop, ensure, fail, same};
use crate::instrumented::{Control, Gate, Operation};
use crate::{FakeClock, Instrumented};

/// How the cases reach the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Http1,
    Http2,
    Messages,
}

/// The input of a case, from which it makes a world.
pub(crate) struct Context {
    pub(super) fixture: Arc<dyn AnyFixture>,
    pub(super) via: Via,
    pub(super) base: Configuration,
}

impl Context {
    /// A server with the default configuration.
    pub(super) async fn world(&self) -> Result<World, Stop> {
        self.world_with(|builder| builder).await
    }

    /// The same, and somebody whose session holds these values.
    pub(super) async fn session(
        &self,
        script: impl Into<Script>,
    ) -> Result<(World, Visitor), Stop> {
        let world = self.world().await?;
        let visitor = world.visitor_with(script).await?;
        Ok((world, visitor))
    }

    pub(super) async fn world_with(
        &self,
        configure: impl Fn(ConfigBuilder) -> ConfigBuilder,
    ) -> Result<World, Stop> {
        self.make(configure, false).await
    }

    /// The same on a store that never expires anything, so that what is enforced is enforced
    /// without its help.
    pub(super) async fn world_that_keeps_all(
        &self,
        configure: impl Fn(ConfigBuilder) -> ConfigBuilder,
    ) -> Result<World, Stop> {
        self.make(configure, true).await
    }

    /// The same with the token in this header, whatever the variant.
    pub(super) async fn world_with_header(&self, name: &'static str) -> Result<World, Stop> {
        let base = Configuration {
            builder: Arc::new(move || Config::builder().carrier(Carrier::Header(name))),
            stored: true,
        };
        let context = Self {
            fixture: Arc::clone(&self.fixture),
            via: self.via,
            base,
        };
        context.make(|builder| builder, false).await
    }

    /// Another server on the same store, with a configuration of its own.
    pub(super) async fn beside(
        &self,
        world: &World,
        configure: impl Fn(ConfigBuilder) -> ConfigBuilder,
    ) -> Result<World, Stop> {
        world
            .another_with(build(configure((self.base.builder)()))?)
            .await
    }

    pub(super) fn require(&self, ability: Ability) -> Result<(), Stop> {
        self.fixture.claims().require(ability)
    }

    pub(super) fn lack(&self, ability: Ability) -> Result<(), Stop> {
        self.fixture.claims().lack(ability)
    }

    async fn make(
        &self,
        configure: impl Fn(ConfigBuilder) -> ConfigBuilder,
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
                build(second((self.base.builder)()))?,
            ],
            self.base.stored,
            store,
            clock,
            stage,
        )
        .await
    }
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
    pub(super) app: App,
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
                [config.clone(), app.second.config().clone()],
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
        self.another_with(self.config.clone()).await
    }

    async fn another_with(&self, config: Config) -> Result<Self, Stop> {
        Self::start(
            Arc::clone(&self.fixture),
            self.via,
            [config, self.app.second.config().clone()],
            self.stored,
            Arc::clone(&self.store),
            self.clock.clone(),
            self.stage.clone(),
        )
        .await
    }

    /// Ends all sessions, by the process of this server.
    pub(super) async fn end_all(&self) -> Result<(), Stop> {
        let ended = self.app.sessions.end_all().await;
        ended.map_err(|error| Stop::Failed(format!("an end of all sessions: {error}")))
    }

    /// The sessions, as another process has them.
    pub(super) fn other_process(&self) -> Sessions<AppStore> {
        sessions(&self.store, &self.config, &self.clock, &self.stage)
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
    pub(super) async fn visitor_with(&self, script: impl Into<Script>) -> Result<Visitor, Stop> {
        let mut visitor = self.visitor();
        visitor.send(script).await?.ok()?;
        let holds = visitor.token.is_some();
        ensure(holds, "no token was issued for a new session")?;
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

    /// The configuration of the second kind of session.
    pub(super) fn second(&self) -> &Config {
        self.app.second.config()
    }

    /// The store's operations since the log was forgotten, without the numbers of the keys.
    pub(super) fn calls(&self) -> Vec<String> {
        let log = self.control().log();
        log.iter()
            .map(|event| format!("{}: {}", event.operation, event.answer))
            .collect()
    }

    /// Fails unless these were the store's operations, and clears the log.
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
                    MessageReply::Done(results, told) => (None, results, told),
                    MessageReply::Failed(error) => {
                        (Some(error), "[]".to_owned(), TokenNotice::Nothing)
                    }
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
                let lines = http.lines(tokens);
                http.send("/script", &lines, &[], script).await
            }
            (Reached::At(_), None) => fail("no client"),
        }
    }
}

/// A client that presents a token and follows the directives.
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

    /// Sends it in a task of its own. The visitor does not follow the answer's directive.
    pub(super) fn start(&self, script: impl Into<Script>) -> Started<Got> {
        let (world, token, script) = (self.world.clone(), self.token.clone(), script.into());
        Started::spawn(async move { world.exchange(token.as_deref().as_slice(), &script).await })
    }

    pub(super) fn obey(&mut self, got: &Got) {
        match &got.told {
            TokenNotice::Nothing | TokenNotice::Stale => {}
            TokenNotice::Keep(token) => self.token = Some(token.clone()),
            TokenNotice::Forget => self.token = None,
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

    /// Returns the value under this name.
    pub(super) async fn value(&mut self, name: &str) -> Result<Value, Stop> {
        self.send([super::script::get(name)]).await?.one()
    }

    pub(super) async fn is_known(&mut self) -> Result<bool, Stop> {
        Ok(self.send([Op::IsNew]).await?.one()? == false)
    }
}

/// Fails unless these are the results of the visitor's request, and it gets no directive.
pub(super) async fn sees(
    visitor: &mut Visitor,
    script: impl Into<Script>,
    want: Value,
) -> Result<(), Stop> {
    visitor.send(script).await?.quiet()?.are(want).map(drop)
}

/// Fails unless these are the results of the visitor's request, whatever the directive.
pub(super) async fn does(
    visitor: &mut Visitor,
    script: impl Into<Script>,
    want: Value,
) -> Result<(), Stop> {
    visitor.send(script).await?.are(want).map(drop)
}

/// Fails unless the visitor's request fails visibly, and leaves the token alone.
pub(super) async fn fails(
    visitor: &mut Visitor,
    script: impl Into<Script>,
    what: &str,
) -> Result<(), Stop> {
    visitor.send(script).await?.failed(what)
}

/// Starts a request, and returns when its call of this operation waits: a load after it ran, any
/// other call before it runs.
pub(super) async fn held(
    visitor: &Visitor,
    operation: Operation,
    script: impl Into<Script>,
) -> Result<Held, Stop> {
    let plan = visitor.world.control();
    let gate = match operation {
        Operation::Load => plan.on(operation).pause_after(),
        _ => plan.on(operation).pause_before(),
    };
    held_at(gate, visitor, script).await
}

/// The same at this gate.
pub(super) async fn held_at(
    gate: Gate,
    visitor: &Visitor,
    script: impl Into<Script>,
) -> Result<Held, Stop> {
    let request = visitor.start(script);
    reached(&gate, "of a request that is to wait").await?;
    Ok(Held { gate, request })
}

/// A request whose store call waits at a gate.
pub(super) struct Held {
    // The first field is dropped first: the client leaves before the call goes on.
    request: Started<Got>,
    gate: Gate,
}

impl Held {
    /// Lets the call go on, and returns the answer.
    pub(super) async fn answer(self) -> Result<Got, Stop> {
        self.gate.open();
        self.request.answer().await
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
