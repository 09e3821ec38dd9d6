//! Sessions bound to a device, on a service of hyper's own.

#[path = "../../direct/tests/device/mod.rs"]
mod device;

use std::convert::Infallible;
use std::pin::Pin;

use cloakroom_hyper::{
    DeviceBinding, DeviceBindingService, Error, Policy, RequireDevice, Session, SessionLayer,
    SessionService, Sessions, session,
};
use device::{App, Counted, device_tests};
use http::{Request, Response, StatusCode};
use hyper::service::{Service, service_fn};

type Answering = Pin<Box<dyn Future<Output = Response<String>>>>;

struct Hyper(Box<dyn Fn(Request<String>) -> Answering>);

impl App for Hyper {
    async fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> Self {
        let bound = binding.clone();
        let pages = service_fn(move |request| {
            let binding = bound.clone();
            async move {
                let answer = route(&request, binding).await;
                Ok::<_, Infallible>(answer.unwrap_or_else(Response::from))
            }
        });
        let service = SessionService::new(
            DeviceBindingService::new(pages, binding),
            SessionLayer::from(sessions),
        );
        Self(Box::new(move |request| {
            let answer = service.call(request);
            Box::pin(async { answer.await.expect("infallible") })
        }))
    }

    async fn send(&self, request: Request<String>) -> Response<String> {
        (self.0)(request).await
    }
}

async fn route(
    request: &Request<String>,
    binding: DeviceBinding,
) -> Result<Response<String>, Error> {
    let guard = |policy| RequireDevice::new(binding, policy);
    let checked = match request.uri().path() {
        "/refuse" => guard(Policy::Refuse).check(request).await,
        "/observe" => guard(Policy::Observe).check(request).await,
        "/end" => guard(Policy::End).check(request).await,
        _ => return page(request).await,
    };
    Ok(match checked {
        Ok(status) => Response::new(format!("{status:?}")),
        Err(denied) => denied.into_response(),
    })
}

async fn page(request: &Request<String>) -> Result<Response<String>, Error> {
    let loaded = async { session(request).await };
    let text = match request.uri().path() {
        "/sign-in" => {
            let session: Session = loaded.await?;
            session.sign_in("ada")?;
            String::new()
        }
        "/sign-out" => {
            let session: Session = loaded.await?;
            session.sign_out()?;
            String::new()
        }
        "/visit" => {
            let session: Session = loaded.await?;
            let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
            visits.to_string()
        }
        "/static" => "no session".to_owned(),
        _ => {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(Response::new(text))
}

device_tests!(Hyper);
