use cloakroom::adapter::Denied;
use cloakroom_tower::RequireSubject;
use std::fmt;
use warp::path::FullPath;
use warp::reject::Reject;
use warp::{Filter, Rejection};

use crate::session::of_request;

/// Returns a filter that lets only signed-in visitors pass.
///
/// A visitor without a [subject](cloakroom::Session::subject) is rejected.
/// [`recover`](crate::recover) turns the rejection into a redirect to the sign-in page, or into
/// 401. Costs one load, which [`session`](crate::session) shares. What a subject may do is the
/// application's to decide.
///
/// ```
/// use cloakroom_warp::{Error, RequireSubject, Session};
/// use cloakroom_warp::{recover, require_subject, session};
/// use warp::Filter as _;
///
/// async fn orders(session: Session) -> Result<String, Error> {
///     Ok(format!("orders of {:?}", session.subject()?))
/// }
///
/// let signed_in = require_subject(RequireSubject::redirect_to("/sign-in"));
/// let routes = warp::path("orders")
///     .and(signed_in)
///     .and(session())
///     .then(orders)
///     .recover(recover);
/// ```
pub fn require_subject<K: 'static>(
    guard: RequireSubject<K>,
) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let query = warp::query::raw()
        .map(Some)
        .or_else(async |_| Ok::<_, Rejection>((None,)));
    of_request::<K>()
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and_then(
            move |session, method, path: FullPath, query: Option<String>| async move {
                let mut request = http::Request::new(());
                *request.method_mut() = method;
                if let Some(session) = session {
                    request
                        .extensions_mut()
                        .insert::<cloakroom::Session<K>>(session);
                }
                let mut target = path.as_str().to_owned();
                if let Some(query) = query {
                    target = format!("{target}?{query}");
                }
                if let Ok(target) = target.parse() {
                    *request.uri_mut() = target;
                }
                let checked = guard.check(&request).await;
                checked.map_err(|denied| warp::reject::custom(Refused(denied)))
            },
        )
        .untuple_one()
}

/// The response to a visitor without a subject, or on another device.
pub(crate) struct Refused(pub(crate) Denied);

impl Reject for Refused {}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({})", self.0.status())
    }
}
