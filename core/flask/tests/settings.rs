//! Settings by Flask's keys.

use cloakroom_core::{Commit, Created, Exchange, SameSite, UnixTime, http as mapping};
use cloakroom_flask::{Serializer, SessionType, Settings, SettingsError, TimeDelta, Value};
use std::time::Duration;

fn of<const N: usize>(entries: [(&str, Value); N]) -> Result<Settings, SettingsError> {
    Settings::from_map(entries)
}

/// The named key and the rest of the error.
fn refused<const N: usize>(entries: [(&str, Value); N]) -> (String, String) {
    let error = of(entries).unwrap_err();
    (error.key().to_owned(), error.to_string())
}

#[test]
fn the_defaults_are_flasks() {
    let settings = of([("SESSION_TYPE", "redis".into())]).unwrap();
    assert_eq!(settings.session_type, SessionType::Redis);
    assert!(settings.session_permanent && !settings.session_use_signer);
    assert_eq!(settings.session_key_prefix, "session:");
    assert_eq!(settings.session_id_length, 32);
    assert_eq!(settings.serializer(), Serializer::Msgpack);
    assert_eq!(settings.session_file_dir, "flask_session");
    assert_eq!(
        (settings.session_file_threshold, settings.session_file_mode),
        (500, 0o600)
    );
    assert_eq!(settings.session_mongodb_db, "flask_session");
    assert_eq!(settings.session_mongodb_collect, "sessions");
    assert_eq!(settings.session_sqlalchemy_table, "sessions");
    assert_eq!(settings.session_cleanup_n_requests, None);
    assert_eq!(settings.session_cookie_name, "session");
    assert!(settings.session_cookie_httponly && !settings.session_cookie_secure);
    assert!(settings.session_cookie_samesite.is_none() && !settings.session_cookie_partitioned);
    assert_eq!(
        settings.permanent_session_lifetime,
        Duration::from_secs(2_678_400)
    );
    assert!(settings.session_refresh_each_request);
    assert_eq!(settings.application_root, "/");
    // Without a type: Flask's own session.
    let none: [(&str, Value); 0] = [];
    assert_eq!(of(none).unwrap().session_type, SessionType::Cookie);
}

#[test]
fn every_key_is_read() {
    let settings = of([
        ("SECRET_KEY", Value::Bytes(b"\xff\x00".to_vec())),
        ("SECRET_KEY_FALLBACKS", Value::List(vec!["old".into()])),
        ("SESSION_TYPE", "SQLAlchemy".into()),
        ("SESSION_PERMANENT", false.into()),
        ("SESSION_USE_SIGNER", true.into()),
        ("SESSION_KEY_PREFIX", "s:".into()),
        ("SESSION_ID_LENGTH", 48.into()),
        ("SESSION_SERIALIZATION_FORMAT", "json".into()),
        ("SESSION_CLEANUP_N_REQUESTS", 100.into()),
        ("SESSION_SQLALCHEMY", "postgresql://localhost/app".into()),
        ("SESSION_SQLALCHEMY_TABLE", "flask_sessions".into()),
        ("SESSION_COOKIE_NAME", "shop".into()),
        ("SESSION_COOKIE_DOMAIN", "example.org".into()),
        ("SESSION_COOKIE_PATH", "/shop".into()),
        ("SESSION_COOKIE_HTTPONLY", false.into()),
        ("SESSION_COOKIE_SECURE", true.into()),
        ("SESSION_COOKIE_SAMESITE", "None".into()),
        ("SESSION_COOKIE_PARTITIONED", true.into()),
        (
            "PERMANENT_SESSION_LIFETIME",
            Value::TimeDelta(TimeDelta::new(1, 1, 0).unwrap()),
        ),
        ("SESSION_REFRESH_EACH_REQUEST", 0.into()),
        ("APPLICATION_ROOT", "/app".into()),
    ])
    .unwrap();
    assert!(settings.secret_key.is_some() && settings.secret_key_fallbacks.len() == 1);
    assert!(!settings.session_permanent && settings.session_use_signer);
    assert_eq!(
        (&*settings.session_key_prefix, settings.session_id_length),
        ("s:", 48)
    );
    assert_eq!(settings.serializer(), Serializer::Json);
    assert_eq!(settings.session_cleanup_n_requests, Some(100));
    assert_eq!(
        settings.session_sqlalchemy.as_deref(),
        Some("postgresql://localhost/app")
    );
    assert_eq!(settings.session_sqlalchemy_table, "flask_sessions");
    assert_eq!(settings.config().unwrap().cookie_name(), "shop");
    assert_eq!(
        settings.session_cookie_domain.as_deref(),
        Some("example.org")
    );
    assert_eq!(settings.session_cookie_path.as_deref(), Some("/shop"));
    assert!(!settings.session_cookie_httponly && settings.session_cookie_secure);
    assert_eq!(settings.session_cookie_samesite, Some(SameSite::None));
    assert!(settings.session_cookie_partitioned && !settings.session_refresh_each_request);
    assert_eq!(
        settings.permanent_session_lifetime,
        Duration::from_secs(86_401)
    );
    assert_eq!(settings.application_root, "/app");

    let store = |session_type: &str, key: &str, value: Value| {
        Settings::from_map([("SESSION_TYPE", session_type.into()), (key, value)]).unwrap()
    };
    let redis = store("redis", "SESSION_REDIS", "redis://localhost".into());
    assert_eq!(redis.session_redis.as_deref(), Some("redis://localhost"));
    let servers = Value::List(vec!["one:11211".into(), "two:11211".into()]);
    let memcached = Settings::from_map([
        ("SESSION_TYPE", "memcached".into()),
        ("SESSION_MEMCACHED", servers),
        ("SESSION_MEMCACHED_CLIENT", "pylibmc".into()),
    ])
    .unwrap();
    assert_eq!(
        memcached.session_memcached_client.as_deref(),
        Some("pylibmc")
    );
    assert_eq!(memcached.session_memcached, ["one:11211", "two:11211"]);
    let files = store("filesystem", "SESSION_FILE_DIR", "/var/sessions".into());
    assert_eq!(files.session_file_dir, "/var/sessions");
    assert_eq!(
        store("filesystem", "SESSION_FILE_MODE", 0o640.into()).session_file_mode,
        0o640
    );
    assert_eq!(
        store("filesystem", "SESSION_FILE_THRESHOLD", 9.into()).session_file_threshold,
        9
    );
    let mongodb = store("mongodb", "SESSION_MONGODB", "mongodb://localhost".into());
    assert_eq!(
        mongodb.session_mongodb.as_deref(),
        Some("mongodb://localhost")
    );
    assert_eq!(
        store("mongodb", "SESSION_MONGODB_DB", "a".into()).session_mongodb_db,
        "a"
    );
    assert_eq!(
        store("mongodb", "SESSION_MONGODB_COLLECT", "c".into()).session_mongodb_collect,
        "c"
    );
}

#[test]
fn an_unknown_key_is_named_and_others_keys_are_passed_over() {
    for key in [
        "SESSION_COKIE_NAME",
        "SECRET_KEYS",
        "PERMANENT_SESSION_LIFE_TIME",
        "SESSION_",
    ] {
        let (named, said) = refused([(key, "x".into())]);
        assert!(named == key && said.contains(key));
    }
    assert_eq!(
        refused([("SESSION_DYNAMODB", "x".into())]).0,
        "SESSION_DYNAMODB"
    );
    assert!(
        of([
            ("DEBUG", true.into()),
            ("session_type", "x".into()),
            ("SESSION_CACHELIB", Value::None)
        ])
        .is_ok()
    );
}

/// The attributes of a cookie, in alphabetical order.
fn attributes<const N: usize>(entries: [(&str, Value); N]) -> String {
    let config = of(entries).unwrap().config().unwrap();
    let now = UnixTime::from_secs(1_700_000_000);
    let mut exchange = Exchange::open(&config, [], now);
    exchange.session().unwrap().insert("a", 1).unwrap();
    let mut commit = exchange.finish(now);
    let outcome = loop {
        commit = match commit {
            Commit::Mint(mint) => mint.with([7; 64]).unwrap(),
            Commit::Create(create) => create.then(Created::Stored, now).unwrap(),
            Commit::Done(outcome) => break outcome,
            _ => panic!(),
        };
    };
    let mut response = http::HeaderMap::new();
    mapping::apply(&config, &outcome, &mut response);
    let line = response["set-cookie"].to_str().unwrap();
    let mut attributes: Vec<_> = line.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes.join("; ")
}

#[test]
fn the_cookies_attributes_are_those_of_werkzeug() {
    let with = |key: &'static str, value: Value| {
        attributes([("SECRET_KEY", "secret".into()), (key, value)])
    };
    let plain = "HttpOnly; Path=/";
    for key in [
        "SESSION_COOKIE_DOMAIN",
        "SESSION_COOKIE_PATH",
        "SESSION_COOKIE_SAMESITE",
    ] {
        assert_eq!(with(key, Value::None), plain);
    }
    for key in ["SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH"] {
        assert_eq!(with(key, false.into()), plain);
        assert_eq!(with(key, "".into()), plain);
    }
    for domain in ["example.org", ".example.org", "..example.org:5000"] {
        let with_domain = with("SESSION_COOKIE_DOMAIN", domain.into());
        assert_eq!(with_domain, "Domain=example.org; HttpOnly; Path=/");
    }
    for (path, sent) in [
        ("/shop", "/shop"),
        ("/a b;c", "/a%20b%3Bc"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/%41", "/%41"),
    ] {
        for key in ["SESSION_COOKIE_PATH", "APPLICATION_ROOT"] {
            assert_eq!(with(key, path.into()), format!("HttpOnly; Path={sent}"));
        }
    }
    assert_eq!(with("SESSION_COOKIE_HTTPONLY", false.into()), "Path=/");
    let secure = with("SESSION_COOKIE_SECURE", true.into());
    assert_eq!(secure, "HttpOnly; Path=/; Secure");
    let samesite = with("SESSION_COOKIE_SAMESITE", "strict".into());
    assert_eq!(samesite, "HttpOnly; Path=/; SameSite=Strict");
    let partitioned = with("SESSION_COOKIE_PARTITIONED", true.into());
    assert_eq!(partitioned, "HttpOnly; Partitioned; Path=/; Secure");
    // Flask-Session passes it over.
    let stored = [
        ("SESSION_TYPE", "redis".into()),
        ("SESSION_PERMANENT", false.into()),
        ("SESSION_COOKIE_PARTITIONED", true.into()),
    ];
    assert_eq!(attributes(stored), plain);
}

#[test]
fn contradicting_settings_are_named() {
    let redis = || ("SESSION_TYPE", Value::from("redis"));
    let secret = || ("SECRET_KEY", Value::from("secret"));
    let cases = [
        (
            refused([("SESSION_REDIS", "redis://localhost".into())]),
            "SESSION_REDIS",
        ),
        (
            refused([("SESSION_KEY_PREFIX", "s:".into())]),
            "SESSION_KEY_PREFIX",
        ),
        (
            refused([redis(), ("SESSION_FILE_DIR", "/tmp".into())]),
            "SESSION_FILE_DIR",
        ),
        (
            refused([redis(), ("SESSION_USE_SIGNER", true.into())]),
            "SECRET_KEY",
        ),
        (
            refused([
                redis(),
                ("SECRET_KEY_FALLBACKS", Value::List(vec!["old".into()])),
            ]),
            "SECRET_KEY_FALLBACKS",
        ),
        (
            refused([redis(), ("SESSION_ID_LENGTH", 15.into())]),
            "SESSION_ID_LENGTH",
        ),
        (
            refused([redis(), ("SESSION_KEY_PREFIX", "a b".into())]),
            "SESSION_KEY_PREFIX",
        ),
        (
            refused([secret(), ("SESSION_COOKIE_SAMESITE", "None".into())]),
            "SESSION_COOKIE_SAMESITE",
        ),
        (
            refused([
                redis(),
                ("SESSION_ID_LENGTH", 48.into()),
                ("SESSION_ID_UUID", true.into()),
            ]),
            "SESSION_ID_LENGTH",
        ),
        (
            refused([secret(), ("SESSION_COOKIE_NAME", "__Host-shop".into())]),
            "SESSION_COOKIE_NAME",
        ),
        (
            refused([secret(), ("SESSION_COOKIE_PATH", "shop".into())]),
            "SESSION_COOKIE_PATH",
        ),
        (
            refused([secret(), ("APPLICATION_ROOT", "shop".into())]),
            "APPLICATION_ROOT",
        ),
        (refused([("SESSION_TYPE", "gopher".into())]), "SESSION_TYPE"),
        (
            refused([
                ("SESSION_TYPE", "memcached".into()),
                ("SESSION_MEMCACHED", "a:1,b:1".into()),
            ]),
            "SESSION_MEMCACHED_CLIENT",
        ),
        (
            refused([
                ("SESSION_TYPE", "memcached".into()),
                ("SESSION_MEMCACHED_CLIENT", "libmc".into()),
            ]),
            "SESSION_MEMCACHED_CLIENT",
        ),
    ];
    for ((named, said), key) in cases {
        assert_eq!(named, key, "{said}");
    }
    // In Flask's words, not in those of the builder behind it.
    let (_, said) = refused([secret(), ("SESSION_COOKIE_SAMESITE", "None".into())]);
    assert!(
        said.contains("SESSION_COOKIE_SECURE") && !said.contains("insecure"),
        "{said}"
    );
}

#[test]
fn a_value_of_another_type_is_named_and_not_quoted() {
    // R11
    let wrong = |key: &'static str, value: Value| {
        let (named, said) = refused([("SESSION_TYPE", "redis".into()), (key, value)]);
        assert_eq!(named, key);
        assert!(!said.contains("hidden"), "{said}");
    };
    wrong("SESSION_PERMANENT", "hidden".into());
    wrong("SESSION_COOKIE_SECURE", "False".into());
    wrong("SESSION_COOKIE_SECURE", 2.into());
    wrong("SECRET_KEY", 12_345.into());
    wrong("SECRET_KEY_FALLBACKS", "hidden".into());
    wrong("SESSION_ID_LENGTH", (-1).into());
    wrong("SESSION_KEY_PREFIX", Value::Bytes(b"hidden".to_vec()));
    wrong("PERMANENT_SESSION_LIFETIME", 0.into());
    wrong("PERMANENT_SESSION_LIFETIME", "hidden".into());
    wrong("SESSION_COOKIE_SAMESITE", "hidden".into());
    wrong("SESSION_SERIALIZATION_FORMAT", "hidden".into());
    let settings = of([("SECRET_KEY", "hidden".into())]).unwrap();
    assert!(!format!("{settings:?} {:?}", settings.secret_key).contains("hidden"));
}

#[test]
fn the_environment_is_read_as_flask_reads_it() {
    let settings = Settings::from_env([
        ("FLASK_SESSION_TYPE", "redis"),
        ("FLASK_SESSION_PERMANENT", "false"),
        ("SESSION_KEY_PREFIX", "s:"),
        ("FLASK_PERMANENT_SESSION_LIFETIME", "60"),
        ("FLASK_SESSION_COOKIE_DOMAIN", "null"),
        ("FLASK_SECRET_KEY", "a secret, not JSON"),
        ("FLASK_SECRET_KEY_FALLBACKS", r#"["older", "oldest"]"#),
        ("SECRET_KEY", "a secret, not JSON"),
        ("FLASK_APP", "app"),
        ("SESSION_MANAGER", "local/desktop:@/tmp/.ICE-unix/1"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(
        (settings.session_type, &*settings.session_key_prefix),
        (SessionType::Redis, "s:")
    );
    assert!(!settings.session_permanent && settings.session_cookie_domain.is_none());
    assert_eq!(settings.permanent_session_lifetime, Duration::from_secs(60));
    assert_eq!(settings.secret_key_fallbacks.len(), 2);

    let twice = [("FLASK_SESSION_TYPE", "redis"), ("SESSION_TYPE", "mongodb")];
    assert_eq!(Settings::from_env(twice).unwrap_err().key(), "SESSION_TYPE");
    let unknown = Settings::from_env([("FLASK_SESSION_TYP", "redis")]).unwrap_err();
    assert_eq!(unknown.key(), "SESSION_TYP");
}

// A key with the quotes or the newline of its env file is not Flask's, and all are strangers.
#[test]
fn texts_in_quotes_are_refused() {
    const KEY: &str = "kFp0c7-dev-secret-key";
    let wrapped = [
        format!("\"{KEY}\""),
        format!("'{KEY}'"),
        format!("{KEY}\n"),
        format!("\"{KEY}\"\r\n"),
        format!(" {KEY}"),
    ];
    let refused = |error: cloakroom_flask::SettingsError, key: &str| {
        assert_eq!(error.key(), key);
        assert!(error.to_string().contains("; remove"), "{error}");
        assert!(!error.to_string().contains(KEY), "the error has the key");
    };
    for text in &wrapped {
        let map = [("SECRET_KEY", Value::from(&**text))];
        refused(Settings::from_map(map).unwrap_err(), "SECRET_KEY");
        let older = Value::List(vec![Value::from(KEY), Value::from(&**text)]);
        let map = [("SECRET_KEY", KEY.into()), ("SECRET_KEY_FALLBACKS", older)];
        refused(Settings::from_map(map).unwrap_err(), "SECRET_KEY_FALLBACKS");
        let env = [("SECRET_KEY", &**text)];
        refused(Settings::from_env(env).unwrap_err(), "SECRET_KEY");
        let env = [("SESSION_TYPE", "redis"), ("SESSION_KEY_PREFIX", text)];
        refused(Settings::from_env(env).unwrap_err(), "SESSION_KEY_PREFIX");
        for fallback in [false, true] {
            let mut settings = Settings::new(SessionType::Cookie);
            let keys = [KEY, text].map(cloakroom_flask::Secret::from);
            let [good, bad] = keys;
            let (first, second) = if fallback { (good, bad) } else { (bad, good) };
            settings.secret_key = Some(first);
            settings.secret_key_fallbacks = vec![second];
            let error = settings.config().unwrap_err();
            let field = ["SECRET_KEY", "SECRET_KEY_FALLBACKS"][usize::from(fallback)];
            assert_eq!(error.field(), field);
        }
        // Flask's key really has them.
        let mut settings = Settings::new(SessionType::Cookie);
        settings.secret_key = Some(text.as_bytes().to_vec().into());
        assert!(settings.config().is_ok());
    }
    // Flask takes the quotes away here, and nowhere else.
    assert!(Settings::from_env([("FLASK_SECRET_KEY", "\"dev\"")]).is_ok());
    assert!(Settings::from_env([("FLASK_SECRET_KEY", "'dev'")]).is_err());
}

#[test]
fn files_of_settings_are_read_through_serde() {
    let toml = r#"
        SESSION_TYPE = "filesystem"
        SESSION_FILE_MODE = 0o640
        SESSION_COOKIE_SECURE = true
        DEBUG = true
        [DATABASE]
        url = "whatever"
    "#;
    let settings: Settings = toml::from_str(toml).unwrap();
    assert_eq!(
        (settings.session_type, settings.session_file_mode),
        (SessionType::Filesystem, 0o640)
    );
    let json = r#"{"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": ["a:11211"], "SESSION_COOKIE_SAMESITE": null}"#;
    let settings: Settings = serde_json::from_str(json).unwrap();
    assert_eq!(settings.session_memcached, ["a:11211"]);
    let error = serde_json::from_str::<Settings>(r#"{"SESSION_TYP": 1}"#).unwrap_err();
    assert!(error.to_string().contains("SESSION_TYP"));
}

#[test]
fn files_hold_pickles_whatever_the_format_is_set_to() {
    let files = |format: &str| {
        let entries = [
            ("SESSION_TYPE", "filesystem".into()),
            ("SESSION_SERIALIZATION_FORMAT", format.into()),
        ];
        of(entries).unwrap().serializer()
    };
    assert_eq!(files("msgpack"), Serializer::Pickle2);
    assert_eq!(files("pickle0"), Serializer::Pickle0);
}

// R89: Flask cannot read them.
#[test]
fn sealed_values_are_refused() {
    for kind in ["redis", "memcached", "filesystem", "mongodb", "sqlalchemy"] {
        let settings = of([("SESSION_TYPE", kind.into())]).unwrap();
        let sealed = settings.builder().unwrap().seal_values(true).build();
        let error = sealed.unwrap_err().to_string();
        assert!(
            error.contains("seal_values") && error.contains("another format"),
            "{error}"
        );
    }
}
