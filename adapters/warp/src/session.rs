use cloakroom::Session;
use warp::{Filter, Rejection};

use crate::Error;

/// The filter that loads the request's session and extracts it. One store call, and only if the client presented a well-formed
/// token; a second filter on the same request costs nothing.
///
/// Everything on the session is synchronous; the methods are those of [`Session`]. It can be cloned and passed on; after the
/// response it says that it is closed. [`is_new`](Session::is_new) tells whether the client presented a living one.
///
/// # Rejections
///
/// [`Error`]: the store cannot be reached (503), the record cannot be read (500), or there is no layer (500).
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

/// The same for one of several independent sessions: the one of the layer that is [`named`](crate::SessionLayer::named) so.
///
/// # Rejections
///
/// As [`session`].
///
/// ```
/// use cloakroom_warp::{Session, named};
/// use warp::Filter as _;
///
/// struct Admin;
///
/// let route = named::<Admin>().map(|session: Session<Admin>| format!("{:?}", session.subject()));
/// ```
pub fn named<K: 'static>() -> impl Filter<Extract = (Session<K>,), Error = Rejection> + Copy {
    warp::ext::optional().and_then(load)
}

async fn load<K>(session: Option<Session<K>>) -> Result<Session<K>, Rejection> {
    let session = session.ok_or(Error::NO_LAYER)?;
    session.load().await.map_err(Error::from)?;
    Ok(session)
}
