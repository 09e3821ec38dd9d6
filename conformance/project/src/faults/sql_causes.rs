//! Why a store does not open: each cause is named, and permanent where to try again cannot help.

use std::net::{Ipv4Addr, SocketAddr};

use cloakroom_servers::{Dialect, MariaDb, Postgres, Sql, SqlServer, free_port, pgbouncer};
use cloakroom_sql::SqlStore;

use super::environment::TIMEOUT;
use super::sql_server::{by_user, is_error};
use super::sql_server::{execute, open};
use super::{Failure, Scene};

const REQUIREMENT: &str = "R54: an error on the way to a database names its cause, and is permanent where trying again cannot help";

/// A cause, a URL that leads to it, whether it is transient, and a part of the error's text.
type Cause = (&'static str, String, bool, &'static str);

fn scene<D: Dialect>(
    run: for<'a> fn(&'a Sql<D>) -> super::Running<'a, Result<(), Failure>>,
) -> Scene<Sql<D>> {
    Scene {
        id: "faults/causes",
        requirement: REQUIREMENT,
        own: true,
        run,
    }
}

pub(super) fn postgres() -> Scene<Postgres> {
    scene(|subject| Box::pin(of_postgres(&subject.0)))
}

pub(super) fn mariadb() -> Scene<MariaDb> {
    scene(|subject| Box::pin(of_mariadb(&subject.0)))
}

/// Nobody listens there.
fn nowhere() -> Result<SocketAddr, Failure> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

async fn of_postgres(server: &SqlServer) -> Result<(), Failure> {
    // Waits until the server has started.
    open(server, server.server(), "causes").await?;
    let here = server.by(server.server());
    execute(
        &here,
        "CREATE ROLE kept_out LOGIN CONNECTION LIMIT 0".to_owned(),
    )
    .await?;
    let all = [
        ("nobody listens", server.by(nowhere()?), true, "refused"),
        (
            "no such database",
            here.replace("/postgres", "/nothing"),
            false,
            "\"nothing\" does not exist",
        ),
        (
            "no such user",
            by_user(here.clone(), "nobody"),
            false,
            "\"nobody\" does not exist",
        ),
        (
            "no connection for the user",
            by_user(here.clone(), "kept_out"),
            true,
            "too many connections",
        ),
        ("no TLS", format!("{here}?sslmode=require"), false, "TLS"),
        (
            "an unknown option",
            format!("{here}?sslpassword=hunter2"),
            false,
            "an option that this store does not know",
        ),
        (
            "a setting that does not exist",
            format!("{here}?options[hunting]=1"),
            false,
            "hunting",
        ),
    ];
    each(&all).await?;

    let (Some(own), directory) = (server.own(), tempfile::tempdir()?) else {
        return Err("a server that was given is left alone".into());
    };
    let pooler = pgbouncer::before(own, directory.path(), "transaction", "")?;
    let there = server.by(pooler.address());
    each(&[
        (
            "a setting that the pooler refuses",
            format!("{there}?options[search_path]=web"),
            false,
            "parameter",
        ),
        (
            "a user whom the pooler does not know",
            by_user(there, "nobody"),
            false,
            "authentication failed",
        ),
    ])
    .await?;
    let full = pgbouncer::before(own, directory.path(), "transaction", "max_client_conn = 1")?;
    let first = SqlStore::connect(&server.by(full.address())).await?;
    each(&[(
        "a pooler that is full",
        server.by(full.address()),
        true,
        "no more connections",
    )])
    .await?;
    drop(first);
    Ok(())
}

async fn of_mariadb(server: &SqlServer) -> Result<(), Failure> {
    open(server, server.server(), "causes").await?;
    let here = server.by(server.server());
    execute(
        &here,
        "CREATE USER known@'%' IDENTIFIED BY 'secret'".to_owned(),
    )
    .await?;
    each(&[
        ("nobody listens", server.by(nowhere()?), true, "refused"),
        (
            "no such database",
            here.replace("/cloakroom", "/nothing"),
            false,
            "nothing",
        ),
        (
            "no password",
            by_user(here.clone(), "known"),
            false,
            "Access denied",
        ),
        ("no TLS", format!("{here}?ssl-mode=REQUIRED"), false, "TLS"),
        (
            "an unknown option",
            format!("{here}?sslpassword=hunter2"),
            false,
            "an option that this store does not know",
        ),
    ])
    .await
}

async fn each(causes: &[Cause]) -> Result<(), Failure> {
    for (cause, url, is_transient, text) in causes {
        let opened = SqlStore::builder().timeout(TIMEOUT).connect(url).await;
        if let Err(error) = &opened
            && error.to_string().contains("hunter2")
        {
            return Err(format!("{cause}: the error repeats a value").into());
        }
        is_error(cause, opened, *is_transient, text)?;
    }
    Ok(())
}
