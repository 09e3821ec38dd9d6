//! Connections for the server's announcements.

#[cfg(feature = "cluster")]
use std::time::Duration;

use cloakroom_store::StoreError;
use redis::{PushInfo, RedisResult};
use tokio::sync::broadcast::Sender;

#[cfg(feature = "sentinel")]
use super::master::master;
use super::{Inner, Link, Target};
use crate::failure;
use crate::way::One;
#[cfg(feature = "cluster")]
use crate::way::Way;

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

#[cfg(feature = "cluster")]
impl Link {
    /// Opens a connection to the first node of the URL that answers. Returns its host too.
    pub(crate) async fn any_node(&self) -> Result<(One, String), StoreError> {
        let Target::Cluster(cluster) = &self.0.target else {
            return Err(failure::hidden());
        };
        let mut failed = failure::hidden();
        for (host, way) in cluster.seeds() {
            // A silent node leaves time for the others.
            match self.by(&way, None, self.0.timeout / 4).await {
                Ok(one) => return Ok((one, host)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Opens a connection to this node of the cluster.
    pub(crate) async fn node(
        &self,
        host: &str,
        port: u16,
        pushes: Sender<PushInfo>,
    ) -> Result<One, StoreError> {
        let Target::Cluster(cluster) = &self.0.target else {
            return Err(failure::hidden());
        };
        let way = cluster.way(host.to_owned(), port);
        let way = way.ok_or_else(failure::hidden)?;
        self.by(&way, Some(pushes), self.0.timeout).await
    }

    async fn by(
        &self,
        way: &Way,
        pushes: Option<Sender<PushInfo>>,
        patience: Duration,
    ) -> Result<One, StoreError> {
        let config = match pushes {
            Some(pushes) => self.0.config().set_push_sender(pushes),
            None => self.0.config(),
        };
        let way = way.pushing();
        let opening = way.open(self.0.login.as_ref(), &config);
        let opened = tokio::time::timeout(patience, opening).await;
        opened
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
            .map_err(|error| self.failed(&error))
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
