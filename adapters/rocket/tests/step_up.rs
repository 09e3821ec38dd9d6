//! The guard for a step-up. Its clock is the test's.

use cloakroom::{Authentication, ManualClock, Sessions};
use cloakroom_memory::MemoryStore;
use cloakroom_rocket::{Error, RecentSubject, Session, SessionFairing};
use rocket::http::{Cookie, Status};
use rocket::local::asynchronous::Client;
use rocket::{get, routes};
use std::time::Duration;

use support::{NAME, client, rocket, token};

mod support;

#[get("/sign-in/<level>")]
fn sign_in(session: Session, level: u8) -> Result<(), Error> {
    session.sign_in_with("ada", &Authentication::new(level).method("pwd"))
}

#[get("/recent")]
fn recent(subject: RecentSubject<300>) -> String {
    subject.name
}

#[get("/strong")]
fn strong(subject: RecentSubject<300, 2>) -> String {
    subject.name
}

async fn status(client: &Client, path: &'static str, token: &str) -> Status {
    let request = client.get(path).cookie(Cookie::new(NAME, token.to_owned()));
    request.dispatch().await.status()
}

// R84
#[rocket::async_test]
async fn a_subject_is_recent_for_less_than_its_age_and_needs_its_level() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let rocket = rocket().mount("/", routes![sign_in, recent, strong]);
    let client = client(rocket.attach(SessionFairing::from(sessions))).await;
    let nobody = client.get("/recent").dispatch().await.status();
    assert_eq!(nobody, Status::Unauthorized);
    let weak = token(&client.get("/sign-in/1").dispatch().await);
    let both = token(&client.get("/sign-in/2").dispatch().await);
    assert_eq!(status(&client, "/recent", &weak).await, Status::Ok);
    assert_eq!(status(&client, "/strong", &weak).await, Status::Forbidden);
    for (later, wanted) in [
        (299, Status::Ok),
        (1, Status::Forbidden),
        (1, Status::Forbidden),
    ] {
        clock.advance(Duration::from_secs(later));
        assert_eq!(status(&client, "/recent", &weak).await, wanted);
        assert_eq!(status(&client, "/strong", &both).await, wanted);
    }
}
