//! Rocket's own behaviour: catchers, settings, guards. The conformance suite has the rest.

use cloakroom::Sessions;
use cloakroom_memory::MemoryStore;
use cloakroom_rocket::{Config, Error, Session, SessionFairing, Typed, error_of};
use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};
use rocket::figment::Figment;
use rocket::figment::providers::{Format as _, Toml};
use rocket::http::Status;
use rocket::{Build, Request, Rocket, catch, catchers, get, routes};

use support::{client, get, rocket, set_cookie, token};

mod support;

fn app() -> Rocket<Build> {
    rocket().mount("/", routes![count, refused, optional, result, typed])
}

/// Returns Rocket's launch error. Rocket panics if the error is dropped unread.
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
    Err(Error::TooManySessions)
}

#[get("/optional")]
fn optional(session: Option<Session>) -> String {
    format!("{}", session.is_some())
}

#[get("/result")]
fn result(session: Result<Session, Error>) -> String {
    match session {
        Ok(_) => "true".to_owned(),
        Err(error) => error.status().to_string(),
    }
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
    let cause = error_of(request).map(|error| error.status().as_u16());
    format!("{} {cause:?}", status.code)
}

#[rocket::async_test]
async fn a_handlers_error_goes_to_the_catcher_with_its_cause() {
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
    let sessions =
        Sessions::new(MemoryStore::new()).with_entropy(|_| Err(Error::entropy("none left")));
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
async fn without_a_catcher_a_failed_commit_has_a_text() {
    let sessions =
        Sessions::new(MemoryStore::new()).with_entropy(|_| Err(Error::entropy("none left")));
    let client = client(app().attach(SessionFairing::from(sessions))).await;
    let response = client.get("/count").dispatch().await;
    assert_eq!(response.status(), Status::InternalServerError);
    let text = response.into_string().await.unwrap_or_default();
    assert!(text.starts_with("Something went wrong"), "{text}");
    let shows_cause = text.contains("none left");
    assert_eq!(shows_cause, cfg!(debug_assertions), "{text}");
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

/// As `Rocket.toml` has them: a table of the profile.
#[rocket::async_test]
async fn the_settings_are_read_from_a_file_by_profile() {
    let file = "
        [default.session]
        cookie_name = '__Host-default'
        idle_timeout = 900
        [release.session]
        cookie_name = '__Host-release'
    ";
    for (profile, name) in [("release", "__Host-release="), ("debug", "__Host-default=")] {
        let figment = Figment::from(rocket::Config::default())
            .merge(Toml::string(file).nested())
            .merge(("log_level", "off"))
            .select(profile);
        let app = rocket::custom(figment)
            .attach(SessionFairing::new(MemoryStore::new()))
            .mount("/", routes![count]);
        let client = client(app).await;
        let line = set_cookie(&client.get("/count").dispatch().await).unwrap();
        assert!(line.starts_with(name), "{line}");
    }
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
    let config = Config::builder().cookie_name("__Host-admin").build();
    let other = SessionFairing::new(MemoryStore::new()).with_config(config.unwrap());
    assert!(
        refusal(app().attach(other.named::<Admin>()))
            .await
            .is_some()
    );
}

// R77
#[rocket::async_test]
async fn two_kinds_of_session_with_one_cookie_name_stop_the_launch() {
    struct Admin;
    struct Shop;
    let named = |name: &str| Config::builder().cookie_name(name).build().unwrap();
    let store = MemoryStore::new();
    for store in [store.clone(), MemoryStore::new()] {
        let fairing = || SessionFairing::new(store.clone());
        let plain = || rocket::custom(rocket::Config::figment().merge(("log_level", "off")));
        for (app, starts) in [
            // Forgotten, with another kind and alone.
            (
                plain().attach(fairing()).attach(fairing().named::<Admin>()),
                false,
            ),
            (
                plain().attach(fairing().named::<Admin>()).attach(fairing()),
                false,
            ),
            (plain().attach(fairing().named::<Admin>()), false),
            // The same one.
            (
                plain()
                    .attach(fairing().with_config(named("__Host-s")).named::<Admin>())
                    .attach(fairing().with_config(named("__Host-s")).named::<Shop>()),
                false,
            ),
            (
                plain().attach(fairing()).attach(
                    fairing()
                        .with_config(named("__Host-session"))
                        .named::<Shop>(),
                ),
                false,
            ),
            (
                plain()
                    .attach(fairing())
                    .attach(fairing().with_config(named("__Host-a")).named::<Admin>())
                    .attach(fairing().with_config(named("__Host-s")).named::<Shop>()),
                true,
            ),
        ] {
            assert_eq!(refusal(app).await.is_none(), starts);
        }
    }
}

#[rocket::async_test]
async fn no_store_and_no_envelope_stop_the_launch() {
    let app = app().attach(SessionFairing::new(cloakroom::NoStore));
    assert!(refusal(app).await.is_some());
}

#[rocket::async_test]
async fn two_fairings_of_one_type_stop_the_launch() {
    let app = app().attach(SessionFairing::new(MemoryStore::new()));
    let app = app.attach(SessionFairing::new(MemoryStore::new()));
    assert!(refusal(app).await.is_some());
}

// R54
#[rocket::async_test]
async fn while_the_store_is_down_an_optional_session_is_none_and_every_answer_depends_on_the_cookie()
 {
    let app = app().attach(SessionFairing::new(Down));
    let client = client(app.register("/", catchers![sorry])).await;
    let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for (path, status, text) in [
        ("/optional", 200, "false"),
        ("/result", 200, "503 Service Unavailable"),
        ("/typed", 503, "503 Some(503)"),
        ("/count", 503, "503 Some(503)"),
    ] {
        let request = client.get(path).cookie((support::NAME, token));
        let response = request.dispatch().await;
        assert_eq!(response.status().code, status, "{path}");
        assert_eq!(set_cookie(&response), None, "{path}");
        assert_eq!(response.headers().get_one("vary"), Some("cookie"), "{path}");
        assert_eq!(response.into_string().await.unwrap(), text, "{path}");
    }
}

/// A store that cannot be reached.
struct Down;

fn down<T>() -> Result<T, StoreError> {
    Err(StoreError::transient("down", "nobody answers"))
}

impl Store for Down {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, StoreError> {
        down()
    }

    async fn create(&self, _: &Key, _: &Write) -> Result<Created, StoreError> {
        down()
    }

    async fn replace(&self, _: &Key, _: &Stored, _: &Write) -> Result<Replaced, StoreError> {
        down()
    }

    async fn touch(&self, _: &Key, _: UnixTime) -> Result<Touched, StoreError> {
        down()
    }

    async fn delete(&self, _: &Key, _: &Stored) -> Result<Deleted, StoreError> {
        down()
    }
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
