//! Clients of an application with sessions.

use rocket::config::LogLevel;
use rocket::http::Cookie;
use rocket::local::asynchronous::{Client, LocalResponse};
use rocket::{Build, Config, Rocket};

pub(crate) const NAME: &str = "__Host-session";

pub(crate) fn rocket() -> Rocket<Build> {
    rocket::custom(Config {
        log_level: LogLevel::Off,
        ..Config::release_default()
    })
}

pub(crate) async fn client(rocket: Rocket<Build>) -> Client {
    Client::untracked(rocket).await.unwrap()
}

pub(crate) fn set_cookie(response: &LocalResponse<'_>) -> Option<String> {
    response.headers().get_one("set-cookie").map(str::to_owned)
}

pub(crate) fn token(response: &LocalResponse<'_>) -> String {
    let line = set_cookie(response).unwrap();
    let pair = line.split(';').next().unwrap();
    pair.split_once('=').unwrap().1.to_owned()
}

#[allow(dead_code, reason = "not every test asks for a page")]
pub(crate) async fn get(client: &Client, path: &'static str, token: &str) -> Option<String> {
    let request = client.get(path).cookie(Cookie::new(NAME, token.to_owned()));
    request.dispatch().await.into_string().await
}
