//! A subject's sessions, as a listing returns them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_core::{
    Authentication, Error as SessionError, Exchange, Fate, Session as CoreSession, UnixTime,
};
use cloakroom_store::{Directory, Key, Stored};
use serde::de::DeserializeOwned;

use crate::inner::Inner;
use crate::slot::this_thread;
use crate::{Cause, Error};

/// One of a subject's sessions, as it was when it was listed.
///
/// ```
/// use cloakroom::{Error, Sessions};
/// use cloakroom_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let sessions = Sessions::new(MemoryStore::new());
/// sessions
///     .with(None, |session| {
///         session.insert("device", "laptop")?;
///         session.sign_in("ada")
///     })
///     .await?;
///
/// let listed = sessions.list("ada").await?;
/// assert_eq!(listed[0].get::<String>("device")?.as_deref(), Some("laptop"));
/// # Ok(())
/// # }
/// ```
pub struct SessionInfo {
    id: String,
    created_at: UnixTime,
    authenticated_at: Option<UnixTime>,
    authentication: Option<Authentication>,
    expires_at: UnixTime,
    last_seen: UnixTime,
    exchange: Mutex<Exchange>,
    /// The thread that reads a value now, or 0.
    reader: AtomicUsize,
}

impl SessionInfo {
    /// Returns the session's public id, the one of [`Session::id`](crate::Session::id). Compare it
    /// to mark "this device", and pass it to [`Sessions::revoke`](crate::Sessions::revoke).
    ///
    /// ```
    /// # use cloakroom::SessionInfo;
    /// fn is_this_device(listed: &SessionInfo, id: Option<&str>) -> bool {
    ///     id == Some(listed.id())
    /// }
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the time of its creation, or of its last sign-in.
    ///
    /// ```
    /// # use cloakroom::{SessionInfo, UnixTime};
    /// fn age(listed: &SessionInfo, now: UnixTime) -> u64 {
    ///     now.since(listed.created_at()).as_secs()
    /// }
    /// ```
    #[must_use]
    pub fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// Returns the time of its sign-in.
    ///
    /// ```
    /// # use cloakroom::SessionInfo;
    /// fn newest(sessions: &[SessionInfo]) -> Option<&SessionInfo> {
    ///     sessions.iter().max_by_key(|listed| listed.authenticated_at())
    /// }
    /// ```
    #[must_use]
    pub fn authenticated_at(&self) -> Option<UnixTime> {
        self.authenticated_at
    }

    /// Returns how the subject was authenticated, if its sign-in kept it.
    ///
    /// ```
    /// # use cloakroom::SessionInfo;
    /// fn is_weak(listed: &SessionInfo) -> bool {
    ///     listed.authentication().is_none_or(|how| how.level() < 2)
    /// }
    /// ```
    #[must_use]
    pub fn authentication(&self) -> Option<&Authentication> {
        self.authentication.as_ref()
    }

    /// Returns the time of its end, if no further request comes.
    ///
    /// ```
    /// # use cloakroom::SessionInfo;
    /// fn soonest(sessions: &[SessionInfo]) -> Option<&SessionInfo> {
    ///     sessions.iter().min_by_key(|listed| listed.expires_at())
    /// }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns the time when it was used last.
    ///
    /// It lags by up to a tenth of the idle timeout, or by the configured `touch_interval`, because
    /// most requests that only read do not write it. See
    /// [`last_seen`](cloakroom_core::Session::last_seen) for details.
    ///
    /// ```
    /// # use cloakroom::{SessionInfo, UnixTime};
    /// fn idle_minutes(listed: &SessionInfo, now: UnixTime) -> u64 {
    ///     now.since(listed.last_seen()).as_secs() / 60
    /// }
    /// ```
    #[must_use]
    pub fn last_seen(&self) -> UnixTime {
        self.last_seen
    }

    /// Returns one of its values.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] if the value is not a `T`, or if its `Deserialize` calls this function.
    /// Also if values are [sealed](cloakroom_core::ConfigBuilder::seal_values): a listing sees the
    /// public ones alone.
    ///
    /// ```
    /// # use cloakroom::{Error, SessionInfo};
    /// fn device(listed: &SessionInfo) -> Result<String, Error> {
    ///     Ok(listed.get("device")?.unwrap_or_else(|| "unknown".to_owned()))
    /// }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        // A `Deserialize` that uses this listing would wait for itself.
        if self.reader.load(Ordering::Relaxed) == this_thread() {
            return Err(SessionError::ReentrantUpdate.into());
        }
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let _reading = Reading::begin(&self.reader);
        let value = exchange.session().and_then(|session| session.get(name));
        Ok(value?)
    }
}

impl SessionInfo {
    /// Returns whether it was signed in under a limit and its client has not come back since.
    pub(crate) fn is_unpresented(&self) -> bool {
        let exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        exchange.is_unpresented()
    }
}

/// This thread reads a listed session, until it is dropped: a value's own code may panic.
struct Reading<'a>(&'a AtomicUsize);

impl<'a> Reading<'a> {
    fn begin(reader: &'a AtomicUsize) -> Self {
        reader.store(this_thread(), Ordering::Relaxed);
        Self(reader)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// The sessions of a subject, and the error of one that could not be read.
pub(crate) type Listing = (Vec<SessionInfo>, Option<SessionError>);

impl<S: Directory> Inner<S> {
    /// Lists the living sessions of a subject, the last sign-in first.
    pub(crate) async fn listing(&self, subject: &str) -> Result<Listing, Error> {
        let records = self.store.list(subject).await?;
        Ok(self.sessions_of(subject, records, self.epoch().await?.as_ref()))
    }

    /// The same of at most `limit` records. Returns also whether there may be more.
    pub(crate) async fn listing_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<(Listing, bool), Error> {
        let records = self.store.list_some(subject, limit).await?;
        let is_cut = records.len() >= limit;
        let epoch = self.epoch().await?;
        Ok((self.sessions_of(subject, records, epoch.as_ref()), is_cut))
    }

    fn sessions_of(
        &self,
        subject: &str,
        records: Vec<(Key, Stored)>,
        epoch: Option<&(Key, Option<Stored>)>,
    ) -> Listing {
        let (mut listed, mut unread) = (Vec::new(), None);
        for (key, stored) in records {
            let mut exchange = Exchange::open_key(&self.config, key.clone(), self.now());
            if exchange.wants_load() != Some(&key) {
                continue;
            }
            let mut loaded = exchange.handle_loaded(&key, Some(stored));
            if let Some((epoch_key, found)) = epoch
                && loaded.is_ok()
                && exchange.wants_load() == Some(epoch_key)
            {
                loaded = exchange.handle_loaded(epoch_key, found.clone());
            }
            // The successor of a retired record is listed itself.
            if loaded.is_ok() && exchange.wants_load().is_some() {
                continue;
            }
            match exchange.session() {
                Ok(session) if session.subject() == Some(subject) => {
                    let Some(id) = session.id() else { continue };
                    let (created_at, expires_at) = (session.created_at(), session.expires_at());
                    let authenticated_at = session.authenticated_at();
                    let last_seen = session.last_seen();
                    let authentication = session.authentication();
                    let exchange = exchange.into();
                    listed.push((
                        key,
                        SessionInfo {
                            id,
                            created_at,
                            authenticated_at,
                            authentication,
                            expires_at,
                            last_seen,
                            exchange,
                            reader: AtomicUsize::new(0),
                        },
                    ));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "a session of this subject cannot be read and is not listed"
                    );
                    unread = Some(error);
                }
            }
        }
        // By key where the times are equal, so that the order is stable.
        listed.sort_by(|(a_key, a), (b_key, b)| {
            (b.authenticated_at, a_key).cmp(&(a.authenticated_at, b_key))
        });
        let listed = listed.into_iter().map(|(_, listed)| listed).collect();
        (listed, unread)
    }

    /// Changes a listed session without putting off its idle timeout. Returns whether it was saved.
    pub(crate) async fn change(
        self: &Arc<Self>,
        listed: SessionInfo,
        f: &mut impl FnMut(&mut CoreSession<'_>) -> Result<(), SessionError>,
    ) -> Result<bool, Error> {
        let exchange = listed.exchange.into_inner();
        let mut exchange = exchange.unwrap_or_else(PoisonError::into_inner);
        exchange.in_background();
        f(&mut exchange.session()?)?;
        let commit = self.finish(exchange, Cause::Revocation);
        Ok(Arc::clone(self).drive_for(commit).await?.fate == Fate::Saved)
    }

    /// Signs out one of them.
    pub(crate) async fn end(
        self: &Arc<Self>,
        listed: SessionInfo,
        cause: Cause,
    ) -> Result<(), Error> {
        let exchange = listed.exchange.into_inner();
        let mut exchange = exchange.unwrap_or_else(PoisonError::into_inner);
        exchange.session()?.sign_out();
        let commit = self.finish(exchange, cause);
        Arc::clone(self).drive_for(commit).await.map(drop)
    }
}
