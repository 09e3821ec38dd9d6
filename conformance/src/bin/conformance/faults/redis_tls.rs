//! A cluster, and a master behind sentinels, that are reached by TLS alone as far as their clients are concerned, and that want to see
//! their clients' certificates.

use cloakroom_redis::Builder;
use cloakroom_store::{Created, Replaced, Store};
use tokio::task::block_in_place;

use super::cluster::Proxied;
use super::ground::{TIMEOUT, key, write};
use super::{Failure, Scene};
use crate::servers::{RedisCertificates, RedisCluster, Sentinel};

const REQUIREMENT: &str = "by TLS every node is reached, also one that another node or a sentinel has named, and none without certificates \
                           that both sides accept";

pub(super) fn cluster() -> Scene<Proxied> {
    Scene {
        id: "faults/tls",
        requirement: REQUIREMENT,
        own: true,
        run: |_| {
            Box::pin(async {
                let (cluster, certificates) = block_in_place(RedisCluster::with_tls)?;
                verified(|| cluster.builder("tls"), &certificates).await
            })
        },
    }
}

pub(super) fn sentinel() -> Scene<Sentinel> {
    Scene {
        id: "faults/tls",
        requirement: REQUIREMENT,
        own: true,
        run: |_| {
            Box::pin(async {
                let (sentinel, certificates) = block_in_place(Sentinel::with_tls)?;
                verified(|| sentinel.builder("tls"), &certificates).await
            })
        },
    }
}

async fn verified(
    builder: impl Fn() -> Builder,
    certificates: &RedisCertificates,
) -> Result<(), Failure> {
    let builder = || builder().timeout(TIMEOUT);
    let store = certificates.prepare(builder())?.connect().await?;
    // On each master of a cluster some.
    for index in 0..60 {
        let (name, old) = (key(&format!("{index}")), write("old"));
        if store.create(&name, &old).await? != Created::Stored {
            return Err("a record was there before".into());
        }
        let stored = store.load(&name).await?.ok_or("a record is not there")?;
        if store.replace(&name, &stored, &write("new")).await? != Replaced::Stored {
            return Err("a record was not replaced".into());
        }
    }
    // The server's goes back to nothing that the system trusts; and it wants to see the client's.
    for (what, builder) in [
        ("without the authority", builder()),
        ("without a certificate", certificates.trust(builder())?),
    ] {
        let reached = match builder.connect().await {
            Ok(store) => store.load(&key("0")).await.is_ok(),
            Err(_) => false,
        };
        if reached {
            return Err(format!("the servers were reached {what}").into());
        }
    }
    Ok(())
}
