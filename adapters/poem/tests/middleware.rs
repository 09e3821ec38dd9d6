//! The middleware and the extractors, without a server. The conformance suite has the rest.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_memory::MemoryStore;
use cloakroom_poem::{Config, Error, Fate, Session, SessionMiddleware, Sessions, Typed};
use poem::endpoint::BoxEndpoint;
use poem::http::StatusCode;
use poem::http::header::{COOKIE, SET_COOKIE, VARY};
use poem::web::Data;
use poem::{Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Route, handler};

#[handler]
async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

#[handler]
async fn never() -> String {
    unreachable!("no handler is called")
}

fn sessions() -> SessionMiddleware<MemoryStore> {
    SessionMiddleware::new(MemoryStore::new())
}

fn named(name: &str) -> Config {
    let config = Config::builder().cookie_name(name).build();
    config.expect("a name of a cookie")
}

async fn get(app: &impl Endpoint, path: &'static str, cookie: &str) -> Response {
    let request = Request::builder().uri_str(path).header(COOKIE, cookie);
    app.get_response(request.finish()).await
}

/// The cookie of a response, as a request's header.
fn cookie(response: &Response) -> String {
    let line = response.header(SET_COOKIE).expect("a cookie");
    line.split(';').next().unwrap_or_default().to_owned()
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.expect("a text")
}

#[tokio::test]
async fn a_handler_has_the_session_of_the_cookie() {
    let app = count.with(sessions());
    let first = get(&app, "/", "").await;
    let cookie = cookie(&first);
    assert_eq!(text(first).await, "1");
    let second = get(&app, "/", &cookie).await;
    assert!(!second.headers().contains_key(SET_COOKIE));
    assert_eq!(text(second).await, "2");
}

#[tokio::test]
async fn a_handler_without_a_session_adds_no_header() {
    #[handler]
    fn hello() -> &'static str {
        "Hello"
    }
    let response = get(&hello.with(sessions()), "/", "").await;
    assert!(!response.headers().contains_key(SET_COOKIE));
    assert!(!response.headers().contains_key(VARY));
}

#[tokio::test]
async fn a_handler_of_several_sessions_has_each() {
    struct Admin;
    #[handler]
    async fn both(shop: Session, admin: Session<Admin>) -> Result<String, Error> {
        shop.insert("n", 1)?;
        admin.sign_in("root")?;
        Ok(format!("{:?} {:?}", shop.subject()?, admin.subject()?))
    }
    let admin = sessions().with_config(named("__Host-admin"));
    let app = both.with(sessions()).with(admin.named::<Admin>());
    let response = get(&app, "/", "").await;
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
    assert_eq!(text(response).await, r#"None Some("root")"#);
}

// R77
#[tokio::test]
async fn two_kinds_of_session_with_one_cookie_name_are_refused_before_the_first_answer() {
    struct Admin;
    struct Shop;
    let check = async |app: &BoxEndpoint<'static, Response>| {
        let response = get(app, "/", "").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(SET_COOKIE));
        let text = text(response).await;
        let named = text.contains("ConfigBuilder::cookie_name");
        assert_eq!(named, cfg!(debug_assertions), "{text}");
    };
    // The name was forgotten.
    check(&never.with(sessions().named::<Admin>()).boxed()).await;
    // Both have the same.
    let same = sessions().with_config(named("__Host-session"));
    let app = never.with(same.named::<Admin>()).with(sessions());
    check(&app.boxed()).await;
    let [inner, outer] = [(); 2].map(|()| sessions().with_config(named("__Host-s")));
    let app = never.with(inner.named::<Admin>());
    check(&app.with(outer.named::<Shop>()).boxed()).await;
}

// R77
#[tokio::test]
async fn routes_with_one_cookie_name_are_refused() {
    struct Admin;
    #[handler]
    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("a shopper")
    }
    #[handler]
    async fn subject(session: Session<Admin>) -> Result<String, Error> {
        Ok(session.subject()?.unwrap_or_default())
    }
    let [shop, admin] = [(); 2].map(|()| sessions().with_config(named("__Host-routes")));
    let app = Route::new()
        .at("/shop", sign_in.with(shop))
        .at("/admin", subject.with(admin.named::<Admin>()));
    let cookie = cookie(&get(&app, "/shop", "").await);
    let response = get(&app, "/admin", &cookie).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn no_store_and_no_envelope_are_refused() {
    let app = never.with(SessionMiddleware::new(cloakroom_poem::NoStore));
    let response = get(&app, "/", "").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn of_two_middlewares_of_one_cookie_the_outer_one_has_the_session() {
    let (inside, outside) = (MemoryStore::new(), MemoryStore::new());
    let app = count
        .with(SessionMiddleware::new(inside.clone()))
        .with(SessionMiddleware::new(outside.clone()));
    let response = get(&app, "/", "").await;
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
    assert_eq!(text(get(&app, "/", &cookie(&response)).await).await, "2");
    assert_eq!((inside.entries(), outside.entries()), (0, 1));
}

#[tokio::test]
async fn a_commit_that_fails_is_answered_by_the_applications_page() {
    let failing = || {
        let failing = |_: &mut [u8]| Err(Error::entropy("none left"));
        SessionMiddleware::from(Sessions::new(MemoryStore::new()).with_entropy(failing))
    };
    let response = get(&count.with(failing()), "/", "").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key(VARY));
    assert!(!response.headers().contains_key(SET_COOKIE));

    let page = |error: &Error| (StatusCode::IM_A_TEAPOT, error.sentence());
    let response = get(&count.with(failing().on_commit_error(page)), "/", "").await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.headers().contains_key(VARY));
}

#[tokio::test]
async fn a_missing_middleware_is_an_error_with_the_remedy() {
    let response = get(&count, "/", "").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = text(response).await;
    assert_eq!(
        text.contains("SessionMiddleware"),
        cfg!(debug_assertions),
        "{text}"
    );
}

#[tokio::test]
async fn a_handler_may_go_on_without_its_session() {
    #[handler]
    async fn either(one: Option<Session>, other: poem::Result<Session>) -> String {
        let error = other.err().and_then(|error| error.downcast::<Error>().ok());
        format!(
            "{:?} {:?}",
            one.is_some(),
            error.map(|error| error.status())
        )
    }
    let response = get(&either, "/", "").await;
    assert_eq!(text(response).await, "false Some(500)");
    let response = get(&either.with(sessions()), "/", "").await;
    assert_eq!(text(response).await, "true None");
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shop {
    visits: u64,
    cart: Vec<String>,
}

#[tokio::test]
async fn a_typed_session_reads_and_writes_fields() {
    #[handler]
    async fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
        shop.update(|shop| shop.cart.push("tea".into()))?;
        Ok(format!("{} {:?}", shop.visits, shop.cart))
    }
    let app = Route::new().at("/", count).at("/cart", add);
    let app = app.with(sessions());
    let cookie = cookie(&get(&app, "/", "").await);
    let response = get(&app, "/cart", &cookie).await;
    assert_eq!(text(response).await, r#"1 ["tea"]"#);
}

/// Counts, and fails with the status in the path.
#[handler]
async fn fail(session: Session, status: poem::web::Path<u16>) -> poem::Result<()> {
    session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let status = StatusCode::from_u16(status.0).expect("a status");
    Err(status.into())
}

fn failing() -> Route {
    Route::new().at("/", count).at("/fail/:status", fail)
}

// R64: an error of poem's is one more way to answer.
#[tokio::test]
async fn the_status_of_an_error_decides_whether_its_changes_are_saved() {
    let app = failing().with(sessions());
    let response = get(&app, "/fail/404", "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers().contains_key(VARY));
    let cookie = cookie(&response);
    let response = get(&app, "/fail/500", &cookie).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key(VARY));
    assert_eq!(text(get(&app, "/", &cookie).await).await, "2");
}

#[tokio::test]
async fn a_catcher_inside_makes_the_page_of_every_error_and_one_outside_only_without_a_session() {
    let page = |error: poem::Error| ready((error.status(), "a page").into_response());
    for (inside, path, expected) in [
        (true, "/fail/404", "a page"),
        (true, "/nowhere", "a page"),
        (false, "/fail/404", ""),
        (false, "/nowhere", "a page"),
    ] {
        let app = match inside {
            true => failing().catch_all_error(page).with(sessions()).boxed(),
            false => failing().with(sessions()).catch_all_error(page).boxed(),
        };
        let response = get(&app, path, "").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let has_cookie = response.headers().contains_key(SET_COOKIE);
        assert_eq!(has_cookie, path != "/nowhere");
        assert_eq!(text(response).await, expected, "{inside} {path}");
    }
}

#[tokio::test]
async fn the_fate_of_changes_that_were_dropped_is_in_the_response() {
    #[handler]
    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("ada")
    }
    #[handler]
    async fn overtaken(
        sessions: Data<&Sessions<MemoryStore>>,
        session: Session,
    ) -> Result<(), Error> {
        // Somewhere else, in the meantime.
        assert_eq!(sessions.revoke_others("ada", None).await?, 1);
        session.insert("n", 1)
    }
    let sessions = Sessions::new(MemoryStore::new());
    let app = Route::new()
        .at("/sign-in", sign_in)
        .at("/", overtaken.data(sessions.clone()))
        .with(SessionMiddleware::from(sessions));
    let response = get(&app, "/sign-in", "").await;
    assert_eq!(response.data::<Fate>(), None);
    let response = get(&app, "/", &cookie(&response)).await;
    assert_eq!(response.data::<Fate>(), Some(&Fate::Gone));
}

// R63 / R64
#[tokio::test]
async fn the_session_of_a_cancelled_request_is_closed() {
    /// A handler's handle in a task that outlives it.
    type Kept = Arc<Mutex<Option<Session>>>;
    #[handler]
    async fn keep(kept: Data<&Kept>, session: Session) -> Result<(), Error> {
        session.insert("n", 1)?;
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        pending().await
    }
    let (store, kept) = (MemoryStore::new(), Kept::default());
    let app = keep.data(kept.clone());
    let app = app.with(SessionMiddleware::new(store.clone()));
    tokio::select! {
        biased;
        _ = get(&app, "/", "") => panic!("the handler does not answer"),
        () = ready(()) => {}
    }
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let late = kept.expect("the handler ran").insert("n", 2);
    assert!(late.is_err_and(|error| error.to_string().contains("closed")));
    assert_eq!(store.entries(), 0);
}

// The guide for authors of adapters names this number. The guard is a module beside the adapter.
#[test]
fn the_source_has_fewer_than_200_lines_of_code() {
    let sources = concat!(
        include_str!("../src/lib.rs"),
        include_str!("../src/extract.rs"),
        include_str!("../src/middleware.rs"),
    );
    let code = sources.lines().map(str::trim_start);
    let code = code.filter(|line| !line.is_empty() && !line.starts_with("//"));
    let lines = code.count();
    assert!((100..200).contains(&lines), "{lines}");
}
