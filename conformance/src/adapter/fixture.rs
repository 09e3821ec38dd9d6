use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::{App, Claims};
use crate::store::FixtureError;

/// Starts a server that uses the adapter, and claims its abilities.
///
/// ```
/// use cloakroom_conformance::adapter::{
///     Ability, App, Claims, Fixture, FixtureError, Server,
/// };
/// use tokio::net::TcpListener;
///
/// struct Mine;
///
/// impl Fixture for Mine {
///     const NAME: &'static str = "mine";
///
///     async fn start(&self, app: App) -> Result<Server, FixtureError> {
///         let listener = TcpListener::bind("127.0.0.1:0").await?;
///         let address = listener.local_addr()?;
///         let server = tokio::spawn(async move {
///             // Serve `app` with the adapter on `listener`.
///             # drop((app, listener));
///         });
///         Ok(Server::http(address, server.abort_handle()))
///     }
///
///     fn claims(claims: Claims) -> Claims {
///         claims.can(Ability::Http).can(Ability::Stream)
///     }
/// }
/// ```
pub trait Fixture: Send + Sync + Sized + 'static {
    /// The adapter's name in the suite's output.
    const NAME: &'static str;

    /// Starts a server of this application. Each case has at least one of its own. Some have two on
    /// the same store.
    ///
    /// # Errors
    ///
    /// If it cannot be started, the case fails. With an [`io::Error`](std::io::Error) of the kind
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) the case is skipped: this machine lacks
    /// something.
    fn start(&self, app: App) -> impl Future<Output = Result<Server, FixtureError>> + Send;

    /// Claims and denies abilities. Cases of the others are reported as skipped.
    fn claims(claims: Claims) -> Claims;
}

/// A server that a fixture started. Dropping it stops the server.
///
/// ```
/// use cloakroom_conformance::adapter::{App, Fixture, FixtureError, Server};
///
/// async fn server(
///     fixture: &impl Fixture,
///     app: App,
/// ) -> Result<Server, FixtureError> {
///     fixture.start(app).await
/// }
/// ```
pub struct Server {
    pub(super) reached: Reached,
    _keep: Box<dyn Any + Send + Sync>,
}

#[derive(Clone)]
pub(super) enum Reached {
    At(SocketAddr),
    Through(Arc<dyn ErasedClient>),
}

impl Server {
    /// Returns an HTTP server at this address. `stop` is dropped with it: a task's `AbortHandle` is
    /// aborted.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::Server;
    ///
    /// fn server(
    ///     address: std::net::SocketAddr,
    ///     task: tokio::task::JoinHandle<()>,
    /// ) -> Server {
    ///     Server::http(address, task.abort_handle())
    /// }
    /// ```
    pub fn http(address: SocketAddr, task: tokio::task::AbortHandle) -> Self {
        Self {
            reached: Reached::At(address),
            _keep: Box::new(AbortOnDrop(task)),
        }
    }

    /// Returns a server of another transport. It takes a token and a script, and returns the
    /// results and the directive for the token.
    ///
    /// ```
    /// use cloakroom_conformance::adapter::{Client, Server};
    ///
    /// fn server(client: impl Client) -> Server {
    ///     Server::messages(client)
    /// }
    /// ```
    pub fn messages(client: impl Client) -> Self {
        Self {
            reached: Reached::Through(Arc::new(client)),
            _keep: Box::new(()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client of a transport that is not HTTP.
///
/// ```
/// use cloakroom::{Directive, Error, Outcome};
/// use cloakroom_conformance::adapter::{MessageReply, App, Client, TokenNotice};
///
/// /// No transport at all.
/// struct Direct(App);
///
/// impl Client for Direct {
///     async fn exchange(&self, tokens: &[&str], script: &str) -> MessageReply {
///         match exchange(&self.0, tokens, script).await {
///             Err(error) => MessageReply::Failed(error.to_string()),
///             Ok((results, outcome)) => MessageReply::Done(
///                 results,
///                 match outcome.directive {
///                     Directive::Issue(issued) => {
///                         TokenNotice::Keep(issued.token.expose().to_owned())
///                     }
///                     Directive::Clear => TokenNotice::Forget,
///                     _ if outcome.superseded => TokenNotice::Stale,
///                     _ => TokenNotice::Nothing,
///                 },
///             ),
///         }
///     }
/// }
///
/// async fn exchange(
///     app: &App,
///     tokens: &[&str],
///     script: &str,
/// ) -> Result<(String, Outcome), Error> {
///     let sessions = app.sessions();
///     let mut exchange =
///         sessions.open(tokens.iter().map(|token| token.as_bytes()));
///     sessions.load(&mut exchange).await?;
///     let results = app.perform(&mut exchange.session()?, script)?;
///     Ok((results, sessions.commit(exchange).await?))
/// }
/// ```
pub trait Client: Send + Sync + 'static {
    /// Sends a message with these tokens (usually none or one), and waits for the answer. Several
    /// calls run at the same time.
    fn exchange(&self, tokens: &[&str], script: &str) -> impl Future<Output = MessageReply> + Send;
}

/// The answer to a client of messages.
///
/// ```
/// use cloakroom_conformance::adapter::{MessageReply, TokenNotice};
///
/// fn answer(results: Result<String, cloakroom::Error>) -> MessageReply {
///     match results {
///         Ok(results) => MessageReply::Done(results, TokenNotice::Nothing),
///         Err(error) => MessageReply::Failed(error.to_string()),
///     }
/// }
/// ```
#[derive(Debug)]
pub enum MessageReply {
    /// The results of [`App::perform`], and the directive for the token.
    Done(String, TokenNotice),
    /// The request failed, visibly to the client.
    Failed(String),
}

/// The directive for the client's token.
///
/// ```
/// use cloakroom_conformance::adapter::TokenNotice;
///
/// let keep = TokenNotice::Keep("a secret".to_owned());
/// assert_eq!(format!("{keep:?}"), "Keep(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum TokenNotice {
    /// Keeps its token.
    Nothing,
    /// Presents this one from now on.
    Keep(String),
    /// Presents none any more.
    Forget,
    /// There is a newer token than the presented one:
    /// [`Outcome::superseded`](cloakroom::Outcome::superseded). The client does not receive it,
    /// because its holder already has it.
    Stale,
}

impl fmt::Debug for TokenNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Keep(_) => "Keep(..)",
            Self::Forget => "Forget",
            Self::Stale => "Stale",
        })
    }
}

pub(super) type Exchanging<'a> = Pin<Box<dyn Future<Output = MessageReply> + Send + 'a>>;

pub(super) trait ErasedClient: Send + Sync {
    fn exchange<'a>(&'a self, tokens: &'a [&'a str], script: &'a str) -> Exchanging<'a>;
}

impl<C: Client> ErasedClient for C {
    fn exchange<'a>(&'a self, tokens: &'a [&'a str], script: &'a str) -> Exchanging<'a> {
        Box::pin(Client::exchange(self, tokens, script))
    }
}

pub(super) trait AnyFixture: Send + Sync {
    fn start(
        &self,
        app: App,
    ) -> Pin<Box<dyn Future<Output = Result<Server, FixtureError>> + Send + '_>>;
    fn claims(&self) -> &Claims;
}

pub(super) struct Typed<F> {
    pub(super) fixture: F,
    pub(super) claims: Claims,
}

impl<F: Fixture> AnyFixture for Typed<F> {
    fn start(
        &self,
        app: App,
    ) -> Pin<Box<dyn Future<Output = Result<Server, FixtureError>> + Send + '_>> {
        Box::pin(self.fixture.start(app))
    }

    fn claims(&self) -> &Claims {
        &self.claims
    }
}

pub(super) fn is_missing(error: &FixtureError) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::Unsupported)
}
