//! The token in a header instead of a cookie.

mod support;

use cloakroom_core::http::{apply, tokens, vary};
use cloakroom_core::{Carrier, Config, ConfigBuilder, Directive, SameSite, SigningKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use support::{World, insert, issued, sign_out};

fn config(name: &'static str) -> Config {
    let config = Config::builder().carrier(Carrier::Header(name)).build();
    config.expect("a good configuration")
}

fn check(name: &'static str, lines: &[&str], expected: &[&str]) {
    let mut request = HeaderMap::new();
    request.insert("cookie", HeaderValue::from_static("__Host-session=cookie"));
    for line in lines {
        let line = HeaderValue::from_str(line).expect("a header");
        request.append(HeaderName::from_static(name), line);
    }
    let config = config(name);
    let found = tokens(&config, &request).map(String::from_utf8_lossy);
    assert_eq!(found.collect::<Vec<_>>(), expected, "{name}: {lines:?}");
}

// R96
#[test]
fn authorization_is_read_by_its_scheme() {
    check("authorization", &[], &[]);
    check("authorization", &["Bearer one"], &["one"]);
    check("authorization", &["bEARER   one  "], &["one"]);
    check(
        "authorization",
        &["Bearer one", "Bearer two"],
        &["one", "two"],
    );
    check("authorization", &["Basic one", "Bearer two"], &["two"]);
    for none in [
        "",
        "Bearer",
        "Bearer ",
        "Bearerone",
        "one",
        "Token one",
        "\u{e4}",
    ] {
        check("authorization", &[none], &[]);
    }
    // Not a token of ours, and refused as malformed when the exchange opens.
    check("authorization", &["Bearer one two"], &["one two"]);
}

// R96
#[test]
fn another_header_is_read_whole() {
    check("x-token", &["one"], &["one"]);
    check("x-token", &[" one "], &["one"]);
    check("x-token", &["one", "two", ""], &["one", "two"]);
    check("x-token", &["Bearer one"], &["Bearer one"]);
    check("x-token", &[], &[]);
}

// R96
#[test]
fn a_response_header_issues_and_clears_the_token() {
    for (name, scheme) in [("authorization", "Bearer "), ("x-token", "")] {
        let config = config(name);
        let mut world = World::with(config.clone());
        let created = world.request(None, insert("a", 1));
        let token = issued(&created).expect("a token");
        let mut response = HeaderMap::new();
        response.insert(name, HeaderValue::from_static("of the application"));
        response.append("set-cookie", HeaderValue::from_static("theme=dark"));
        apply(&config, &created, &mut response);
        let lines: Vec<_> = response.get_all(name).iter().collect();
        assert_eq!(lines, [&format!("{scheme}{token}")]);
        assert!(lines[0].is_sensitive());
        assert_eq!(response["set-cookie"], "theme=dark");
        assert_eq!(response["vary"], name);
        assert_eq!(response["cache-control"], "no-store");

        let ended = world.request(Some(&token), sign_out);
        assert_eq!(ended.directive, Directive::Clear);
        let mut response = HeaderMap::new();
        apply(&config, &ended, &mut response);
        assert_eq!(response[name], "");
        assert!(!response.contains_key("set-cookie"));
    }
}

// R96
#[test]
fn vary_lists_the_header_once() {
    let config = config("X-Token");
    let mut response = HeaderMap::new();
    response.insert("vary", HeaderValue::from_static("Accept, X-TOKEN"));
    vary(&config, &mut response);
    assert_eq!(response.get_all("vary").iter().count(), 1);
}

// R96
#[test]
fn settings_of_the_cookie_contradict_a_header() {
    type Change = fn(ConfigBuilder) -> ConfigBuilder;
    let changes: [(&str, Change); 9] = [
        ("cookie_name", |builder| builder.cookie_name("s")),
        ("domain", |builder| builder.domain("example.org")),
        ("path", |builder| builder.path("/app")),
        ("http_only", |builder| builder.http_only(false)),
        ("same_site", |builder| builder.same_site(SameSite::Strict)),
        ("partitioned", |builder| builder.partitioned(true)),
        ("insecure_for_development", |builder| {
            builder.insecure_for_development()
        }),
        ("persistent", |builder| builder.persistent(true)),
        ("renew_cookie", |builder| builder.renew_cookie(true)),
    ];
    for (field, change) in changes {
        let builder = Config::builder().carrier(Carrier::Header("x-token"));
        let error = change(builder.clone()).build().expect_err(field);
        assert_eq!(error.field(), field);
        // Not after a change of mind.
        if field != "domain" && field != "path" {
            assert!(change(builder.carrier(Carrier::Cookie)).build().is_ok());
        }
    }
    for name in [
        "",
        "a b",
        "x:y",
        "\u{e4}",
        "cookie",
        "Set-Cookie",
        "vary",
        "Host",
        // Browsers and proxies add them to requests that nobody's script made.
        "Referer",
        "origin",
        "user-agent",
        "accept-language",
        "content-type",
        "if-none-match",
        "sec-fetch-site",
        "proxy-authorization",
        "x-forwarded-for",
        "via",
        "DNT",
    ] {
        let error = Config::builder().carrier(Carrier::Header(name)).build();
        assert_eq!(error.expect_err(name).field(), "carrier");
    }
}

// R96
#[test]
fn kinds_with_different_carriers_share_no_record_by_default() {
    let (app, page) = (config("authorization"), Config::default());
    assert!(!app.shares_carrier(&page) && !page.shares_carrier(&app));
    assert!(app.shares_carrier(&config("Authorization")));
    let mut world = World::with(page);
    let token = world.issue(None, insert("a", 1));
    let of_page = world.key(&token);
    world.config = app;
    assert_ne!(world.key(&token), of_page);
}

// R96
#[test]
fn settings_name_the_carrier() {
    let header: Config = toml::from_str("carrier = { header = \"Authorization\" }").expect("good");
    assert_eq!(header.header().expect("a header"), "authorization");
    let cookie: Config = toml::from_str("carrier = \"cookie\"").expect("good");
    assert!(cookie.header().is_none());
    assert!(toml::from_str::<Config>("carrier = \"header\"").is_err());
}

// R96
#[test]
fn signed_tokens_work_in_a_header() {
    let key = SigningKey::new([7; 32]).expect("long enough");
    let builder = Config::builder().carrier(Carrier::Header("authorization"));
    let config = builder.signing_keys([key]).build().expect("good");
    let mut world = World::with(config);
    let token = world.issue(None, insert("a", 1));
    assert!(world.lives(&token));
    let (body, _) = token.split_at(token.len() - 1);
    let forged = world.request(Some(&format!("{body}!")), |session| {
        assert!(session.is_new());
    });
    assert_eq!(forged.directive, Directive::Keep);
}
