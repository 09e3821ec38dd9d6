//! R11: no token, key, secret or session value in `Debug`, `Display` or errors.

mod support;

use cloakroom_core::{
    Commit, Config, ConfigBuilder, Error, Exchange, Session, SigningKey, Stored, UnixTime, Write,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::{World, destroy, insert, issued, name, rotate};

const SECRET: &str = "correct horse battery staple 0123456789";

fn hides(shown: &str, secrets: &[&str]) {
    let shown = shown.to_lowercase();
    for secret in secrets {
        assert!(!shown.contains(&secret.to_lowercase()), "{shown}");
        // Nor as the numbers of its bytes.
        let bytes = format!("{:?}", secret.as_bytes());
        assert!(!shown.contains(&bytes[1..bytes.len() - 1]), "{shown}");
    }
}

// R11: everything that an exchange goes through, at every step.
#[test]
fn no_step_of_an_exchange_shows_a_secret() {
    let mut world = World::new();
    let commit = world.begin(None, |session| {
        session.insert("card", SECRET).expect("good");
        session.sign_in("ada-lovelace").expect("good");
        hides(&format!("{session:?}"), &[SECRET, "ada-lovelace"]);
    });
    let outcome = world.run(commit).expect("created");
    let token = issued(&outcome).expect("a token");
    let key = world.key(&token);
    let secrets = [
        SECRET,
        &token,
        key.as_str(),
        "ada-lovelace",
        &key.as_str()[8..],
    ];
    hides(&format!("{outcome:?} {key:?}"), &secrets);
    let stored = world.records[&key].clone();
    hides(&format!("{stored:?}"), &secrets);

    type Handler = fn(&mut Session<'_>);
    let handlers: [Handler; 4] = [
        |session| session.insert("card", format!("{SECRET}!")).expect("good"),
        rotate,
        |session| session.sign_in("ada-lovelace").expect("good"),
        destroy,
    ];
    for handler in handlers {
        world.records.clear();
        world.records.insert(key.clone(), stored.clone());
        let mut exchange = Exchange::open(&world.config, [token.as_bytes()], world.now());
        hides(&format!("{exchange:?}"), &secrets);
        let loaded = exchange.handle_loaded(&key, Some(stored.clone()));
        loaded.expect("good");
        handler(&mut exchange.session().expect("loaded"));
        hides(&format!("{exchange:?}"), &secrets);
        let mut commit = exchange.finish(world.now());
        let mut steps = 0;
        loop {
            hides(&format!("{commit:?} {commit:#?}"), &secrets);
            match &commit {
                Commit::Create(create) => hides(
                    &format!("{:?} {:?}", create.key(), create.write()),
                    &secrets,
                ),
                Commit::Replace(replace) => {
                    let parts = (replace.key(), replace.old(), replace.write());
                    hides(&format!("{parts:?}"), &secrets);
                }
                Commit::Delete(delete) => {
                    hides(&format!("{:?} {:?}", delete.key(), delete.old()), &secrets);
                }
                Commit::Done(outcome) => {
                    let newer = issued(outcome).unwrap_or_else(|| token.clone());
                    hides(&format!("{outcome:?}"), &[&newer]);
                    break;
                }
                _ => {}
            }
            // A conflict first, so that all questions are seen.
            if steps == 0 && name(&commit) == "replace" {
                world.request(Some(&token), insert("n", 1));
            }
            commit = world.step(commit).expect("no error");
            steps += 1;
        }
    }
}

// R11
#[test]
fn no_configuration_shows_a_signing_key() {
    let key = || SigningKey::new(SECRET).expect("long enough");
    let builder = Config::builder().signing_keys([key()]);
    hides(&format!("{:?}", key()), &[SECRET]);
    hides(&format!("{builder:?}"), &[SECRET]);
    hides(&format!("{:?}", builder.build()), &[SECRET]);
    // A reader of settings shows the line that it could not read.
    let short = "short-but-secret";
    let settings = format!("idle_timeout = 900\nsigning_keys = [\"{short}\"]");
    let error = toml::from_str::<Config>(&settings).expect_err("too short");
    assert!(error.to_string().contains("32 bytes"));
    hides(&format!("{error}"), &[short]);
}

// R11: an error about keys names the setting and quotes none of its content.
#[test]
fn signing_keys_of_a_wrong_shape_are_refused_and_not_quoted() {
    let (secret, number) = ("4815162342-but-secret-and-long-enough", "4815162342");
    for shape in [
        format!("\"{secret}\""),
        format!("[[\"{secret}\"]]"),
        format!("[{{ key = \"{secret}\" }}]"),
        format!("{{ key = \"{secret}\" }}"),
        format!("[\"{secret}\", {number}]"),
        format!("[\"{secret}\", \"{number}\"]"),
        format!("{number}.5"),
        number.to_owned(),
    ] {
        let settings = format!("idle_timeout = 900\nsigning_keys = {shape}\n");
        let error = toml::from_str::<Config>(&settings).expect_err("no keys");
        assert!(error.to_string().contains("`signing_keys`"), "{error}");
        hides(&error.to_string(), &[secret, number]);
        hides(error.message(), &[secret, number]);
    }
    let good = format!("signing_keys = [\"{secret}\"]");
    assert!(toml::from_str::<Config>(&good).is_ok());
}

// R11: a secret in a wrong place, wherever that is in the settings
#[test]
fn no_field_of_a_configuration_is_quoted_by_an_error() {
    const FIELDS: [&str; 30] = [
        "cookie_name",
        "domain",
        "path",
        "http_only",
        "same_site",
        "partitioned",
        "insecure_for_development",
        "persistent",
        "idle_timeout_until_closed",
        "extend_on_read",
        "touch_interval",
        "renew_cookie",
        "delete_when_empty",
        "idle_timeout",
        "absolute_timeout",
        "rotation_grace",
        "token_format",
        "key_format",
        "key_prefix",
        "signing_keys",
        "known_token",
        "limits",
        "save_on_server_error",
        "drop_superseded",
        "cache_private",
        "clear_site_data",
        "reset_unreadable",
        "limits.values",
        "limits.record_bytes",
        "signing_key",
    ];
    let (secret, number) = ("4815162342 but secret;", "4815162342");
    for field in FIELDS {
        for value in [
            format!("\"{secret}\""),
            format!("[\"{secret}\"]"),
            format!("{{ \"{secret}\" = 1 }}"),
            format!("{{ name = \"{secret}\" }}"),
            format!("-{number}"),
            format!("{number}.5"),
        ] {
            for settings in [
                format!("{field} = {value}"),
                format!("# first\n{field} = {value}\n# last\n"),
            ] {
                let read = [
                    toml::from_str::<Config>(&settings).map(drop),
                    toml::from_str::<ConfigBuilder>(&settings).map(drop),
                ];
                for error in read.into_iter().filter_map(Result::err) {
                    hides(error.message(), &[secret, number]);
                    hides(&error.to_string(), &[secret, number]);
                    let is_known = field != "signing_key";
                    let named = error.message().contains(&format!("`{field}"));
                    assert!(named || !is_known, "{settings}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_record_shows_only_its_size() {
    let end = UnixTime::from_secs(9);
    let stored = Stored::new(SECRET.as_bytes().to_vec(), end, 1);
    let write = Write::new(SECRET.as_bytes().to_vec(), end, Some("ada-lovelace".into()));
    hides(
        &format!("{stored:?} {stored:#?} {write:?} {write:#?}"),
        &[SECRET, "ada-lovelace"],
    );
    assert!(format!("{stored:?}").contains(&SECRET.len().to_string()));
}

/// A type whose serde errors quote the value, as many do.
#[derive(Debug)]
struct Chatty;

impl Serialize for Chatty {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(SECRET))
    }
}

impl<'de> Deserialize<'de> for Chatty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(text))
    }
}

// R11: serde's own words quote the value; ours do not.
#[test]
fn errors_of_values_do_not_quote_them() {
    #[derive(Debug, Serialize, Deserialize)]
    enum Known {
        One,
    }
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Typed {
        card: u64,
    }
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.insert("card", SECRET).expect("good");
    });
    world.see(&token, |session| {
        let errors = [
            session.get::<u64>("card").map(|_| ()),
            session.get::<Known>("card").map(|_| ()),
            session.get::<char>("card").map(|_| ()),
            session.get::<Chatty>("card").map(|_| ()),
            session.take::<bool>("card").map(|_| ()),
            session
                .update("card", |n: Option<u64>| n.unwrap_or(0))
                .map(|_| ()),
            session.typed::<Typed>().map(|_| ()),
            session.update_typed(|_: &mut Typed| {}),
            session.insert("x", Chatty),
            session.flash("x", Chatty),
        ];
        for (at, error) in errors.into_iter().enumerate() {
            let error = error.expect_err("it is of another type");
            hides(&format!("{error} {error:?}"), &[SECRET]);
            assert!(std::error::Error::source(&error).is_none(), "{at}");
            assert!(matches!(error, Error::Decode { .. } | Error::Encode { .. }));
        }
    });
}

#[test]
fn errors_have_a_remedy() {
    for error in [
        Error::NotLoaded,
        Error::Closed,
        Error::ReentrantUpdate,
        Error::ProtocolMisuse,
        Error::Corrupt,
        Error::NewerRecord { version: 7 },
        Error::TooLarge {
            what: "x",
            limit: 7,
        },
        Error::InvalidName,
        Error::InvalidSubject,
        Error::Contended,
        Error::UnknownOutcome,
        Error::GraceExpired,
    ] {
        let text = error.to_string();
        assert!(
            text.len() > 40 && !text.ends_with('.') && !text.contains('\n'),
            "{text}"
        );
    }
}
