use cloakroom::Error;
use salvo::extract::{Extractible, Metadata};
use salvo::{Depot, Request};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use std::future::Future;

/// The extractor of a request's session. It loads the session.
///
/// Costs one store call, and none if the client presented no well-formed token. The methods are
/// those of [`cloakroom::Session`]; all of them are synchronous. A session can be cloned and passed
/// on. After the response every call on it fails with `Closed`.
///
/// `Option<Session>` is `None` if the session could not be loaded.
/// [`is_new`](cloakroom::Session::is_new) returns false if the client presented a living session.
///
/// # Errors
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or the route has no
/// middleware (500).
///
/// ```
/// use cloakroom_salvo::{Error, Session};
/// use salvo::prelude::*;
///
/// #[handler]
/// async fn greet(session: Session) -> Result<String, Error> {
///     hello(&session)
/// }
///
/// fn hello(session: &Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
///
/// // In a unit test:
/// let session = Session::for_tests();
/// session.sign_in("ada")?;
/// assert_eq!(hello(&session)?, "Hello, ada");
/// # Ok::<(), Error>(())
/// ```
pub struct Session<K = ()>(cloakroom::Session<K>);

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a handler takes a `Session`, but its route has no `SessionMiddleware` of this type; add \
     `.hoop(SessionMiddleware::new(store))` to the router",
);

const NO_DATA: &str = "a session is no data; take `Session` as an argument of the handler";

/// Loads the session of a request: for hoops, and handlers that decide by themselves.
///
/// Costs one store call, and none if the session is loaded already or the client presented no
/// well-formed token.
///
/// # Errors
///
/// Those of [`Session`].
///
/// ```
/// use cloakroom_salvo::{Error, Session, session};
/// use salvo::prelude::*;
///
/// #[handler]
/// async fn remember(depot: &mut Depot) -> Result<(), Error> {
///     let session: Session = session(depot).await?;
///     session.insert("seen", true)
/// }
/// ```
pub fn session<K: 'static>(
    depot: &Depot,
) -> impl Future<Output = Result<Session<K>, Error>> + Send + use<K> {
    let session = depot.get_typed::<cloakroom::Session<K>>().ok().cloned();
    async move {
        let session = session.ok_or(NO_MIDDLEWARE)?;
        session.load().await?;
        Ok(Session(session))
    }
}

impl<'ex, K: 'static> Extractible<'ex> for Session<K> {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Session");
        &METADATA
    }

    #[allow(refining_impl_trait)]
    async fn extract(_: &'ex mut Request, depot: &'ex mut Depot) -> Result<Self, Error> {
        session(depot).await
    }
}

/// Only for `Option<Session>`, of which salvo requires it. Fails, as a session is no data.
impl<'de, K> Deserialize<'de> for Session<K> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(NO_DATA))
    }
}

cloakroom::adapter::wrap_session!(Session);

/// The extractor of the session as one struct of the application. It loads and decodes the session.
///
/// Each field is the value under its name. Fields that may be missing need `#[serde(default)]`: in
/// a new session all are. [`update`](cloakroom::Typed::update) changes it. Costs as much as
/// [`Session`].
///
/// ```
/// use cloakroom_salvo::{Error, Typed};
/// use salvo::prelude::*;
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Shop {
///     visits: u64,
///     cart: Vec<String>,
/// }
///
/// #[handler]
/// async fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
///     shop.update(|shop| shop.cart.push("tea".into()))?;
///     Ok(format!("{} things in the cart", shop.cart.len()))
/// }
/// ```
///
/// # Errors
///
/// Those of [`Session`], and 500 if the values do not make a `T`.
pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);

impl<'ex, T: DeserializeOwned + Send + 'static, K: 'static> Extractible<'ex> for Typed<T, K> {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Typed");
        &METADATA
    }

    #[allow(refining_impl_trait)]
    async fn extract(_: &'ex mut Request, depot: &'ex mut Depot) -> Result<Self, Error> {
        Ok(Self(cloakroom::Typed::of(session(depot).await?.0)?))
    }
}

cloakroom::adapter::wrap_typed!(Typed);
