use cloakroom::adapter::{Denied, Devices, RequestSession};
use cloakroom::{DeviceBinding, DeviceStatus, Policy, Session};
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

use super::NO_LAYER;

/// Refuses requests of a bound session that do not come from its device: a layer inside the
/// [`SessionLayer`](crate::SessionLayer).
///
/// Sessions that are not bound pass, so browsers without the protocol notice nothing. The handler
/// finds the [`DeviceStatus`](crate::DeviceStatus) in the request's extensions. Costs one load,
/// which the handler's session shares, and one write when the browser confirms its registration.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{
///     Config, DeviceBinding, DeviceStatus, Policy, RequireDevice, SessionLayer,
/// };
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transfer = service_fn(async |request: Request<String>| {
///     let device = request.extensions().get::<DeviceStatus>();
///     Ok::<_, Infallible>(Response::new(format!("{device:?}")))
/// });
/// let binding = DeviceBinding::new(&Config::default())?;
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::new(MemoryStore::new()))
///     .layer(RequireDevice::new(binding, Policy::Refuse))
///     .service(transfer);
///
/// let response = service.oneshot(Request::new(String::new())).await?;
/// assert_eq!(response.body(), "Some(Unbound)");
/// # Ok(())
/// # }
/// ```
pub struct RequireDevice<K = ()> {
    devices: Devices<K>,
    policy: Policy,
}

impl RequireDevice {
    /// Makes the guard of the routes inside it.
    ///
    /// ```
    /// use cloakroom_tower::{Config, DeviceBinding, Policy, RequireDevice};
    ///
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let guard = RequireDevice::new(binding, Policy::End);
    /// # Ok::<(), cloakroom_tower::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(binding: DeviceBinding, policy: Policy) -> Self {
        Self {
            devices: Devices::new(binding),
            policy,
        }
    }
}

impl<K> RequireDevice<K> {
    /// Checks the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_tower::{Config, DeviceBinding, Policy, RequireDevice};
    /// struct Admin;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let guard = RequireDevice::new(binding, Policy::Refuse).named::<Admin>();
    /// # Ok::<(), cloakroom_tower::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> RequireDevice<N> {
        RequireDevice {
            devices: self.devices.named(),
            policy: self.policy,
        }
    }

    /// Checks a request: for services without layers.
    ///
    /// # Errors
    ///
    /// [`Denied`], which is the response.
    ///
    /// ```
    /// use cloakroom_tower::{Config, DeviceBinding, Policy, RequireDevice};
    /// use http::{Request, Response};
    ///
    /// async fn transfer(
    ///     guard: RequireDevice,
    ///     request: Request<String>,
    /// ) -> Response<String> {
    ///     match guard.check(&request).await {
    ///         Ok(device) => Response::new(format!("{device:?}")),
    ///         Err(denied) => denied.into_response(),
    ///     }
    /// }
    /// ```
    pub fn check<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Result<DeviceStatus, Denied>> + Send + use<K, B>
    where
        K: 'static,
    {
        let session: Option<Session<K>> = RequestSession::of(request.extensions());
        let (guard, headers) = (self.clone(), request.headers().clone());
        async move {
            let session = session.ok_or_else(|| Denied::failed(NO_LAYER))?;
            guard.devices.check(&session, guard.policy, &headers).await
        }
    }
}

impl<T, K> Layer<T> for RequireDevice<K> {
    type Service = RequireDeviceService<T, K>;

    fn layer(&self, inner: T) -> Self::Service {
        RequireDeviceService {
            inner,
            guard: self.clone(),
        }
    }
}

impl<K> Clone for RequireDevice<K> {
    fn clone(&self) -> Self {
        Self {
            devices: self.devices.clone(),
            policy: self.policy,
        }
    }
}

impl<K> fmt::Debug for RequireDevice<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireDevice")
            .field("binding", self.devices.binding())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The service that [`RequireDevice`] wraps around another.
///
/// ```
/// use cloakroom_tower::{
///     Config, DeviceBinding, Policy, RequireDevice, RequireDeviceService,
/// };
/// use tower::Layer as _;
///
/// let binding = DeviceBinding::new(&Config::default())?;
/// let service: RequireDeviceService<&str> =
///     RequireDevice::new(binding, Policy::Refuse).layer("any service");
/// # Ok::<(), cloakroom_tower::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RequireDeviceService<T, K = ()> {
    inner: T,
    guard: RequireDevice<K>,
}

impl<T, K, A, B> Service<Request<A>> for RequireDeviceService<T, K>
where
    T: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    T::Future: Send,
    K: 'static,
    A: Send + 'static,
    B: From<String>,
{
    type Response = Response<B>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, T::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // The one that is ready goes into the future.
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let checked = self.guard.check(&request);
        Box::pin(async move {
            match checked.await {
                Err(denied) => Ok(denied.into_response()),
                Ok(status) => {
                    request.extensions_mut().insert(status);
                    inner.call(request).await
                }
            }
        })
    }
}

impl<T, K> fmt::Debug for RequireDeviceService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireDeviceService")
            .field(&self.guard)
            .finish()
    }
}
