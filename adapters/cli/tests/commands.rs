//! The command as a program, on stores that an application uses meanwhile.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cloakroom::Config;
use common::{KINDS, Place, SECRET_VALUE, run};

#[tokio::test]
async fn list_and_show_tell_what_the_application_wrote() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        place.run(&["list", "ada"]).ended(1, &[], &["No session"]);
        place.sign_in("ada").await;
        place.sign_in("ada").await;
        place.sign_in("bob").await;
        place.visit().await;
        let ids = place.ids("ada").await;

        let ran = place.run(&["list", "ada"]);
        ran.ended(0, &[&ids[0], &ids[1], "SIGNED IN"], &[]);
        assert_eq!(ran.stdout.lines().count(), 3, "{ran:?}");
        let listed = place.run(&["--json", "list", "ada"]).json();
        assert_eq!(listed["subject"], "ada");
        let mut found: Vec<&str> = listed["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["id"].as_str().unwrap())
            .collect();
        let mut expected: Vec<&str> = ids.iter().map(String::as_str).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);

        let ran = place.run(&["show", &ids[0], "--of", "ada"]);
        ran.ended(0, &[&ids[0], "ada", "2 values (coat, visits)"], &[]);
        let shown = place
            .run(&["--json", "show", &ids[0], "--of", "ada"])
            .json();
        assert_eq!(shown["id"], ids[0].as_str());
        assert!(shown["expires_at"].as_str().unwrap().ends_with('Z'));
        // Of another subject it is none.
        let ran = place.run(&["show", &ids[0], "--of", "bob"]);
        ran.ended(1, &[], &["no session of this id"]);
        // Without a subject the command looks through the store.
        let ran = place.run(&["show", &ids[1]]);
        ran.ended(0, &[&ids[1], "ada"], &[]);
        place.run(&["show", "AAAAAAAAAAAAAAAA"]).ended(1, &[], &[]);
    }
}

#[tokio::test]
async fn stats_count_every_session_once() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        for subject in ["ada", "ada", "bob"] {
            place.sign_in(subject).await;
        }
        let anonymous = place.visit().await;
        place.leave_expired(5).await;
        // A retired record is none of them.
        let rotated = place.sessions.with(Some(&anonymous), |session| {
            session.rotate();
            Ok(())
        });
        rotated.await.unwrap();
        let stats = place.run(&["--json", "stats"]).json();
        for (name, number) in [
            ("sessions", 4),
            ("signed_in", 3),
            ("anonymous", 1),
            ("subjects", 2),
            ("retired", 1),
            ("records", 5),
            ("unreadable", 0),
        ] {
            assert_eq!(stats[name], number, "{name} in {stats}");
        }
        assert_eq!(stats["ending_within"]["hour"], 4);
        place
            .run(&["stats"])
            .ended(0, &["signed in", "of another cookie"], &[]);
        let other = place.run(&["--json", "--cookie", "other", "stats"]).json();
        assert_eq!(other["sessions"], 0);
        assert_eq!(other["of_another_cookie"], 5);
    }
}

#[test]
fn a_move_needs_two_stores() {
    let ran = run(&["--from", "file:x", "migrate"]);
    ran.ended(2, &[], &["--to"]);
    let ran = run(&["--to", "file:x", "migrate"]);
    ran.ended(2, &[], &["--from"]);
}

#[tokio::test]
async fn a_record_of_another_cookie_is_left_out_with_a_remark() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        let token = place.sign_in("ada").await;
        let ran = place.run(&["--cookie", "__Host-shop", "list", "ada"]);
        ran.ended(1, &[], &["1 record of this subject", "--cookie"]);
        let ran = place.run(&["--cookie", "__Host-shop", "revoke", "ada"]);
        ran.ended(1, &["0 sessions ended"], &["1 record of this subject"]);
        assert_eq!(place.visits(&token).await, Some(3), "it lives");
    }
}

// R90: a dry run changes nothing, and prints what the run would do.
#[tokio::test]
async fn revoke_ends_one_or_all_sessions_of_a_subject_and_no_other() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        let first = place.sign_in("ada").await;
        let id = place.ids("ada").await.remove(0);
        let second = place.sign_in("ada").await;
        let third = place.sign_in("ada").await;
        let bob = place.sign_in("bob").await;

        let ran = place.run(&["revoke", "ada", "--dry-run"]);
        ran.ended(0, &[&id], &["Dry run: 3 sessions would end."]);
        let ran = place.run(&["revoke", "ada", "--id", &id, "--dry-run"]);
        ran.ended(0, &[&id], &["Dry run: 1 session would end."]);
        assert_eq!(place.visits(&first).await, Some(3), "after a dry run");

        let ran = place.run(&["revoke", "ada", "--id", &id]);
        ran.ended(0, &["1 session ended."], &[]);
        assert_eq!(place.visits(&first).await, None);
        assert_eq!(place.visits(&second).await, Some(3));
        place
            .run(&["revoke", "ada", "--id", &id])
            .ended(1, &[], &[]);

        let ran = place.run(&["--json", "revoke", "ada"]);
        ran.ended(0, &[], &[]);
        assert_eq!(ran.json()["ended"], 2);
        assert_eq!(place.visits(&second).await, None);
        assert_eq!(place.visits(&third).await, None);
        assert_eq!(place.visits(&bob).await, Some(3));
        place.run(&["revoke", "ada"]).ended(1, &["0 sessions"], &[]);
    }
}

#[tokio::test]
async fn a_session_that_is_written_and_rotated_all_the_time_is_revoked_and_stays_so() {
    for kind in KINDS {
        let place = Arc::new(Place::new(kind).await);
        let mut token = place.sign_in("ada").await;
        let ended = Arc::new(AtomicBool::new(false));
        let client = {
            let (place, ended) = (Arc::clone(&place), Arc::clone(&ended));
            // Writes and rotates, and goes on for a while after it has been signed out.
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let mut written = 0;
                    let mut refused = 0;
                    while refused < 20 {
                        let was_ended = ended.load(Ordering::SeqCst);
                        let done = place.sessions.with(Some(&token), |session| {
                            let living = session.subject().is_some();
                            if living {
                                session.rotate();
                                session.insert("visits", written)?;
                            }
                            Ok(living)
                        });
                        let (living, outcome) = done.await.unwrap();
                        if let cloakroom::Directive::Issue(issued) = outcome.directive {
                            token = issued.token.expose().to_owned();
                        }
                        match living {
                            true => written += 1,
                            false => refused += 1,
                        }
                        assert!(!living || !was_ended, "it came back");
                    }
                    written
                })
            }
        };
        let client = thread::spawn(client);
        let asking = Arc::clone(&place);
        common::until("the client's first write", async || {
            asking.ids("ada").await.len() == 1
        })
        .await;
        // A rotation that is half done has two records, and both are counted.
        place.run(&["revoke", "ada"]).ended(0, &[" ended."], &[]);
        ended.store(true, Ordering::SeqCst);
        client.join().unwrap();
        assert!(place.ids("ada").await.is_empty());
    }
}

#[tokio::test]
async fn export_prints_all_values_and_asks_first() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        place.sign_in("ada").await;
        place.sign_in("bob").await;
        // No terminal, no values.
        let ran = place.run(&["export", "ada"]);
        ran.ended(2, &[], &["--yes"]);
        assert!(!ran.stdout.contains(SECRET_VALUE));

        let ran = place.run(&["export", "ada", "--yes"]);
        ran.ended(0, &[], &[]);
        let sessions = &ran.json()["sessions"];
        assert_eq!(sessions.as_array().unwrap().len(), 1);
        assert_eq!(sessions[0]["values"]["coat"], SECRET_VALUE);
        assert_eq!(sessions[0]["values"]["visits"], 3);
        assert!(sessions[0].get("unreadable").is_none());
        place.run(&["export", "eve", "--yes"]).ended(1, &[], &[]);
    }
}

// R89
#[tokio::test]
async fn sealed_values_are_named_as_such_and_their_sessions_can_be_ended() {
    let mut place = Place::new("file").await;
    let sealing = Config::builder().seal_values(true);
    let sealing = sealing.public_values(["visits"]).build().unwrap();
    place.sessions = place.sessions.with_config(sealing);
    place.sign_in("ada").await;
    let id = place.ids("ada").await.remove(0);
    place.run(&["list", "ada"]).ended(0, &["sealed"], &[]);
    let ran = place.run(&["show", &id, "--of", "ada"]);
    ran.ended(0, &["sealed values, and public ones (visits)"], &[]);
    let ran = place.run(&["export", "ada", "--yes"]);
    ran.ended(0, &[], &[]);
    assert!(!ran.stdout.contains(SECRET_VALUE));
    assert_eq!(ran.json()["sessions"][0]["sealed"], true);
    assert_eq!(ran.json()["sessions"][0]["values"]["visits"], 3);
    place.run(&["revoke", "ada"]).ended(0, &[], &[]);
    assert!(place.ids("ada").await.is_empty());
}

#[tokio::test]
async fn export_is_whole_for_values_that_json_lacks() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Odd {
        numbers: std::collections::BTreeMap<u8, Option<char>>,
        far: f64,
    }
    let place = Place::new("file").await;
    let odd = || Odd {
        numbers: [(7, Some('x')), (8, None)].into(),
        far: f64::INFINITY,
    };
    let made = place.sessions.with(None, |session| {
        session.insert("odd", odd())?;
        session.insert("large", u64::MAX)?;
        session.sign_in("ada")
    });
    made.await.unwrap();
    let values = place.run(&["export", "ada", "--yes"]).json()["sessions"][0]["values"].clone();
    assert_eq!(values["odd"]["numbers"]["7"], "x");
    assert!(values["odd"]["numbers"]["8"].is_null());
    assert_eq!(values["odd"]["far"], "inf");
    assert_eq!(values["large"], u64::MAX);
}

#[tokio::test]
async fn check_finds_a_good_store_good_and_leaves_nothing_behind() {
    for kind in KINDS {
        let place = Place::new(kind).await;
        let ran = place.run(&["check"]);
        ran.ended(0, &["A load takes", "rights", "list", "clock"], &[]);
        assert!(!ran.stdout.contains("BAD"), "{ran:?}");
        let report = place.run(&["check", "--json"]).json();
        assert_eq!(report["good"], true);
        assert_eq!(report["abilities"]["list"], true);
        assert!(report["load_ms"]["median"].as_f64().unwrap() > 0.0);
        // An expired probe would be swept.
        assert_eq!(place.sweep().await, 0);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn check_finds_a_right_that_is_missing() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new("sqlite").await;
    let path = place.url.strip_prefix("sqlite:").unwrap();
    // Root may write everywhere, so the file says that it is read-only.
    let url = format!("sqlite:{path}?mode=ro");
    let ran = run(&["--store", &url, "check"]);
    ran.ended(4, &["BAD", "create a record"], &[]);
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_ne!(mode & 0o200, 0, "the file itself is writable");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["file:{}/none", "sqlite:{}/none.db"] {
        let url = url.replace("{}", &directory.path().display().to_string());
        for command in [["list", "ada"], ["revoke", "ada"], ["purge", "--dry-run"]] {
            let ran = run(&[&["--store", &*url], &command[..]].concat());
            ran.ended(4, &[], &["check the path"]);
        }
    }
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn each_status_is_the_one_in_the_help() {
    run(&["--help"]).ended(0, &["Exit statuses", "130"], &[]);
    run(&["list", "ada"]).ended(2, &[], &["CLOAKROOM_STORE"]);
    run(&["--store", "memory:", "list", "ada"]).ended(2, &[], &["process"]);
    run(&["frobnicate"]).ended(2, &[], &[]);
    // Nothing listens on port 1.
    let away = ["--store", "redis://127.0.0.1:1/0", "list", "ada"];
    run(&away).ended(3, &[], &["trying again may help"]);
    let ran = run(&[&["--json"], &away[..]].concat());
    ran.ended(3, &[], &[]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["status"], 3);
}

#[test]
fn the_man_page_and_the_completions_have_every_command() {
    let man = run(&["man"]);
    let bash = run(&["completions", "bash"]);
    for command in [
        "check", "list", "show", "stats", "revoke", "end-all", "purge", "migrate", "export",
    ] {
        // roff has its own hyphen.
        man.ended(0, &[&command.replace('-', "\\-")], &[]);
        bash.ended(0, &[command], &[]);
    }
    man.ended(0, &[".TH cloakroom 1", "Exit statuses"], &[]);
}

#[tokio::test]
async fn end_all_ends_the_sessions_of_every_user() {
    for kind in KINDS {
        let mut place = Place::new(kind).await;
        let config =
            cloakroom::Config::builder().end_all_within(std::time::Duration::from_millis(100));
        place.sessions = place.sessions.with_config(config.build().unwrap());
        let tokens = [
            place.sign_in("ada").await,
            place.sign_in("bob").await,
            place.sign_in("cyd").await,
        ];
        let ran = place.run(&["end-all"]);
        ran.ended(2, &[], &["--yes"]);
        place
            .run(&["end-all", "--dry-run"])
            .ended(0, &[], &["Dry run"]);
        for token in &tokens {
            assert!(place.visits(token).await.is_some(), "nothing has ended yet");
        }
        let ran = place.run(&["--json", "end-all", "--yes"]);
        assert_eq!(ran.json()["ended"], "all");
        // Within the lease of this process.
        common::until("the end of all sessions", async || {
            let mut seen = 0;
            for token in &tokens {
                seen += usize::from(place.visits(token).await.is_some());
            }
            seen == 0
        })
        .await;
        place.run(&["list", "ada"]).ended(1, &[], &["No session"]);
        let stats = place.run(&["--json", "stats"]).json();
        assert_eq!(stats["sessions"], 0, "{stats}");
        let newer = place.sign_in("ada").await;
        assert!(place.visits(&newer).await.is_some());
        place.run(&["list", "ada"]).ended(0, &["SIGNED IN"], &[]);
        place.run(&["end-all", "--yes"]).ended(
            0,
            &["All sessions of `__Host-session` ended"],
            &["lease"],
        );
        place.run(&["list", "ada"]).ended(1, &[], &["No session"]);
    }
}
