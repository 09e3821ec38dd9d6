use std::fmt;

use cloakroom_store::StoreError;
use redis::ConnectionInfo;

use crate::link::Target;
use crate::way::Way;

/// A client of the application's own, for
/// [`RedisStore::with_client`](crate::RedisStore::with_client).
///
/// `Into` makes it of each of these:
///
/// | of | leads to | feature |
/// |---|---|---|
/// | [`redis::Client`] | one server, by a multiplexed connection | |
/// | [`redis::sentinel::SentinelClient`] | the master that its sentinels name | `sentinel` |
/// | [`redis::cluster::ClusterClientBuilder`] | a Redis Cluster | `cluster` |
///
/// The store makes its own connections with it, because it must replace those that break. A cluster
/// needs the builder: a finished client does not show its settings.
///
/// ```
/// # fn example() -> redis::RedisResult<()> {
/// let client = redis::Client::open("redis://127.0.0.1:6379/2")?;
/// let client: cloakroom_redis::Client = client.into();
/// # Ok(())
/// # }
/// ```
pub struct Client(pub(crate) Kind);

pub(crate) enum Kind {
    One(Box<redis::Client>),
    #[cfg(feature = "sentinel")]
    Sentinel(Box<redis::sentinel::SentinelClient>),
    #[cfg(feature = "cluster")]
    Cluster(Box<redis::cluster::ClusterClientBuilder>),
}

impl From<redis::Client> for Client {
    fn from(client: redis::Client) -> Self {
        Self(Kind::One(Box::new(client)))
    }
}

#[cfg(feature = "sentinel")]
impl From<redis::sentinel::SentinelClient> for Client {
    fn from(client: redis::sentinel::SentinelClient) -> Self {
        Self(Kind::Sentinel(Box::new(client)))
    }
}

#[cfg(feature = "cluster")]
impl From<redis::cluster::ClusterClientBuilder> for Client {
    fn from(builder: redis::cluster::ClusterClientBuilder) -> Self {
        Self(Kind::Cluster(Box::new(builder)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clients' own output has user names and addresses in it.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn is_cluster(&self) -> bool {
        match self.0 {
            #[cfg(feature = "cluster")]
            Kind::Cluster(_) => true,
            _ => false,
        }
    }

    pub(crate) fn target(self, timeout: std::time::Duration) -> Result<Target, StoreError> {
        #[cfg(not(feature = "cluster"))]
        let _ = timeout;
        match self.0 {
            Kind::One(client) => Ok(Target::One(way(client.get_connection_info().clone()))),
            #[cfg(feature = "sentinel")]
            Kind::Sentinel(client) => Ok(Target::Sentinel {
                client: tokio::sync::Mutex::new(*client),
                #[cfg(feature = "tls")]
                connector: None,
            }),
            #[cfg(feature = "cluster")]
            Kind::Cluster(builder) => cluster(*builder, timeout),
        }
    }
}

fn way(info: ConnectionInfo) -> Way {
    // The client would tell the server its name, for which the user needs a permission.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Way::new(
        info.set_redis_settings(settings),
        #[cfg(feature = "tls")]
        None,
    )
}

#[cfg(feature = "cluster")]
fn cluster(
    builder: redis::cluster::ClusterClientBuilder,
    timeout: std::time::Duration,
) -> Result<Target, StoreError> {
    use crate::cluster::Cluster;
    use crate::failure;

    // The only way to see what was set.
    let settings = format!("{builder:?}");
    if !settings.contains("read_routing_factory: \"not set\"") {
        return Err(failure::client(
            "the cluster client reads from replicas, which have not seen every commit; build it \
             without read_routing_strategy and read_from_replicas",
        ));
    }
    let client = Cluster::settings(builder, timeout)
        .build()
        .map_err(|error| failure::of(&error))?;
    Ok(Target::Cluster(Box::new(Cluster::given(client))))
}
