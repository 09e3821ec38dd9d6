//! Listing and ending a subject's sessions.

use std::collections::HashSet;

use cloakroom_core::{Error as SessionError, Session as CoreSession};
use cloakroom_store::Directory;

use crate::{Cause, Error, SessionInfo, Sessions};

impl<S: Directory> Sessions<S> {
    /// Lists the living sessions of a subject, the last sign-in first. Costs one listing of the
    /// store.
    ///
    /// It lists the sessions of this configuration only. Other session cookies in the same store
    /// may belong to other people of the same name. A record that cannot be read is left out, with
    /// a warning (`tracing`).
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store did not answer.
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
    pub async fn list(&self, subject: &str) -> Result<Vec<SessionInfo>, Error> {
        Ok(self.0.listing(subject).await?.0)
    }

    /// Lists some of the living sessions of a subject, the last sign-in first.
    ///
    /// It reads at most `limit` records, for requests whose work must be bounded.
    ///
    /// With fewer than `limit` records these are all. With more, the choice is the store's. Records
    /// of other session cookies count, and are left out.
    ///
    /// [`list`](Sessions::list) reads them all, which takes as long as there are sessions.
    /// [`with_limit`](Sessions::with_limit) keeps users from having very many.
    ///
    /// # Errors
    ///
    /// Those of [`list`](Sessions::list).
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// let page = sessions.list_some("ada", 100).await?;
    /// assert!(page.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list_some(&self, subject: &str, limit: usize) -> Result<Vec<SessionInfo>, Error> {
        Ok(self.0.listing_some(subject, limit).await?.0.0)
    }

    /// Ends one of a subject's sessions by its public id. Returns whether there was one.
    ///
    /// It is a sign-out, so it wins over every request in flight, rotations included. Costs a
    /// listing and one or more store calls.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Session`]: the session may live on. Also if no session has
    /// this id and a record of the subject cannot be read, because that may be the one.
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
        match self.end_where(subject, |listed| listed.id() == id).await? {
            (0, Some(unread)) => Err(unread.into()),
            (ended, _) => Ok(ended > 0),
        }
    }

    /// Ends all sessions of a subject except the one with the public id `keep`. Returns how many.
    ///
    /// Use it for "sign out everywhere else", after a password change and for a locked account
    /// (OWASP ASVS 5.0, 7.4.2 and 7.4.3). It ends sessions of this configuration: an application
    /// with several session cookies calls it on each of its `Sessions`.
    ///
    /// `keep` is the [`Session::id`](crate::Session::id) of the current request. It stays valid if
    /// the request's token has just been rotated away. If another request rotates the session
    /// between the two calls, the session ends too. A sign-in in flight survives: it has
    /// credentials of its own.
    ///
    /// It takes as long as there are sessions. [`revoke_some`](Sessions::revoke_some) bounds the
    /// work of one call.
    ///
    /// # Errors
    ///
    /// The errors of [`revoke`](Sessions::revoke). Sessions that ended before the error stay
    /// ended. [`Error::Session`] also if a record cannot be read, for example because a newer
    /// version wrote it: all others are ended, and that one lives on.
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
        self.revoke_where(subject, |listed| Some(listed.id()) != keep)
            .await
    }

    /// Ends those sessions of a subject for which the function returns true. Returns how many.
    ///
    /// For "sign out the devices that I have not used for a month", and after a change of what a
    /// sign-in must have proved. Each is a sign-out, as by [`revoke`](Sessions::revoke). A session
    /// counts as it was when it was listed. Costs a listing, and one or more store calls for each
    /// session that ends.
    ///
    /// # Errors
    ///
    /// The errors of [`revoke_others`](Sessions::revoke_others).
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// # let now = cloakroom::ManualClock::new().now();
    /// let month = Duration::from_secs(30 * 86_400);
    /// let ended = sessions
    ///     .revoke_where("ada", |listed| now.since(listed.last_seen()) > month)
    ///     .await?;
    /// assert_eq!(ended, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_where(
        &self,
        subject: &str,
        doomed: impl Fn(&SessionInfo) -> bool,
    ) -> Result<usize, Error> {
        match self.end_where(subject, doomed).await? {
            (_, Some(unread)) => Err(unread.into()),
            (ended, None) => Ok(ended),
        }
    }

    /// Ends at most `limit` sessions of a subject, as [`revoke_others`](Sessions::revoke_others)
    /// does. Returns how many: with fewer than `limit` there are no more.
    ///
    /// For subjects with very many sessions, whose end takes longer than a request may. Call it
    /// again from a background job until it returns less than `limit`. Costs a listing of little
    /// more than `limit` records, and one or more store calls for each session.
    ///
    /// # Errors
    ///
    /// The errors of [`revoke_others`](Sessions::revoke_others).
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// while sessions.revoke_some("ada", None, 500).await? == 500 {}
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_some(
        &self,
        subject: &str,
        keep: Option<&str>,
        limit: usize,
    ) -> Result<usize, Error> {
        // One of the records may be the one to keep, and others may be of another configuration.
        let mut most = limit.saturating_add(16);
        let (doomed, unread) = loop {
            let ((all, unread), is_cut) = self.0.listing_some(subject, most).await?;
            let doomed = all.into_iter().filter(|listed| Some(listed.id()) != keep);
            let doomed: Vec<_> = doomed.take(limit).collect();
            if doomed.len() >= limit || !is_cut {
                break (doomed, unread);
            }
            most = most.saturating_mul(4);
        };
        let ended = doomed.len();
        for listed in doomed {
            self.0.end(listed, Cause::Revocation).await?;
        }
        match unread {
            Some(unread) if ended < limit => Err(unread.into()),
            _ => Ok(ended),
        }
    }

    /// Changes every session of a subject, for example a role that all of them keep. Returns how
    /// many were changed.
    ///
    /// It is no use of the sessions: their idle timeouts go on. Changes of requests in flight are
    /// kept, and a session that is rotated or signed in again meanwhile is changed too. A session
    /// that begins with a sign-in during the call may be missed, if that sign-in brings its own
    /// values. The function may change values, and nothing else. It may run twice for a session
    /// that gets a new token during the call, so let it set values, not count. Costs a listing, and
    /// one or more store calls for each session.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], and the function's own errors. Sessions that were changed before the error
    /// stay changed. [`Error::Session`] also if a record cannot be read: all others are changed.
    ///
    /// With [sealed values](cloakroom_core::ConfigBuilder::seal_values) every change is an
    /// [`Error::Session`]. It takes the visitor's token.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::Error> {
    /// # let sessions = Sessions::new(MemoryStore::new());
    /// sessions
    ///     .with(None, |session| session.sign_in("ada"))
    ///     .await?;
    /// let changed =
    ///     sessions.update_each("ada", |session| session.insert("role", "editor"));
    /// assert_eq!(changed.await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_each(
        &self,
        subject: &str,
        f: impl FnMut(&mut CoreSession<'_>) -> Result<(), SessionError>,
    ) -> Result<usize, Error> {
        match self.update_where(subject, |_| true, f).await? {
            (_, Some(unread)) => Err(unread.into()),
            (changed, None) => Ok(changed),
        }
    }

    /// Changes one of a subject's sessions by its public id, from a background job. Returns whether
    /// there was one, and it was changed.
    ///
    /// Like [`update_each`](Sessions::update_each) it is no use of the session, so the idle timeout
    /// goes on.
    ///
    /// # Errors
    ///
    /// The errors of [`update_each`](Sessions::update_each).
    ///
    /// ```
    /// # use cloakroom::{Error, Sessions};
    /// # use cloakroom_memory::MemoryStore;
    /// async fn export_done(
    ///     sessions: &Sessions<MemoryStore>,
    ///     id: &str,
    /// ) -> Result<bool, Error> {
    ///     sessions
    ///         .update_one("ada", id, |session| {
    ///             session.flash("notice", "Export done.")
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn update_one(
        &self,
        subject: &str,
        id: &str,
        f: impl FnMut(&mut CoreSession<'_>) -> Result<(), SessionError>,
    ) -> Result<bool, Error> {
        match self.update_where(subject, |listed| listed == id, f).await? {
            (0, Some(unread)) => Err(unread.into()),
            (changed, _) => Ok(changed > 0),
        }
    }

    async fn update_where(
        &self,
        subject: &str,
        wanted: impl Fn(&str) -> bool,
        mut f: impl FnMut(&mut CoreSession<'_>) -> Result<(), SessionError>,
    ) -> Result<(usize, Option<SessionError>), Error> {
        let (mut changed, mut seen) = (0, HashSet::new());
        loop {
            let (all, unread) = self.0.listing(subject).await?;
            let mut again = false;
            for listed in all {
                if !wanted(listed.id()) || !seen.insert(listed.id().to_owned()) {
                    continue;
                }
                match self.0.change(listed, &mut f).await {
                    Ok(saved) => changed += usize::from(saved),
                    // After that sign-in it is another session, with the values of the earlier one.
                    Err(Error::Session(SessionError::Superseded)) => again = true,
                    Err(error) => return Err(error),
                }
            }
            if !again {
                return Ok((changed, unread));
            }
        }
    }

    async fn end_where(
        &self,
        subject: &str,
        doomed: impl Fn(&SessionInfo) -> bool,
    ) -> Result<(usize, Option<SessionError>), Error> {
        let mut ended = 0;
        let (all, unread) = self.0.listing(subject).await?;
        for listed in all {
            if doomed(&listed) {
                self.0.end(listed, Cause::Revocation).await?;
                ended += 1;
            }
        }
        Ok((ended, unread))
    }
}
