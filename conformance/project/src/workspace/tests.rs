use super::{LONGEST, Options, Program, STARTING_OTHERS, all, program, summary};
use cloakroom_conformance::Tally;

fn check(line: &str, expected: Option<[usize; 3]>) {
    let expected = expected.map(|[passed, failed, skipped]| Tally {
        passed,
        failed,
        skipped,
    });
    assert_eq!(summary(line), expected, "{line}");
}

#[test]
fn the_summary_of_a_test_program_is_read_and_nothing_else() {
    let end = "0 measured; 0 filtered out; finished in 0.00s";
    check(
        &format!("test result: ok. 3 passed; 0 failed; 1 ignored; {end}"),
        Some([3, 0, 1]),
    );
    check(
        &format!("test result: FAILED. 30 passed; 2 failed; 0 ignored; {end}"),
        Some([30, 2, 0]),
    );
    check("200 passed, 1 failed, 2 skipped", Some([200, 1, 2]));
    check("test result: ok. 3 passed", None);
    check("3 passed, 0 failed", None);
    check("test a_test_result: ok", None);
    check("running 3 tests", None);
    check("", None);
}

#[test]
fn of_what_cargo_builds_the_test_programs_are_read() {
    let artifact = |test: bool, executable: &str| {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{{"name":"suite"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
        )
    };
    let expected = Program {
        executable: "/t/suite-1".into(),
        package: "/a".into(),
        is_suite: true,
    };
    assert_eq!(program(&artifact(true, "\"/t/suite-1\"")), Some(expected));
    assert_eq!(program(&artifact(false, "\"/t/demo\"")), None);
    assert_eq!(program(&artifact(true, "null")), None);
    assert_eq!(
        program(r#"{"reason":"build-finished","success":true}"#),
        None
    );
}

#[test]
fn the_longest_begin_first_then_the_other_suites_and_each_of_them_exists() {
    let turn = |package: &str, executable: &str, is_suite: bool| {
        let program = Program {
            executable: executable.into(),
            package: package.into(),
            is_suite,
        };
        program.turn()
    };
    let turn_of = |longest: &str| {
        let (package, program) = longest.split_once('/').unwrap();
        turn(package, &format!("{program}-0f1"), program == "suite")
    };
    assert_eq!(LONGEST.map(turn_of), std::array::from_fn(|place| place));
    let suite = turn("/a/stores/memory", "/t/suite-0f1", true);
    let other = turn("/a/core", "/t/limits-0f1", false);
    assert!(suite >= LONGEST.len() && other > suite);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for longest in LONGEST.into_iter().chain(STARTING_OTHERS) {
        let (package, program) = longest.split_once('/').unwrap();
        let kinds = ["", "adapters", "stores", "conformance"];
        let packages = kinds.map(|kind| root.join(kind).join(package));
        let tests = packages.map(|package| package.join("tests").join(program));
        let exists = |test: &std::path::PathBuf| {
            test.with_extension("rs").exists() || test.join("main.rs").exists()
        };
        assert!(tests.iter().any(exists), "{longest}");
    }
}

// Suites leave their servers' cases out by themselves.
#[test]
fn whatever_starts_a_server_is_known() {
    const SERVERS: [&str; 7] = [
        "Redis",
        "Postgres",
        "postgres",
        "MariaDb",
        "mysql",
        "MongoDb",
        "Memcached",
    ];
    let starts = |text: &str| {
        let mut used = text
            .split(';')
            .filter_map(|part| part.split_once("use cloakroom_servers::"));
        used.any(|(_, items)| SERVERS.iter().any(|server| items.contains(server)))
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kinds = ["", "adapters", "stores", "conformance"].map(|kind| root.join(kind));
    let entries = |directory: std::path::PathBuf| {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path())
    };
    let name = |path: &std::path::Path| {
        let name = path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut found = Vec::new();
    for package in kinds.into_iter().flat_map(entries) {
        let manifest = std::fs::read_to_string(package.join("Cargo.toml"));
        // Those of a workspace of their own are not built here.
        if manifest.is_ok_and(|manifest| !manifest.contains("[workspace]")) {
            for test in entries(package.join("tests")) {
                let text = std::fs::read_to_string(&test).unwrap_or_default();
                if name(&test) != "suite" && starts(&text) {
                    found.push(format!("{}/{}", name(&package), name(&test)));
                }
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    for test in found {
        assert!(STARTING_OTHERS.contains(&&*test), "{test}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn every_program_is_run_in_its_package_and_counted_and_nothing_outlives_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = tempfile::tempdir().unwrap();
    let scripts = [
        ("passes", "sleep 600 & echo '2 passed, 0 failed, 1 skipped'"),
        ("fails", "echo '1 passed, 3 failed, 0 skipped'; exit 1"),
        ("crashes", "kill -9 $$"),
        ("skips", "echo '0 passed, 0 failed, 7 skipped'; exit 1"),
        (
            "elsewhere",
            "test -f passes && echo '5 passed, 0 failed, 0 skipped'",
        ),
        ("in-memory", "echo \"$TMPDIR passed, 0 failed, 0 skipped\""),
        (
            "speaks-otherwise",
            "printf '\\377\\n4 passed, 0 failed, 0 skipped\\n' >&2",
        ),
    ];
    let programs = scripts.map(|(name, script)| {
        let executable = place.path().join(name);
        std::fs::write(&executable, format!("#!/bin/sh\n{script}\n")).unwrap();
        let permissions = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&executable, permissions).unwrap();
        Program {
            executable,
            package: place.path().to_owned(),
            is_suite: name == "in-memory",
        }
    });
    let missing = Program {
        executable: place.path().join("missing"),
        package: place.path().to_owned(),
        is_suite: false,
    };
    let options = Options {
        files_of_suites: Some(std::path::Path::new("16")),
        ..Options::default()
    };
    let programs = programs.into_iter().chain([missing]).collect();
    let tally = all(programs, &options, |_| {}).await;
    let expected = Tally {
        passed: 2 + 1 + 5 + 4 + 16,
        failed: 3 + 1 + 1,
        skipped: 1 + 7,
    };
    assert_eq!(tally, expected);
}
