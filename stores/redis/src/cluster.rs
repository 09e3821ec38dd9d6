//! What a cluster needs besides its client: part of a slot that is being moved is on another node than the rest, which the
//! client's own repetitions would follow. They are switched off, because they also repeat what may have been done.

use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, RedisError, RedisResult, Value};

pub(crate) struct Cluster {
    client: ClusterClient,
    /// One of the nodes, for how to connect to any of them.
    node: Client,
}

impl Cluster {
    pub(crate) fn new(client: ClusterClient, node: Client) -> Self {
        Self { client, node }
    }

    pub(crate) async fn connect(&self) -> RedisResult<ClusterConnection> {
        self.client.get_async_connection().await
    }

    /// Sends a command where the server said that its key is for now. A connection of its own for each: this lasts only as
    /// long as slots are being moved.
    pub(crate) async fn ask(
        &self,
        command: &Cmd,
        said: RedisError,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<Value> {
        let Some(node) = self.named(&said) else {
            return Err(said);
        };
        let mut connection = Client::open(node)?
            .get_multiplexed_async_connection_with_config(config)
            .await?;
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let [value]: [Value; 1] = both.query_async(&mut connection).await?;
        Ok(value)
    }

    /// The node that a redirection names.
    fn named(&self, said: &RedisError) -> Option<redis::ConnectionInfo> {
        let (address, _) = said.redirect_node()?;
        let (name, number) = address.rsplit_once(':')?;
        let like = self.node.get_connection_info();
        let mut node = like.addr().clone();
        match &mut node {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                *host = name.trim_matches(['[', ']']).to_owned();
                *port = number.parse().ok()?;
            }
            _ => return None,
        }
        Some(like.clone().set_addr(node))
    }
}
