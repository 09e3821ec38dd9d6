use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::Error;

/// The session of a request: an extractor that loads it.
///
/// Everything on it is synchronous; the methods are those of [`cloakroom::Session`]. It can be cloned and passed on; after the
/// response it says that it is closed. One store call, and only if the client presented a well-formed token.
///
/// As `Option<Session>` it is there only if the client presented a living session.
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
/// # Rejections
///
/// [`Error`]: the store cannot be reached (503), the record cannot be read (500), or there is no layer (500).
pub struct Session<K = ()>(pub(crate) cloakroom::Session<K>);

impl<S: Sync, K: 'static> FromRequestParts<S> for Session<K> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = parts
            .extensions
            .get::<cloakroom::Session<K>>()
            .ok_or(Error::NO_LAYER)?
            .clone();
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

cloakroom::wrap_session!(Session);
