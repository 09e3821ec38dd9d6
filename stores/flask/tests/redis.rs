//! Where a SESSION_REDIS leads.
#![cfg(feature = "redis")]

use cloakroom_flask_stores::RedisStore;

/// Python's client accepts these URLs. The client used here would go to database 0 without a user.
#[tokio::test]
async fn a_database_or_login_that_would_be_passed_over_is_refused() {
    for url in [
        "redis://127.0.0.1:1?db=2",
        "redis://127.0.0.1:1/1?socket_timeout=5&db=2",
        "redis://127.0.0.1:1?username=ada&password=hunter2",
        "unix:///nowhere?db=2&password=hunter2",
        "unix://ada@/nowhere?db=2",
    ] {
        let error = RedisStore::connect(url).await.unwrap_err();
        assert!(!error.is_transient(), "{url}: {error}");
        assert!(error.to_string().contains("SESSION_REDIS has"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    // Says nothing of where.
    for url in [
        "redis://127.0.0.1:1/2?socket_timeout=5",
        "unix:///nowhere?db=2&pass=a",
    ] {
        let error = RedisStore::connect(url).await.unwrap_err();
        assert!(error.is_transient(), "{url}: {error}");
    }
}
