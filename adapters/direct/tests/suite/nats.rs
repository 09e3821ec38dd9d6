//! The fixture for NATS. A message is a request with its token in a header, and a header of the
//! reply has the directive.
//!
//! `Session-Token` once per token. The reply has `Session-Keep` with a token, or `Session-Forget`.
//! A failure is in NATS' own header `Nats-Service-Error`.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{Client as Connection, HeaderMap, Message, Request, Subscriber};
use cloakroom_conformance::adapter::{
    Ability, App, Claims, Client, Fixture, FixtureError, MessageReply, Server, TokenNotice,
};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::reply;
use cloakroom_servers as servers;

const TOKEN: &str = "Session-Token";
const KEEP: &str = "Session-Keep";
const FORGET: &str = "Session-Forget";
const STALE: &str = "Session-Stale";
const ERROR: &str = "Nats-Service-Error";

/// Longer than any case waits.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Nats {
    /// Started by the first case. Without it every case is skipped with the reason.
    server: LazyLock<io::Result<servers::Nats>>,
    started: AtomicUsize,
}

impl Nats {
    pub(crate) fn new() -> Self {
        Self {
            server: LazyLock::new(servers::Nats::new),
            started: AtomicUsize::new(0),
        }
    }
}

impl Fixture for Nats {
    const NAME: &'static str = "nats";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let server = match &*self.server {
            Ok(server) => server,
            Err(error) => return Err(io::Error::new(error.kind(), error.to_string()).into()),
        };
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let subject = server.subject(number);
        // The service and its clients have a connection each, as they would in two processes.
        let connection = async_nats::connect(server.url()).await?;
        let requests = connection.subscribe(subject.clone()).await?;
        settled(&connection).await?;
        let service = tokio::spawn(serve(app, connection, requests));
        Ok(Server::messages(Clients {
            connection: async_nats::connect(server.url()).await?,
            subject,
            _service: AbortOnDropHandle::new(service),
        }))
    }

    fn claims(claims: Claims) -> Claims {
        claims.never(Ability::Http, "NATS is not HTTP")
    }
}

/// Returns when the server has processed this connection's subscriptions. It processes a
/// connection's commands in order.
async fn settled(connection: &Connection) -> Result<(), FixtureError> {
    let inbox = connection.new_inbox();
    let mut echo = connection.subscribe(inbox.clone()).await?;
    connection.publish(inbox, "".into()).await?;
    echo.next().await.ok_or("the connection ended")?;
    Ok(())
}

async fn serve(app: App, connection: Connection, mut requests: Subscriber) {
    // Dropped with the task, and with it every request that is under way.
    let mut under_way = JoinSet::new();
    while let Some(request) = requests.next().await {
        let (app, connection) = (app.clone(), connection.clone());
        under_way.spawn(async move {
            if let Some(subject) = request.reply.clone() {
                let (headers, results) = answer(&app, &request).await;
                // If the connection failed, there is nobody to answer.
                let _ = connection
                    .publish_with_headers(subject, headers, results.into())
                    .await;
            }
        });
        while under_way.try_join_next().is_some() {}
    }
}

async fn answer(app: &App, request: &Message) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    let Ok(script) = std::str::from_utf8(&request.payload) else {
        headers.insert(ERROR, "the script is not text");
        return (headers, String::new());
    };
    let tokens = request.headers.iter().flat_map(|all| all.get_all(TOKEN));
    let tokens = tokens.map(|token| token.as_str().as_bytes());
    match reply::exchange(app, tokens, script).await {
        MessageReply::Done(results, told) => {
            match told {
                TokenNotice::Nothing => {}
                TokenNotice::Keep(token) => headers.insert(KEEP, token),
                TokenNotice::Forget => headers.insert(FORGET, "1"),
                TokenNotice::Stale => headers.insert(STALE, "1"),
            }
            (headers, results)
        }
        MessageReply::Failed(error) => {
            headers.insert(ERROR, error.replace(['\r', '\n'], " "));
            (headers, String::new())
        }
    }
}

struct Clients {
    connection: Connection,
    subject: String,
    _service: AbortOnDropHandle<()>,
}

impl Client for Clients {
    async fn exchange(&self, tokens: &[&str], script: &str) -> MessageReply {
        let mut headers = HeaderMap::new();
        for token in tokens {
            headers.append(TOKEN, *token);
        }
        let request = Request::new()
            .headers(headers)
            .payload(script.to_owned().into())
            .timeout(Some(TIMEOUT));
        let reply = match self
            .connection
            .send_request(self.subject.clone(), request)
            .await
        {
            Ok(reply) => reply,
            Err(error) => return MessageReply::Failed(format!("the request: {error}")),
        };
        let header = |name: &str| {
            let headers = reply.headers.as_ref()?;
            headers.get(name).map(ToString::to_string)
        };
        if let Some(error) = header(ERROR) {
            return MessageReply::Failed(error);
        }
        let told = match (header(KEEP), header(FORGET)) {
            (Some(token), _) => TokenNotice::Keep(token),
            (None, Some(_)) => TokenNotice::Forget,
            (None, None) if header(STALE).is_some() => TokenNotice::Stale,
            (None, None) => TokenNotice::Nothing,
        };
        MessageReply::Done(String::from_utf8_lossy(&reply.payload).into_owned(), told)
    }
}
