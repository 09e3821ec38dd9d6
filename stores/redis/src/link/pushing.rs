//! Connections for the server's announcements.

use cloakroom_store::StoreError;
use redis::{PushInfo, RedisResult};
use tokio::sync::broadcast::Sender;

#[cfg(feature = "sentinel")]
use super::master::master;
use super::{Inner, Link, Target};
use crate::failure;
use crate::way::One;

impl Link {
    /// Opens a connection of its own for the server's announcements.
    pub(crate) async fn pushing(&self, pushes: Sender<PushInfo>) -> Result<One, StoreError> {
        let opening = tokio::time::timeout(self.0.timeout, self.0.pushing(pushes));
        let opened = opening
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        match opened {
            Ok(Some(one)) => Ok(one),
            #[cfg(feature = "cluster")]
            Ok(None) => Err(failure::deaf()),
            #[cfg(not(feature = "cluster"))]
            Ok(None) => Err(failure::silent()),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

impl Inner {
    /// Opens a connection on which the server's announcements arrive.
    async fn pushing(&self, pushes: Sender<PushInfo>) -> RedisResult<Option<One>> {
        let (login, config) = (self.login.as_ref(), self.config());
        let config = config.set_push_sender(pushes);
        let opening = match &self.target {
            Target::One(way) => way.pushing(),
            #[cfg(feature = "sentinel")]
            Target::Sentinel {
                client,
                #[cfg(feature = "tls")]
                connector,
            } => {
                let way = master(
                    client,
                    #[cfg(feature = "tls")]
                    connector,
                );
                way.await?.pushing()
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => return Ok(None),
        };
        opening.open(login, &config).await.map(Some)
    }
}
