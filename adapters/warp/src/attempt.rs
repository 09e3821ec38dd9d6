use cloakroom::Session;
use warp::{Filter, Rejection};

use crate::session::of_request;

/// Goes around a route whose changes must not outlive its rejection.
///
/// Without it, the changes of a route that rejects are saved with the response of a later route or
/// `recover` handler. (In warp a rejection is also a way to answer with an error.) Put it around a
/// whole route, up to its reply. It also drops changes that an outer filter made before.
///
/// ```
/// use cloakroom_warp::{Session, attempt, session};
/// use warp::{Filter as _, Rejection};
///
/// /// Visitors without a coupon go on to the next route.
/// async fn with_coupon(session: Session) -> Result<String, Rejection> {
///     let orders =
///         session.update("orders", |n: Option<u32>| n.unwrap_or(0) + 1)?;
///     match session.take::<String>("coupon")? {
///         Some(coupon) => Ok(format!("order {orders}, cheaper by {coupon}")),
///         None => Err(warp::reject()),
///     }
/// }
///
/// let order = warp::path!("order").and(warp::post());
/// let routes = attempt(order.and(session()).and_then(with_coupon))
///     .or(order.map(|| "no coupon, no order"));
/// ```
pub fn attempt<F, R>(
    route: F,
) -> impl Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    F::Future: Send,
    R: Send + 'static,
{
    attempt_named::<(), F, R>(route)
}

/// Does the same for one of several independent sessions. One goes around the other.
///
/// ```
/// use cloakroom_warp::{Session, attempt, attempt_named, named};
/// use warp::{Filter as _, Rejection};
///
/// struct Admin;
///
/// async fn count(session: Session<Admin>) -> Result<String, Rejection> {
///     session.insert("seen", true)?;
///     Err(warp::reject())
/// }
///
/// let route = attempt(attempt_named::<Admin, _, _>(
///     named::<Admin>().and_then(count),
/// ));
/// ```
pub fn attempt_named<K, F, R>(
    route: F,
) -> impl Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static
where
    K: 'static,
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    F::Future: Send,
    R: Send + 'static,
{
    let begin = of_request::<K>().map(Attempt);
    let ends = begin.and(route).map(|attempt: Attempt<K>, reply: R| {
        attempt.answered();
        reply
    });
    // warp drops a rejected filter when it tries the next one, so there must be a next one.
    let nobody = warp::any().and_then(async || Err::<R, _>(warp::reject()));
    ends.or(nobody).unify()
}

/// Drops the changes if the route gives no answer.
struct Attempt<K>(Option<Session<K>>);

impl<K> Attempt<K> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl<K> Drop for Attempt<K> {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            // A closed session has been committed.
            let _ = session.discard_changes();
        }
    }
}
