//! The common part of the cases of SQL servers.

use std::net::SocketAddr;

use cloakroom_servers::SqlServer;
use cloakroom_sql::SqlStore;
use cloakroom_sql::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection,
};
use cloakroom_store::StoreError;

use super::Failure;
use super::environment::TIMEOUT;
use crate::builders;

pub(super) async fn open(
    server: &SqlServer,
    way: SocketAddr,
    name: &str,
) -> Result<SqlStore, Failure> {
    let builder = builders::sql(server, name).timeout(TIMEOUT);
    let store = builder.connect(&server.by(way)).await?;
    store.migrate().await?;
    Ok(store)
}

pub(super) async fn execute(url: &str, sql: String) -> Result<(), Failure> {
    match url.starts_with("postgres") {
        true => PgConnection::connect(url)
            .await?
            .execute(AssertSqlSafe(sql))
            .await
            .map(drop)?,
        false => MySqlConnection::connect(url)
            .await?
            .execute(AssertSqlSafe(sql))
            .await
            .map(drop)?,
    }
    Ok(())
}

/// The same place for another user without a password.
pub(super) fn by_user(url: String, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (_, place) = rest.split_once('@').unwrap_or_default();
    format!("{scheme}://{name}@{place}")
}

/// Fails unless the outcome is an error of this kind with this text.
pub(super) fn is_error<T>(
    what: &str,
    outcome: Result<T, StoreError>,
    is_transient: bool,
    text: &str,
) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.is_transient() == is_transient && error.to_string().contains(text) => {
            Ok(())
        }
        Err(error) => {
            Err(format!("{what}: {error}; expected transient: {is_transient}, {text}").into())
        }
        Ok(_) => Err(format!("{what}: no error").into()),
    }
}
