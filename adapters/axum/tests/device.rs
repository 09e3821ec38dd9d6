//! Sessions bound to a device, on a router.

#[path = "../../direct/tests/device/mod.rs"]
mod device;

use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use axum::{Extension, Router};
use cloakroom_axum::{
    DeviceBinding, DeviceBindingLayer, DeviceStatus, Error, Policy, RequireDevice, Session,
    SessionLayer, Sessions,
};
use device::{App, Counted, device_tests};
use http::{Request, Response};
use tower::ServiceExt as _;

struct Axum(Router);

impl App for Axum {
    async fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> Self {
        let guarded = |policy| {
            Router::new()
                .route("/", get(status))
                .layer(RequireDevice::new(binding.clone(), policy))
        };
        Self(
            Router::new()
                .nest("/refuse", guarded(Policy::Refuse))
                .nest("/observe", guarded(Policy::Observe))
                .nest("/end", guarded(Policy::End))
                .route("/sign-in", post(sign_in))
                .route("/sign-out", post(sign_out))
                .route("/visit", get(visit))
                .route("/static", get(async || "no session"))
                .layer(DeviceBindingLayer::new(binding.clone()))
                .layer(SessionLayer::from(sessions)),
        )
    }

    async fn send(&self, request: Request<String>) -> Response<String> {
        let response = self.0.clone().oneshot(request.map(Body::from)).await;
        let (parts, body) = response.expect("an answer").into_parts();
        let body = to_bytes(body, 65_536).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        Response::from_parts(parts, body)
    }
}

async fn sign_in(session: Session) -> Result<(), Error> {
    session.sign_in("ada")
}

async fn sign_out(session: Session) -> Result<(), Error> {
    session.sign_out()
}

async fn visit(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

async fn status(Extension(status): Extension<DeviceStatus>) -> String {
    format!("{status:?}")
}

device_tests!(Axum);
