//! HTTP: Cookie headers in, Set-Cookie out.

mod support;

use std::time::Duration;

use cloakroom_core::http::{apply, tokens};
use cloakroom_core::{
    Config, ConfigBuilder, CookieScope, Directive, Exchange, Outcome, SameSite, Session,
    TokenFormat, UnixTime,
};
use http::{HeaderMap, HeaderValue, header};
use support::{World, ada, insert, issued, respond, sign_out};

const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn request(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            header::COOKIE,
            HeaderValue::from_bytes(line).expect("a header"),
        );
    }
    headers
}

fn check(lines: &[&str], expected: &[&str]) {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    let (config, headers) = (Config::default(), request(&lines));
    let found: Vec<_> = tokens(&config, &headers)
        .map(String::from_utf8_lossy)
        .collect();
    assert_eq!(found, expected, "{lines:?}");
}

// R35, R36, R37, R38
#[test]
fn cookie_headers_are_read_as_the_standard_says() {
    check(&[], &[]);
    check(&[""], &[]);
    check(&["__Host-session=one"], &["one"]);
    check(&["a=1; __Host-session=one; b=2"], &["one"]);
    // Several lines mean the same as one joined.
    check(&["a=1", "__Host-session=one", "b=2"], &["one"]);
    check(
        &["a=1; __Host-session=one", "__Host-session=two; b=2"],
        &["one", "two"],
    );
    check(&["a=1;__Host-session=one;b=2"], &["one"]);
    check(&["__Host-session=one; __Host-session=one"], &["one", "one"]);
    // Names are case-sensitive and whole.
    check(
        &["__host-session=no; __HOST-SESSION=no; X__Host-session=no"],
        &[],
    );
    check(&["__Host-session2=no; __Host-sessio=no; session=no"], &[]);
    check(&["__Host-session", "__Host-session ; x"], &[]);
    check(&["%5F%5FHost-session=no"], &[]);
    // Nothing is decoded, quotes are kept.
    check(&["__Host-session=%41"], &["%41"]);
    check(&["__Host-session=\"quoted\""], &["\"quoted\""]);
    check(&["__Host-session=a=b"], &["a=b"]);
    check(&["__Host-session="], &[""]);
    check(&["__Host-session =\tone \t; x"], &["one"]);
    check(&["a=__Host-session=no"], &[]);
    // Garbage beside it does not hide it.
    check(
        &[";;;=;==; =x; {\"a\":1}; __Host-session=one; \u{fc}; a b c; \"x; y\""],
        &["one"],
    );
    check(&["a=\"unclosed; __Host-session=one"], &["one"]);
    check(&["a=1, __Host-session=no"], &[]);
}

// R09
#[test]
fn a_token_in_another_header_is_ignored() {
    let mut headers = HeaderMap::new();
    let value = format!("__Host-session={TOKEN}");
    for name in [
        "authorization",
        "x-session",
        "set-cookie",
        "cookie2",
        "referer",
    ] {
        headers.append(name, HeaderValue::try_from(&value).expect("a header"));
    }
    assert_eq!(tokens(&Config::default(), &headers).count(), 0);
}

// R38: linear time, nothing lost, at 64 KiB of other things.
#[test]
fn a_cookie_header_of_64_kib_is_read_to_its_end() {
    for filler in [
        "a=1; ",
        ";",
        "=",
        "__Host-session",
        "__Host-session ",
        " ",
        "\"",
        "__Host-session=;",
    ] {
        let mut line = filler.repeat(65_536 / filler.len());
        line.push_str(&format!("; __Host-session={TOKEN}"));
        let headers = request(&[line.as_bytes()]);
        let config = Config::default();
        assert_eq!(
            tokens(&config, &headers).last(),
            Some(TOKEN.as_bytes()),
            "{filler:?}"
        );
        let exchange = Exchange::open(&config, tokens(&config, &headers), UnixTime::from_secs(0));
        assert!(exchange.wants_load().is_some(), "{filler:?}");
    }
}

fn world(builder: ConfigBuilder) -> World {
    World::with(builder.build().expect("a good configuration"))
}

/// The Set-Cookie lines of a session that is created, and of one that is signed out.
fn lines(builder: ConfigBuilder) -> [String; 2] {
    let mut world = world(builder);
    let created = world.request(None, insert("n", 1));
    let token = issued(&created).expect("a token");
    let ended = world.request(Some(&token), sign_out);
    [created, ended].map(|outcome| {
        let response = respond(&world.config, &outcome);
        let all: Vec<_> = response.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(all.len(), 1);
        assert!(all[0].is_sensitive());
        all[0].to_str().expect("visible ASCII").to_owned()
    })
}

// R27, R32: read back by another parser.
#[test]
fn the_default_cookie_has_all_protections() {
    let [created, ended] = lines(Config::builder());
    let cookie = cookie::Cookie::parse(created).expect("a cookie");
    assert_eq!(
        (cookie.name(), cookie.value().len()),
        ("__Host-session", 43)
    );
    assert_eq!(
        (cookie.secure(), cookie.http_only()),
        (Some(true), Some(true))
    );
    assert_eq!(cookie.same_site(), Some(cookie::SameSite::Lax));
    assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None));
    // R17
    assert_eq!((cookie.max_age(), cookie.expires()), (None, None));
    assert!(ended.starts_with("__Host-session=; "));
}

// R19: the removal has the same name, Path, Domain and flags; R32: and a date that parses.
#[test]
fn a_removal_has_the_attributes_of_its_cookie() {
    let builder = Config::builder;
    for builder in [
        builder(),
        builder()
            .cookie_name("__Secure-s")
            .domain("example.org")
            .path("/shop"),
        builder().same_site(SameSite::None).partitioned(true),
        builder().same_site(SameSite::Strict).http_only(false),
        builder().insecure_for_development(),
        builder().cookie_name("__Http-s").persistent(true),
        builder()
            .cookie_name("__Host-Http-s")
            .token_format(TokenFormat::UuidV4),
    ] {
        let [created, ended] =
            lines(builder).map(|line| cookie::Cookie::parse(line).expect("a cookie"));
        assert_eq!(created.name(), ended.name());
        assert_eq!(
            (created.path(), created.domain()),
            (ended.path(), ended.domain())
        );
        assert_eq!(
            (created.secure(), created.http_only()),
            (ended.secure(), ended.http_only())
        );
        assert_eq!(created.same_site(), ended.same_site());
        assert_eq!(created.partitioned(), ended.partitioned());
        assert_eq!(ended.value(), "");
        assert_eq!(
            ended
                .max_age()
                .map(cookie::time::SignedDuration::whole_seconds),
            Some(0)
        );
        assert_eq!(
            ended
                .expires_datetime()
                .map(cookie::time::OffsetDateTime::unix_timestamp),
            Some(0)
        );
    }
}

#[test]
fn attributes_are_sent_as_configured() {
    let parse = |builder: ConfigBuilder| {
        let [created, _] = lines(builder);
        cookie::Cookie::parse(created).expect("a cookie")
    };
    let none = parse(
        Config::builder()
            .same_site(SameSite::None)
            .partitioned(true),
    );
    assert_eq!(none.same_site(), Some(cookie::SameSite::None));
    assert_eq!(
        (none.partitioned(), none.secure()),
        (Some(true), Some(true))
    );
    let strict = parse(
        Config::builder()
            .same_site(SameSite::Strict)
            .http_only(false),
    );
    assert_eq!(strict.same_site(), Some(cookie::SameSite::Strict));
    assert_eq!(strict.http_only(), None);
    let absent = parse(Config::builder().same_site(SameSite::Absent));
    assert_eq!(absent.same_site(), None);
    let other = parse(
        Config::builder()
            .cookie_name("s")
            .domain("example.org")
            .path("/a b"),
    );
    assert_eq!(
        (other.domain(), other.path()),
        (Some("example.org"), Some("/a b"))
    );
    let persistent = parse(Config::builder().persistent(true));
    assert_eq!(
        persistent
            .max_age()
            .map(cookie::time::SignedDuration::whole_seconds),
        Some(43_200)
    );
    // R34
    let development = parse(Config::builder().insecure_for_development());
    assert_eq!(
        (development.name(), development.secure()),
        ("session", None)
    );
}

// R76
#[test]
fn each_response_with_the_cookie_removes_those_of_former_scopes() {
    let scope = CookieScope::new;
    let builder = Config::builder()
        .cookie_name("__Secure-shop")
        .same_site(SameSite::Strict)
        .former_scope(scope().domain("example.org").path("/shop"))
        .former_scope(scope().partitioned(true));
    let mut world = world(builder);
    let removed = [
        "__Secure-shop=; HttpOnly; SameSite=Strict; Secure; Path=/shop; Domain=example.org; \
         Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "__Secure-shop=; HttpOnly; SameSite=Strict; Partitioned; Secure; Path=/; Max-Age=0; \
         Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ];
    let lines = |world: &World, outcome: &Outcome| {
        let mut response = HeaderMap::new();
        for line in ["theme=dark", "__Secure-shop=forged"] {
            response.append(header::SET_COOKIE, HeaderValue::from_static(line));
        }
        apply(&world.config, outcome, &mut response);
        let lines = response.get_all(header::SET_COOKIE).iter();
        let lines = lines.map(|line| line.to_str().expect("ASCII").to_owned());
        lines.collect::<Vec<_>>()
    };
    let mut token = None;
    let handlers: [fn(&mut Session<'_>); 4] = [insert_one, ada, support::rotate, |session| {
        session.sign_out();
    }];
    for handler in handlers {
        let outcome = world.request(token.as_deref(), handler);
        let lines = lines(&world, &outcome);
        assert_eq!(lines[0], "theme=dark");
        assert_eq!(lines[1..3], removed);
        // Last, because some clients take cookies with and without Domain for one.
        assert!(lines[3].starts_with("__Secure-shop=") && lines.len() == 4);
        token = issued(&outcome);
    }
    assert_eq!(token, None);
    // The cookie of a former Path is not sent to other paths.
    let outcome = world.request(None, |session| {
        session.sign_out();
    });
    assert_eq!(lines(&world, &outcome)[1..3], removed);
    // And nothing else sends one.
    for handler in [(|_| {}) as fn(&mut Session<'_>), |session| {
        assert!(session.is_new());
    }] {
        let outcome = world.request(None, handler);
        assert_eq!(outcome.directive, Directive::Keep);
    }
}

fn insert_one(session: &mut Session<'_>) {
    session.insert("n", 1).expect("good");
}

// R18: never a Max-Age over 400 days, whatever a session asks for.
#[test]
fn max_age_is_400_days_at_most() {
    let mut world = world(Config::builder());
    let outcome = world.request(None, |session| {
        let persistent = cloakroom_core::Expiry::new().persistent();
        let days = |days: u64| persistent.absolute(Duration::from_secs(days * 86_400));
        let error = session.set_expiry(days(401)).unwrap_err();
        assert!(error.to_string().contains("400 days"), "{error}");
        session.set_expiry(days(400)).expect("good");
    });
    let line = respond(&world.config, &outcome)[header::SET_COOKIE].clone();
    assert!(
        line.to_str()
            .expect("ASCII")
            .ends_with("; Max-Age=34560000")
    );
}
