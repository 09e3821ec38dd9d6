//! Sessions bound to a device, on an application of actix-web's.

#[path = "../../direct/tests/device/mod.rs"]
mod device;

use std::pin::Pin;

use actix_web::{App as Application, test, web};
use cloakroom_actix::{
    DeviceBinding, DeviceBindingMiddleware, DeviceStatus, Error, Policy, RequireDevice, Session,
    SessionMiddleware, Sessions,
};
use device::{App, Counted, device_tests};
use http::{Request, Response};

type Answering = Pin<Box<dyn Future<Output = Response<String>>>>;

struct Actix(Box<dyn Fn(Request<String>) -> Answering>);

impl App for Actix {
    async fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> Self {
        let guarded = |path, policy| {
            web::scope(path)
                .wrap(RequireDevice::new(binding.clone(), policy))
                .route("", web::get().to(status))
        };
        let app = Application::new()
            .service(guarded("/refuse", Policy::Refuse))
            .service(guarded("/observe", Policy::Observe))
            .service(guarded("/end", Policy::End))
            .route("/sign-in", web::post().to(sign_in))
            .route("/sign-out", web::post().to(sign_out))
            .route("/visit", web::get().to(visit))
            .route("/static", web::get().to(async || "no session"))
            .wrap(DeviceBindingMiddleware::new(binding))
            .wrap(SessionMiddleware::from(sessions));
        let app = std::rc::Rc::new(test::init_service(app).await);
        Self(Box::new(move |request| {
            let app = app.clone();
            Box::pin(async move {
                let (parts, body) = request.into_parts();
                let method = parts.method.as_str().parse().expect("a method");
                let mut request = test::TestRequest::with_uri(&parts.uri.to_string());
                request = request.method(method).set_payload(body);
                for (name, line) in &parts.headers {
                    request = request.append_header((name.as_str(), line.as_bytes()));
                }
                let got = test::call_service(&*app, request.to_request()).await;
                let mut response = Response::builder().status(got.status().as_u16());
                for (name, line) in got.headers() {
                    response = response.header(name.as_str(), line.as_bytes());
                }
                let body = test::read_body(got).await.to_vec();
                let body = String::from_utf8(body).expect("text");
                response.body(body).expect("valid")
            })
        }))
    }

    async fn send(&self, request: Request<String>) -> Response<String> {
        (self.0)(request).await
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

async fn status(status: web::ReqData<DeviceStatus>) -> String {
    format!("{:?}", status.into_inner())
}

device_tests!(Actix);
