//! A cluster, and a master behind sentinels, that clients reach only by TLS with client
//! certificates.

use cloakroom_redis::Builder;
use cloakroom_store::{Created, Replaced, Store};
use tokio::task::block_in_place;

use super::environment::{TIMEOUT, key, write};
use super::{Failure, Scene};
use crate::builders;
use cloakroom_servers::{RedisCertificates, RedisCluster, Sentinel};

const REQUIREMENT: &str = "by TLS every node is reached, also one that another node or a sentinel has named, and none without certificates \
                           that both sides accept";

pub(super) fn cluster<T>() -> Scene<T> {
    Scene {
        id: "faults/tls",
        requirement: REQUIREMENT,
        own: true,
        run: |_| {
            Box::pin(async {
                let (cluster, certificates) = block_in_place(RedisCluster::with_tls)?;
                verified(|| builders::cluster(&cluster, "tls"), &certificates).await
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
                verified(|| builders::sentinel(&sentinel, "tls"), &certificates).await
            })
        },
    }
}

async fn verified(
    builder: impl Fn() -> Builder,
    certificates: &RedisCertificates,
) -> Result<(), Failure> {
    let builder = || builder().timeout(TIMEOUT * 5);
    let store = builders::certified(builder(), certificates)?;
    let store = store.connect().await?;
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
    // The system does not trust the server's authority, and the server requires a client
    // certificate.
    for (what, builder) in [
        ("without the authority", builder()),
        (
            "without a certificate",
            builders::trusting(builder(), certificates)?,
        ),
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
