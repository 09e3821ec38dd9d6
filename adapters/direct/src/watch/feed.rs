//! The listener to a store's announcements: one for all sessions that are watched.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Feed, Hint, Hints, Store, StoreError};
use tokio::time::sleep;

use crate::Sessions;
use crate::inner::Inner;

/// After so long a store is asked again that refused for good: its permissions may have changed.
const REFUSED: Duration = Duration::from_secs(60);

/// A listener without its type.
pub(crate) trait Hearing: Send {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>>;
}

impl<H: Hints> Hearing for H {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Hint>> + Send + '_>> {
        Box::pin(Hints::next(self))
    }
}

type Listening<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Hearing>, StoreError>> + Send + 'a>>;

/// How to listen to a store.
pub(crate) type Listen<S> = for<'a> fn(&'a S) -> Listening<'a>;

fn listen<S: Feed>(store: &S) -> Listening<'_> {
    Box::pin(async {
        let hints = store.listen().await?;
        Ok(Box::new(hints) as Box<dyn Hearing>)
    })
}

impl<S: Feed> Sessions<S> {
    /// Listens to the store's announcements of ended sessions, so that
    /// [`Session::ended`](crate::Session::ended) notices at once what another process ended.
    /// Default: it notices within the [lease](Sessions::with_lease).
    ///
    /// It listens while somebody waits, once for all of them. The looks go on, and the lease bounds
    /// what a lost announcement delays. So with announcements you can set a long lease. Rotations
    /// and sign-ins by other processes are not announced.
    ///
    /// Memory announces by itself, and so does MongoDB as a replica set. Redis and PostgreSQL do
    /// with `Builder::announce_ends`. Other stores announce nothing. One that is chosen when the
    /// program runs (`SharedStore`) is asked. If it cannot announce, a warning is logged, and the
    /// lease is all there is.
    ///
    /// ```
    /// # use cloakroom::Sessions;
    /// # use cloakroom_memory::MemoryStore;
    /// # use std::time::Duration;
    /// let sessions = Sessions::new(MemoryStore::new())
    ///     .with_feed()
    ///     .with_lease(Duration::from_secs(10));
    /// ```
    #[must_use]
    pub fn with_feed(self) -> Self {
        self.change(|inner| inner.feed = Some(listen::<S>))
    }
}

/// Listens until it is dropped.
pub(super) async fn hear<S: Store>(inner: Arc<Inner<S>>, listen: Listen<S>) {
    let mut is_reported = false;
    loop {
        let mut pause = inner.lease.get() / 8;
        match listen(&inner.store).await {
            Ok(mut hints) => {
                // There may have been some before it listened.
                inner.watch.lost();
                while let Some(hint) = hints.next().await {
                    match hint {
                        Hint::Removed(key) => inner.watch.hint(&key, None),
                        _ => inner.watch.lost(),
                    }
                }
                is_reported = false;
            }
            Err(error) => {
                if !error.is_transient() {
                    pause = pause.max(REFUSED);
                }
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::warn!(
                        %error,
                        "announcements of ended sessions cannot be heard; looks go on"
                    );
                }
            }
        }
        sleep(pause).await;
    }
}
