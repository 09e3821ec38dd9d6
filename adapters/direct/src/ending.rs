//! The end of all sessions.

use cloakroom_core::{Epoch, Error as SessionError, Stored};
use cloakroom_store::{Created, Replaced, Store};

use crate::drive::{Retries, reload_key};
use crate::inner::Inner;
use crate::observe::Operation;
use crate::{Error, Sessions};

/// How often other processes may end all sessions meanwhile.
const MAX_CONFLICTS: u32 = 64;

const NOT_SWITCHED_ON: Error = Error::NotSetUp(
    "`end_all` needs `ConfigBuilder::end_all_within`; set it in every process that serves these \
     sessions",
);

impl<S: Store> Sessions<S> {
    /// Ends all sessions of this configuration at once, those of visitors who are not signed in
    /// too. Use it after a breach, or when tokens may have leaked (OWASP ASVS 5.0, 7.4.5).
    ///
    /// Needs [`ConfigBuilder::end_all_within`](crate::ConfigBuilder::end_all_within). Once it
    /// returns, this process refuses every session that was created or authenticated before the
    /// call. Every other process does so after that lease at the latest. Sign-ins that were in
    /// flight end too. A sign-in on a process that has not noticed the end may have to be repeated.
    ///
    /// An ended session is like an expired one: its token is that of a visitor without a session,
    /// and [`list`](Sessions::list) leaves it out. Its record stays in the store until it expires.
    ///
    /// Costs one load and one write, however many sessions there are.
    ///
    /// On Memcached the record of the end can be lost, with its server or by eviction. A process
    /// that knows of the end writes it again within a lease, and stays with it. A process that
    /// starts in between does not learn of it from there.
    ///
    /// # Errors
    ///
    /// [`Error::NotSetUp`] if it is not switched on. [`Error::Store`]: the sessions may have ended
    /// or not. Call it again, because ending them twice does no harm. [`Error::Session`] if
    /// something else is in the place of the record.
    ///
    /// ```
    /// # use cloakroom::{Config, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::builder()
    ///     .end_all_within(Duration::from_secs(1))
    ///     .build()?;
    /// let sessions = Sessions::new(MemoryStore::new()).with_config(config);
    /// sessions.with(None, |session| session.sign_in("ada")).await?;
    /// sessions.end_all().await?;
    /// assert!(sessions.list("ada").await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn end_all(&self) -> Result<(), Error> {
        let result = self.0.end_all().await;
        match &result {
            Ok(()) => {
                self.0.watch.lost();
                tracing::info!("all sessions of this configuration were ended");
            }
            Err(error) => self.0.observer.failed(error),
        }
        result
    }
}

impl<S: Store> Inner<S> {
    async fn end_all(&self) -> Result<(), Error> {
        let Some(key) = self.config.epoch_key() else {
            return Err(NOT_SWITCHED_ON);
        };
        self.check()?;
        self.note_place();
        let mut retries = Retries::new();
        // The epoch of a write whose answer was lost.
        let mut aim: Option<Epoch> = None;
        for _ in 0..MAX_CONFLICTS {
            let mut sent = self.moment();
            let found = reload_key(self, key).await?;
            let known = Epoch::read(found.as_ref())?;
            if aim.is_some_and(|aim| known >= aim) {
                // That write happened, or a later end did.
                self.epochs.learn(found, sent)?;
                return Ok(());
            }
            let next = known.max(self.epochs.highest()).next(self.now())?;
            let write = next.write(self.now());
            sent = self.moment();
            let start = self.observer.start();
            let answer = match &found {
                None => {
                    let answer = self.store.create(key, &write).await;
                    self.observer.end(start, Operation::Create, &answer);
                    answer.map(|answer| answer == Created::Stored)
                }
                Some(old) => {
                    let answer = self.store.replace(key, old, &write).await;
                    self.observer.end(start, Operation::Replace, &answer);
                    answer.map(|answer| answer == Replaced::Stored)
                }
            };
            match answer {
                Ok(true) => {
                    let stored = Stored::new(write.bytes, write.expires_at, 0);
                    self.epochs.learn(Some(stored), sent)?;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => {
                    retries.spend(error)?;
                    aim = Some(aim.map_or(next, |aim| aim.min(next)));
                }
            }
        }
        Err(SessionError::Contended.into())
    }
}
