//! HTTP: Vary, Cache-Control and the other headers of a response, beside those of the application.

mod support;

use cloakroom_core::http::{apply, status_hint, vary};
use cloakroom_core::{Config, Error, Outcome, Session};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use support::{World, insert, respond, sign_out};

// R40, R43, CVE-2023-30861, CVE-2026-27205, CVE-2026-35192
#[test]
fn vary_is_added_on_every_access_and_only_then() {
    type Look = fn(&mut Session<'_>);
    let looks: [Look; 9] = [
        |_| {},
        |session| assert!(!session.contains("x")),
        |session| assert_eq!(session.len(), 1),
        |session| assert!(!session.is_empty()),
        |session| assert_eq!(session.get::<u64>("x"), Ok(None)),
        |session| assert!(!session.is_new()),
        |session| assert_eq!(session.subject(), None),
        |session| assert!(!session.remove("x")),
        |session| assert_eq!(session.keys().count(), 1),
    ];
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    for look in looks {
        let outcome = world.request(Some(&token), look);
        let response = respond(&world.config, &outcome);
        assert_eq!(
            (response.len(), &response[header::VARY]),
            (2, &HeaderValue::from_static("cookie"))
        );
    }
    // On renewal: the touch of a read.
    world.later(1_000);
    let outcome = world.request(Some(&token), |_| {});
    assert_eq!(world.calls.last(), Some(&"touch"));
    assert_eq!(respond(&world.config, &outcome)[header::VARY], "cookie");
    // Untouched: loaded or not.
    for exchange in [world.open(Some(&token)), world.open(None)] {
        let outcome = world
            .run(exchange.finish(world.now()))
            .expect("nothing to do");
        assert!(respond(&world.config, &outcome).is_empty());
    }
}

fn merged(name: &str, before: &[&'static str]) -> Vec<String> {
    let mut world = World::new();
    let outcome = world.request(None, insert("n", 1));
    let mut response = HeaderMap::new();
    let name = http::HeaderName::try_from(name).expect("a name");
    for line in before {
        response.append(&name, HeaderValue::from_static(line));
    }
    apply(&world.config, &outcome, &mut response);
    let all = response.get_all(name).iter();
    all.map(|line| line.to_str().expect("ASCII").to_owned())
        .collect()
}

// R42
#[test]
fn vary_is_merged_and_a_star_stays() {
    for (before, expected) in [
        (&[][..], &["cookie"][..]),
        (&["accept"], &["accept", "cookie"]),
        (&["*"], &["*"]),
        (&["accept, *"], &["accept, *"]),
        (&["accept", "Cookie, x"], &["accept", "Cookie, x"]),
        (&["x,COOKIE"], &["x,COOKIE"]),
        (&["cookies"], &["cookies", "cookie"]),
    ] {
        assert_eq!(merged("vary", before), expected);
    }
    let mut response = HeaderMap::new();
    vary(&Config::default(), &mut response);
    vary(&Config::default(), &mut response);
    assert_eq!(response.get_all(header::VARY).iter().count(), 1);
}

// R41
#[test]
fn cache_control_gets_no_store_and_keeps_the_applications_directives() {
    for (before, expected) in [
        (&[][..], &["no-store"][..]),
        (&["no-store"], &["no-store"]),
        (&["private, No-Store"], &["private, No-Store"]),
        (&["private, no-cache"], &["private, no-cache", "no-store"]),
        (
            &["max-age=60", "public"],
            &["max-age=60", "public", "no-store"],
        ),
        (&["x-no-store"], &["x-no-store", "no-store"]),
    ] {
        assert_eq!(merged("cache-control", before), expected);
    }
}

// R41: also when the cookie is removed, and not when none is set.
#[test]
fn no_store_comes_with_every_cookie_line_and_only_with_one() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let outcome = world.request(Some(&token), sign_out);
    assert_eq!(
        respond(&world.config, &outcome)[header::CACHE_CONTROL],
        "no-store"
    );
    let outcome = world.request(None, sign_out);
    assert_eq!(
        respond(&world.config, &outcome)[header::CACHE_CONTROL],
        "private"
    );
}

// R95
#[test]
fn a_response_that_depends_on_a_session_is_private_unless_the_application_chose() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let outcome = world.request(Some(&token), |session| {
        let _ = session.contains("n");
    });
    let untouched = world.open(Some(&token)).finish(world.now());
    let untouched = world.run(untouched).expect("nothing to do");
    let off = Config::builder()
        .cache_private(false)
        .build()
        .expect("valid");
    for (before, expected) in [
        (&[][..], &["private"][..]),
        (&["max-age=60"], &["max-age=60", "private"]),
        (&["private"], &["private"]),
        (&["max-age=60, PUBLIC"], &["max-age=60, PUBLIC"]),
        (&["s-maxage = 60"], &["s-maxage = 60"]),
        (&["no-cache=\"x\", a"], &["no-cache=\"x\", a"]),
        (&["x-private"], &["x-private", "private"]),
        (&["a", "no-store"], &["a", "no-store"]),
    ] {
        let after = |config: &Config, outcome: &Outcome| {
            let mut response = HeaderMap::new();
            for line in before {
                response.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
            }
            apply(config, outcome, &mut response);
            let lines = response.get_all(header::CACHE_CONTROL).iter().cloned();
            lines.collect::<Vec<_>>()
        };
        assert_eq!(after(&world.config, &outcome), expected);
        assert_eq!(after(&world.config, &untouched), before);
        assert_eq!(after(&off, &outcome), before);
    }
}

// R32
#[test]
fn there_is_one_line_for_our_name_and_others_lines_are_kept() {
    let lines = merged(
        "set-cookie",
        &[
            "a=1; Path=/",
            "__Host-session=stale; Path=/",
            "__Host-session2=kept",
            "__host-session=kept",
            "__Host-session =stale",
            "b=__Host-session=kept",
        ],
    );
    let (ours, others): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line.starts_with("__Host-session="));
    assert_eq!(ours.len(), 1);
    assert!(!ours[0].contains("stale"));
    assert_eq!(
        others,
        [
            "a=1; Path=/",
            "__Host-session2=kept",
            "__host-session=kept",
            "b=__Host-session=kept"
        ]
    );
}

// R44
#[test]
fn clear_site_data_comes_with_a_sign_out_if_asked_for() {
    for (asked, expected) in [
        (false, None),
        (true, Some("\"cache\", \"cookies\", \"storage\"")),
    ] {
        let config = Config::builder().clear_site_data(asked);
        let mut world = World::with(config.build().expect("valid"));
        let token = world.issue(None, insert("n", 1));
        let write = world.request(Some(&token), insert("n", 2));
        assert!(!respond(&world.config, &write).contains_key("clear-site-data"));
        let outcome = world.request(Some(&token), sign_out);
        let response = respond(&world.config, &outcome);
        let found = response
            .get("clear-site-data")
            .map(|line| line.to_str().expect("ASCII"));
        assert_eq!(found, expected);
    }
}

// R33: headers do not depend on the status; only whether changes are kept on 5xx is configured.
#[test]
fn statuses_fit_their_errors() {
    let unavailable = [Error::Contended, Error::UnknownOutcome, Error::GraceExpired];
    for error in unavailable {
        assert_eq!(status_hint(&error), StatusCode::SERVICE_UNAVAILABLE);
    }
    let large = Error::TooLarge {
        what: "x",
        limit: 1,
    };
    assert_eq!(status_hint(&large), StatusCode::PAYLOAD_TOO_LARGE);
    for error in [
        Error::Corrupt,
        Error::NewerRecord { version: 2 },
        Error::Closed,
        Error::ProtocolMisuse,
    ] {
        assert_eq!(status_hint(&error), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert!(!Config::default().saves_on_server_error());
}
