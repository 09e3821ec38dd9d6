//! A cluster's client, and the work that the store does instead of it.
//!
//! The client's own retries are off, because they also repeat what may have been done. They would
//! follow a record whose slot is being moved, so the store does that.

use std::io;
use std::time::Duration;

use cloakroom_store::StoreError;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::SingleNodeRoutingInfo;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
    Value,
};

use tokio::task::JoinSet;

use crate::failure;
use crate::way::{Login, Way, logged_in, open};

pub(crate) struct Cluster {
    client: Source,
    /// One of the nodes, for how to connect to any of them; unknown of a given client.
    node: Option<Client>,
    login: Option<Login>,
}

enum Source {
    Given(Box<ClusterClient>),
    /// Made for each connection, with the current user and password.
    Url {
        make: Box<dyn Fn() -> RedisResult<ClusterClient> + Send + Sync>,
        nodes: Vec<ConnectionInfo>,
        timeout: Duration,
    },
}

impl Cluster {
    pub(crate) fn given(client: ClusterClient) -> Self {
        Self {
            client: Source::Given(Box::new(client)),
            node: None,
            login: None,
        }
    }

    /// The cluster of these nodes, of which there is one at least.
    pub(crate) fn of(
        nodes: Vec<ConnectionInfo>,
        node: Client,
        login: Option<Login>,
        timeout: Duration,
        complete: impl Fn(ClusterClientBuilder) -> ClusterClientBuilder + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let (current, of) = (login.clone(), nodes.clone());
        let make = move || {
            let builder = Self::settings(ClusterClientBuilder::new(of.clone()), timeout);
            let builder = complete(builder);
            let builder = match current.as_deref().map(|login| login()) {
                Some((user, password)) => builder.username(user).password(password),
                None => builder,
            };
            builder.build()
        };
        make().map_err(|error| failure::of(&error))?;
        Ok(Self {
            client: Source::Url {
                make: Box::new(make),
                nodes,
                timeout: timeout / 4,
            },
            node: Some(node),
            login,
        })
    }

    /// The settings that the store's promises require of any client.
    pub(crate) fn settings(
        builder: ClusterClientBuilder,
        timeout: Duration,
    ) -> ClusterClientBuilder {
        builder
            // The store itself repeats commands that may be repeated.
            .retries(0)
            // So that a node that is silent does not keep the others from being used.
            .connection_timeout(timeout / 4)
            .response_timeout(timeout)
    }

    /// Returns the ways to the nodes of the URL, each with its host. None of a given client.
    pub(crate) fn seeds(&self) -> Vec<(String, Way)> {
        let Source::Url { nodes, .. } = &self.client else {
            return Vec::new();
        };
        let seed = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some((host.clone(), self.way(host.clone(), *port)?))
            }
            _ => None,
        };
        nodes.iter().filter_map(seed).collect()
    }

    /// Returns the way to a node, unless the client is a given one.
    pub(crate) fn way(&self, host: String, port: u16) -> Option<Way> {
        let like = self.node.as_ref()?.get_connection_info();
        Some(Way::new(
            at(like, host, port),
            // The client's connection has the certificates.
            #[cfg(feature = "tls")]
            None,
        ))
    }

    pub(crate) async fn connect(&self) -> RedisResult<ClusterConnection> {
        match &self.client {
            Source::Given(client) => client.get_async_connection().await,
            Source::Url {
                make,
                nodes,
                timeout,
            } => {
                reachable(nodes, *timeout).await?;
                make()?.get_async_connection().await
            }
        }
    }

    /// Sends a command to the node that the server named for its key.
    ///
    /// That lasts only as long as slots are being moved.
    pub(crate) async fn ask(
        &self,
        command: &Cmd,
        mut connection: ClusterConnection,
        said: RedisError,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<Value> {
        let Some((host, port)) = named(&said) else {
            return Err(said);
        };
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let Some(node) = &self.node else {
            let route = SingleNodeRoutingInfo::ByAddress { host, port };
            let values = connection.route_pipeline(both, 0, 2, route).await?;
            return values.into_iter().nth(1).ok_or(said);
        };
        // The cluster's connection may not have the node: it may have no slot yet.
        let node = at(node.get_connection_info(), host, port);
        let settings = logged_in(node.redis_settings(), self.login.as_ref());
        let node = Client::open(node.set_redis_settings(settings))?;
        let mut connection = node
            .get_multiplexed_async_connection_with_config(config)
            .await?;
        let [value]: [Value; 1] = both.query_async(&mut connection).await?;
        Ok(value)
    }
}

/// Fails with the cause if no node can be reached. The client would try again and again until its
/// time is over, and then tell no cause.
///
/// All are tried at once, so that nodes that are silent cost no time if another one answers.
async fn reachable(nodes: &[ConnectionInfo], timeout: Duration) -> RedisResult<()> {
    let mut tries = JoinSet::new();
    for node in nodes {
        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) =
            node.addr()
        else {
            return Ok(());
        };
        let (host, port) = (host.clone(), *port);
        tries.spawn(async move {
            let opened = tokio::time::timeout(timeout, open(&host, port)).await;
            opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    while let Some(tried) = tries.join_next().await {
        match tried.unwrap_or_else(|error| Err(error.into())) {
            Ok(_) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

/// Returns the node that a redirection names.
fn named(said: &RedisError) -> Option<(String, u16)> {
    let (address, _) = said.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}

fn at(like: &ConnectionInfo, to_host: String, to_port: u16) -> ConnectionInfo {
    let mut node = like.addr().clone();
    if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } = &mut node {
        *host = to_host;
        *port = to_port;
    }
    like.clone().set_addr(node)
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo as _;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    fn node(port: u16) -> ConnectionInfo {
        let url = format!("redis://127.0.0.1:{port}");
        url.into_connection_info().unwrap()
    }

    /// A listener whose queue is full, so that a further connection gets no answer.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let opening =
            || tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address));
        while let Ok(opened) = opening().await {
            queue.push(opened.unwrap());
        }
        (listener, queue)
    }

    #[tokio::test]
    async fn silent_nodes_cost_no_time_if_another_one_answers() {
        let (mut nodes, mut kept) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let full = silent().await;
            nodes.push(node(full.0.local_addr().unwrap().port()));
            kept.push(full);
        }
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        nodes.push(node(alive.local_addr().unwrap().port()));
        let reached = reachable(&nodes, Duration::from_secs(60));
        let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
        reached.expect("it waited for the silent ones").unwrap();
    }
}
