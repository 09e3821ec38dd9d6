//! A subject's sessions: listing, ending, limiting.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cloakroom_core::{Error as SessionError, Exchange, Outcome, UnixTime};
use cloakroom_store::Directory;
use serde::de::DeserializeOwned;

use crate::{Error, Excess, Sessions};

/// One of a subject's sessions, as it was when it was listed.
///
/// ```
/// use cloakroom::{Error, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let sessions = Sessions::new(MemoryStore::new());
/// sessions.with(None, |session| {
///     session.insert("device", "laptop")?;
///     session.sign_in("ada")
/// }).await?;
///
/// let listed = sessions.list("ada").await?;
/// assert_eq!(listed[0].get::<String>("device")?.as_deref(), Some("laptop"));
/// # Ok(())
/// # }
/// ```
pub struct Listed {
    id: String,
    created_at: UnixTime,
    authenticated_at: Option<UnixTime>,
    expires_at: UnixTime,
    exchange: std::sync::Mutex<Exchange>,
}

impl Listed {
    /// The session's public name, as [`Session::id`](crate::Session::id) gives it: compare to mark "this device", pass to
    /// [`Sessions::revoke`].
    ///
    /// ```
    /// # use cloakroom::Listed;
    /// fn is_this_device(listed: &Listed, id: Option<&str>) -> bool {
    ///     id == Some(listed.id())
    /// }
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was created, or signed in last.
    ///
    /// ```
    /// # use cloakroom::{Listed, UnixTime};
    /// fn age(listed: &Listed, now: UnixTime) -> u64 {
    ///     now.since(listed.created_at()).as_secs()
    /// }
    /// ```
    #[must_use]
    pub fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// When its subject signed in.
    ///
    /// ```
    /// # use cloakroom::Listed;
    /// fn newest(sessions: &[Listed]) -> Option<&Listed> {
    ///     sessions.iter().max_by_key(|listed| listed.authenticated_at())
    /// }
    /// ```
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixTime> {
        self.authenticated_at
    }

    /// When it ends if no further request comes.
    ///
    /// ```
    /// # use cloakroom::Listed;
    /// fn soonest(sessions: &[Listed]) -> Option<&Listed> {
    ///     sessions.iter().min_by_key(|listed| listed.expires_at())
    /// }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// One of its values.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] if it is not a `T`.
    ///
    /// ```
    /// # use cloakroom::{Error, Listed};
    /// fn device(listed: &Listed) -> Result<String, Error> {
    ///     Ok(listed.get("device")?.unwrap_or_else(|| "unknown".to_owned()))
    /// }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let mut exchange = self
            .exchange
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(exchange.session()?.get(name)?)
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl<S: Directory> Sessions<S> {
    /// The living sessions of a subject, the one that signed in last first. One listing of the store.
    ///
    /// Those of this configuration alone: of what other session cookies of the application keep in the same store, perhaps for other people
    /// of the same name, nothing is seen. A record that cannot be read is left out, with a warning (`tracing`).
    ///
    /// # Errors
    ///
    /// [`Error::Store`]
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// assert!(sessions.list("nobody").await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(&self, subject: &str) -> Result<Vec<Listed>, Error> {
        Ok(self.read(subject).await?.0)
    }

    /// Also what was wrong with one that is left out.
    async fn read(&self, subject: &str) -> Result<(Vec<Listed>, Option<SessionError>), Error> {
        let (mut listed, mut unread) = (Vec::new(), None);
        for (key, stored) in self.store().list(subject).await? {
            let mut exchange = Exchange::open_key(self.config(), key.clone(), self.now());
            let loaded = exchange.handle_loaded(&key, Some(stored));
            // A retired record is not listed as one: its successor is.
            if loaded.is_ok() && exchange.wants_load().is_some() {
                continue;
            }
            match exchange.session() {
                Ok(session) if session.subject() == Some(subject) => {
                    let Some(id) = session.id() else { continue };
                    let (created_at, expires_at) = (session.created_at(), session.expires_at());
                    let authenticated_at = session.authenticated_at();
                    let exchange = exchange.into();
                    listed.push((
                        key,
                        Listed {
                            id,
                            created_at,
                            authenticated_at,
                            expires_at,
                            exchange,
                        },
                    ));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a session of this subject cannot be read and is not listed");
                    unread = Some(error);
                }
            }
        }
        // By key where the times are the same, so that the order does not jump.
        listed.sort_by(|(a_key, a), (b_key, b)| {
            (b.authenticated_at, a_key).cmp(&(a.authenticated_at, b_key))
        });
        let listed = listed.into_iter().map(|(_, listed)| listed).collect();
        Ok((listed, unread))
    }

    /// Ends one of a subject's sessions, by its public name; says whether there was such a one. It is a sign-out: it wins
    /// against whatever is in flight, a rotation included. A listing and one or more store calls.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], [`Error::Session`]: then the session may live on. Also if there is none of this name, and a record that cannot be
    /// read, which may be the one.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// assert!(!sessions.revoke("ada", "no such session").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke(&self, subject: &str, id: &str) -> Result<bool, Error> {
        match self.revoke_where(subject, |listed| listed == id).await? {
            (0, Some(unread)) => Err(unread.into()),
            (ended, _) => Ok(ended > 0),
        }
    }

    /// Ends all sessions of a subject, but the one with this public name, if any; says how many. For "sign out the others",
    /// for a changed password, for a locked account (OWASP ASVS 5.0, 7.4.2, 7.4.3). Those of this configuration: an application with several
    /// session cookies has several `Sessions` to ask.
    ///
    /// `keep` is what [`Session::id`](crate::Session::id) says in the request that asks for this; also where its token has just been
    /// rotated away it is the name of the session that took its place. (One that another request rotates between the two calls is ended.)
    ///
    /// A sign-in that is in flight at this moment is not ended: it has credentials of its own.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Sessions::revoke); those that were ended until then stay ended. [`Error::Session`] also if a record cannot be read, for
    /// example because a newer version wrote it: all others are ended then, and that one lives on.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// sessions.with(None, |session| session.sign_in("ada")).await?;
    /// assert_eq!(sessions.revoke_others("ada", None).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_others(&self, subject: &str, keep: Option<&str>) -> Result<usize, Error> {
        let all = |listed: &str| Some(listed) != keep;
        match self.revoke_where(subject, all).await? {
            (_, Some(unread)) => Err(unread.into()),
            (ended, None) => Ok(ended),
        }
    }

    async fn revoke_where(
        &self,
        subject: &str,
        doomed: impl Fn(&str) -> bool,
    ) -> Result<(usize, Option<SessionError>), Error> {
        let mut ended = 0;
        let (all, unread) = self.read(subject).await?;
        for listed in all {
            if doomed(&listed.id) {
                self.end(listed).await?;
                ended += 1;
            }
        }
        Ok((ended, unread))
    }

    async fn end(&self, listed: Listed) -> Result<(), Error> {
        let mut exchange = listed
            .exchange
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        exchange.session()?.destroy();
        let commit = exchange.finish(self.now());
        self.clone().drive(commit).await.map(drop)
    }
}

pub(crate) trait Limit<S>: Send + Sync {
    fn commit<'a>(
        &'a self,
        sessions: &'a Sessions<S>,
        exchange: Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>;
}

struct Most {
    sessions: usize,
    excess: Excess,
}

pub(crate) fn limit<S: Directory>(sessions: usize, excess: Excess) -> Arc<dyn Limit<S>> {
    Arc::new(Most { sessions, excess })
}

impl<S: Directory> Limit<S> for Most {
    fn commit<'a>(
        &'a self,
        sessions: &'a Sessions<S>,
        exchange: Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>> {
        Box::pin(self.limited(sessions, exchange))
    }
}

impl Most {
    async fn limited<S: Directory>(
        &self,
        sessions: &Sessions<S>,
        exchange: Exchange,
    ) -> Result<Outcome, Error> {
        let Some(subject) = exchange.signs_in().map(str::to_owned) else {
            return sessions
                .clone()
                .drive(exchange.finish(sessions.now()))
                .await;
        };
        // Before the sign-in: so the session that it makes is not among those to end, however many sign in within a second.
        let own = exchange.replaces();
        let listed = sessions.list(&subject).await;
        let mut others = listed.inspect_err(|error| sessions.0.observer.failed(error))?;
        others.retain(|listed| Some(&listed.id) != own.as_ref());
        if self.excess == Excess::Refuse && others.len() >= self.sessions {
            sessions.0.observer.failed(&Error::TooManySessions);
            return Err(Error::TooManySessions);
        }
        let outcome = sessions
            .clone()
            .drive(exchange.finish(sessions.now()))
            .await?;
        if self.excess == Excess::EndOldest {
            for oldest in others.drain(..).skip(self.sessions.saturating_sub(1)) {
                // The sign-in has happened, so its client must hear of its token. The next sign-in ends what was left.
                if let Err(error) = sessions.end(oldest).await {
                    tracing::warn!(%error, "a session over the limit could not be ended");
                }
            }
        }
        Ok(outcome)
    }
}
