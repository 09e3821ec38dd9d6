//! Rocket tries several routes and catchers: changes of routes that forward, of guards that fail,
//! and of catchers.

mod support;

use cloakroom::{Event, Operation};
use cloakroom_memory::MemoryStore;
use cloakroom_rocket::{Config, Error, Session, SessionFairing, Sessions};
use rocket::fairing::AdHoc;
use rocket::http::{Cookie, Status};
use rocket::local::asynchronous::{Client, LocalResponse};
use rocket::request::{FromRequest, Outcome};
use rocket::{Build, Request, Rocket, State, catch, catchers, get, head, routes};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use support::{NAME, get, rocket, set_cookie, token};

fn app() -> Rocket<Build> {
    rocket()
        .attach(SessionFairing::new(MemoryStore::new()))
        .register("/", catchers![sorry, noting])
        .mount(
            "/",
            routes![
                count, moody, steady, open_moody, open, nobody, denied, optional, failing, panics,
                refusing, gone, gone_too, headed, leaving
            ],
        )
}

async fn client(rocket: Rocket<Build>) -> Client {
    support::client(rocket).await
}

/// The counter's value and the session's other values.
#[get("/count")]
fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let mut others = session.keys()?;
    others.retain(|name| name != "visits");
    Ok(format!("{visits} {}", others.join(" ")))
}

/// Changes the session, then leaves the request to another route.
struct Moody;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Moody {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        change(request).await;
        Outcome::Forward(Status::NotFound)
    }
}

/// Changes the session, then fails.
#[derive(Debug)]
struct Denied;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Denied {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        change(request).await;
        Outcome::Error((Status::Forbidden, ()))
    }
}

async fn change(request: &Request<'_>) {
    let session = request.guard::<Session>().await.unwrap();
    session.insert("guard", true).unwrap();
}

#[get("/forwarded", rank = 1)]
fn moody(_session: Session, _moody: Moody) {}

#[get("/forwarded", rank = 2)]
fn steady(session: Session) -> Result<String, Error> {
    count(session)
}

#[get("/untouched", rank = 1)]
fn open_moody(_moody: Moody) {}

#[get("/untouched", rank = 2)]
fn open() -> &'static str {
    "no session here"
}

#[get("/nobody")]
fn nobody(_moody: Moody) {}

#[get("/denied")]
fn denied(_session: Session, _denied: Denied) {}

#[get("/optional")]
fn optional(denied: Option<Denied>) -> String {
    denied.is_some().to_string()
}

#[get("/failing")]
fn failing(session: Session) -> Result<(), Status> {
    session.insert("failing", true).map_err(|_| Status::Gone)?;
    Err(Status::Conflict)
}

#[get("/panics")]
fn panics(session: Session) {
    session.insert("panics", true).unwrap();
    // Not `panic!`, which would print an alarming message.
    std::panic::resume_unwind(Box::new("the route says so"));
}

#[get("/refusing")]
fn refusing(session: Session) -> Result<(Status, &'static str), Error> {
    session.insert("refusing", true)?;
    Ok((Status::Forbidden, "no"))
}

#[get("/leaving")]
fn leaving(session: Session) -> Result<(), Status> {
    session.sign_out().map_err(|_| Status::Gone)?;
    Err(Status::Conflict)
}

#[get("/gone")]
fn gone(session: Session) -> Result<(), Status> {
    session.insert("gone", true).map_err(|_| Status::Conflict)?;
    Err(Status::Gone)
}

#[get("/gone-too")]
fn gone_too(_session: Session) -> Status {
    Status::Gone
}

#[head("/headed")]
fn headed(_moody: Moody) {}

#[catch(default)]
fn sorry(status: Status, _: &Request<'_>) -> String {
    status.code.to_string()
}

/// A catcher that has something to remember.
#[catch(410)]
async fn noting(request: &Request<'_>) -> String {
    let session = request.guard::<Session>().await.unwrap();
    let noted = session.update("noted", |n: Option<u64>| n.unwrap_or(0) + 1);
    noted.unwrap().to_string()
}

/// Somebody whose session has a counter, and nothing else.
async fn visitor(client: &Client) -> String {
    let response = client.get("/count").dispatch().await;
    only_our_cookie(&response);
    token(&response)
}

async fn send<'c>(client: &'c Client, path: &'static str, token: &str) -> LocalResponse<'c> {
    let request = client.get(path).cookie(Cookie::new(NAME, token.to_owned()));
    let response = request.dispatch().await;
    only_our_cookie(&response);
    response
}

/// The marks of attempts never reach the client.
fn only_our_cookie(response: &LocalResponse<'_>) {
    for line in response.headers().get("set-cookie") {
        assert!(line.starts_with(NAME), "{line}");
    }
}

#[rocket::async_test]
async fn changes_of_a_route_that_forwarded_are_dropped() {
    let client = client(app()).await;
    let response = client.get("/forwarded").dispatch().await;
    only_our_cookie(&response);
    let token = token(&response);
    assert_eq!(response.into_string().await.unwrap(), "1 ");
    assert_eq!(get(&client, "/forwarded", &token).await.unwrap(), "2 ");

    let response = client.get("/untouched").dispatch().await;
    assert_eq!(set_cookie(&response), None);
    assert_eq!(response.into_string().await.unwrap(), "no session here");
    send(&client, "/untouched", &token).await;
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "3 ");
}

// Where no other route answers, a catcher does, with the status of the forward.
#[rocket::async_test]
async fn changes_of_a_route_that_forwarded_to_no_other_are_dropped() {
    let client = client(app()).await;
    let token = visitor(&client).await;
    let response = send(&client, "/nobody", &token).await;
    assert_eq!(response.status(), Status::NotFound);
    assert_eq!(response.headers().get_one("vary"), Some("cookie"));
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
    // A client without a session gets none.
    let response = client.get("/nobody").dispatch().await;
    assert_eq!(set_cookie(&response), None);
}

#[rocket::async_test]
async fn changes_of_a_head_route_before_the_get_routes_are_dropped() {
    let client = client(app().mount("/headed", routes![count_at_root])).await;
    let response = client.head("/headed").dispatch().await;
    only_our_cookie(&response);
    let token = token(&response);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
}

#[get("/")]
fn count_at_root(session: Session) -> Result<String, Error> {
    count(session)
}

#[rocket::async_test]
async fn changes_of_a_failed_guard_are_dropped() {
    let client = client(app()).await;
    let token = visitor(&client).await;
    let response = send(&client, "/denied", &token).await;
    assert_eq!(response.status(), Status::Forbidden);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
    let response = client.get("/denied").dispatch().await;
    assert_eq!(set_cookie(&response), None);
}

// Then it is the route's answer, and Rocket does not report that the guard failed.
#[rocket::async_test]
async fn changes_of_an_optional_guard_count() {
    let client = client(app()).await;
    let token = visitor(&client).await;
    let response = send(&client, "/optional", &token).await;
    assert_eq!(response.into_string().await.unwrap(), "false");
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 guard");
}

// R64
#[rocket::async_test]
async fn changes_of_a_failed_handler_are_dropped() {
    let client = client(app()).await;
    let token = visitor(&client).await;
    for (path, status) in [("/failing", 409), ("/panics", 500), ("/leaving", 409)] {
        let response = send(&client, path, &token).await;
        assert_eq!((path, response.status().code), (path, status));
        assert_eq!(set_cookie(&response), None);
    }
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
}

// R33
#[rocket::async_test]
async fn changes_of_a_handler_that_answers_with_a_client_error_count() {
    let client = client(app()).await;
    let response = client.get("/refusing").dispatch().await;
    assert_eq!(response.status(), Status::Forbidden);
    let token = token(&response);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "1 refusing");
}

#[rocket::async_test]
async fn a_catchers_changes_count_and_those_of_the_failed_route_do_not() {
    let client = client(app()).await;
    for path in ["/gone", "/gone-too"] {
        let token = visitor(&client).await;
        let response = send(&client, path, &token).await;
        assert_eq!(response.status(), Status::Gone);
        assert_eq!(response.into_string().await.unwrap(), "1");
        assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 noted");
    }
    let response = client.get("/gone").dispatch().await;
    let token = token(&response);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "1 noted");
}

#[get("/keeps")]
fn keeps(session: Session, kept: &State<Mutex<Option<Session>>>) -> Status {
    *kept.lock().unwrap() = Some(session);
    Status::Gone
}

#[rocket::async_test]
async fn the_session_of_a_handler_that_failed_is_closed_though_a_catcher_has_its_own() {
    let app = app().manage(Mutex::new(None::<Session>));
    let client = client(app.mount("/", routes![keeps])).await;
    let response = client.get("/keeps").dispatch().await;
    assert_eq!(response.into_string().await.unwrap(), "1");
    let kept: &Mutex<Option<Session>> = client.rocket().state().unwrap();
    let kept = kept.lock().unwrap().take().unwrap();
    assert!(kept.insert("late", true).is_err());
}

/// A catcher that also uses the jar for cookies of its own.
#[catch(403)]
fn cookies(request: &Request<'_>) {
    let jar = request.cookies();
    jar.add(("first", "None"));
    for place in 0..9 {
        jar.add((format!("route{place}"), format!("Some({place})")));
    }
}

#[rocket::async_test]
async fn a_catchers_own_cookies_make_nobodys_changes_count() {
    let client = client(app().register("/", catchers![cookies])).await;
    let token = visitor(&client).await;
    let request = client.get("/denied").cookie((NAME, token.clone()));
    let response = request.dispatch().await;
    assert_eq!(response.headers().get("set-cookie").count(), 10);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
}

struct Admin;

#[get("/two")]
fn two(one: Session, other: Session<Admin>) -> Result<(), Status> {
    one.insert("one", 1).map_err(|_| Status::Conflict)?;
    other.insert("other", 1).map_err(|_| Status::Conflict)?;
    Err(Status::Gone)
}

#[rocket::async_test]
async fn two_independent_sessions_fail_by_themselves() {
    let config = Config::builder().cookie_name("__Host-admin").build();
    let admin = SessionFairing::new(MemoryStore::new()).with_config(config.unwrap());
    let app = app().attach(admin.named::<Admin>());
    let client = client(app.mount("/", routes![two])).await;
    // The catcher of 410 takes the one, and changes it.
    let response = client.get("/two").dispatch().await;
    let lines: Vec<_> = response.headers().get("set-cookie").collect();
    assert_eq!(lines.len(), 1);
    let token = token(&response);
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "1 noted");
}

#[rocket::async_test]
async fn a_response_fairing_that_is_attached_before_may_read_and_costs_no_change() {
    let reads = AdHoc::on_response("Reads", |request, response| {
        Box::pin(async move {
            let session = request.guard::<Session>().await.unwrap();
            let visits = session.get::<u64>("visits").unwrap().unwrap_or(0);
            response.set_raw_header("x-visits-before", visits.to_string());
            // Too late: the handler has answered.
            session.insert("fairing", true).unwrap();
        })
    });
    let client = client(
        rocket()
            .attach(reads)
            .mount("/", routes![count])
            .attach(SessionFairing::new(MemoryStore::new())),
    )
    .await;
    let token = visitor(&client).await;
    let response = send(&client, "/count", &token).await;
    assert_eq!(response.headers().get_one("x-visits-before"), Some("1"));
    assert_eq!(response.into_string().await.unwrap(), "2 ");
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "3 ");
}

#[rocket::async_test]
async fn changes_of_such_a_fairing_are_dropped_even_if_the_handler_only_reads() {
    let late = AdHoc::on_response("Late", |request, _| {
        Box::pin(async move { change(request).await })
    });
    let client = client(
        rocket()
            .attach(late)
            .mount("/", routes![count, read])
            .attach(SessionFairing::new(MemoryStore::new())),
    )
    .await;
    let token = visitor(&client).await;
    let response = send(&client, "/read", &token).await;
    assert_eq!(response.into_string().await.unwrap(), "1 visits");
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
}

#[rocket::async_test]
async fn a_response_fairing_that_is_attached_after_finds_the_session_closed() {
    let later = AdHoc::on_response("Later", |request, response| {
        Box::pin(async move {
            let closed = request.guard::<Session>().await.is_error();
            response.set_raw_header("x-closed", closed.to_string());
        })
    });
    let client = client(app().attach(later)).await;
    let response = client.get("/untouched-by-all").dispatch().await;
    assert_eq!(response.headers().get_one("x-closed"), Some("true"));
    assert_eq!(set_cookie(&response), None);
    let token = visitor(&client).await;
    let response = send(&client, "/count", &token).await;
    assert_eq!(response.headers().get_one("x-closed"), Some("true"));
}

#[rocket::async_test]
async fn changes_of_a_request_fairing_belong_to_the_route_that_answers() {
    let early = AdHoc::on_request("Early", |request, _| {
        Box::pin(async move { change(request).await })
    });
    let app = app().attach(early).mount("/", routes![read]);
    let client = client(app).await;
    for (path, text) in [
        ("/read", "0 guard"),
        ("/count", "1 guard"),
        ("/leaving", "409"),
    ] {
        let response = client.get(path).dispatch().await;
        assert_eq!(set_cookie(&response).is_some(), path != "/leaving");
        only_our_cookie(&response);
        assert_eq!(response.into_string().await.unwrap(), text);
    }
}

#[get("/read")]
fn read(session: Session) -> Result<String, Error> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0);
    Ok(format!("{visits} {}", session.keys()?.join(" ")))
}

#[rocket::async_test]
async fn routes_and_guards_load_a_session_once_and_a_catcher_its_own() {
    let loads = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&loads);
    let sessions = Sessions::new(MemoryStore::new()).with_observer(move |event| {
        if let Event::StoreCall {
            operation: Operation::Load,
            ..
        } = event
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let app = rocket()
        .attach(SessionFairing::from(sessions))
        .register("/", catchers![sorry, noting])
        .mount("/", routes![count, moody, steady, nobody, gone]);
    let client = client(app).await;
    let token = visitor(&client).await;
    for (path, expected) in [
        ("/count", 1),
        ("/forwarded", 1),
        ("/nobody", 1),
        ("/gone", 2),
    ] {
        loads.store(0, Ordering::Relaxed);
        send(&client, path, &token).await;
        assert_eq!((path, loads.load(Ordering::Relaxed)), (path, expected));
    }
}

// The jar in which the attempts are marked also has what the client sent.
#[rocket::async_test]
async fn a_clients_cookies_make_nobodys_changes_count() {
    let client = client(app()).await;
    let token = visitor(&client).await;
    for name in ["cloakroom-0", "cloakroom-", "cloakroom"] {
        let request = client.get("/denied").cookie((name, "0"));
        let response = request.cookie((NAME, token.clone())).dispatch().await;
        only_our_cookie(&response);
    }
    assert_eq!(get(&client, "/count", &token).await.unwrap(), "2 ");
}
