//! Waiting for the session's end.

use std::sync::Arc;

use super::{ANOTHER_ATTEMPT, Session};
use crate::Error;
use crate::ended::{Ending, Spot};

impl<K> Session<K> {
    /// Waits until this session ends, whichever process ends it: for WebSockets, server-sent
    /// events, chats and long jobs.
    ///
    /// Call it in the handler, and keep the future for as long as the connection lives. It never
    /// resolves for a session that lives, apart from a newer token for it ([`Ended`]). It follows
    /// this request's own sign-in, rotation and creation of a session. For a visitor without a
    /// session it does not resolve.
    ///
    /// A session whose end was acknowledged at T is noticed at
    /// T + [lease](crate::Sessions::with_lease) at the latest, and at once if this process ended
    /// it. For the [end of all sessions](crate::Sessions::end_all) by another process, add its own
    /// lease.
    ///
    /// This holds through lost messages and cut links: a session that could not be looked at for a
    /// lease is an error. Then close the connection, or ask again if you prefer to keep it open
    /// while the store is down. The time in which the process is paused, or its runtime blocked,
    /// does not count. A quarter of a lease after it goes on the bound holds again.
    ///
    /// With [`Sessions::with_feed`](crate::Sessions::with_feed) the store announces what other
    /// processes end, so that it is noticed at once.
    ///
    /// One task looks at all sessions that are waited for, past every cache, and once for all who
    /// wait for one session. It never extends a session's life. Costs a load at the beginning, and
    /// for each watched session four loads in three leases. At most 64 loads are under way at a
    /// time. So with loads of 5 ms and the default lease, up to 9,000 sessions; above it set a
    /// longer lease.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store did not answer for a lease, and [`Error::Session`] if it
    /// returned nothing that can be read: the session may live. `NotLoaded` before
    /// [`load`](Session::load), `NeedsStore` for a session in its cookie. [`Error::NotSetUp`]
    /// outside of a Tokio runtime.
    ///
    /// [`Ended`]: crate::Ended
    ///
    /// ```
    /// use cloakroom::{Ended, Error, Session};
    ///
    /// async fn report(session: &Session, work: impl Future<Output = ()>) {
    ///     tokio::select! {
    ///         () = work => println!("done"),
    ///         ended = session.ended() => match ended {
    ///             Ok(Ended::Rotated { .. }) => println!("another token"),
    ///             Ok(_) => println!("signed out"),
    ///             Err(_) => println!("nobody knows"),
    ///         },
    ///     }
    /// }
    /// ```
    pub fn ended(&self) -> Ending {
        Ending::new(Arc::clone(&self.backend), self.spot())
    }

    fn spot(&self) -> Result<Arc<Spot>, Error> {
        let mut state = self.slot.try_lock()?;
        if !state.copies.admits(self.branch) {
            return Err(ANOTHER_ATTEMPT);
        }
        let exchange = state.exchange(&*self.backend)?;
        exchange.session()?;
        let key = exchange.place()?.cloned();
        let spot = state.spot.get_or_insert_with(|| Arc::new(Spot::new(key)));
        Ok(Arc::clone(spot))
    }
}
