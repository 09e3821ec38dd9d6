use cloakroom::Error;
use cloakroom::adapter::RequestSession;
use poem::{FromRequest, Request, RequestBody};
use serde::de::DeserializeOwned;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "a handler takes a `Session`, but its route has no `SessionMiddleware` of this type; add \
     `.with(SessionMiddleware::new(store))` after the route",
);

/// The extractor of a request's session. It loads the session.
///
/// Costs one store call, and none if the client presented no well-formed token. The methods are
/// those of [`cloakroom::Session`]; all of them are synchronous. A session can be cloned and passed
/// on. After the response every call on it fails with `Closed`.
///
/// Take `poem::Result<Session>` to handle the failure in the handler. As with every extractor of
/// poem, `Option<Session>` is `None` then. [`is_new`](cloakroom::Session::is_new) returns false if
/// the client presented a living session.
///
/// # Errors
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or the route has no
/// middleware (500).
///
/// ```
/// use cloakroom_poem::{Error, Session};
/// use poem::{Endpoint as _, EndpointExt as _, Request, handler};
///
/// #[handler]
/// async fn greet(session: Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a unit test:
/// let session = Session::for_tests();
/// session.sign_in("ada")?;
/// let app = greet.data((*session).clone());
/// let response = app.get_response(Request::default()).await;
/// assert_eq!(response.into_body().into_string().await?, "Hello, ada");
/// # Ok(())
/// # }
/// ```
pub struct Session<K = ()>(cloakroom::Session<K>);

impl<'a, K: 'static> FromRequest<'a> for Session<K> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let session = RequestSession::of(request.extensions()).ok_or(NO_MIDDLEWARE)?;
        session.load().await?;
        Ok(Self(session))
    }
}

cloakroom::adapter::wrap_session!(Session);

/// The extractor of the session as one struct of the application. It loads and decodes the session.
///
/// Each field is the value under its name. Fields that may be missing need `#[serde(default)]`: in
/// a new session all are. [`update`](cloakroom::Typed::update) changes it.
///
/// ```
/// use cloakroom_poem::{Error, Typed};
/// use poem::handler;
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

impl<'a, T: DeserializeOwned, K: 'static> FromRequest<'a> for Typed<T, K> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let session = Session::<K>::from_request(request, body).await?;
        Ok(Self(cloakroom::Typed::of(session.0)?))
    }
}

cloakroom::adapter::wrap_typed!(Typed);
