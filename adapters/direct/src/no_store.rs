use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

/// The store of sessions that are kept in the cookie: it is never called.
///
/// If it is, because the configuration has no envelope, every call is an error that says so.
///
/// ```
/// use cloakroom::{Config, NoStore, Sessions};
/// use cloakroom_sealed::{Sealed, SealingKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = SealingKey::new([7; 32]); // 32 random bytes from your settings
/// let config = Config::builder().envelope(Sealed::new(key)).build()?;
/// let sessions = Sessions::new(NoStore).with_config(config);
///
/// let (_, outcome) = sessions.with(None, |session| session.insert("theme", "dark")).await?;
/// # assert!(matches!(outcome.directive, cloakroom::Directive::Issue(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

fn refused<T>() -> Result<T, StoreError> {
    let problem = "there is none: the configuration needs an envelope, or `Sessions` a store";
    Err(StoreError::permanent("no", problem))
}

impl Store for NoStore {
    async fn load(&self, _key: &Key) -> Result<Option<Stored>, StoreError> {
        refused()
    }

    async fn create(&self, _key: &Key, _write: &Write) -> Result<Created, StoreError> {
        refused()
    }

    async fn replace(
        &self,
        _key: &Key,
        _old: &Stored,
        _write: &Write,
    ) -> Result<Replaced, StoreError> {
        refused()
    }

    async fn touch(&self, _key: &Key, _expires_at: UnixTime) -> Result<Touched, StoreError> {
        refused()
    }

    async fn delete(&self, _key: &Key, _old: &Stored) -> Result<Deleted, StoreError> {
        refused()
    }
}
