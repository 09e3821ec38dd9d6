//! The whole store suite on SQLite, PostgreSQL, PostgreSQL behind PgBouncer, MariaDB and MySQL.

mod server;
mod sqlite;

use std::io;
use std::process::ExitCode;

use cloakroom_conformance::{Suite, store};
use cloakroom_servers::pgbouncer::{Behind, Prepared, Sessions, Transactions};
use cloakroom_servers::{mariadb, mysql, postgres};

use server::On;
use sqlite::Sqlite;

fn main() -> io::Result<ExitCode> {
    store::worker::<Sqlite>();
    store::worker::<On<postgres::Own>>();
    store::worker::<On<Behind<Transactions>>>();
    store::worker::<On<Behind<Sessions>>>();
    store::worker::<On<Behind<Prepared>>>();
    store::worker::<On<mariadb::Own>>();
    store::worker::<On<mysql::Own>>();
    // The statements are the same: that they pass through a pooler is seen in one way.
    let directly = |suite: Suite| suite.only(|name| name.ends_with("/direct]"));
    let mut suite = store::suite(Sqlite::new()?)
        .and(store::suite(On::<postgres::Own>::default()))
        .and(store::suite(On::<Behind<Transactions>>::default()))
        .and(directly(store::suite(On::<Behind<Sessions>>::default())))
        .and(store::suite(On::<mariadb::Own>::default()));
    // Servers of Debian's unstable distribution. They are unpacked only for a run that wants them.
    let arguments: Vec<_> = std::env::args().collect();
    let is_skipped = arguments.windows(2).any(|two| two == ["--skip", "[mysql/"]);
    if !is_skipped && Prepared::is_possible() {
        suite = suite.and(directly(store::suite(On::<Behind<Prepared>>::default())));
    }
    if !is_skipped && mysql::Own::is_possible() {
        suite = suite.and(store::suite(On::<mysql::Own>::default()));
    }
    Ok(suite.main())
}
