//! The way to the server that the sentinels name.

use redis::RedisResult;

use crate::way::Way;

/// Returns the way to the present master.
pub(super) async fn master(
    client: &tokio::sync::Mutex<redis::sentinel::SentinelClient>,
    #[cfg(feature = "tls")] connector: &Option<crate::tls::Connector>,
) -> RedisResult<Way> {
    let master = client.lock().await.async_get_client().await?;
    let info = master.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(Way::new(
        info.set_redis_settings(settings),
        #[cfg(feature = "tls")]
        connector.clone(),
    ))
}
