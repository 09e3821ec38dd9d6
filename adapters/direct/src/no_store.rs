use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use crate::Error;

/// The store of sessions that are kept in the cookie: it is never called.
///
/// Without an envelope in the configuration every session fails to load, with an error that names
/// the cause. Adapters refuse every request then, and Rocket and actix-web do not start.
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
/// let (_, outcome) = sessions
///     .with(None, |session| session.insert("theme", "dark"))
///     .await?;
/// # assert!(matches!(outcome.directive, cloakroom::Directive::Issue(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

pub(crate) const NOT_SET_UP: Error = Error::NotSetUp(
    "`NoStore` keeps nothing, so the configuration needs an envelope (`ConfigBuilder::envelope`); \
     set one, or use another store",
);

fn refused<T>() -> Result<T, StoreError> {
    let problem = "`NoStore` keeps nothing; use another store";
    Err(StoreError::permanent("missing", problem))
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
