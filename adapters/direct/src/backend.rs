//! `Inner` without the store's type, for the session handles.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cloakroom_core::http::tokens_of_line;
use cloakroom_core::{Commit, Config, Exchange, Key, Outcome, Stored, UnixTime};
use cloakroom_store::Store;
use http::HeaderValue;
use tracing::Instrument as _;

use crate::drive::{commit_span, load_key, load_span};
use crate::inner::Inner;
use crate::watch::{self, Ends};
use crate::{Cause, Error};

pub(crate) trait Backend: Send + Sync {
    /// Returns the error of sessions that nothing can keep.
    fn check(&self) -> Result<(), Error>;
    fn open(&self, cookies: &[HeaderValue]) -> Exchange;
    fn load<'a>(&'a self, key: &'a Key) -> Loading<'a>;
    /// Returns the outcome of an exchange that needs no store call.
    fn settled(&self, exchange: &Exchange, now: UnixTime) -> Option<Outcome>;
    fn commit(self: Arc<Self>, exchange: Exchange, now: UnixTime) -> Driving;
    fn drive(self: Arc<Self>, commit: Commit) -> Driving;
    fn resume(&self, outcome: &Outcome) -> Exchange;
    fn now(&self) -> UnixTime;
    fn config(&self) -> &Config;
    fn entropy(&self) -> Result<[u8; 32], Error>;
    fn much_entropy(&self) -> Result<[u8; 64], Error>;
    /// Waits for the end of the session under this key.
    fn watch(self: Arc<Self>, key: &Key) -> Result<Ends, Error>;
    /// Reports that the session could not be loaded.
    fn failed(&self, error: &Error);
}

pub(crate) type Driving = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

pub(crate) type Loading<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Stored>, Error>> + Send + 'a>>;

impl<S: Store> Backend for Inner<S> {
    fn check(&self) -> Result<(), Error> {
        Self::check(self)
    }

    fn open(&self, cookies: &[HeaderValue]) -> Exchange {
        let now = self.now();
        match cookies {
            [line] => Exchange::open(&self.config, tokens_of_line(&self.config, line), now),
            lines => {
                let tokens = lines
                    .iter()
                    .flat_map(|line| tokens_of_line(&self.config, line));
                Exchange::open(&self.config, tokens, now)
            }
        }
    }

    fn load<'a>(&'a self, key: &'a Key) -> Loading<'a> {
        let span = load_span();
        match span.is_disabled() {
            true => Box::pin(load_key(self, key)),
            false => Box::pin(load_key(self, key).instrument(span)),
        }
    }

    fn settled(&self, exchange: &Exchange, now: UnixTime) -> Option<Outcome> {
        let outcome = exchange.settled(now)?;
        self.strangers.watch(&self.config, exchange);
        self.observer.finished(&outcome, 0);
        Some(outcome)
    }

    fn commit(self: Arc<Self>, mut exchange: Exchange, now: UnixTime) -> Driving {
        self.strangers.watch(&self.config, &exchange);
        if self.limits(&exchange) {
            return Box::pin(async move { self.limited_commit(exchange).await });
        }
        let errand = self.events.errand(&mut exchange, Cause::OwnRequest);
        let commit = (exchange.finish(now), errand);
        let span = commit_span();
        match span.is_disabled() {
            true => Box::pin(self.drive_for(commit)),
            false => Box::pin(self.drive_for(commit).instrument(span)),
        }
    }

    fn drive(self: Arc<Self>, commit: Commit) -> Driving {
        Box::pin(Self::drive(self, commit).instrument(commit_span()))
    }

    fn resume(&self, outcome: &Outcome) -> Exchange {
        Exchange::resume(&self.config, outcome, Self::now(self))
    }

    fn now(&self) -> UnixTime {
        Self::now(self)
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn entropy(&self) -> Result<[u8; 32], Error> {
        self.random()
    }

    fn much_entropy(&self) -> Result<[u8; 64], Error> {
        self.random()
    }

    fn watch(self: Arc<Self>, key: &Key) -> Result<Ends, Error> {
        watch::watch(self, key)
    }

    fn failed(&self, error: &Error) {
        self.observer.failed(error);
    }
}
