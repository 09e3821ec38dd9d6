use cloakroom::adapter::RequestSession;
use cloakroom::{Error, Session};
use std::convert::Infallible;
use warp::{Filter, Rejection};

const NO_LAYER: Error = Error::NotSetUp(
    "a filter extracts a session, but its service has no `SessionLayer` of this type around it; \
     serve `SessionLayer::new(store).layer(warp::service(routes))`",
);

/// Returns the filter that loads and extracts the request's session.
///
/// Costs one store call, and none if the client presented no well-formed token. A second filter on
/// the same request costs nothing. The methods are those of [`Session`]; all of them are
/// synchronous. [`is_new`](Session::is_new) returns false if the client presented a living session.
///
/// # Rejections
///
/// [`Error`]: the store did not answer (503), the record cannot be read (500), or the service has
/// no layer (500).
///
/// ```
/// use cloakroom_warp::{Error, Session, session};
/// use warp::Filter as _;
///
/// async fn greet(session: Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
///
/// let route = warp::path("greet").and(session()).then(greet);
/// ```
pub fn session() -> impl Filter<Extract = (Session,), Error = Rejection> + Copy {
    named::<()>()
}

/// Returns the filter for one of several independent sessions: the session of the layer with this
/// [name](crate::SessionLayer::named).
///
/// # Rejections
///
/// Those of [`session`].
///
/// ```
/// use cloakroom_warp::{Session, named};
/// use warp::Filter as _;
///
/// struct Admin;
///
/// let route = named::<Admin>()
///     .map(|session: Session<Admin>| format!("{:?}", session.subject()));
/// ```
pub fn named<K: 'static>() -> impl Filter<Extract = (Session<K>,), Error = Rejection> + Copy {
    of_request().and_then(load)
}

/// The session that the layer, or a test, has put into the request.
pub(crate) fn of_request<K: 'static>()
-> impl Filter<Extract = (Option<Session<K>>,), Error = Infallible> + Copy {
    let either = |of_layer: Option<RequestSession<K>>, of_test| {
        let of_layer = of_layer.map(|session| session.of_origin());
        of_layer.or(of_test)
    };
    warp::ext::optional().and(warp::ext::optional()).map(either)
}

async fn load<K>(session: Option<Session<K>>) -> Result<Session<K>, Rejection> {
    let session = session.ok_or(NO_LAYER)?;
    session.load().await?;
    Ok(session)
}
