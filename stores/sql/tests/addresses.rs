//! The address that a URL leads to, whatever answers there.
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
            // Then the listener is gone.
            listener.accept().await.map(drop)
        };
        tokio::select! {
            called = called => called.unwrap(),
            error = calling => panic!("{scheme}: {error:?}, and nobody had called"),
        }
    }
}

#[tokio::test]
async fn a_store_without_connections_is_refused() {
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://app@127.0.0.1:1/app");
        let store = SqlStore::builder().max_connections(0).connect(&url).await;
        let error = store.map(drop).unwrap_err();
        assert!(error.to_string().contains("set at least 1"), "{error}");
    }
}
