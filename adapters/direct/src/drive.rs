//! The one loop that carries out what the machine asks for.

use cloakroom_core::{Commit, Fate, Key, Outcome, Stored};
use cloakroom_store::{Store, StoreError};

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

pub(crate) async fn load_key(store: &impl Store, key: &Key) -> Result<Option<Stored>, Error> {
    let mut retries = Retries(RETRIES);
    loop {
        match store.load(key).await {
            Ok(found) => return Ok(found),
            Err(error) => retries.spend(error)?,
        }
    }
}

impl<S: Store> Sessions<S> {
    /// By value, so that a boxed one is one future.
    pub(crate) async fn drive(self, mut commit: Commit) -> Result<Outcome, Error> {
        let store = self.store();
        let mut retries = Retries(RETRIES);
        loop {
            // A write that failed is tried again only through the machine: it looks first whether the write happened.
            commit = match commit {
                Commit::Done(outcome) => {
                    report(&outcome);
                    return Ok(outcome);
                }
                Commit::Mint(mint) => mint.with(self.0.random()?)?,
                Commit::Create(create) => match store.create(create.key(), create.write()).await {
                    Ok(answer) => create.then(answer, self.now())?,
                    Err(error) => retries.spend(error).map(|()| create.lost(self.now()))??,
                },
                Commit::Replace(replace) => match store
                    .replace(replace.key(), replace.old(), replace.write())
                    .await
                {
                    Ok(answer) => replace.then(answer, self.now())?,
                    Err(error) => retries.spend(error).map(|()| replace.lost(self.now()))??,
                },
                Commit::Touch(touch) => match store.touch(touch.key(), touch.expires_at()).await {
                    Ok(answer) => touch.then(answer, self.now())?,
                    Err(error) => retries.spend(error).map(|()| touch.lost(self.now()))??,
                },
                Commit::Delete(delete) => match store.delete(delete.key(), delete.old()).await {
                    Ok(answer) => delete.then(answer, self.now())?,
                    Err(error) => retries.spend(error).map(|()| delete.lost(self.now()))??,
                },
                Commit::Reload(reload) => {
                    let found = load_key(store, reload.key()).await?;
                    reload.then(found, self.now())?
                }
                // `Commit` is non-exhaustive for drivers of others; this one is released with the machine.
                _ => return Err(cloakroom_core::Error::Misuse.into()),
            };
        }
    }
}

fn report(outcome: &Outcome) {
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
