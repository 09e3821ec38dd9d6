//! Where the store's collection comes from.

use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_store::StoreError;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::options::{ClientOptions, CollectionOptions};
use mongodb::{Client, Collection};

use crate::builder::primary;
use crate::failure;

/// Returns the current user and password.
pub(crate) type Login = Arc<dyn Fn() -> (String, String) + Send + Sync>;

pub(crate) enum Source {
    /// With the client's options, if the client is the store's own.
    Given(Collection<RawDocumentBuf>, Option<Box<ClientOptions>>),
    Changing(Box<Changing>),
}

/// A client that is replaced when the login changes.
pub(crate) struct Changing {
    options: ClientOptions,
    login: Login,
    database: String,
    collection: String,
    current: Mutex<Option<Current>>,
}

struct Current {
    login: (String, String),
    collection: Collection<RawDocumentBuf>,
}

impl Source {
    pub(crate) fn collection(&self) -> Result<Collection<RawDocumentBuf>, StoreError> {
        match self {
            Self::Given(collection, _) => Ok(collection.clone()),
            Self::Changing(changing) => changing.collection(),
        }
    }

    /// The collection for a change stream: it keeps a connection, which must not be one of those
    /// that the operations wait for.
    pub(crate) fn listening(&self) -> Result<Collection<RawDocumentBuf>, StoreError> {
        let current = self.collection()?;
        let mut options = match self {
            Self::Given(_, None) => return Ok(current),
            Self::Given(_, Some(options)) => (**options).clone(),
            Self::Changing(changing) => changing.options_with(&(changing.login)()),
        };
        options.max_pool_size = Some(2);
        let client = Client::with_options(options).map_err(|error| failure::of(&error))?;
        let namespace = current.namespace();
        Ok(collection(&client, &namespace.db, &namespace.coll))
    }
}

impl Changing {
    pub(crate) fn new(
        options: ClientOptions,
        login: Login,
        [database, collection]: [String; 2],
    ) -> Result<Self, StoreError> {
        let changing = Self {
            options,
            login,
            database,
            collection,
            current: Mutex::default(),
        };
        changing.collection()?;
        Ok(changing)
    }

    fn collection(&self) -> Result<Collection<RawDocumentBuf>, StoreError> {
        let login = (self.login)();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &*current
            && current.login == login
        {
            return Ok(current.collection.clone());
        }
        let options = self.options_with(&login);
        let client = Client::with_options(options).map_err(|error| failure::of(&error))?;
        let collection = collection(&client, &self.database, &self.collection);
        *current = Some(Current {
            login,
            collection: collection.clone(),
        });
        Ok(collection)
    }

    fn options_with(&self, login: &(String, String)) -> ClientOptions {
        let mut options = self.options.clone();
        let credential = options.credential.get_or_insert_default();
        credential.username = Some(login.0.clone());
        credential.password = Some(login.1.clone());
        options
    }
}

pub(crate) fn collection(
    client: &Client,
    database: &str,
    collection: &str,
) -> Collection<RawDocumentBuf> {
    let options = CollectionOptions::builder()
        .selection_criteria(primary())
        .build();
    let database = client.database(database);
    database.collection_with_options(collection, options)
}
