//! Stores on the servers of `cloakroom-servers`, in namespaces of this run's own.

use std::io;
use std::net::SocketAddr;

use cloakroom_memcached::MemcachedStore;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_redis::RedisStore;
use cloakroom_servers::redis::Flavor;
use cloakroom_servers::{
    Memcached, MongoDb, RedisCertificates, RedisCluster, Sentinel, SqlServer, Standalone,
};
use cloakroom_sql::SqlStore;

/// A store that reaches this server at `address`.
pub(crate) fn redis<F: Flavor>(
    server: &Standalone<F>,
    address: SocketAddr,
    name: &str,
) -> cloakroom_redis::Builder {
    RedisStore::builder(&server.store_url(address)).prefix(&server.prefix(name))
}

pub(crate) fn cluster(cluster: &RedisCluster, name: &str) -> cloakroom_redis::Builder {
    RedisStore::builder(cluster.store_url()).prefix(&cluster.prefix(name))
}

pub(crate) fn sentinel(sentinel: &Sentinel, name: &str) -> cloakroom_redis::Builder {
    let builder = RedisStore::builder(sentinel.store_url()).prefix(&sentinel.prefix(name));
    match sentinel.login() {
        Some([user, password]) => builder.sentinel_login(user, password),
        None => builder,
    }
}

/// A store that trusts the authority of these certificates, and has none itself.
pub(crate) fn trusting(
    builder: cloakroom_redis::Builder,
    certificates: &RedisCertificates,
) -> io::Result<cloakroom_redis::Builder> {
    Ok(builder.root_certificates(&certificates.authority()?))
}

/// A store that trusts the authority of these certificates, and shows the client's.
pub(crate) fn certified(
    builder: cloakroom_redis::Builder,
    certificates: &RedisCertificates,
) -> io::Result<cloakroom_redis::Builder> {
    let [chain, key] = certificates.client_certificate()?;
    Ok(trusting(builder, certificates)?.client_certificate(&chain, &key))
}

/// A store that reaches this server at `address`.
pub(crate) fn memcached(
    server: &Memcached,
    address: SocketAddr,
    name: &str,
) -> cloakroom_memcached::Builder {
    MemcachedStore::builder(&format!("memcached://{address}")).prefix(&server.prefix(name))
}

pub(crate) fn mongodb(server: &MongoDb, name: &str) -> cloakroom_mongodb::Builder {
    let builder = MongoDbStore::builder().database(server.database());
    builder.collection(name)
}

pub(crate) fn sql(server: &SqlServer, name: &str) -> cloakroom_sql::Builder {
    let (schema, table) = server.schema_and_table(name);
    match schema {
        Some(schema) => SqlStore::builder().schema(schema).table(table),
        None => SqlStore::builder().table(table),
    }
}
