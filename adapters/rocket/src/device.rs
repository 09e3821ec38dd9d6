//! Sessions bound to a device: the two endpoints, and the guards.

use cloakroom::adapter::{DeviceEndpoint, Devices};
use cloakroom::frameworks::rocket::report;
use cloakroom::{DeviceStatus, Error, Policy};
use http::HeaderMap;
use rocket::http::{Method, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::route::{self, Handler};
use rocket::{Data, Ignite, Request, Response, Rocket, Route, Sentinel};
use std::io::Cursor;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::attempt::Attempts;
use crate::guard::load;
use crate::headers;

const NO_BINDING: &str = "a handler takes a `Device` or `RequireDevice`, but the `SessionFairing` \
    of this type binds no sessions; add `.bound_to_devices(binding)` to it";

/// Returns the routes of the two endpoints.
pub(crate) fn routes<K: 'static>(devices: &Devices<K>) -> Vec<Route> {
    let (register, refresh) = (DeviceEndpoint::Register, DeviceEndpoint::Refresh);
    let paths = [
        (devices.binding().register_path(), register),
        (devices.binding().refresh_path(), refresh),
    ];
    let route = |(path, endpoint)| {
        let devices = devices.clone();
        Route::new(Method::Post, path, Endpoint { devices, endpoint })
    };
    paths.map(route).into()
}

struct Endpoint<K> {
    devices: Devices<K>,
    endpoint: DeviceEndpoint,
}

impl<K> Clone for Endpoint<K> {
    fn clone(&self) -> Self {
        Self {
            devices: self.devices.clone(),
            endpoint: self.endpoint,
        }
    }
}

#[rocket::async_trait]
impl<K: 'static> Handler for Endpoint<K> {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> route::Outcome<'r> {
        let session = match load::<K>(request).await {
            Ok(session) => session,
            Err(error) => return route::Outcome::Error(report(error, request).0),
        };
        let headers = headers::of_devices(request);
        let answer = self.devices.answer(self.endpoint, &session, &headers).await;
        let (parts, body) = answer.into_parts();
        let mut response = Response::build();
        response.status(Status::new(parts.status.as_u16()));
        let mut response = response
            .sized_body(body.len(), Cursor::new(body))
            .finalize();
        headers::add(&mut response, &parts.headers);
        route::Outcome::Success(response)
    }
}

/// The device that a request comes from: a guard that lets every request pass.
///
/// To end a session that was copied, sign it out if the status
/// [is foreign](cloakroom::DeviceStatus::is_foreign). Costs one load, which
/// [`Session`](crate::Session) shares, and one write when the browser confirms its registration.
///
/// ```
/// use cloakroom_rocket::{Device, Error, Session};
/// use rocket::http::Status;
///
/// #[rocket::get("/account")]
/// fn account(device: Device, session: Session) -> Result<Status, Error> {
///     if device.status.is_foreign() {
///         session.sign_out()?;
///         return Ok(Status::Unauthorized);
///     }
///     Ok(Status::Ok)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Device<K = ()> {
    /// Whether the session is bound, and whether the request comes from its device.
    pub status: DeviceStatus,
    kind: PhantomData<fn() -> K>,
}

#[rocket::async_trait]
impl<'r, K: 'static> FromRequest<'r> for Device<K> {
    type Error = Option<Error>;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Option<Error>> {
        let checked = check::<K>(request, Policy::Observe).await;
        checked.map(|status| Self {
            status,
            kind: PhantomData,
        })
    }
}

/// Refuses requests of a bound session that do not come from its device: a guard.
///
/// Fails with 403, so the application's catcher of 403 answers. The response has a challenge for
/// the browser. The guard's error is `None` then, or the error of a failed load. Sessions that are
/// not bound pass, so browsers without the protocol notice nothing. Costs as [`Device`].
///
/// ```
/// use cloakroom_rocket::RequireDevice;
///
/// #[rocket::post("/transfer")]
/// fn transfer(device: RequireDevice) -> String {
///     format!("{:?}", device.status)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequireDevice<K = ()> {
    /// Whether the session is bound.
    pub status: DeviceStatus,
    kind: PhantomData<fn() -> K>,
}

#[rocket::async_trait]
impl<'r, K: 'static> FromRequest<'r> for RequireDevice<K> {
    type Error = Option<Error>;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Option<Error>> {
        let checked = check::<K>(request, Policy::Refuse).await;
        checked.map(|status| Self {
            status,
            kind: PhantomData,
        })
    }
}

async fn check<K: 'static>(
    request: &Request<'_>,
    policy: Policy,
) -> Outcome<DeviceStatus, Option<Error>> {
    let devices = request.rocket().state::<Attempts<K>>();
    let devices = devices.and_then(|attempts| attempts.devices.as_ref());
    let loaded = load::<K>(request).await;
    let loaded = loaded.and_then(|session| {
        let devices = devices.ok_or(Error::NotSetUp(NO_BINDING))?;
        Ok((session, devices))
    });
    let (session, devices) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            return Outcome::Error((report(error.clone(), request).0, Some(error)));
        }
    };
    let headers = headers::of_devices(request);
    match devices.check(&session, policy, &headers).await {
        Ok(status) => Outcome::Success(status),
        Err(denied) => {
            *refused::<K>(request) = denied.headers().clone();
            let status = Status::new(denied.status().as_u16());
            Outcome::Error((status, None))
        }
    }
}

/// Adds the guard's headers to the response, if it refused.
pub(crate) fn refuse<K: 'static>(request: &Request<'_>, response: &mut Response<'_>) {
    let headers = std::mem::take(&mut *refused::<K>(request));
    if response.status() == Status::Forbidden {
        headers::add(response, &headers);
    }
}

/// The headers of the guard that refused this request.
struct Refused<K> {
    headers: Mutex<HeaderMap>,
    kind: PhantomData<fn() -> K>,
}

fn refused<'r, K: 'static>(request: &'r Request<'_>) -> MutexGuard<'r, HeaderMap> {
    let refused: &Refused<K> = request.local_cache(|| Refused {
        headers: Mutex::default(),
        kind: PhantomData,
    });
    let headers = refused.headers.lock();
    headers.unwrap_or_else(PoisonError::into_inner)
}

impl<K: 'static> Sentinel for Device<K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        is_missing::<K>(rocket)
    }
}

impl<K: 'static> Sentinel for RequireDevice<K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        is_missing::<K>(rocket)
    }
}

fn is_missing<K: 'static>(rocket: &Rocket<Ignite>) -> bool {
    let attempts = rocket.state::<Attempts<K>>();
    let missing = attempts.is_none_or(|attempts| attempts.devices.is_none());
    if missing {
        tracing::error!("{}", NO_BINDING);
    }
    missing
}
