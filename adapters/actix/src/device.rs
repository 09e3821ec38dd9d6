use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpResponse};
use cloakroom::adapter::{Denied, Devices};
use cloakroom::{DeviceBinding, Error, Policy, Session};
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use crate::headers;

const NO_MIDDLEWARE: Error = Error::NotSetUp(
    "sessions are to be bound to devices, but no `SessionMiddleware` of this type is around that; \
     add `.wrap(SessionMiddleware::new(store))` after `DeviceBindingMiddleware` and \
     `RequireDevice`",
);

/// Binds sessions to devices: answers the protocol's two endpoints, and offers each sign-in to be
/// bound. A middleware inside the [`SessionMiddleware`](crate::SessionMiddleware).
///
/// Wrap the application with it, so that it sees the endpoints' requests. It answers POST requests
/// to [`register_path`](DeviceBinding::register_path) and
/// [`refresh_path`](DeviceBinding::refresh_path). A response to a sign-in gets the offer, and one
/// to a sign-out removes the bound cookie. A request that does not use the session costs nothing.
///
/// A registration costs one load and one write, a refresh one load. Neither extends the idle
/// timeout. Routes are protected by [`RequireDevice`].
///
/// ```
/// use actix_web::{App, web};
/// use cloakroom_actix::{
///     Config, DeviceBinding, DeviceBindingMiddleware, Policy, RequireDevice,
///     SessionMiddleware,
/// };
/// use cloakroom_memory::MemoryStore;
///
/// let binding = DeviceBinding::new(&Config::default())?;
/// let sessions = SessionMiddleware::new(MemoryStore::new());
/// let factory = move || {
///     let transfer = web::scope("/transfer")
///         .wrap(RequireDevice::new(binding.clone(), Policy::Refuse))
///         .route("", web::get().to(async || "done"));
///     App::new()
///         .service(transfer)
///         .wrap(DeviceBindingMiddleware::new(binding.clone()))
///         .wrap(sessions.clone())
/// };
/// # Ok::<(), cloakroom_actix::ConfigError>(())
/// ```
pub struct DeviceBindingMiddleware<K = ()>(Devices<K>);

impl DeviceBindingMiddleware {
    /// Makes the middleware for the sessions of this binding's configuration.
    ///
    /// ```
    /// # use cloakroom_actix::{Config, DeviceBinding, DeviceBindingMiddleware};
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let middleware = DeviceBindingMiddleware::new(binding);
    /// # Ok::<(), cloakroom_actix::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(binding: DeviceBinding) -> Self {
        Self(Devices::new(binding))
    }
}

impl<K> DeviceBindingMiddleware<K> {
    /// Binds the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom_actix::{Config, DeviceBinding, DeviceBindingMiddleware};
    /// struct Admin;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let middleware = DeviceBindingMiddleware::new(binding).named::<Admin>();
    /// # Ok::<(), cloakroom_actix::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> DeviceBindingMiddleware<N> {
        DeviceBindingMiddleware(self.0.named())
    }
}

impl<T, B, K: 'static> Transform<T, ServiceRequest> for DeviceBindingMiddleware<K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = DeviceBindingService<T, K>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: T) -> Self::Future {
        ready(Ok(DeviceBindingService {
            inner,
            devices: self.0.clone(),
        }))
    }
}

/// The service that [`DeviceBindingMiddleware`] wraps around another.
///
/// ```
/// use cloakroom_actix::DeviceBindingService;
///
/// fn name<T>(service: &DeviceBindingService<T>) -> String {
///     format!("{service:?}")
/// }
/// ```
pub struct DeviceBindingService<T, K = ()> {
    inner: T,
    devices: Devices<K>,
}

impl<T, B, K: 'static> Service<ServiceRequest> for DeviceBindingService<T, K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let devices = self.devices.clone();
        let session = request.extensions().get::<Session<K>>().cloned();
        let method = request.method().as_str().parse().unwrap_or_default();
        if let Some(endpoint) = devices.endpoint(&method, request.path()) {
            let headers = headers::of_endpoints(request.headers());
            return Box::pin(async move {
                let answer = match session {
                    None => Denied::failed(NO_MIDDLEWARE).into_response(),
                    Some(session) => devices.answer(endpoint, &session, &headers).await,
                };
                let (parts, body) = answer.into_parts();
                let response = response(parts.status, &parts.headers, body);
                Ok(request.into_response(response).map_into_right_body())
            });
        }
        let traits = devices.traits(&headers::of_devices(request.headers()));
        let inner = self.inner.call(request);
        Box::pin(async move {
            let mut response = inner.await?;
            let session = session.filter(|_| !response.status().is_server_error());
            if let Some((name, line)) = session.and_then(|session| devices.after(&session, traits))
            {
                headers::append(response.headers_mut(), &name, &line);
            }
            Ok(response.map_into_left_body())
        })
    }
}

/// Refuses requests of a bound session that do not come from its device: a middleware inside the
/// [`SessionMiddleware`](crate::SessionMiddleware).
///
/// Sessions that are not bound pass, so browsers without the protocol notice nothing. The handler
/// finds the [`DeviceStatus`](crate::DeviceStatus) in the request's extensions
/// (`web::ReqData<DeviceStatus>`). Costs one load, which the handler's session shares, and one
/// write when the browser confirms its registration.
///
/// ```
/// use actix_web::{App, test, web};
/// use cloakroom_actix::{
///     Config, DeviceBinding, DeviceStatus, Policy, RequireDevice,
///     SessionMiddleware,
/// };
/// use cloakroom_memory::MemoryStore;
///
/// async fn transfer(device: web::ReqData<DeviceStatus>) -> String {
///     format!("{:?}", *device)
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), cloakroom_actix::ConfigError> {
/// let binding = DeviceBinding::new(&Config::default())?;
/// let guarded = web::scope("/transfer")
///     .wrap(RequireDevice::new(binding, Policy::Refuse))
///     .route("", web::get().to(transfer));
/// let app = App::new()
///     .service(guarded)
///     .wrap(SessionMiddleware::new(MemoryStore::new()));
///
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::with_uri("/transfer").to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "Unbound");
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
    /// # use cloakroom_actix::{Config, DeviceBinding, Policy, RequireDevice};
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let guard = RequireDevice::new(binding, Policy::End);
    /// # Ok::<(), cloakroom_actix::ConfigError>(())
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
    /// # use cloakroom_actix::{Config, DeviceBinding, Policy, RequireDevice};
    /// struct Admin;
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let guard = RequireDevice::new(binding, Policy::Refuse).named::<Admin>();
    /// # Ok::<(), cloakroom_actix::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> RequireDevice<N> {
        RequireDevice {
            devices: self.devices.named(),
            policy: self.policy,
        }
    }
}

impl<T, B, K: 'static> Transform<T, ServiceRequest> for RequireDevice<K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = RequireDeviceService<T, K>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: T) -> Self::Future {
        ready(Ok(RequireDeviceService {
            inner: Rc::new(inner),
            guard: self.clone(),
        }))
    }
}

/// The service that [`RequireDevice`] wraps around another.
///
/// ```
/// use cloakroom_actix::RequireDeviceService;
///
/// fn name<T>(service: &RequireDeviceService<T>) -> String {
///     format!("{service:?}")
/// }
/// ```
pub struct RequireDeviceService<T, K = ()> {
    inner: Rc<T>,
    guard: RequireDevice<K>,
}

impl<T, B, K: 'static> Service<ServiceRequest> for RequireDeviceService<T, K>
where
    T: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, guard) = (Rc::clone(&self.inner), self.guard.clone());
        let session = request.extensions().get::<Session<K>>().cloned();
        let headers = headers::of_devices(request.headers());
        Box::pin(async move {
            let checked = match session {
                None => Err(Denied::failed(NO_MIDDLEWARE)),
                Some(session) => guard.devices.check(&session, guard.policy, &headers).await,
            };
            match checked {
                Ok(status) => {
                    request.extensions_mut().insert(status);
                    Ok(inner.call(request).await?.map_into_left_body())
                }
                Err(denied) => {
                    let (parts, body) = denied.into_response::<String>().into_parts();
                    let response = response(parts.status, &parts.headers, body);
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

fn response(status: http::StatusCode, headers: &http::HeaderMap, body: String) -> HttpResponse {
    let status = StatusCode::from_u16(status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(body)
}

impl<K> Clone for DeviceBindingMiddleware<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for DeviceBindingMiddleware<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceBindingMiddleware")
            .field(self.0.binding())
            .finish()
    }
}

impl<T, K> fmt::Debug for DeviceBindingService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceBindingService")
            .field(self.devices.binding())
            .finish()
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

impl<T, K> fmt::Debug for RequireDeviceService<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireDeviceService")
            .field(&self.guard)
            .finish()
    }
}
