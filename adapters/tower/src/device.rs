//! Sessions bound to a device: the two endpoints and the offers, and a guard for routes.

mod require;

use cloakroom::adapter::{Denied, Devices, RequestSession};
use cloakroom::{DeviceBinding, Error, Session};
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

pub use require::{RequireDevice, RequireDeviceService};

const NO_LAYER: Error = Error::NotSetUp(
    "sessions are to be bound to devices, but no session layer of this type is around that; add \
     `SessionLayer::new(store)` outside of `DeviceBindingLayer` and `RequireDevice`",
);

/// Binds sessions to devices: answers the protocol's two endpoints, and offers each sign-in to be
/// bound. A layer inside the [`SessionLayer`](crate::SessionLayer).
///
/// It answers POST requests to [`register_path`](DeviceBinding::register_path) and
/// [`refresh_path`](DeviceBinding::refresh_path). All other requests reach the inner service. One
/// that signs in gets the offer with its response, and one that signs out removes the bound cookie.
/// A request that does not use the session costs nothing.
///
/// A registration costs one load and one write, a refresh one load. Neither extends the idle
/// timeout. Routes are protected by [`RequireDevice`].
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_tower::{
///     Config, DeviceBinding, DeviceBindingLayer, Error, Session, SessionLayer,
///     session,
/// };
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sign_in = service_fn(async |request: Request<String>| {
///     let session: Session = session(&request).await?;
///     session.sign_in("ada")?;
///     Ok::<_, Error>(Response::new(String::new()))
/// });
/// let binding = DeviceBinding::new(&Config::default())?;
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::new(MemoryStore::new()))
///     .layer(DeviceBindingLayer::new(binding))
///     .service(sign_in);
///
/// let response = service.oneshot(Request::new(String::new())).await?;
/// assert!(response.headers().contains_key("secure-session-registration"));
/// # Ok(())
/// # }
/// ```
pub struct DeviceBindingLayer<K = ()>(Devices<K>);

impl DeviceBindingLayer {
    /// Makes the layer for the sessions of this binding's configuration.
    ///
    /// ```
    /// use cloakroom_tower::{Config, DeviceBinding, DeviceBindingLayer};
    ///
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let layer = DeviceBindingLayer::new(binding);
    /// # Ok::<(), cloakroom_tower::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(binding: DeviceBinding) -> Self {
        Self(Devices::new(binding))
    }
}

impl<K> DeviceBindingLayer<K> {
    /// Binds the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_tower::{Config, DeviceBinding, DeviceBindingLayer};
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let binding = DeviceBinding::new(&config)?
    ///     .with_paths("/admin/bind", "/admin/refresh")?;
    /// let layer = DeviceBindingLayer::new(binding).named::<Admin>();
    /// # Ok::<(), cloakroom_tower::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> DeviceBindingLayer<N> {
        DeviceBindingLayer(self.0.named())
    }
}

impl<T, K> Layer<T> for DeviceBindingLayer<K> {
    type Service = DeviceBindingService<T, K>;

    fn layer(&self, inner: T) -> Self::Service {
        DeviceBindingService {
            inner,
            devices: self.0.clone(),
        }
    }
}

impl<K> Clone for DeviceBindingLayer<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for DeviceBindingLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceBindingLayer")
            .field(self.0.binding())
            .finish()
    }
}

/// The service that [`DeviceBindingLayer`] wraps around another.
///
/// ```
/// use cloakroom_tower::{
///     Config, DeviceBinding, DeviceBindingLayer, DeviceBindingService,
/// };
/// use tower::Layer as _;
///
/// let binding = DeviceBinding::new(&Config::default())?;
/// let service: DeviceBindingService<&str> =
///     DeviceBindingLayer::new(binding).layer("any service");
/// # Ok::<(), cloakroom_tower::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct DeviceBindingService<T, K = ()> {
    inner: T,
    devices: Devices<K>,
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

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let devices = self.devices.clone();
        let session: Option<Session<K>> = RequestSession::of(request.extensions());
        if let Some(endpoint) = devices.endpoint(request.method(), request.uri().path()) {
            let headers = request.headers().clone();
            return Box::pin(async move {
                Ok(match session {
                    None => Denied::failed(NO_LAYER).into_response(),
                    Some(session) => {
                        let answer = devices.answer(endpoint, &session, &headers).await;
                        answer.map(B::from)
                    }
                })
            });
        }
        let traits = devices.traits(request.headers());
        let inner = self.inner.call(request);
        Box::pin(async move {
            let mut response = inner.await?;
            let session = session.filter(|_| !response.status().is_server_error());
            if let Some((name, line)) = session.and_then(|session| devices.after(&session, traits))
            {
                response.headers_mut().append(name, line);
            }
            Ok(response)
        })
    }
}

impl<T, K> fmt::Debug for DeviceBindingService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceBindingService")
            .field(self.devices.binding())
            .finish()
    }
}
