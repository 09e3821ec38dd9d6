//! The black-box suite on servers that are not what they should be: it must say so.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use cloakroom_conformance::{Report, Verdict, endpoint};

/// Serves these answers for as long as the test runs, and lets the suite judge.
async fn judged(app: Router) -> Report {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let suite = endpoint::suite("judged", &url, None).unwrap();
    let suite = suite.only(|name| !name.contains("own-expiry"));
    let report = suite.run(|_| {}).await;
    server.abort();
    report
}

fn verdict<'a>(report: &'a Report, id: &str) -> &'a Verdict {
    let mut outcomes = report.outcomes().iter();
    &outcomes
        .find(|outcome| outcome.case.id == id)
        .unwrap()
        .verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_sessions_passes_nothing_that_needs_one() {
    let nothing = get(async || "[null]");
    let app = Router::new()
        .route("/script", nothing.clone())
        .route("/untouched", nothing);
    let report = judged(app).await;
    for id in [
        "http/values-come-back",
        "http/two-tabs",
        "http/sign-in-rotates",
        "http/cookie-flags",
    ] {
        assert!(matches!(verdict(&report, id), Verdict::Failed(_)), "{id}");
    }
    assert!(matches!(
        verdict(&report, "http/two-servers-share"),
        Verdict::Skipped(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shares_one_session_among_all_visitors_is_found_out() {
    let shared = |headers: HeaderMap| async move {
        // Every client gets a value and a cookie.
        let script = headers["conformance-script"].to_str().unwrap().to_owned();
        let answer = vec!["1"; script.matches('{').count() - 1].join(",");
        ([("set-cookie", "id=1; Path=/")], format!("[{answer}]"))
    };
    let app = Router::new()
        .route("/script", get(shared))
        .route("/untouched", get(shared));
    let report = judged(app).await;
    for id in [
        "http/values-come-back",
        "http/anonymous-read-sets-no-cookie",
        "http/untouched-is-untouched",
        "http/no-needless-cookie",
        "http/cookie-flags",
        "http/dead-token-is-not-adopted",
        "http/sign-out-ends-the-session",
    ] {
        assert!(matches!(verdict(&report, id), Verdict::Failed(_)), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_operations_do_not_count_as_failures() {
    let unable = get(async || {
        (
            [("set-cookie", "id=1")],
            r#"[{"unsupported":"everything"}]"#,
        )
    });
    let app = Router::new()
        .route("/script", unable.clone())
        .route("/untouched", unable);
    let report = judged(app).await;
    assert_eq!(report.tally().passed, 0);
    assert!(matches!(
        verdict(&report, "http/two-tabs"),
        Verdict::DoesNotApply(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_fails_every_case() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let suite = endpoint::suite("nobody", &format!("http://127.0.0.1:{port}"), None).unwrap();
    let report = suite.run(|_| {}).await;
    assert_eq!(report.tally().passed, 0);
}
