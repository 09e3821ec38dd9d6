//! The configuration: every rule, by builder and by settings.

use std::time::Duration;

use cloakroom_core::{
    Config, ConfigBuilder, CookieScope, Envelope, Error as CoreError, KeyFormat, Limits, SameSite,
    SigningKey, Stored, TokenFormat, TokenScheme, UnixTime, Write,
};
use serde::Deserialize as _;
use serde::de::value::{Error, MapDeserializer};

fn check(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder, expected: Result<(), &str>) {
    let built = change(Config::builder()).build();
    match (&built, expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(field)) => {
            assert_eq!(error.field(), field, "{error}");
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("session configuration, `{field}`: ")),
                "{text}"
            );
        }
        _ => panic!("{built:?} instead of {expected:?}"),
    }
}

fn name(name: &str) -> impl FnOnce(ConfigBuilder) -> ConfigBuilder {
    move |builder| builder.cookie_name(name)
}

// R30
#[test]
fn a_cookie_name_is_a_token() {
    for good in ["s", "__Host-s", "!#$%&'*+-.^_`|~09azAZ", "a__Host-b"] {
        check(name(good), Ok(()));
    }
    for bad in [
        "", " ", "a b", "a;b", "a=b", "a,b", "a\r\nb", "a\0", "ü", "a\"", "a/b", "(a)", "a@b", "{}",
    ] {
        check(name(bad), Err("cookie_name"));
    }
}

// R28: without regard to case.
#[test]
fn prefixes_are_checked_without_regard_to_case() {
    for prefix in [
        "__Host-",
        "__host-",
        "__HOST-",
        "__Host-Http-",
        "__hOST-hTTP-",
    ] {
        let named = |builder: ConfigBuilder| builder.cookie_name(format!("{prefix}s"));
        check(named, Ok(()));
        check(
            |builder| named(builder).domain("example.org"),
            Err("domain"),
        );
        check(|builder| named(builder).path("/app"), Err("path"));
    }
    for prefix in ["__Secure-", "__sECURE-", "__Http-", "__HTTP-"] {
        let named = |builder: ConfigBuilder| builder.cookie_name(format!("{prefix}s"));
        check(
            |builder| named(builder).domain("example.org").path("/app"),
            Ok(()),
        );
    }
    for prefix in ["__Http-", "__Host-Http-", "__http-", "__HOST-HTTP-"] {
        let named = |builder: ConfigBuilder| builder.cookie_name(format!("{prefix}s"));
        check(|builder| named(builder).http_only(false), Err("http_only"));
    }
    for prefix in [
        "__Host-",
        "__Secure-",
        "__Http-",
        "__Host-Http-",
        "__host-",
        "__secure-",
    ] {
        // R34: all of them need Secure.
        let named = |builder: ConfigBuilder| builder.cookie_name(format!("{prefix}s"));
        check(
            |builder| named(builder).insecure_for_development(),
            Err("cookie_name"),
        );
        check(name(prefix), Err("cookie_name"));
    }
    check(
        |builder| builder.cookie_name("__Host-s").http_only(false),
        Ok(()),
    );
}

// R29
#[test]
fn same_site_none_and_partitioned_need_secure() {
    check(|builder| builder.same_site(SameSite::None), Ok(()));
    check(|builder| builder.partitioned(true), Ok(()));
    let development = ConfigBuilder::insecure_for_development;
    check(development, Ok(()));
    check(
        |builder| development(builder).same_site(SameSite::Strict),
        Ok(()),
    );
    check(
        |builder| development(builder).same_site(SameSite::None),
        Err("same_site"),
    );
    check(
        |builder| development(builder).partitioned(true),
        Err("partitioned"),
    );
}

// R30, R31
#[test]
fn paths_and_domains_fit_into_a_line() {
    let secure = |builder: ConfigBuilder| builder.cookie_name("__Secure-s");
    let long = format!("/{}", "p".repeat(1_023));
    for good in ["/", "/app", "/a b", "/%20", "/a,b", &long] {
        check(|builder| secure(builder).path(good), Ok(()));
    }
    let longer = format!("{long}p");
    for bad in [
        "",
        "app",
        "/a;b",
        "/a\r\nSet-Cookie: x=1",
        "/\0",
        "/ü",
        "/\t",
        "/app ",
        &longer,
    ] {
        check(|builder| secure(builder).path(bad), Err("path"));
    }
    for good in [
        "example.org",
        "a-b.example",
        "localhost",
        "127.0.0.1",
        ".example.org",
        "xn--bcher-kva.example",
    ] {
        check(|builder| secure(builder).domain(good), Ok(()));
    }
    let long = "d".repeat(1_025);
    for bad in [
        "",
        ".",
        "..example.org",
        "example.org.",
        "example..org",
        "a b",
        "a;b",
        "bücher.example",
        "a\nb",
        "a/b",
        "a:80",
        &long,
    ] {
        check(|builder| secure(builder).domain(bad), Err("domain"));
    }
}

// R31
#[test]
fn name_and_value_are_4096_bytes_at_most() {
    let prefixed =
        |name: String| move |builder: ConfigBuilder| builder.key_prefix("s:").cookie_name(name);
    check(prefixed("n".repeat(4_096 - 43)), Ok(()));
    check(prefixed("n".repeat(4_096 - 42)), Err("cookie_name"));
    check(
        |builder| prefixed("n".repeat(4_096 - 36))(builder).token_format(TokenFormat::UuidV4),
        Ok(()),
    );
    let signer = || SigningKey::new([0; 32]);
    check(
        |builder| prefixed("n".repeat(4_096 - 87))(builder).signing_keys(signer()),
        Ok(()),
    );
    check(
        |builder| prefixed("n".repeat(4_096 - 86))(builder).signing_keys(signer()),
        Err("cookie_name"),
    );
}

#[test]
fn timeouts_are_whole_seconds_and_in_order() {
    let seconds = Duration::from_secs;
    for (idle, absolute, expected) in [
        (seconds(1), seconds(1), Ok(())),
        (seconds(0), seconds(10), Err("idle_timeout")),
        (seconds(1), seconds(0), Err("absolute_timeout")),
        (seconds(11), seconds(10), Err("idle_timeout")),
        (seconds(10), seconds(10), Ok(())),
        (seconds(9), seconds(10), Ok(())),
        (
            Duration::from_millis(1_500),
            seconds(10),
            Err("idle_timeout"),
        ),
        (
            seconds(1),
            Duration::from_millis(1_500),
            Err("absolute_timeout"),
        ),
        (Duration::MAX, Duration::MAX, Err("idle_timeout")),
        (seconds(u64::MAX), seconds(u64::MAX), Ok(())),
    ] {
        check(
            |builder| builder.idle_timeout(idle).absolute_timeout(absolute),
            expected,
        );
    }
    for (grace, expected) in [
        (Duration::ZERO, Ok(())),
        (seconds(3_600), Ok(())),
        (seconds(3_601), Err("rotation_grace")),
        (Duration::from_millis(500), Err("rotation_grace")),
    ] {
        check(|builder| builder.rotation_grace(grace), expected);
    }
}

// R18
#[test]
fn max_age_over_400_days_is_an_error() {
    for (days, persistent, good) in [(400, true, true), (401, true, false), (401, false, true)] {
        let absolute = Duration::from_secs(days * 86_400);
        let expected = if good {
            Ok(())
        } else {
            Err("absolute_timeout")
        };
        check(
            |builder| builder.absolute_timeout(absolute).persistent(persistent),
            expected,
        );
    }
    let over = Duration::from_secs(34_560_001);
    check(
        |builder| builder.absolute_timeout(over).persistent(true),
        Err("absolute_timeout"),
    );
}

#[test]
fn keys_fit_into_every_store() {
    check(|builder| builder.key_prefix("k".repeat(250 - 43)), Ok(()));
    check(
        |builder| builder.key_prefix("k".repeat(250 - 42)),
        Err("key_prefix"),
    );
    check(
        |builder| {
            builder
                .key_format(KeyFormat::Plain)
                .key_prefix("k".repeat(250 - 43))
        },
        Ok(()),
    );
    check(|builder| builder.key_prefix(""), Ok(()));
    for bad in ["a b", "a\n", "ü", "\0"] {
        check(|builder| builder.key_prefix(bad), Err("key_prefix"));
    }
}

/// Sessions in the cookie, and tokens of another system.
struct Other;

impl Envelope for Other {
    fn open(&self, _: &str, _: &[u8], _: UnixTime) -> Result<Option<Stored>, CoreError> {
        Ok(None)
    }

    fn seal(
        &self,
        _: &str,
        _: &Write,
        _: &[u8; 32],
        _: UnixTime,
        _: u64,
    ) -> Result<String, CoreError> {
        Err(CoreError::Corrupt)
    }
}

impl TokenScheme for Other {
    fn is_well_formed(&self, _: &[u8]) -> bool {
        false
    }

    fn id<'t>(&self, _: &'t [u8]) -> Option<std::borrow::Cow<'t, [u8]>> {
        None
    }

    fn mint(&self, _: &[u8; 32]) -> (String, String) {
        ("id".to_owned(), "token".to_owned())
    }

    fn max_len(&self) -> usize {
        5
    }
}

#[test]
fn a_setting_that_another_one_makes_useless_is_refused() {
    type Change = fn(ConfigBuilder) -> ConfigBuilder;
    let useless: [(&str, Change, bool); 5] = [
        (
            "signing_keys",
            |builder| builder.signing_keys(SigningKey::new([7; 32])),
            true,
        ),
        (
            "token_format",
            |builder| builder.token_format(TokenFormat::UuidV4),
            true,
        ),
        ("token_scheme", |builder| builder.token_scheme(Other), false),
        (
            "key_format",
            |builder| builder.key_format(KeyFormat::Plain),
            false,
        ),
        ("key_prefix", |builder| builder.key_prefix("s:"), false),
    ];
    for (field, change, of_scheme) in useless {
        check(change, Ok(()));
        check(|builder| change(builder.envelope(Other)), Err(field));
        let beside_scheme = if of_scheme { Err(field) } else { Ok(()) };
        check(|builder| change(builder.token_scheme(Other)), beside_scheme);
    }
    check(|builder| builder.envelope(Other), Ok(()));
}

// R76
#[test]
fn a_former_scope_is_one_that_the_cookie_can_have_had() {
    let scope = CookieScope::new;
    let bad = Err("former_scope");
    let former = |scope: &CookieScope| {
        let scope = scope.clone();
        move |builder: ConfigBuilder| builder.former_scope(scope)
    };
    for (scope, host, other) in [
        (scope(), bad, bad),
        (scope().partitioned(true), Ok(()), Ok(())),
        (scope().domain("example.org"), bad, Ok(())),
        (scope().domain(".Example.org").path("/a b"), bad, Ok(())),
        (scope().path("/app").partitioned(true), bad, Ok(())),
        (scope().path("app"), bad, bad),
        (scope().path("/a;b"), bad, bad),
        (scope().path("/a "), bad, bad),
        (scope().path("/".repeat(1_025)), bad, bad),
        (scope().domain(""), bad, bad),
        (scope().domain("example.org."), bad, bad),
        (scope().domain("a\r\nb"), bad, bad),
    ] {
        check(former(&scope), host);
        let secure = |builder: ConfigBuilder| builder.cookie_name("__Secure-s");
        check(|builder| former(&scope)(secure(builder)), other);
    }
    let present = |builder: ConfigBuilder| {
        let builder = builder.cookie_name("s").domain("example.org");
        builder.path("/app").partitioned(true)
    };
    let same = scope().path("/app").partitioned(true);
    for domain in ["example.org", ".example.org", "EXAMPLE.org"] {
        let same = same.clone().domain(domain);
        check(|builder| former(&same)(present(builder)), bad);
    }
    check(|builder| former(&same)(present(builder)), Ok(()));
    check(
        |builder| former(&scope().partitioned(true))(builder.insecure_for_development()),
        bad,
    );
    for (count, expected) in [(8, Ok(())), (9, bad)] {
        let many = |builder: ConfigBuilder| {
            let builder = builder.cookie_name("s");
            (0..count).fold(builder, |builder, n| {
                builder.former_scope(scope().path(format!("/{n}")))
            })
        };
        check(many, expected);
    }
}

#[test]
fn a_prefix_or_key_in_quotes_is_refused() {
    for (prefix, expected) in [
        ("\"shop:\"", Err("key_prefix")),
        ("'shop:'", Err("key_prefix")),
        ("shop's:", Ok(())),
    ] {
        check(|builder| builder.key_prefix(prefix), expected);
    }
}

#[test]
fn limits_leave_room_for_a_record() {
    for (record_bytes, values, good) in [(256, 1, true), (255, 1, false), (256, 0, false)] {
        let mut limits = Limits::default();
        (limits.record_bytes, limits.values) = (record_bytes, values);
        check(
            |builder| builder.limits(limits),
            if good { Ok(()) } else { Err("limits") },
        );
    }
}

fn settings(text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn settings_take_every_field_of_the_builder() {
    let config = settings(
        r#"
        cookie_name = "__Secure-shop"
        domain = "example.org"
        path = "/shop"
        http_only = false
        same_site = "none"
        partitioned = true
        insecure_for_development = false
        persistent = true
        idle_timeout_until_closed = 600
        extend_on_read = false
        touch_interval = 60
        renew_cookie = true
        delete_when_empty = true
        idle_timeout = 900
        absolute_timeout = 3600
        rotation_grace = 10
        token_format = "uuid_v4"
        key_format = "plain"
        key_prefix = "shop/"
        signing_keys = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]
        save_on_server_error = true
        clear_site_data = true
        reset_unreadable = true
        [limits]
        record_bytes = 8192
        [[former_scope]]
        path = "/old"
        [[former_scope]]
        domain = "example.org"
        partitioned = true
        "#,
    )
    .expect("good settings");
    assert_eq!(config.cookie_name(), "__Secure-shop");
    assert!(config.saves_on_server_error() && !config.is_insecure());
    assert!(config.resets_unreadable());
    assert!(settings("").is_ok());
    let strict =
        settings("same_site = \"strict\"\ntoken_format = \"random256\"\nkey_format = \"sha256\"");
    assert!(strict.is_ok(), "{strict:?}");
}

#[test]
fn settings_that_are_null_are_as_if_they_were_not_there() {
    for name in [
        "cookie_name",
        "domain",
        "key_prefix",
        "touch_interval",
        "idle_timeout_until_closed",
    ] {
        let null = MapDeserializer::<_, Error>::new([(name, ())].into_iter());
        let config = Config::deserialize(null).expect(name);
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}

#[test]
fn settings_are_checked_like_the_builder_with_a_remedy() {
    for (text, part) in [
        ("cookie_nam = \"x\"", "`cookie_nam` is unknown"),
        ("[limits]\nrecord = 1", "record"),
        ("idle_timeout = -1", "idle_timeout"),
        ("idle_timeout = \"30m\"", "idle_timeout"),
        ("idle_timeout = 0", "at least one"),
        (
            "same_site = \"lux\"",
            "`same_site`: must be one of strict, lax",
        ),
        (
            "cookie_name = \"__Host-s\"\ndomain = \"example.org\"",
            "__Secure-",
        ),
        (
            "insecure_for_development = true\nsame_site = \"none\"",
            "SameSite=None needs Secure",
        ),
        ("[limits]\nrecord_bytes = 1", "256"),
        ("signing_keys = [\"short\"]", "32"),
    ] {
        let error = settings(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_default_equals_the_builders_result() {
    let (default, built) = (Config::default(), Config::builder().build().expect("good"));
    assert_eq!(format!("{default:?}"), format!("{built:?}"));
    assert_eq!(default.cookie_name(), "__Host-session");
}
