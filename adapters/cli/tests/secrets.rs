//! No output has a token, a key, a value or a password in it.

mod common;

use common::{KINDS, Place, Ran, SECRET_VALUE, run};

const PASSWORD: &str = "hunter2-of-the-store";

#[track_caller]
fn assert_lacks(ran: &Ran, secrets: &[String]) {
    for secret in secrets {
        let found = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!found, "a secret is in {ran:?}");
    }
}

// R90
#[tokio::test]
async fn no_command_prints_a_token_or_a_key_and_only_export_prints_values() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        let mut secrets = vec![place.visit().await];
        for subject in ["ada", "ada", "bob"] {
            secrets.push(place.sign_in(subject).await);
        }
        // A rotation leaves a retired record, which holds a key.
        let token = secrets[1].clone();
        let rotated = place.sessions.with(Some(&token), |session| {
            session.rotate();
            Ok(())
        });
        let (_, outcome) = rotated.await.unwrap();
        let cloakroom::Directive::Issue(issued) = outcome.directive else {
            panic!("a rotation issues a token");
        };
        secrets.push(issued.token.expose().to_owned());
        for key in place.keys("ada").await {
            let (_, digest) = key.as_str().rsplit_once(':').unwrap();
            secrets.push(digest.to_owned());
        }
        assert_eq!(secrets.len(), 7, "five tokens and two keys");
        place.leave_expired(3).await;
        let id = place.ids("ada").await.remove(0);
        let url = place.url.clone();

        let with_values = place.run(&["export", "ada", "--yes"]);
        assert_lacks(&with_values, &secrets);
        assert!(with_values.stdout.contains(SECRET_VALUE));

        secrets.push(SECRET_VALUE.to_owned());
        let other = Place::new(kind).await;
        let move_there: &[&str] = &["--from", &url, "--to", &other.url, "migrate", "--dry-run"];
        let commands: [&[&str]; 26] = [
            &["stats"],
            &["show", &id],
            move_there,
            &["check"],
            &["list", "ada"],
            &["list", "nobody"],
            &["--cookie", "other", "list", "ada"],
            &["show", &id, "--of", "ada"],
            &["show", &id, "--of", "nobody"],
            // A person who pastes a token where an id belongs.
            &["show", &token, "--of", "ada"],
            &["list", &token],
            &["show", &token],
            &["revoke", "ada", "--id", &token],
            &["revoke", "ada", "--id"],
            &["show", &id, &token],
            &["--stroe", &token],
            &[&token],
            &["export", "ada"],
            &["revoke", "ada", "--id", &id, "--dry-run"],
            &["purge", "--dry-run"],
            &["purge"],
            &["revoke", "ada", "--id", &id],
            &["revoke", "ada"],
            &move_there[..5],
            &["man"],
            &["--help"],
        ];
        for command in commands {
            for json in [&[][..], &["--json"]] {
                let ran = run(&[&["--store", &*url], json, command].concat());
                // Its subject is printed as it was given.
                if command == ["list", &*token] && !json.is_empty() {
                    continue;
                }
                assert_lacks(&ran, &secrets);
            }
        }
    }
}

// R90
#[test]
fn no_error_has_the_password_of_a_url() {
    let urls = [
        format!("redis://app:{PASSWORD}@127.0.0.1:1/0"),
        format!("postgres://app:{PASSWORD}@127.0.0.1:1/app"),
        format!("mysql://app:{PASSWORD}@127.0.0.1:1/app"),
        format!("mongodb://app:{PASSWORD}@127.0.0.1:1/app?serverSelectionTimeoutMS=100"),
        format!("memcached://app:{PASSWORD}@127.0.0.1:1"),
        format!("redis+unix:///none?pass={PASSWORD}"),
        format!("http://app:{PASSWORD}@127.0.0.1:1/0"),
        PASSWORD.to_owned(),
        format!(" redis://app:{PASSWORD}@127.0.0.1:1/0"),
        format!("sqlite:/none/{PASSWORD}"),
        format!("file:/none/{PASSWORD}"),
    ];
    let secrets = [PASSWORD.to_owned()];
    for url in &urls {
        let flag = format!("--stroe={url}");
        let commands: [&[&str]; 10] = [
            &["--from", url, "--to", "file:/none", "migrate"],
            &["--from", "file:/none", "--to", url, "migrate"],
            &["--store", url, "check"],
            &["--store", url, "list", "ada"],
            &["--json", "--store", url, "list", "ada"],
            &["list", "ada", url],
            &[url],
            &["completions", url],
            &[&flag, "list", "ada"],
            &["--store", url, "--json=yes", "list", "ada"],
        ];
        for command in commands {
            let ran = run(command);
            assert_ne!(ran.status, Some(0), "{ran:?}");
            assert!(!ran.stderr.is_empty());
            assert_lacks(&ran, &secrets);
        }
    }
}

// R90
#[test]
fn the_help_has_no_value_of_the_environment() {
    let url = format!("redis://app:{PASSWORD}@127.0.0.1:1/0");
    for args in [&["--help"][..], &["list", "--help"], &["man"], &["list"]] {
        let mut command = common::command(args);
        command.env("CLOAKROOM_STORE", &url);
        let ran: Ran = command.output().unwrap().into();
        assert_lacks(&ran, &[PASSWORD.to_owned()]);
    }
}

// R90: a visitor chose the value, and an operator's terminal shows it.
#[tokio::test]
async fn no_output_steers_the_terminal() {
    let hostile = "\u{9b}2J\u{9d}0;owned\u{9c}\u{7f}\u{1b}[2J\u{202e}\u{61c}\r";
    for kind in KINDS {
        let place = Place::new(kind).await;
        // A subject has no control characters.
        let subject = "ada\u{202e}\u{61c}";
        let signed_in = place.sessions.with(None, |session| {
            session.insert("agent", hostile)?;
            session.insert("name\u{200f}", 1)?;
            session.sign_in(subject)
        });
        signed_in.await.unwrap();
        let id = place.ids(subject).await.remove(0);
        let commands: [&[&str]; 7] = [
            &["list", subject],
            &["list", "nobody\u{9b}2J"],
            &["--json", "list", subject],
            &["show", &id, "--of", subject],
            &["--json", "show", &id, "--of", subject],
            &["export", subject, "--yes"],
            &["--cookie", "a\u{9b}2J", "list", subject],
        ];
        for command in commands {
            let ran = place.run(command);
            let steers = |c: char| {
                c.is_control() && c != '\n' || matches!(c, '\u{61c}' | '\u{200f}' | '\u{202e}')
            };
            let found = ran
                .stdout
                .chars()
                .chain(ran.stderr.chars())
                .find(|c| steers(*c));
            assert_eq!(found, None, "{ran:?}");
        }
        let exported = place.run(&["export", subject, "--yes"]).json();
        assert_eq!(exported["sessions"][0]["values"]["agent"], hostile);
        assert_eq!(exported["subject"], subject);
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_a_wrong_argument() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let secret = OsStr::from_bytes(b"redis://app:hunter2\xff@host");
    for args in [
        &[OsStr::new("--store"), secret][..],
        &[OsStr::new("list"), secret],
        &[secret],
    ] {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(args)
            .env_remove("CLOAKROOM_STORE")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
