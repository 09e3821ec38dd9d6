//! The driver: the one loop that makes the machine's store calls.

use std::future::Future;
use std::sync::Arc;

use cloakroom_core::{Commit, Exchange, Fate, Key, Outcome, Stored};
use cloakroom_store::{Deleted, Replaced, Store, StoreError};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::Error;
use crate::epoch::{is_epoch, load_epoch};
use crate::events::{Cause, Errand};
use crate::inner::Inner;
use crate::observe::Operation;

/// How often one load or commit retries after a transient failure of the store. It retries at once:
/// the stores' clients reconnect by themselves, and the application reports a store that stays
/// away.
const RETRIES: u32 = 2;

pub(crate) struct Retries(u32);

impl Retries {
    pub(crate) fn new() -> Self {
        Self(RETRIES)
    }

    /// Returns the failure, unless a retry is left.
    pub(crate) fn spend(&mut self, error: StoreError) -> Result<(), Error> {
        if !error.is_transient() || self.0 == 0 {
            return Err(error.into());
        }
        self.0 -= 1;
        tracing::debug!(store = error.store(), "session store failed, trying again");
        Ok(())
    }
}

/// Loads for a handler, which may read what a cache has.
pub(crate) async fn load_key<S: Store>(
    sessions: &Inner<S>,
    key: &Key,
) -> Result<Option<Stored>, Error> {
    sessions.note_place();
    if is_epoch(&sessions.config, key) {
        return load_epoch(sessions, key).await;
    }
    let mut retries = Retries::new();
    loop {
        let start = sessions.observer.start();
        let result = sessions.store.load(key).await;
        sessions.observer.end(start, Operation::Load, &result);
        match result {
            Ok(found) => return Ok(found),
            Err(error) => retries.spend(error)?,
        }
    }
}

/// Loads for a commit or a look, which decide from it.
pub(crate) async fn reload_key<S: Store>(
    sessions: &Inner<S>,
    key: &Key,
) -> Result<Option<Stored>, Error> {
    let mut retries = Retries::new();
    loop {
        let start = sessions.observer.start();
        let result = sessions.store.load_fresh(key).await;
        sessions.observer.end(start, Operation::Load, &result);
        match result {
            Ok(found) => return Ok(found),
            Err(error) => retries.spend(error)?,
        }
    }
}

/// Opens a commit's span. The outcome is recorded at its end.
pub(crate) fn commit_span() -> Span {
    tracing::debug_span!("session.commit", fate = Empty, conflicts = Empty)
}

pub(crate) fn load_span() -> Span {
    tracing::debug_span!("session.load")
}

impl<S: Store> Inner<S> {
    /// Returns whether this exchange signs in under a limit.
    pub(crate) fn limits(&self, exchange: &Exchange) -> bool {
        self.limit.is_some() && exchange.signs_in().is_some()
    }

    /// Commits an exchange, under the limit if there is one.
    pub(crate) async fn limited_commit(
        self: Arc<Self>,
        exchange: Exchange,
    ) -> Result<Outcome, Error> {
        match &self.limit {
            Some(limit) if exchange.signs_in().is_some() => limit.commit(&self, exchange).await,
            _ => {
                let commit = self.finish(exchange, Cause::OwnRequest);
                self.clone()
                    .drive_for(commit)
                    .instrument(commit_span())
                    .await
            }
        }
    }

    /// Turns an exchange into its commit. `cause` says why it ends a session, if it does.
    pub(crate) fn finish(&self, mut exchange: Exchange, cause: Cause) -> (Commit, Errand) {
        let errand = self.events.errand(&mut exchange, cause);
        (exchange.finish(self.now()), errand)
    }

    pub(crate) fn drive(
        self: Arc<Self>,
        commit: Commit,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send {
        self.drive_for((commit, Errand::default()))
    }

    /// Takes the reference by value, so that a boxed commit is one future.
    pub(crate) async fn drive_for(
        self: Arc<Self>,
        (mut commit, mut errand): (Commit, Errand),
    ) -> Result<Outcome, Error> {
        self.note_place();
        let (store, observer) = (&*self.store, &self.observer);
        let (mut retries, mut rebases) = (Retries::new(), 0);
        // From the first conflict on, and to the end of the commit.
        let mut turn = None;
        loop {
            // Only the machine retries a failed write: it looks first whether the write happened.
            let next = match commit {
                Commit::Done(outcome) => {
                    report(&outcome);
                    self.events.tell(errand, &outcome, || self.now());
                    observer.finished(&outcome, rebases);
                    return Ok(outcome);
                }
                Commit::Mint(mint) => match self.entropy(mint.needs_secrets()) {
                    Ok(entropy) => mint.with(entropy).map_err(Error::from),
                    Err(error) => Err(error),
                },
                Commit::Create(create) => {
                    let start = observer.start();
                    let answer = store.create(create.key(), create.write()).await;
                    observer.end(start, Operation::Create, &answer);
                    match answer {
                        Ok(answer) => create.then(answer, self.now()).map_err(Error::from),
                        Err(error) => match retries.spend(error) {
                            Ok(()) => create.lost(self.now()).map_err(Error::from),
                            Err(error) => Err(error),
                        },
                    }
                }
                Commit::Replace(replace) => {
                    let start = observer.start();
                    let answer = store
                        .replace(replace.key(), replace.old(), replace.write())
                        .await;
                    observer.end(start, Operation::Replace, &answer);
                    match answer {
                        Ok(answer) => {
                            if answer == Replaced::Stored && replace.retires() {
                                self.watch.hint(replace.key(), None);
                            }
                            if answer == Replaced::Changed {
                                rebases += 1;
                                if turn.is_none() {
                                    turn = Some(self.turns.take(replace.key().clone()).await);
                                }
                            }
                            replace.then(answer, self.now()).map_err(Error::from)
                        }
                        Err(error) => match retries.spend(error) {
                            Ok(()) => replace.lost(self.now()).map_err(Error::from),
                            Err(error) => Err(error),
                        },
                    }
                }
                Commit::Touch(touch) => {
                    let start = observer.start();
                    let answer = store.touch(touch.key(), touch.expires_at()).await;
                    observer.end(start, Operation::Touch, &answer);
                    match answer {
                        Ok(answer) => touch.then(answer, self.now()).map_err(Error::from),
                        Err(error) => match retries.spend(error) {
                            Ok(()) => touch.lost(self.now()).map_err(Error::from),
                            Err(error) => Err(error),
                        },
                    }
                }
                Commit::Delete(delete) => {
                    let start = observer.start();
                    let answer = store.delete(delete.key(), delete.old()).await;
                    observer.end(start, Operation::Delete, &answer);
                    match answer {
                        Ok(answer) => {
                            if answer == Deleted::Deleted {
                                self.watch.hint(delete.key(), Some(errand.cause()));
                                errand.note_delete();
                            }
                            delete.then(answer, self.now()).map_err(Error::from)
                        }
                        Err(error) => match retries.spend(error) {
                            Ok(()) => delete.lost(self.now()).map_err(Error::from),
                            Err(error) => Err(error),
                        },
                    }
                }
                Commit::Reload(reload) => match reload_key(&self, reload.key()).await {
                    Ok(found) => reload.then(found, self.now()).map_err(Error::from),
                    Err(error) => Err(error),
                },
                // `Commit` is non-exhaustive for drivers of others; this one is released with the
                // machine.
                _ => Err(cloakroom_core::Error::ProtocolMisuse.into()),
            };
            commit = match next {
                Ok(next) => next,
                Err(error) => {
                    observer.failed(&error);
                    return Err(error);
                }
            };
        }
    }
}

fn report(outcome: &Outcome) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        let fate = match outcome.fate {
            Fate::Unchanged => "unchanged",
            Fate::Saved => "saved",
            Fate::Superseded => "superseded",
            Fate::Gone => "gone",
            _ => "other",
        };
        let span = Span::current();
        span.record("fate", fate);
        span.record("conflicts", outcome.conflicts);
    }
    if outcome.conflicts > 0 {
        tracing::debug!(
            conflicts = outcome.conflicts,
            "session saved after conflicts"
        );
    }
    match outcome.fate {
        Fate::Superseded => {
            tracing::info!("session changes dropped: a sign-in overtook them");
        }
        Fate::Gone => {
            tracing::info!("session changes dropped: the session has ended meanwhile");
        }
        _ => {}
    }
}
