use cloakroom_tower::{DeviceBinding, DeviceBindingLayer};
use http::{Request, Response};
use hyper::service::Service;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::service::Ready;

/// A service whose sessions are bound to devices: answers the protocol's two endpoints, and offers
/// each sign-in to be bound. Inside the [`SessionService`](crate::SessionService).
///
/// [`DeviceBindingLayer`] describes it. Routes are protected by
/// [`RequireDevice::check`](crate::RequireDevice::check).
///
/// ```
/// use cloakroom_hyper::{
///     Config, DeviceBinding, DeviceBindingService, DeviceStatus, Error, Policy,
///     RequireDevice, Session, SessionLayer, SessionService, session,
/// };
/// use cloakroom_memory::MemoryStore;
/// use hyper::service::{Service as _, service_fn};
/// use hyper::{Request, Response};
/// use std::convert::Infallible;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let binding = DeviceBinding::new(&Config::default())?;
/// let guard = RequireDevice::new(binding.clone(), Policy::Refuse);
/// let transfer = service_fn(move |request: Request<String>| {
///     let guard = guard.clone();
///     async move {
///         Ok::<_, Infallible>(match guard.check(&request).await {
///             Ok(device) => Response::new(format!("{device:?}")),
///             Err(denied) => denied.into_response(),
///         })
///     }
/// });
/// let service = SessionService::new(
///     DeviceBindingService::new(transfer, binding),
///     SessionLayer::new(MemoryStore::new()),
/// );
/// let response = service.call(Request::new(String::new())).await?;
/// assert_eq!(response.body(), "Unbound");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DeviceBindingService<T, K = ()> {
    inner: T,
    layer: DeviceBindingLayer<K>,
}

impl<T> DeviceBindingService<T> {
    /// Wraps a service, for the sessions of this binding's configuration.
    ///
    /// ```
    /// # use cloakroom_hyper::{Config, DeviceBinding, DeviceBindingService};
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let service = DeviceBindingService::new("any service", binding);
    /// # Ok::<(), cloakroom_hyper::ConfigError>(())
    /// ```
    pub fn new(inner: T, binding: DeviceBinding) -> Self {
        Self {
            inner,
            layer: DeviceBindingLayer::new(binding),
        }
    }
}

impl<T, K> DeviceBindingService<T, K> {
    /// Binds the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_hyper::{Config, DeviceBinding, DeviceBindingService};
    /// struct Admin;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let service =
    ///     DeviceBindingService::new("any service", binding).named::<Admin>();
    /// # Ok::<(), cloakroom_hyper::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> DeviceBindingService<T, N> {
        DeviceBindingService {
            inner: self.inner,
            layer: self.layer.named(),
        }
    }
}

impl<T, K, A, B> Service<Request<A>> for DeviceBindingService<T, K>
where
    T: Service<Request<A>, Response = Response<B>>,
    T::Future: Send + 'static,
    T::Error: Send + 'static,
    K: 'static,
    B: From<String> + Send + 'static,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, T::Error>> + Send>>;

    fn call(&self, request: Request<A>) -> Self::Future {
        self.layer.layer(Ready(&self.inner)).call(request)
    }
}

impl<T, K> fmt::Debug for DeviceBindingService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceBindingService")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}
