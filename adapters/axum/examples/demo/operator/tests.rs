use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use cloakroom_any::Opened;
use cloakroom_axum::{Sessions, SharedDirectory};
use cloakroom_conformance::Instrumented;
use cloakroom_conformance::instrumented::{Control, Operation};
use tower::ServiceExt as _;

use super::census::MOST;
use super::{MOST_OF_A_NAME, Peer};

const HERE: &str = "127.0.0.1:50000";
const PATHS: [(Method, &str); 6] = [
    (Method::GET, "/operator"),
    (Method::GET, "/operator?name=Ada"),
    (Method::POST, "/operator/end"),
    (Method::POST, "/operator/end-name"),
    (Method::POST, "/operator/end-all"),
    // Not even that there is something to post to.
    (Method::GET, "/operator/end-all"),
];

#[tokio::test]
async fn the_page_is_for_peers_on_this_machine_that_use_its_name() {
    let mut tab = Tab::of(shop().await);
    let nowhere = tab.get("/nowhere").await;
    assert_eq!(nowhere.0, StatusCode::NOT_FOUND);
    let elsewhere = [
        ("192.0.2.7:50000", "localhost:3000"),
        ("[2001:db8::7]:50000", "localhost:3000"),
        ("[::ffff:192.0.2.7]:50000", "127.0.0.1:3000"),
        ("0.0.0.0:50000", "localhost"),
        (HERE, "shop.example"),
        (HERE, "localhost.shop.example:3000"),
        (HERE, "127.0.0.1.shop.example"),
        (HERE, "127.0.0.1@shop.example"),
        (HERE, "192.0.2.7:3000"),
        (HERE, "0.0.0.0:3000"),
        (HERE, "[2001:db8::7]:3000"),
        (HERE, ""),
    ];
    for (method, path) in PATHS {
        for (peer, host) in elsewhere {
            let request = Request::builder().header(HOST, host);
            let answer = tab.send(request, Some(peer), &method, path, "").await;
            assert_eq!(answer, nowhere, "{method} {path} of {peer} to {host}");
        }
        let request = || Request::builder().header(HOST, "localhost");
        for header in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            let request = request().header(header, "127.0.0.1");
            let answer = tab.send(request, Some(HERE), &method, path, "").await;
            assert_eq!(answer, nowhere, "{method} {path} with {header}");
        }
        let answer = tab.send(request(), None, &method, path, "").await;
        assert_eq!(answer, nowhere, "{method} {path} of an unknown peer");
        let two = request().header(HOST, "shop.example");
        let answer = tab.send(two, Some(HERE), &method, path, "").await;
        assert_eq!(answer, nowhere, "{method} {path} to two hosts");
        let none = Request::builder();
        let answer = tab.send(none, Some(HERE), &method, path, "").await;
        assert_eq!(answer, nowhere, "{method} {path} to no host");
        let whole = format!("http://shop.example{path}");
        let answer = tab.send(request(), Some(HERE), &method, &whole, "").await;
        assert_eq!(answer, nowhere, "{method} {path} to another host's URL");
    }
    for (peer, host) in [
        (HERE, "localhost"),
        (HERE, "LOCALHOST:3000"),
        ("127.8.9.1:50000", "127.0.0.1:3000"),
        ("[::1]:50000", "[::1]:3000"),
        ("[::ffff:127.0.0.1]:50000", "localhost:3000"),
    ] {
        let request = Request::builder().header(HOST, host);
        let (status, page) = tab
            .send(request, Some(peer), &Method::GET, "/operator", "")
            .await;
        assert_eq!(status, StatusCode::OK, "{peer} to {host}");
        assert!(page.contains("End all sessions"), "{page}");
    }
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_changes_nothing() {
    let app = shop().await;
    let mut ada = Tab::signed_in(&app, "Ada").await;
    let id = ada.page("/operator?name=Ada").await;
    let id = between(&id, r#"name="id" value=""#, "\"").to_owned();
    for path in ["/operator/end", "/operator/end-name", "/operator/end-all"] {
        for csrf in ["", "forged"] {
            let form = format!("csrf={csrf}&name=Ada&id={id}&sure=yes");
            let (status, _) = ada.post(path, &form).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} with {csrf:?}");
            let (status, _) = Tab::of(app.clone()).post(path, &form).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} of a stranger");
        }
    }
    assert!(ada.page("/account").await.contains("Ada"));
}

// R21
#[tokio::test]
async fn one_session_ends_then_those_of_a_name_then_all() {
    let app = shop().await;
    let mut operator = Tab::of(app.clone());
    let mut ada = Vec::new();
    for _ in 0..3 {
        ada.push(Tab::signed_in(&app, "Ada").await);
    }
    let mut grace = Tab::signed_in(&app, "Grace").await;
    let page = operator.page("/operator?name=Ada").await;
    assert_eq!(number(&page, "Sessions"), 4);
    assert_eq!(number(&page, "Users"), 2);
    assert!(page.contains("3 sessions of <bdi>Ada</bdi>"), "{page}");

    let id = between(&page, r#"name="id" value=""#, "\"");
    let form = format!("name=Ada&id={id}");
    let page = operator.submit("/operator/end", &form).await.1;
    assert!(page.contains("The session has ended"), "{page}");
    let page = operator.submit("/operator/end", &form).await.1;
    assert!(page.contains("There was no such session"), "{page}");
    let page = operator.page("/operator?name=Ada").await;
    assert!(page.contains("2 sessions of <bdi>Ada</bdi>"), "{page}");

    let page = operator.submit("/operator/end-name", "name=Ada").await.1;
    assert!(page.contains("2 sessions of <bdi>Ada</bdi>"), "{page}");
    for tab in &mut ada {
        assert_eq!(tab.get("/account").await.0, StatusCode::SEE_OTHER);
    }
    let (status, page) = operator.submit("/operator/end-all", "").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("Nothing has been ended"), "{page}");
    assert!(grace.page("/account").await.contains("Grace"));

    let page = operator.submit("/operator/end-all", "sure=yes").await.1;
    assert!(page.contains("All sessions have ended"), "{page}");
    assert_eq!(grace.get("/account").await.0, StatusCode::SEE_OTHER);
    let page = operator.page("/operator?name=Grace").await;
    assert_eq!(number(&page, "Sessions"), 0);
    assert!(page.contains("No session of <bdi>Grace</bdi>"), "{page}");
}

#[tokio::test]
async fn what_the_store_failed_to_do_is_not_shown_as_done() {
    let (app, control) = failing().await;
    let mut ada = Tab::signed_in(&app, "Ada").await;
    let mut operator = Tab::of(app);
    let unsure = |answer: (StatusCode, String)| {
        assert_eq!(answer.0, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            answer.1.contains("That may not have happened"),
            "{answer:?}"
        );
    };
    control.on(Operation::List).fail_permanently();
    let (status, page) = operator.get("/operator?name=Ada").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("could not be listed"), "{page}");
    // The rest of the page is there.
    assert_eq!(number(&page, "Sessions"), 1);

    control.on(Operation::List).fail_permanently();
    unsure(operator.submit("/operator/end-name", "name=Ada").await);
    control.on(Operation::List).fail_permanently();
    unsure(operator.submit("/operator/end", "name=Ada&id=x").await);
    control.on(Operation::Create).fail_permanently();
    unsure(operator.submit("/operator/end-all", "sure=yes").await);
    assert!(ada.page("/account").await.contains("Ada"));

    // A browser without a cookie: the one load is that of the last end of all.
    control.on(Operation::Load).fail_permanently();
    let (status, page) = Tab::of(operator.app.clone()).get("/operator").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("could not be counted"), "{page}");
    let form = with_csrf(&ada.page("/operator").await, "sure=yes");
    control.outage(true);
    for (status, page) in [
        ada.get("/operator").await,
        ada.post("/operator/end-all", &form).await,
    ] {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.contains("Nothing has been ended"), "{page}");
    }
    control.outage(false);
    assert!(ada.page("/account").await.contains("Ada"));
}

#[tokio::test]
async fn a_large_store_is_read_in_part_and_the_page_says_so() {
    let opened = memory().await;
    let sessions = Sessions::new(opened.store.clone()).with_config(crate::config().unwrap());
    for _ in 0..MOST + 1000 {
        let begin = |session: &mut cloakroom_axum::CoreSession<'_>| session.insert("n", 1);
        sessions.with(None, begin).await.unwrap();
    }
    let app = crate::site(opened, crate::config().unwrap(), None);
    let page = Tab::of(app).page("/operator").await;
    let counted = number(&page, "Sessions");
    assert!((MOST..MOST + 1000).contains(&counted), "{counted}");
    assert!(page.contains("the store has more"), "{page}");
}

#[tokio::test]
async fn a_user_with_very_many_sessions_is_read_and_ended_in_parts() {
    let opened = memory().await;
    let sessions = Sessions::new(opened.store.clone()).with_config(crate::config().unwrap());
    for _ in 0..MOST_OF_A_NAME + 5 {
        let sign_in = |session: &mut cloakroom_axum::CoreSession<'_>| session.sign_in("Ada");
        sessions.with(None, sign_in).await.unwrap();
    }
    let mut operator = Tab::of(crate::site(opened, crate::config().unwrap(), None));
    let page = operator.page("/operator?name=Ada").await;
    let listed = page.matches(r#"action="/operator/end""#).count();
    assert_eq!(listed, MOST_OF_A_NAME);
    let page = operator.submit("/operator/end-name", "name=Ada").await.1;
    assert!(page.contains("there may be more"), "{page}");
    let page = operator.submit("/operator/end-name", "name=Ada").await.1;
    assert!(page.contains("5 sessions of <bdi>Ada</bdi>"), "{page}");
}

#[tokio::test]
async fn a_store_without_lists_still_ends_all_and_the_page_says_why_it_shows_less() {
    let sessions = Sessions::new(memory().await.store).with_config(crate::config().unwrap());
    let app = crate::site_on(&sessions, None, None, None);
    let mut ada = Tab::signed_in(&app, "Ada").await;
    let mut operator = Tab::of(app);
    let page = operator.page("/operator?name=Ada").await;
    assert_eq!(page.matches("Memcached has no list").count(), 2, "{page}");
    let (status, _) = operator.submit("/operator/end-name", "name=Ada").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    operator.submit("/operator/end-all", "sure=yes").await;
    assert_eq!(ada.get("/account").await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn names_from_visitors_are_escaped_and_wrong_ones_refused() {
    let app = shop().await;
    let mut operator = Tab::of(app);
    let page = operator.page("/operator?name=%3Cscript%3Ex").await;
    assert!(!page.contains("<script"), "{page}");
    for wrong in ["%2D%2D", "a%00b", &"a".repeat(41)] {
        let (status, _) = operator.get(&format!("/operator?name={wrong}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let (status, _) = operator.get("/operator?name=%FF&name=b").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        !operator
            .page("/operator?name=")
            .await
            .contains("No session")
    );
}

async fn memory() -> Opened {
    let builder = cloakroom_any::builder("memory:").sweep_every(None);
    builder.open().await.unwrap()
}

async fn shop() -> Router {
    crate::site(memory().await, crate::config().unwrap(), None)
}

/// A shop whose store fails on command.
async fn failing() -> (Router, Control) {
    let opened = memory().await;
    let store = Instrumented::new(opened.directory.unwrap());
    let control = store.control();
    let sessions = Sessions::new(SharedDirectory::new(store));
    let sessions = sessions.with_config(crate::config().unwrap());
    let devices = Some(sessions.clone());
    let app = crate::site_on(&sessions, devices, opened.enumerator, None);
    (app, control)
}

/// A browser on this machine.
struct Tab {
    app: Router,
    cookie: String,
}

impl Tab {
    fn of(app: Router) -> Self {
        let cookie = String::new();
        Self { app, cookie }
    }

    async fn signed_in(app: &Router, name: &str) -> Self {
        let mut tab = Self::of(app.clone());
        let form = format!("name={name}");
        let page = tab.page("/sign-in").await;
        let (status, _) = tab.post("/sign-in", &with_csrf(&page, &form)).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        tab
    }

    async fn get(&mut self, path: &str) -> (StatusCode, String) {
        let request = Request::builder().header(HOST, "localhost:3000");
        self.send(request, Some(HERE), &Method::GET, path, "").await
    }

    async fn page(&mut self, path: &str) -> String {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        page
    }

    async fn post(&mut self, path: &str, form: &str) -> (StatusCode, String) {
        let request = Request::builder().header(HOST, "localhost:3000");
        self.send(request, Some(HERE), &Method::POST, path, form)
            .await
    }

    /// Sends a form of the operator's page with its token.
    async fn submit(&mut self, path: &str, form: &str) -> (StatusCode, String) {
        let page = self.page("/operator").await;
        self.post(path, &with_csrf(&page, form)).await
    }

    async fn send(
        &mut self,
        request: axum::http::request::Builder,
        peer: Option<&str>,
        method: &Method,
        path: &str,
        form: &str,
    ) -> (StatusCode, String) {
        let mut request = request
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, &self.cookie)
            .body(Body::from(form.to_owned()))
            .unwrap();
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(Peer(peer)));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        if let Some(line) = response.headers().get(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            pair.clone_into(&mut self.cookie);
        }
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn with_csrf(page: &str, form: &str) -> String {
    let csrf = between(page, r#"name="csrf" value=""#, "\"");
    format!("csrf={csrf}&{form}")
}

/// A number of the census.
fn number(page: &str, name: &str) -> usize {
    let number = between(page, &format!("<dt>{name}</dt><dd>"), "<");
    number.parse().unwrap()
}

fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let (_, rest) = page.split_once(before).unwrap();
    rest.split_once(after).unwrap().0
}
