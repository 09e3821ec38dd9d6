//! Sessions bound to a device, on an application of Rocket's.

#[path = "../../direct/tests/device/mod.rs"]
mod device;

use cloakroom_rocket::{
    Device, DeviceBinding, Error, RequireDevice, Session, SessionFairing, Sessions,
};
use device::{App, Counted, device_tests};
use http::{Request, Response};
use rocket::http::{Header, Method, Status};
use rocket::local::asynchronous::Client;
use rocket::{catch, catchers, get, post, routes};

struct RocketApp(Client);

impl App for RocketApp {
    async fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> Self {
        let quiet = rocket::Config::figment().merge(("log_level", "off"));
        let routes = routes![sign_in, sign_out, visit, refuse, observe, end, unused];
        let rocket = rocket::custom(quiet)
            .attach(SessionFairing::from(sessions).bound_to_devices(binding))
            .register("/", catchers![forbidden])
            .mount("/", routes);
        Self(Client::untracked(rocket).await.expect("it starts"))
    }

    async fn send(&self, request: Request<String>) -> Response<String> {
        let (parts, body) = request.into_parts();
        let method: Method = parts.method.as_str().parse().expect("a method");
        let mut request = self.0.req(method, parts.uri.to_string()).body(body);
        for (name, line) in &parts.headers {
            let line = line.to_str().expect("text").to_owned();
            request.add_header(Header::new(name.as_str().to_owned(), line));
        }
        let got = request.dispatch().await;
        let mut response = Response::builder().status(got.status().code);
        for header in got.headers().iter() {
            response = response.header(header.name().as_str(), header.value());
        }
        let body = got.into_string().await.unwrap_or_default();
        response.body(body).expect("valid")
    }
}

#[catch(403)]
fn forbidden() -> &'static str {
    ""
}

#[post("/sign-in")]
fn sign_in(session: Session) -> Result<(), Error> {
    session.sign_in("ada")
}

#[post("/sign-out")]
fn sign_out(session: Session) -> Result<(), Error> {
    session.sign_out()
}

#[get("/visit")]
fn visit(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

#[get("/refuse")]
fn refuse(device: RequireDevice) -> String {
    format!("{:?}", device.status)
}

#[get("/observe")]
fn observe(device: Device) -> String {
    format!("{:?}", device.status)
}

#[get("/end")]
fn end(device: Device, session: Session) -> Result<(Status, String), Error> {
    if device.status.is_foreign() {
        session.sign_out()?;
        return Ok((Status::Unauthorized, String::new()));
    }
    Ok((Status::Ok, format!("{:?}", device.status)))
}

#[get("/static")]
fn unused() -> &'static str {
    "no session"
}

device_tests!(RocketApp);
