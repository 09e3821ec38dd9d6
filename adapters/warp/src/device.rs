use cloakroom_tower::{DeviceStatus, RequireDevice};
use warp::{Filter, Rejection};

use crate::guard::Refused;
use crate::session::of_request;

/// Returns a filter that refuses requests of a bound session that do not come from its device, and
/// extracts the [`DeviceStatus`] of the others.
///
/// Sessions that are not bound pass, so browsers without the protocol notice nothing.
/// [`recover`](crate::recover) turns the rejection into the policy's response. Costs one load,
/// which [`session`](crate::session) shares, and one write when the browser confirms its
/// registration. The service needs a [`DeviceBindingLayer`](crate::DeviceBindingLayer).
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_warp::{
///     Config, DeviceBinding, DeviceBindingLayer, DeviceStatus, Layer as _, Policy,
///     RequireDevice, SessionLayer, recover, require_device,
/// };
/// use warp::Filter as _;
///
/// let binding = DeviceBinding::new(&Config::default())?;
/// let device = RequireDevice::new(binding.clone(), Policy::Refuse);
/// let routes = warp::path("transfer")
///     .and(require_device(device))
///     .map(|device: DeviceStatus| format!("{device:?}"))
///     .recover(recover);
/// let service = SessionLayer::new(MemoryStore::new())
///     .layer(DeviceBindingLayer::new(binding).layer(warp::service(routes)));
/// # Ok::<(), cloakroom_warp::ConfigError>(())
/// ```
pub fn require_device<K: 'static>(
    guard: RequireDevice<K>,
) -> impl Filter<Extract = (DeviceStatus,), Error = Rejection> + Clone {
    of_request::<K>()
        .and(warp::header::headers_cloned())
        .and_then(move |session, headers| {
            let guard = guard.clone();
            async move {
                let mut request = http::Request::new(());
                *request.headers_mut() = headers;
                if let Some(session) = session {
                    let extensions = request.extensions_mut();
                    extensions.insert::<cloakroom::Session<K>>(session);
                }
                let checked = guard.check(&request).await;
                checked.map_err(|denied| warp::reject::custom(Refused(denied)))
            }
        })
}
