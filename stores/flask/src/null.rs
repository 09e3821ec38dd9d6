use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use crate::failure;

/// Finds nothing, and fails every write with an error that names what is missing
/// (`SESSION_TYPE = "null"`, the default).
///
/// As in Flask, an application that never writes to its session works without any configuration.
///
/// ```
/// use cloakroom_flask_stores::NullStore;
/// use cloakroom_store::{Key, Store, UnixTime, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let key = Key::new("session:2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11").unwrap();
/// assert!(NullStore.load(&key).await.unwrap().is_none());
///
/// let write = Write::new(b"{}".to_vec(), UnixTime::MAX, None);
/// let error = NullStore.create(&key, &write).await.unwrap_err();
/// assert!(error.to_string().contains("SESSION_TYPE"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStore;

impl Store for NullStore {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    async fn create(&self, _: &Key, _: &Write) -> Result<Created, StoreError> {
        Err(unavailable())
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        Err(unavailable())
    }

    async fn touch(&self, _: &Key, _: UnixTime) -> Result<Touched, StoreError> {
        Ok(Touched::Gone)
    }

    async fn delete(&self, _: &Key, _: &Stored) -> Result<Deleted, StoreError> {
        Ok(Deleted::Gone)
    }
}

fn unavailable() -> StoreError {
    failure::permanent(
        "null",
        "the session cannot be written to because SESSION_TYPE is not set; set it to redis, memcached, filesystem, mongodb or sqlalchemy",
    )
}
