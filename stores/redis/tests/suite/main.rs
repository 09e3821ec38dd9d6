//! The whole store suite on Redis, by TLS, behind a proxy that closes idle connections, behind
//! HAProxy and sentinels, on a cluster, and on Valkey.

mod cluster;
mod sentinel;
mod standalone;

use std::process::ExitCode;

use cloakroom_conformance::Suite;
use cloakroom_conformance::store;
use cloakroom_servers::redis::{Balanced, Impatient, Plain, Tls, Valkey, Valkey9};

use cluster::OnCluster;
use sentinel::OnSentinel;
use standalone::On;

fn main() -> ExitCode {
    store::worker::<On<Plain>>();
    store::worker::<On<Tls>>();
    store::worker::<On<Impatient>>();
    store::worker::<On<Balanced>>();
    store::worker::<On<Valkey>>();
    store::worker::<On<Valkey9>>();
    store::worker::<OnCluster>();
    // The commands are the same: that they pass through TLS or a sentinel is seen in one way.
    let directly = |suite: Suite| suite.only(|name| name.ends_with("/direct]"));
    store::suite(On::<Plain>::default())
        .and(directly(store::suite(On::<Tls>::default())))
        .and(directly(store::suite(On::<Impatient>::default())))
        .and(directly(store::suite(On::<Balanced>::default())))
        .and(directly(store::suite(On::<Valkey9>::default())))
        .and(directly(store::suite(OnSentinel::default())))
        .and(store::suite(OnCluster::default()))
        .and(store::suite(On::<Valkey>::default()))
        .main()
}
