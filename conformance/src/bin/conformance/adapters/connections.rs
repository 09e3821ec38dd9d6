//! Connections that stay open between messages, each for the tokens that its client holds by now.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};

use cloakroom_conformance::adapter::{Answer, Client};

use super::reply::obey;

/// How a client of some transport connects, and what it says then.
pub(super) trait Transport: Send + Sync + 'static {
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
    ) -> impl Future<Output = io::Result<Answer>> + Send;
}

/// The clients of the suite: a message goes over a connection that was opened with its tokens, or was told to keep one, if one
/// is idle. So messages at the same time have a connection each, and one after another share one.
pub(super) struct Connections<T: Transport> {
    transport: T,
    idle: Mutex<HashMap<Vec<String>, Vec<T::Connection>>>,
}

impl<T: Transport> Connections<T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport,
            idle: Mutex::default(),
        }
    }

    async fn try_exchange(&self, tokens: &[&str], script: &str) -> io::Result<Answer> {
        let tokens: Vec<_> = tokens.iter().copied().map(str::to_owned).collect();
        let mut connection = match self.idle(|idle| idle.get_mut(&tokens).and_then(Vec::pop)) {
            Some(connection) => connection,
            None => self.transport.connect(&tokens).await?,
        };
        let answer = self.transport.message(&mut connection, script).await?;
        let tokens = match &answer {
            Answer::Done(_, told) => obey(tokens, told),
            Answer::Failed(_) => tokens,
        };
        self.idle(|idle| idle.entry(tokens).or_default().push(connection));
        Ok(answer)
    }

    fn idle<R>(&self, f: impl FnOnce(&mut HashMap<Vec<String>, Vec<T::Connection>>) -> R) -> R {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Transport> Client for Connections<T> {
    async fn exchange(&self, tokens: &[&str], script: &str) -> Answer {
        match self.try_exchange(tokens, script).await {
            Ok(answer) => answer,
            Err(error) => Answer::Failed(format!("the connection: {error}")),
        }
    }
}
