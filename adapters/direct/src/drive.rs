//! The one loop that carries out what the machine asks for.

use cloakroom_core::{Commit, Fate, Key, Outcome, Stored};
use cloakroom_store::{Replaced, Store, StoreError};
use tracing::Span;
use tracing::field::Empty;

use crate::observe::Operation;
use crate::sessions::Inner;
use crate::{Error, Sessions};

/// How often a transient failure of the store is tried again, in one load or commit. Without a pause: clients of stores
/// reconnect by themselves, and a store that stays away is the application's to report.
const RETRIES: u32 = 2;

struct Retries(u32);

impl Retries {
    /// The failure, unless the question may be asked again.
    fn spend(&mut self, error: StoreError) -> Result<(), Error> {
        if !error.is_transient() || self.0 == 0 {
            return Err(error.into());
        }
        self.0 -= 1;
        tracing::debug!(store = error.store(), "session store failed, trying again");
        Ok(())
    }
}

pub(crate) async fn load_key<S: Store>(
    sessions: &Inner<S>,
    key: &Key,
) -> Result<Option<Stored>, Error> {
    let mut retries = Retries(RETRIES);
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

/// What a span shows of a commit; what becomes of it is recorded at its end.
pub(crate) fn commit_span() -> Span {
    tracing::debug_span!("session.commit", fate = Empty, conflicts = Empty)
}

pub(crate) fn load_span() -> Span {
    tracing::debug_span!("session.load")
}

impl<S: Store> Sessions<S> {
    /// By value, so that a boxed one is one future.
    pub(crate) async fn drive(self, mut commit: Commit) -> Result<Outcome, Error> {
        let (store, observer) = (self.store(), &self.0.observer);
        let (mut retries, mut rebases) = (Retries(RETRIES), 0);
        // From the first conflict on, and to the end of the commit.
        let mut turn = None;
        loop {
            // A write that failed is tried again only through the machine: it looks first whether the write happened.
            let next = match commit {
                Commit::Done(outcome) => {
                    report(&outcome);
                    observer.finished(&outcome, rebases);
                    return Ok(outcome);
                }
                Commit::Mint(mint) => match self.0.random() {
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
                            if answer == Replaced::Changed {
                                rebases += 1;
                                if turn.is_none() {
                                    turn = Some(self.0.turns.take(replace.key().clone()).await);
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
                        Ok(answer) => delete.then(answer, self.now()).map_err(Error::from),
                        Err(error) => match retries.spend(error) {
                            Ok(()) => delete.lost(self.now()).map_err(Error::from),
                            Err(error) => Err(error),
                        },
                    }
                }
                Commit::Reload(reload) => match load_key(&self.0, reload.key()).await {
                    Ok(found) => reload.then(found, self.now()).map_err(Error::from),
                    Err(error) => Err(error),
                },
                // `Commit` is non-exhaustive for drivers of others; this one is released with the machine.
                _ => Err(cloakroom_core::Error::Misuse.into()),
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
            tracing::info!("session changes dropped: the token had been rotated away");
        }
        Fate::Gone => {
            tracing::info!("session changes dropped: the session has ended meanwhile");
        }
        _ => {}
    }
}
