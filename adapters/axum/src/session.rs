use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use cloakroom::Error;
use cloakroom::adapter::RequestSession;
use http::request::Parts;

const NO_LAYER: Error = Error::NotSetUp(
    "a handler takes a `Session`, but its route has no `SessionLayer` of this type; add \
     `.layer(SessionLayer::new(store))` after the route",
);

/// The extractor of a request's session. It loads the session.
///
/// Costs one store call, and none if the client presented no well-formed token. The methods are
/// those of [`cloakroom::Session`]; all of them are synchronous. A session can be cloned and passed
/// on. After the response every call on it fails with `Closed`.
///
/// `Option<Session>` is `None` if the client presented no living session.
///
/// # Rejections
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or the route has no
/// layer (500).
///
/// ```
/// use cloakroom_axum::{Error, Session};
///
/// async fn greet(session: Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
/// ```
///
/// A unit test calls the handler with a session of its own:
///
/// ```
/// # use cloakroom_axum::{Error, Session};
/// # async fn greet(session: Session) -> Result<String, Error> {
/// #     Ok(format!("Hello, {}", session.subject()?.unwrap_or_default()))
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let session: Session = Session::for_tests();
/// session.sign_in("ada")?;
/// assert_eq!(greet(session).await?, "Hello, ada");
/// # Ok(())
/// # }
/// ```
pub struct Session<K = ()>(pub(crate) cloakroom::Session<K>);

impl<S: Sync, K: 'static> FromRequestParts<S> for Session<K> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = RequestSession::of(&parts.extensions).ok_or(NO_LAYER)?;
        session.load().await?;
        Ok(Self(session))
    }
}

impl<S: Sync, K: 'static> OptionalFromRequestParts<S> for Session<K> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        let session = <Self as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok((!session.is_new()?).then_some(session))
    }
}

cloakroom::adapter::wrap_session!(Session);
