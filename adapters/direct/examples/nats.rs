//! Two services on NATS that share their clients' sessions on Redis.
//!
//! Each is started by itself, in as many processes as one likes:
//!
//! ```text
//! cargo run -p cloakroom --example nats -- account
//! cargo run -p cloakroom --example nats -- cart
//! ```
//!
//! `NATS_URL` and `REDIS_URL` say where the servers are, if not at their usual ports of this
//! machine. A further argument is what subjects and keys begin with, instead of `shop`.
//!
//! | request | does | is answered with |
//! |---|---|---|
//! | `shop.account.sign-in` NAME | signs in | the name |
//! | `shop.account.sign-out` | signs out | |
//! | `shop.account.who` | | the name, or `a stranger` |
//! | `shop.account.ended` | waits until the session has ended | `signed out` or `replaced` |
//! | `shop.cart.add` ITEM | puts it into the cart | the items |
//! | `shop.cart.list` | | the items |
//!
//! The client sends its token, if any, in the header `Session-Token`, and follows the reply's
//! header `Session`:
//!
//! | `Session` | what the client does |
//! |---|---|
//! | `keep TOKEN` | presents this one from now on, to all services |
//! | `forget` | presents none any more |
//! | `stale` | gets the newer token from the part of it that received one: the present one soon leads nowhere |
//!
//! Errors are NATS service errors, in the headers `Nats-Service-Error` and
//! `Nats-Service-Error-Code`. With NATS' command line: `nats request -H 'Session-Token: …'
//! shop.cart.add tea`.

use std::env;
use std::error::Error as StdError;
use std::io::{self, Write as _};

use async_nats::{Client, HeaderMap, Message, Subscriber};
use cloakroom::{Directive, Ended, Error, Fate, Outcome, Session, SessionError, Sessions};
use cloakroom_redis::RedisStore;
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

type Failure = Box<dyn StdError + Send + Sync>;

/// Requests under way at a time. Further ones wait until one of them is answered.
const AT_ONCE: usize = 256;

/// Requests that wait for the end of a session. Further ones count among those under way.
const WAITING: usize = 4_096;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let service = match arguments.next().as_deref() {
        Some("account") => Service::Account,
        Some("cart") => Service::Cart,
        _ => return Err("which service: `account` or `cart`?".into()),
    };
    let name = arguments.next().unwrap_or_else(|| "shop".to_owned());
    let nats = env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());

    let store = RedisStore::builder(&redis).prefix(&format!("{name}:"));
    let server = Server {
        service,
        sessions: Sessions::new(store.connect().await?),
        nats: async_nats::connect(nats).await?,
    };
    let subject = format!("{name}.{}", service.name());
    // Of all processes that are this service, one gets the request.
    let group = subject.clone();
    let requests = server.nats.queue_subscribe(format!("{subject}.*"), group);
    let requests = requests.await?;
    settled(&server.nats).await?;
    writeln!(io::stdout(), "ready: {subject}")?;
    tokio::select! {
        () = server.serve(requests) => Err("the connection to NATS ended".into()),
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
}

/// Returns when the server has processed this connection's subscriptions. It processes a
/// connection's commands in order.
async fn settled(nats: &Client) -> Result<(), Failure> {
    let inbox = nats.new_inbox();
    let mut echo = nats.subscribe(inbox.clone()).await?;
    nats.publish(inbox, "".into()).await?;
    echo.next().await.ok_or("the connection to NATS ended")?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Service {
    Account,
    Cart,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Cart => "cart",
        }
    }
}

#[derive(Clone)]
struct Server {
    service: Service,
    sessions: Sessions<RedisStore>,
    nats: Client,
}

impl Server {
    async fn serve(&self, mut requests: Subscriber) {
        // Dropped with this future, which aborts the requests under way. Their uncommitted changes
        // are lost.
        let mut under_way = JoinSet::new();
        // These wait for long, and for nothing that costs anything.
        let mut waiting = JoinSet::new();
        while let Some(request) = requests.next().await {
            let server = self.clone();
            while waiting.try_join_next().is_some() {}
            if request.subject.ends_with(".ended") && waiting.len() < WAITING {
                waiting.spawn(async move { server.answer(request).await });
                continue;
            }
            under_way.spawn(async move { server.answer(request).await });
            while under_way.try_join_next().is_some() {}
            if under_way.len() == AT_ONCE {
                under_way.join_next().await;
            }
        }
    }

    async fn answer(&self, request: Message) {
        let Some(reply) = request.reply.clone() else {
            // Without a reply address, a new token would be lost.
            return;
        };
        let (headers, text) = match self.perform(&request).await {
            Ok((text, outcome)) => told(text, &outcome),
            Err(refusal) => refused(&refusal),
        };
        let sent = self.nats.publish_with_headers(reply, headers, text.into());
        if let Err(error) = sent.await {
            let _ = writeln!(io::stderr(), "a reply was not sent: {error}");
        }
    }

    /// One exchange, from the token in the header to the commit.
    async fn perform(&self, request: &Message) -> Result<(String, Outcome), Refusal> {
        let token = request.headers.as_ref();
        let token = token.and_then(|headers| headers.get("Session-Token"));
        let token = token.map(AsRef::as_ref);
        let text = std::str::from_utf8(&request.payload).map_err(|_| Refusal::NoText)?;
        let verb = request.subject.rsplit('.').next().unwrap_or_default();
        let sessions = &self.sessions;
        let done = match (self.service, verb) {
            (Service::Account, "sign-in") if text.is_empty() => return Err(Refusal::NoText),
            // Here anybody is who they say they are. Yours will ask for more.
            (Service::Account, "sign-in") => {
                let sign_in = sessions.with(token, |session| {
                    session.sign_in(text)?;
                    Ok(text.to_owned())
                });
                sign_in.await?
            }
            (Service::Account, "sign-out") => {
                let sign_out = sessions.with(token, |session| {
                    session.sign_out();
                    Ok(String::new())
                });
                sign_out.await?
            }
            (Service::Account, "who") => {
                let who = sessions.with(token, |session| {
                    Ok(session.subject().unwrap_or("a stranger").to_owned())
                });
                who.await?
            }
            (Service::Account, "ended") => {
                let session: Session = sessions.session(token.map(str::as_bytes));
                session.load().await?;
                if session.is_new()? {
                    return Err(Refusal::Gone);
                }
                let ended = match session.ended().await? {
                    Ended::Rotated { .. } | Ended::SignedIn => "replaced",
                    _ => "signed out",
                };
                (ended.to_owned(), Outcome::default())
            }
            (Service::Cart, "add") => {
                let add = sessions.with(token, |session| {
                    let item = text.to_owned();
                    // It runs again if another request, to whichever process, changes the cart
                    // first.
                    let items = session.update("cart", move |items: Option<Vec<String>>| {
                        let mut items = items.unwrap_or_default();
                        items.push(item.clone());
                        items
                    });
                    Ok(items?.join(", "))
                });
                add.await?
            }
            (Service::Cart, "list") => {
                let list = sessions.with(token, |session| {
                    let items: Option<Vec<String>> = session.get("cart")?;
                    Ok(items.unwrap_or_default().join(", "))
                });
                list.await?
            }
            _ => return Err(Refusal::NoSuchRequest),
        };
        match done.1.fate {
            Fate::Gone => Err(Refusal::Gone),
            _ => Ok(done),
        }
    }
}

/// Why a request was not done.
enum Refusal {
    NoSuchRequest,
    NoText,
    /// Another part of the client has signed in and received the new token.
    Superseded,
    Gone,
    Session(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Session(SessionError::Superseded) => Self::Superseded,
            error => Self::Session(error),
        }
    }
}

fn told(text: String, outcome: &Outcome) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    match &outcome.directive {
        Directive::Issue(issued) => {
            headers.insert("Session", format!("keep {}", issued.token.expose()));
        }
        Directive::Clear => headers.insert("Session", "forget"),
        _ if outcome.superseded => headers.insert("Session", "stale"),
        _ => {}
    }
    (headers, text)
}

fn refused(refusal: &Refusal) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    let (code, why) = match refusal {
        Refusal::NoSuchRequest => (404, "there is no such request"),
        Refusal::NoText => (400, "the request wants a text"),
        Refusal::Gone => (401, "your session has ended"),
        Refusal::Superseded => {
            headers.insert("Session", "stale");
            (409, "your token has been replaced")
        }
        Refusal::Session(error) => {
            // Errors go to the log.
            let _ = writeln!(io::stderr(), "session: {error}");
            (error.status().as_u16(), error.sentence())
        }
    };
    headers.insert("Nats-Service-Error", why);
    headers.insert("Nats-Service-Error-Code", code.to_string());
    (headers, String::new())
}
