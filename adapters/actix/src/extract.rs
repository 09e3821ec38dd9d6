use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use cloakroom::Error;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::pin::Pin;

/// The extractor of a request's session. It loads the session.
///
/// Costs one store call, and none if the client presented no well-formed token. The methods are
/// those of [`cloakroom::Session`]; all of them are synchronous. A session can be cloned and passed
/// on. After the response every call on it fails with `Closed`.
///
/// Take `Result<Session, Error>` to handle the failure in the handler. As with every extractor of
/// actix-web, `Option<Session>` is `None` then. [`is_new`](cloakroom::Session::is_new) returns
/// false if the client presented a living session.
///
/// # Errors
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or the route has no
/// middleware (500).
///
/// ```
/// use cloakroom_actix::{Error, Session};
///
/// async fn greet(session: Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Error> {
/// // In a unit test:
/// let session = Session::for_tests();
/// session.sign_in("ada")?;
/// assert_eq!(greet(session).await?, "Hello, ada");
/// # Ok(())
/// # }
/// ```
pub struct Session<K = ()>(cloakroom::Session<K>);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a handler takes a `Session`, but its route has no `SessionMiddleware` of this type; add \
     `.wrap(SessionMiddleware::new(store))` to the application or its scope",
);

impl<K: 'static> FromRequest for Session<K> {
    type Error = Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.extensions().get::<cloakroom::Session<K>>().cloned();
        Box::pin(async {
            let session = session.ok_or(NO_MIDDLEWARE)?;
            session.load().await?;
            Ok(Self(session))
        })
    }
}

cloakroom::adapter::wrap_session!(Session);

/// The extractor of the session as one struct of the application. It loads and decodes the session.
///
/// Each field is the value under its name. Fields that may be missing need `#[serde(default)]`: in
/// a new session all are. [`update`](cloakroom::Typed::update) changes it.
///
/// ```
/// use cloakroom_actix::{Error, Typed};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Shop {
///     visits: u64,
///     cart: Vec<String>,
/// }
///
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

impl<T: DeserializeOwned + 'static, K: 'static> FromRequest for Typed<T, K> {
    type Error = Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Session::<K>::from_request(request, payload);
        Box::pin(async { Ok(Self(cloakroom::Typed::of(session.await?.0)?)) })
    }
}

cloakroom::adapter::wrap_typed!(Typed);
