use cloakroom::Session;
use http::Request;
use std::future::Future;

use crate::Error;

/// Loads the session of a request. One store call, and only if the client presented a well-formed token; asking again costs nothing.
///
/// Everything on the session is synchronous; the methods are those of [`Session`]. It can be cloned and passed on; after the
/// response it says that it is closed. [`is_new`](Session::is_new) tells whether the client presented a living one.
///
/// The future does not borrow the request, whose body may be read meanwhile.
///
/// # Errors
///
/// [`Error`]: the store cannot be reached (503), the record cannot be read (500), or there is no [`SessionService`](crate::SessionService)
/// of this type around the service (500).
///
/// ```
/// use cloakroom_hyper::{Error, Session, session};
/// use hyper::{Request, body::Incoming};
///
/// async fn greet(request: &Request<Incoming>) -> Result<String, Error> {
///     let session: Session = session(request).await?;
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
/// ```
pub fn session<K: 'static, B>(
    request: &Request<B>,
) -> impl Future<Output = Result<Session<K>, Error>> + Send + use<K, B> {
    let session = request.extensions().get::<Session<K>>().cloned();
    async move {
        let session = session.ok_or(Error::NO_SERVICE)?;
        session.load().await?;
        Ok(session)
    }
}
