//! What is Rocket's own: catchers, settings, guards. All else is in the conformance suite.

use cloakroom::Sessions;
use cloakroom_memory::MemoryStore;
use cloakroom_rocket::{CommitError, Error, Session, SessionFairing, Typed};
use rocket::http::Status;
use rocket::{Build, Request, Rocket, catch, catchers, get, routes};

use support::{client, get, rocket, set_cookie, token};

mod support;

fn app() -> Rocket<Build> {
    rocket().mount("/", routes![count, refused, optional, typed])
}

/// What Rocket has against launching it. Its error wants to be looked at.
async fn refusal(rocket: Rocket<Build>) -> Option<String> {
    let refusal = rocket.ignite().await.err();
    refusal.map(|error| error.to_string())
}

#[get("/count")]
fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

#[get("/refused")]
fn refused(_session: Session) -> Result<(), Error> {
    Err(CommitError::TooManySessions.into())
}

#[get("/optional")]
fn optional(session: Option<Session>) -> String {
    format!("{}", session.is_some())
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shop {
    visits: u64,
    cart: Vec<String>,
}

#[get("/typed")]
fn typed(mut shop: Typed<Shop>) -> Result<String, Error> {
    shop.update(|shop| shop.cart.push("tea".into()))?;
    Ok(format!("{} {:?}", shop.visits, shop.cart))
}

#[catch(default)]
fn sorry(status: Status, request: &Request<'_>) -> String {
    let cause = Error::of(request).map(|error| error.cause().status().as_u16());
    format!("{} {cause:?}", status.code)
}

#[rocket::async_test]
async fn a_handlers_error_goes_to_the_catcher_which_is_told_what_it_was() {
    let app = app().register("/", catchers![sorry]);
    let client = client(app.attach(SessionFairing::new(MemoryStore::new()))).await;
    let response = client.get("/refused").dispatch().await;
    assert_eq!(response.status(), Status::Forbidden);
    assert_eq!(response.into_string().await.unwrap(), "403 Some(403)");

    let response = client.get("/nowhere").dispatch().await;
    assert_eq!(set_cookie(&response), None);
    assert_eq!(response.headers().get_one("vary"), None);
    assert_eq!(response.into_string().await.unwrap(), "404 None");
}

#[rocket::async_test]
async fn a_commit_that_fails_is_answered_by_the_applications_catcher() {
    // Loading needs no randomness, saving a new session does.
    let sessions = Sessions::new(MemoryStore::new())
        .with_entropy(|_| Err(CommitError::Entropy("none left".into())));
    let app = app()
        .attach(SessionFairing::from(sessions))
        .register("/", catchers![sorry]);
    let client = client(app).await;
    let response = client.get("/count").dispatch().await;
    assert_eq!(response.status(), Status::InternalServerError);
    assert_eq!(set_cookie(&response), None);
    assert_eq!(response.headers().get_one("vary"), Some("cookie"));
    assert_eq!(response.into_string().await.unwrap(), "500 Some(500)");
}

#[rocket::async_test]
async fn the_settings_come_from_rockets_configuration() {
    let figment = rocket::Config::figment()
        .merge(("log_level", "off"))
        .merge(("session.cookie_name", "__Host-shop"))
        .merge(("session.same_site", "strict"));
    let app = rocket::custom(figment)
        .attach(SessionFairing::new(MemoryStore::new()))
        .mount("/", routes![count]);
    let client = client(app).await;
    let response = client.get("/count").dispatch().await;
    let line = set_cookie(&response).unwrap();
    assert!(line.starts_with("__Host-shop="), "{line}");
    assert!(line.contains("SameSite=Strict"), "{line}");
}

#[rocket::async_test]
async fn a_mistake_in_the_settings_stops_the_launch() {
    for (name, value) in [
        ("session.same_site", "none or so"),
        ("session.colour", "red"),
    ] {
        let figment = rocket::Config::figment()
            .merge(("log_level", "off"))
            .merge((name, value));
        let app = rocket::custom(figment).attach(SessionFairing::new(MemoryStore::new()));
        assert!(refusal(app).await.is_some(), "{name}");
    }
}

#[rocket::async_test]
async fn a_route_without_its_fairing_stops_the_launch() {
    assert!(refusal(app()).await.is_some());
    struct Admin;
    let other = SessionFairing::new(MemoryStore::new()).named::<Admin>();
    assert!(refusal(app().attach(other)).await.is_some());
}

#[rocket::async_test]
async fn two_fairings_of_one_type_stop_the_launch() {
    let app = app().attach(SessionFairing::new(MemoryStore::new()));
    let app = app.attach(SessionFairing::new(MemoryStore::new()));
    assert!(refusal(app).await.is_some());
}

#[rocket::async_test]
async fn the_typed_guard_reads_and_writes_fields() {
    let client = client(app().attach(SessionFairing::new(MemoryStore::new()))).await;
    let response = client.get("/count").dispatch().await;
    let token = token(&response);
    assert_eq!(
        get(&client, "/typed", &token).await.unwrap(),
        r#"1 ["tea"]"#
    );
    assert_eq!(get(&client, "/optional", &token).await.unwrap(), "true");
}
