//! Where a URL leads, whatever answers there.
#![cfg(all(feature = "mysql", feature = "postgres"))]

use cloakroom_sql::SqlStore;
use tokio::net::TcpListener;

#[tokio::test]
async fn an_ipv6_address_in_a_url_is_called() {
    // A machine without IPv6 has no such address.
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://app@[::1]:{port}/app");
        let calling = tokio::spawn(async move { SqlStore::connect(&url).await });
        let called = async {
            // Then nobody is there any more.
            listener.accept().await.map(drop)
        };
        tokio::select! {
            called = called => called.unwrap(),
            error = calling => panic!("{scheme}: {error:?}, and nobody had called"),
        }
    }
}
