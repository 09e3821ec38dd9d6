//! Connections that stay open between messages, each for the tokens that its client holds by now.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};

use cloakroom_conformance::adapter::{Client, MessageReply};

use crate::reply::obey;

/// Opens a connection of a transport, and sends its first bytes.
pub(crate) trait Transport: Send + Sync + 'static {
    type Connection: Send + 'static;

    /// Connects, and presents these tokens: once for all messages.
    fn connect(
        &self,
        tokens: &[String],
    ) -> impl Future<Output = io::Result<Self::Connection>> + Send;

    /// Sends a message and waits for its answer.
    fn message(
        &self,
        connection: &mut Self::Connection,
        script: &str,
    ) -> impl Future<Output = io::Result<MessageReply>> + Send;
}

/// The suite's clients. A message goes over an idle connection that was opened with its tokens, or
/// whose last directive kept one. So concurrent messages have a connection each, and consecutive
/// ones share one.
pub(crate) struct Connections<T: Transport> {
    transport: T,
    idle: Mutex<HashMap<Vec<String>, Vec<T::Connection>>>,
}

impl<T: Transport> Connections<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self {
            transport,
            idle: Mutex::default(),
        }
    }

    async fn try_exchange(&self, tokens: &[&str], script: &str) -> io::Result<MessageReply> {
        let tokens: Vec<_> = tokens.iter().copied().map(str::to_owned).collect();
        let mut connection = match self.idle(|idle| idle.get_mut(&tokens).and_then(Vec::pop)) {
            Some(connection) => connection,
            None => self.transport.connect(&tokens).await?,
        };
        let answer = self.transport.message(&mut connection, script).await?;
        let tokens = match &answer {
            MessageReply::Done(_, told) => obey(tokens, told),
            MessageReply::Failed(_) => tokens,
        };
        self.idle(|idle| idle.entry(tokens).or_default().push(connection));
        Ok(answer)
    }

    fn idle<R>(&self, f: impl FnOnce(&mut HashMap<Vec<String>, Vec<T::Connection>>) -> R) -> R {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Transport> Client for Connections<T> {
    async fn exchange(&self, tokens: &[&str], script: &str) -> MessageReply {
        match self.try_exchange(tokens, script).await {
            Ok(answer) => answer,
            Err(error) => MessageReply::Failed(format!("the connection: {error}")),
        }
    }
}
