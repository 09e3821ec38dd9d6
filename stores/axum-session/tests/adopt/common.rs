//! Records and cookies that axum_session 0.22.1 made. Its `with_key` was 64 times 7, its
//! `with_database_key` 64 times 9.

use cloakroom::Sessions;
use cloakroom_adopting::Adopting;
use cloakroom_axum_session::{AxumSessions, Settings};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Key, Store, UnixTime, Write};

pub(crate) const PLAIN: &str = "3c770acd-c1df-424c-9e91-18add49f5e6b";
/// A `HashMap` whose keys are no texts has become an empty text.
pub(crate) const RECORD: &str = r#"{"data":{"user_auth_session_id":"42","bad":"","cart":"[\"tea\",\"café\"]"},"longterm":false}"#;
pub(crate) const LONG: &str = r#"{"data":{"user_auth_session_id":"42","bad":"","cart":"[\"tea\",\"café\"]"},"longterm":true}"#;
pub(crate) const ENCRYPTED: &str = "4003076e-5bd8-47d9-9f42-11eda33b1554";
pub(crate) const ENCRYPTED_RECORD: &str = "HFmXq2ZW63nIvB6nCNt7OQ1En9ZbsSVPwfSvbsprrtIQuebDOl4Wd/ZEtHxUXH6CTMKE3ngsHsngwDWD1Hu\
JWv58rXhLX1BTnCQy2dbVf4iqXlwR2Q3yqC7ZP0NDUiCpZG/jtm+mVcQa1/GiCtSW/k+lGgjHpzD8gQ==";

pub(crate) fn key(byte: u8) -> cookie::Key {
    cookie::Key::from(&[byte; 64])
}

pub(crate) fn id(text: &str) -> Key {
    Key::new(text).expect("a key")
}

/// A store with this record of axum_session.
pub(crate) async fn with(at: &str, record: &str) -> MemoryStore {
    let store = MemoryStore::new();
    let write = Write::new(record.to_owned(), UnixTime::MAX, None);
    let created = store.create(&id(at), &write).await;
    assert_eq!(created.expect("created"), Created::Stored);
    store
}

pub(crate) type Moving = Adopting<MemoryStore, AxumSessions<MemoryStore>>;

/// Sessions that adopt those of this store.
pub(crate) fn adopting(old: AxumSessions<MemoryStore>, settings: Settings) -> Sessions<Moving> {
    let config = settings.builder().build().expect("these settings fit");
    Sessions::new(Adopting::new(MemoryStore::new(), old)).with_config(config)
}
