//! The guard for a step-up. Its clock is the test's.

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use cloakroom_actix::{Error, RequireSubject, Session, SessionMiddleware, Sessions};
use cloakroom_memory::MemoryStore;
use std::time::Duration;

async fn sign_in(session: Session, level: web::Path<u8>) -> Result<&'static str, Error> {
    session.sign_in_with("ada", &cloakroom::Authentication::new(*level).method("pwd"))?;
    Ok("signed in")
}

// R84
#[actix_web::test]
async fn a_subject_is_recent_for_less_than_its_age_and_needs_its_level() {
    let clock = cloakroom::ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let age = Duration::from_secs(300);
    let recent = RequireSubject::unauthorized().within(age);
    let strong = RequireSubject::redirect_to("/sign-in")
        .level(2)
        .confirm_at("/second");
    let page = || web::get().to(async || "a page");
    let app = App::new()
        .route("/sign-in/{level}", web::get().to(sign_in))
        .service(web::scope("/recent").wrap(recent).route("", page()))
        .service(web::scope("/strong").wrap(strong).route("", page()))
        .wrap(SessionMiddleware::from(sessions));
    let app = init_service(app).await;
    let get = async |path: &str, cookie: &str| {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("cookie", cookie.to_owned()));
        let response = call_service(&app, request.to_request()).await;
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        let cookie = header("set-cookie").unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        (response.status().as_u16(), header("location"), cookie)
    };
    assert_eq!(get("/recent", "").await.0, 401);
    let (weak, both) = (get("/sign-in/1", "").await.2, get("/sign-in/2", "").await.2);
    assert_eq!(get("/strong", &both).await.0, 200);
    let (status, location, _) = get("/strong", &weak).await;
    assert_eq!(
        (status, location.as_deref()),
        (303, Some("/second?next=%2Fstrong"))
    );
    for (later, wanted) in [(299, 200), (1, 403), (1, 403)] {
        clock.advance(Duration::from_secs(later));
        assert_eq!(get("/recent", &weak).await.0, wanted);
    }
}
