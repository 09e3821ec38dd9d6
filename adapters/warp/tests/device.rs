//! Sessions bound to a device, on filters.

#[path = "../../direct/tests/device/mod.rs"]
mod device;

use std::convert::Infallible;

use cloakroom_warp::{
    DeviceBinding, DeviceBindingLayer, DeviceStatus, Error, Layer as _, Policy, RequireDevice,
    Session, SessionLayer, Sessions, recover, require_device, session,
};
use device::{App, Counted, device_tests};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower::util::BoxCloneService;
use warp::Filter as _;
use warp::reply::Reply as _;

struct Warp(BoxCloneService<Request<String>, warp::reply::Response, Infallible>);

impl App for Warp {
    async fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> Self {
        let guarded = |path: &'static str, policy| {
            warp::path(path)
                .and(require_device(RequireDevice::new(binding.clone(), policy)))
                .map(|status: DeviceStatus| format!("{status:?}").into_response())
        };
        let pages = guarded("refuse", Policy::Refuse)
            .or(guarded("observe", Policy::Observe))
            .or(guarded("end", Policy::End));
        let sign_in = warp::path("sign-in")
            .and(warp::post())
            .and(session())
            .then(sign_in);
        let sign_out = warp::path("sign-out")
            .and(warp::post())
            .and(session())
            .then(sign_out);
        let visit = warp::path("visit").and(session()).then(visit);
        let unused = warp::path("static").map(|| "no session");
        let routes = pages.or(sign_in).or(sign_out).or(visit).or(unused);
        let service = warp::service(routes.recover(recover));
        let service = DeviceBindingLayer::new(binding).layer(service);
        let service = SessionLayer::from(sessions).layer(service);
        Self(BoxCloneService::new(service))
    }

    async fn send(&self, request: Request<String>) -> Response<String> {
        let response = self.0.clone().oneshot(request).await;
        let (parts, body) = response.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Response::from_parts(parts, body)
    }
}

async fn sign_in(session: Session) -> Result<String, Error> {
    session.sign_in("ada")?;
    Ok(String::new())
}

async fn sign_out(session: Session) -> Result<String, Error> {
    session.sign_out()?;
    Ok(String::new())
}

async fn visit(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

device_tests!(Warp);
