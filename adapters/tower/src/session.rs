use cloakroom::adapter::RequestSession;
use cloakroom::{Error, Session};
use http::Request;
use std::future::Future;

const NO_LAYER: Error = Error::NotSetUp(
    "a service asks for its session, but no session layer of this type is around it; add \
     `SessionLayer::new(store)` (in hyper: `SessionService::new(service, layer)`)",
);

/// Loads the session of a request: for services without extractors.
///
/// Costs one store call, and none if the client presented no well-formed token. Asking again costs
/// nothing. The future does not borrow the request, whose body can be read meanwhile.
///
/// # Errors
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or no layer of this
/// type is around the service (500).
///
/// ```
/// use cloakroom_tower::{Error, Session, session};
/// use http::Request;
///
/// async fn greet(request: &Request<String>) -> Result<String, Error> {
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
    let session = RequestSession::of(request.extensions());
    async move {
        let session = session.ok_or(NO_LAYER)?;
        session.load().await?;
        Ok(session)
    }
}
