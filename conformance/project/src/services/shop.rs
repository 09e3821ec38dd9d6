use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request};
use tokio::process::Command;

use crate::program::{Failure, Process, fail, same};
use cloakroom_servers::proxy::{Mode, Proxy};
use cloakroom_servers::{Nats, Redis};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The cases' environment.
pub(super) struct Environment {
    nats: Nats,
    redis: Redis,
    program: PathBuf,
}

impl Environment {
    pub(super) fn new(nats: Nats, redis: Redis, program: PathBuf) -> Self {
        Self {
            nats,
            redis,
            program,
        }
    }

    /// A shop of this case's own, without services yet.
    pub(super) async fn shop(&self, case: &str) -> Result<Shop<'_>, Failure> {
        let way = Proxy::start(self.redis.server()).await?;
        Ok(Shop {
            environment: self,
            name: self.redis.namespace(&case.replace('/', "-")),
            redis: self.redis.by(way.address()),
            way,
            client: async_nats::connect(self.nats.url()).await?,
        })
    }
}

/// Services that belong together, and a client's connection.
pub(super) struct Shop<'g> {
    environment: &'g Environment,
    /// The prefix of its subjects and keys.
    name: String,
    redis: String,
    way: Proxy,
    client: Client,
}

impl Shop<'_> {
    /// Starts a service, and returns when it is ready.
    pub(super) async fn start(&self, service: &'static str) -> Result<Process, Failure> {
        let mut command = Command::new(&self.environment.program);
        command
            .args([service, &self.name])
            .env("NATS_URL", self.environment.nats.url())
            .env("REDIS_URL", &self.redis)
            // Errors on purpose are not logged.
            .stderr(Stdio::null());
        let mut process = Process::start(service, &mut command)?;
        process
            .says(|line| line.starts_with("ready").then_some(()))
            .await?;
        Ok(process)
    }

    /// Sets the behaviour of the services' connections to Redis.
    pub(super) fn on_the_way(&self, mode: Mode) {
        self.way.set(mode);
    }

    pub(super) fn client(&self) -> Visitor {
        Visitor {
            client: self.client.clone(),
            shop: self.name.clone(),
            token: None,
        }
    }
}

/// A client of the services, with its current token.
#[derive(Clone)]
pub(super) struct Visitor {
    client: Client,
    shop: String,
    pub(super) token: Option<String>,
}

impl Visitor {
    /// Sends a request to a service, and follows the directive for the token.
    pub(super) async fn ask(&mut self, what: &str, text: &str) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("Session-Token", token.as_str());
        }
        let request = Request::new()
            .headers(headers)
            .payload(text.to_owned().into())
            .timeout(Some(TIMEOUT));
        let subject = format!("{}.{what}", self.shop);
        let reply = self.client.send_request(subject, request).await?;
        let header = |name: &str| {
            let headers = reply.headers.as_ref()?;
            headers.get(name).map(ToString::to_string)
        };
        let told = match header("Session")
            .as_deref()
            .map(|said| said.split_once(' '))
        {
            None => Told::Nothing,
            Some(Some(("keep", token))) => {
                self.token = Some(token.to_owned());
                Told::Keep
            }
            Some(None) if header("Session").as_deref() == Some("forget") => {
                self.token = None;
                Told::Forget
            }
            Some(None) if header("Session").as_deref() == Some("stale") => Told::Stale,
            Some(_) => return fail(format!("{what} sent an unintelligible answer")),
        };
        Ok(Reply {
            text: String::from_utf8_lossy(&reply.payload).into_owned(),
            told,
            refused: header("Nats-Service-Error-Code"),
        })
    }

    /// Fails unless the answer and the directive are these.
    pub(super) async fn hears(
        &mut self,
        what: &str,
        text: &str,
        answer: &str,
        told: Told,
    ) -> Result<(), Failure> {
        let reply = self.ask(what, text).await?;
        same(&format!("{what}: refused with"), reply.refused, None)?;
        same(what, reply.text.as_str(), answer)?;
        same(&format!("{what}: said of the token"), reply.told, told)
    }

    /// Fails unless it is refused with this code and this directive.
    pub(super) async fn is_refused(
        &mut self,
        what: &str,
        text: &str,
        code: &str,
        told: Told,
    ) -> Result<(), Failure> {
        let reply = self.ask(what, text).await?;
        same(
            &format!("{what}: refused with"),
            reply.refused.as_deref(),
            Some(code),
        )?;
        same(&format!("{what}: said of the token"), reply.told, told)
    }
}

pub(super) struct Reply {
    pub(super) text: String,
    pub(super) told: Told,
    /// The code of the error.
    pub(super) refused: Option<String>,
}

/// The directive of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Keep,
    Forget,
    Stale,
}
