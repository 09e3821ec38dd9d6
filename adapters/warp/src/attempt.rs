use cloakroom::Session;
use warp::{Filter, Rejection};

/// A route whose changes count only if it answers: if it rejects, and leaves the request to the next `or` or to a `recover` handler, they are
/// dropped.
///
/// Without it all counts that was changed until there is a response, as a rejection is also how warp answers with an error. Goes
/// around a whole route, up to its reply. What a filter outside of it has changed before is dropped with it.
///
/// ```
/// use cloakroom_warp::{Error, Session, attempt, session};
/// use warp::{Filter as _, Rejection};
///
/// /// For who has a coupon; everybody else is the next route's.
/// async fn with_coupon(session: Session) -> Result<String, Rejection> {
///     let orders = session.update("orders", |n: Option<u32>| n.unwrap_or(0) + 1).map_err(Error::from)?;
///     match session.take::<String>("coupon").map_err(Error::from)? {
///         Some(coupon) => Ok(format!("order {orders}, cheaper by {coupon}")),
///         None => Err(warp::reject()),
///     }
/// }
///
/// let order = warp::path!("order").and(warp::post());
/// let routes = attempt(order.and(session()).and_then(with_coupon)).or(order.map(|| "no coupon, no order"));
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

/// The same for one of several independent sessions. One goes around the other.
///
/// ```
/// use cloakroom_warp::{Error, Session, attempt, attempt_named, named};
/// use warp::{Filter as _, Rejection};
///
/// struct Admin;
///
/// async fn count(session: Session<Admin>) -> Result<String, Rejection> {
///     session.insert("seen", true).map_err(Error::from)?;
///     Err(warp::reject())
/// }
///
/// let route = attempt(attempt_named::<Admin, _, _>(named::<Admin>().and_then(count)));
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
    let begin = warp::ext::optional::<Session<K>>().map(Attempt);
    let ends = begin.and(route).map(|attempt: Attempt<K>, reply: R| {
        attempt.answered();
        reply
    });
    // What has rejected is dropped when the next is tried, and so there is a next one.
    let nobody = warp::any().and_then(async || Err::<R, _>(warp::reject()));
    ends.or(nobody).unify()
}

/// Drops what was changed, when it is dropped itself before there was an answer.
struct Attempt<K>(Option<Session<K>>);

impl<K> Attempt<K> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl<K> Drop for Attempt<K> {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            // One that is closed has been committed: there is nothing to drop any more.
            let _ = session.discard_changes();
        }
    }
}
